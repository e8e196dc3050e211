"""LOG-1 to LOG-4 and LOG-6, as seen through a hub."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from events import merkle
from events.codec import StoredEvent, encode, leaf_bytes, split
from events.errors import StoreLockedError
from events.event import HUB, OPERATOR, Event
from events.log import EventLog
from events.stores import LogRecorder
from events.values.identity import AGENT_ID
from hub import DiskKnowledgeStore, Hub, MemoryKnowledgeStore
from hub.clock import yield_once
from hub.testing import MockClock
from projections.state import HubState
from tests.house.sources import ROOT
from tests.spec.stage import OpenHub, Stage
from tests.support.scenario import perform

WAIT_S = 30.0


@dataclass
class Played:
    """A log with every type of event in it; the hub is closed."""

    hub: Hub
    store: LogRecorder
    events: list[Event]


@pytest.fixture
async def played() -> Played:
    """One play, once through."""
    stage = await perform(MemoryKnowledgeStore())
    events = stage.log()
    await stage.hub.close()
    return Played(stage.hub, stage.store, events)


async def test_log_1_positions_are_gapless_ids_ascend_and_time_never_goes_back(any_stage: Stage) -> None:
    """LOG-1, with a clock that jumps forth and back; trap 57: in more than one notation."""
    times = cycle(["2026-01-01T00:00:09Z", "2026-01-01T00:00:01Z", "2026-01-01T02:00:05+02:00"])
    await any_stage.restart(clock=lambda: next(times))
    alice, bob = await any_stage.agents("alice", "bob")
    session_id = await any_stage.open("conversation", alice, bob)
    for number in range(20):
        await any_stage.say(session_id, alice if number % 3 else bob, str(number))
    events = any_stage.log()
    assert [event.position for event in events] == list(range(1, any_stage.hub.position + 1))
    assert [event.id for event in events] == sorted({event.id for event in events})
    assert [event.at_us for event in events] == sorted(event.at_us for event in events)
    wal = await any_stage.hub.read_wal(session_id)
    assert [e.envelope_id for e in wal] == sorted(e.envelope_id for e in wal)  # ENV-1: with a clock that goes back, too


async def test_log_1_every_event_says_who_and_why(played: Played) -> None:
    seen: set[str] = set()
    for event in played.events:
        assert AGENT_ID.fullmatch(event.id)
        assert event.actor in (HUB, OPERATOR) or AGENT_ID.fullmatch(event.actor)
        assert event.cause is None or event.cause in seen
        assert set(event.facts).isdisjoint(event.content)
        assert event.version == 1
        seen.add(event.id)
    types = {event.type for event in played.events if event.cause is not None}
    assert {"session.closed", "session.opened", "session.invite_sent", "agent.observed"} <= types


async def test_log_2_projections_do_not_depend_on_content(played: Played) -> None:
    """Read with content, without it, and from a log in which all content is erased: one state."""
    erased = MemoryKnowledgeStore()
    records = [encode(event) for event in played.events]
    heads = [r.data[: len(r.data) - len(split(r.data)[1])] for r in records]
    assert any(len(head) < len(record.data) for head, record in zip(heads, records, strict=True))
    erased.append([StoredEvent(r.type, head) for r, head in zip(records, heads, strict=True)])
    folded = [
        HubState(played.hub._catalogue).replay(log.read(content=content)).digest()
        for log in (EventLog(played.store), EventLog(erased))
        for content in (True, False)
    ]
    assert len(set(folded)) == 1
    hub = await Hub.open(erased)
    assert {e.text for s in await hub.list_sessions() for e in await hub.read_wal(s.session_id)} == {""}
    await hub.close()


async def test_log_3_opening_another_hub_on_a_store_is_a_restart(any_stage: Stage) -> None:
    alice, bob = await any_stage.agents("alice", "bob")
    session_id = await any_stage.open("discussion", alice, bob)
    await any_stage.say(session_id, alice, "first")
    before, position = any_stage.hub.state_digest(), any_stage.hub.position
    await any_stage.restart()
    assert (any_stage.hub.state_digest(), any_stage.hub.position) == (before, position + 1)
    assert any_stage.types(after=position) == ["hub.opened"]
    assert any_stage.hub.expected_next(session_id) == bob
    await any_stage.say(session_id, bob, "second")


async def test_trap_17_ids_continue_above_the_log_when_clock_and_ids_begin_anew(any_stage: Stage) -> None:
    alice, bob = await any_stage.agents("alice", "bob")
    session_id = await any_stage.open("conversation", alice, bob)
    last = await any_stage.say(session_id, alice)
    await any_stage.restart(clock=lambda: "1999-01-01T00:00:00Z", ids=iter(f"{n:032x}" for n in range(1000)).__next__)
    assert await any_stage.say(session_id, bob) > last
    await any_stage.restart(ids=None)
    events = any_stage.log()
    assert [event.id for event in events] == sorted({event.id for event in events})


async def test_log_4_commands_in_flight_share_a_commit(
    open_hub: OpenHub, clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred posts that are decided while the writer is at work are written by one or two transactions."""
    store = DiskKnowledgeStore(tmp_path / "log")
    stage = await Stage(open_hub, clock, store).raise_curtain()
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", alice, bob)
    commits, gate = held_commits(store, monkeypatch)
    before = stage.hub.position
    posts = [asyncio.create_task(stage.say(session_id, alice, str(n))) for n in range(100)]
    while stage.hub._state.position < before + 100:
        await yield_once()
    assert stage.hub.position == before  # decided, and not in the log before it is on disk
    gate.set()
    ids = await asyncio.gather(*posts)
    assert stage.hub.position == before + 100
    assert [event.id for event in stage.log(before)] == ids
    assert len(commits) <= 2


def held_commits(store: DiskKnowledgeStore, monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], threading.Event]:
    """Hold the store's write transactions back until the gate is open, and count them."""
    environment, gate, commits = store._environment, threading.Event(), []
    assert environment is not None
    write = environment.write

    def held(work: Callable[[Any], Any], limit: int | None) -> Any:
        assert gate.wait(WAIT_S)
        commits.append(1)
        return write(work, limit)

    monkeypatch.setattr(environment, "write", held)
    return commits, gate


async def refused(opening: Awaitable[Hub]) -> StoreLockedError:
    with pytest.raises(StoreLockedError) as caught:
        await opening
    assert caught.value.code == "store_locked"
    assert "\n" not in str(caught.value)
    return caught.value


async def test_log_4_a_second_hub_of_the_same_process_is_refused(any_stage: Stage, tmp_path: Path) -> None:
    """On the same store object, and on another one of the same folder; the first goes on."""
    assert (await refused(Hub.open(any_stage.store))).pid == os.getpid()
    if isinstance(any_stage.store, DiskKnowledgeStore):
        error = await refused(Hub.open(DiskKnowledgeStore(any_stage.store.path)))
        assert error.pid == os.getpid()
        assert f"is written by process {os.getpid()}" in str(error)
    await any_stage.agents("alice")
    await any_stage.restart()
    assert any_stage.hub.find_agent_id("alice")


HOLDER = """
import asyncio, sys
from hub import DiskKnowledgeStore, Hub, Passport

async def hold(path):
    hub = await Hub.open(DiskKnowledgeStore(path))
    print((await hub.register_identity(Passport(name="alice"))).agent_id, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print((await hub.register_identity(Passport(name="bob"))).agent_id, flush=True)
    await asyncio.to_thread(sys.stdin.readline)

asyncio.run(hold(sys.argv[1]))
"""


async def test_log_4_a_second_hub_of_another_process_is_refused_by_pid_and_readers_are_not(tmp_path: Path) -> None:
    command = (sys.executable, "-c", HOLDER, str(tmp_path / "log"))
    holder = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=PIPE, stdout=PIPE)
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        alice = (await holder.stdout.readline()).decode().strip()
        assert (await refused(Hub.open(DiskKnowledgeStore(tmp_path / "log")))).pid == holder.pid
        reader = DiskKnowledgeStore(tmp_path / "log")
        reader.open(readonly=True)
        assert EventLog(reader).find(alice)
        holder.stdin.write(b"\n")
        bob = (await holder.stdout.readline()).decode().strip()
        assert EventLog(reader).find(bob)  # while it is written
        reader.close()
    finally:
        holder.kill()
        await holder.wait()
    hub = await Hub.open(DiskKnowledgeStore(tmp_path / "log"))  # the dead hold no lock
    assert [hub.find_agent_id(name) for name in ("alice", "bob")] == [alice, bob]
    await hub.close()


async def test_log_6_every_event_is_a_leaf_that_can_be_proved(any_stage: Stage) -> None:
    alice, bob = await any_stage.agents("alice", "bob")
    session_id = await any_stage.open("conversation", alice, bob)
    old, old_root = any_stage.hub.position, any_stage.store.root()
    for number in range(30):
        await any_stage.say(session_id, alice, str(number))
    store, size = any_stage.store, any_stage.hub.position
    leaves = [merkle.leaf_hash(leaf_bytes(encode(event).data)) for event in any_stage.log()]
    assert list(store.leaf_hashes()) == leaves
    assert store.root() == merkle.root_of(leaves)
    for position in (1, old, old + 1, size):
        proof = store.inclusion_proof(position)
        assert merkle.verify_inclusion(leaves[position - 1], position - 1, size, proof, store.root())
        assert not merkle.verify_inclusion(leaves[position % size], position - 1, size, proof, store.root())
    assert merkle.verify_consistency(old, size, old_root, store.root(), store.consistency_proof(old))
    assert list(store.check_indexes()) == []
