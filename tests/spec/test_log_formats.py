"""LOG-7: logs of every released format are opened, folded, verified and written on by today's code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest

from events.agents import AgentUnregistered
from events.codec import StoredEvent, encode, event_of, split
from events.errors import CorruptLogError, StoreError
from events.event import BODIES, Event
from events.stores import DiskKnowledgeStore, LogRecorder, MemoryKnowledgeStore
from events.stores.lmdb_chunks import key_of, pack
from hub import Hub
from hub.testing import MockClock
from tests.spec.stage import OpenHub, Stage
from tests.support.scenario import ORIGIN

GOLDEN = sorted(Path(__file__).parents[1].glob("golden/format-*/log.json"))
AFTERWARDS = "2026-02-01T00:00:00Z"


@pytest.fixture(params=GOLDEN, ids=lambda path: path.parent.name)
def golden(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A released log as JSON: its records, and what was seen in it then."""
    found: dict[str, Any] = json.loads(request.param.read_text("utf-8"))
    return found


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, golden: dict[str, Any], tmp_path: Path) -> Iterator[LogRecorder]:
    """A store that holds the golden log."""
    store: LogRecorder = MemoryKnowledgeStore(new_origin=lambda: ORIGIN)
    if request.param == "disk":
        store = DiskKnowledgeStore(tmp_path / "log", "os", new_origin=lambda: ORIGIN)
    records = [bytes.fromhex(record) for record in golden["records"]]
    store.append([event_of(record, position, store.path) for position, record in enumerate(records, 1)])
    yield store
    store.close()


def test_there_is_a_golden_log_with_every_type_of_event() -> None:
    assert [path.parent.name for path in GOLDEN] == ["format-1"]
    records = [bytes.fromhex(record) for record in json.loads(GOLDEN[0].read_text("utf-8"))["records"]]
    assert {event_of(record, 1, "").type for record in records} == set(BODIES)


async def test_log_7_an_old_log_is_opened_and_shows_what_it_showed(
    golden: dict[str, Any], store: LogRecorder, open_hub: OpenHub
) -> None:
    assert store.root().hex() == golden["root"]
    assert list(store.check_indexes()) == []
    hub = await open_hub(store, clock=MockClock(AFTERWARDS))
    sessions = await hub.list_sessions(limit=None)
    assert {s.session_id: [s.state, s.close_reason] for s in sessions} == golden["states"]
    for session_id, wal in golden["wal"].items():
        assert [e.to_dict() for e in await hub.read_wal(session_id)] == wal
    audit = await hub.audit_log.read_all()
    assert json.loads(json.dumps(audit)) == golden["audit"]
    assert {name: hub.inbox_depth(hub.find_agent_id(name) or "") for name in golden["inboxes"]} == golden["inboxes"]


async def test_log_7_an_old_log_is_written_on(golden: dict[str, Any], store: LogRecorder, open_hub: OpenHub) -> None:
    clock = MockClock(AFTERWARDS)
    stage = await Stage(open_hub, clock, store).raise_curtain(clock=clock)
    hub, size = stage.hub, len(golden["records"])
    live = next(
        s for s in await hub.list_sessions(limit=None) if s.state == "active" and s.manifest.type != "discussion"
    )
    await stage.say(live.session_id, live.creator_id, "and on")
    await stage.agents("dave")
    await stage.wait(10)
    await stage.restart(clock=clock)
    assert [encode(event).data.hex() for event in stage.log()][:size] == golden["records"]
    assert store.root(size).hex() == golden["root"]
    assert (await stage.wal(live.session_id))[-2:] == ["msg.text", "session.expired"]  # its TTL was over long ago
    assert stage.hub.find_agent_id("dave")
    assert list(store.check_indexes()) == []


GONE = encode(Event(AgentUnregistered("a" * 32, "alice"), "f" * 32, 1)).data


def newer() -> bytes:
    """A record that a later ledgerhub would write: the type has a new version, and that has a new field."""
    head = msgpack.unpackb(split(GONE)[0])
    head[0], head[5]["mourned_by"] = 2, 17
    packed: bytes = msgpack.packb(head)
    return GONE[:2] + len(packed).to_bytes(4, "big") + packed


def plant(store: LogRecorder, record: bytes) -> None:
    """Append a record that today's code would not write."""
    position = store.append([StoredEvent("agent.unregistered", GONE)])
    leaf = store.leaf_hash(position)
    if isinstance(store, MemoryKnowledgeStore):
        store._records[-1] = record
    elif isinstance(store, DiskKnowledgeStore) and (environment := store._environment) is not None:
        chunk = pack([record], [leaf])
        environment.write(lambda txn: txn.put(key_of(position), chunk, db=environment.dbs.events), None)


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (newer(), "event 2 is agent.unregistered version 2; this ledgerhub knows versions up to 1"),
        (
            b"\x09" + GONE[1:],
            "event 2 is in record format 9; this ledgerhub reads format 1",
        ),
        (
            b"\x01\xee" + GONE[2:],
            "event 2 has the type number 238, which this ledgerhub",
        ),
    ],
    ids=["version", "record format", "type"],
)
async def test_trap_11_log_7_a_newer_writers_log_is_refused_by_name(
    any_stage: Stage, record: bytes, sentence: str
) -> None:
    """A clear refusal at opening that names what is newer; nothing is guessed, nothing is locked or changed."""
    await any_stage.hub.close()
    store = any_stage.store
    plant(store, record)
    root = store.root()
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            await Hub.open(store)
        assert sentence in str(caught.value)
        assert "newer ledgerhub" in str(caught.value)
        assert not isinstance(caught.value, CorruptLogError)
        assert not store.is_open
    assert (store.root(), store.head) == (root, 2)
