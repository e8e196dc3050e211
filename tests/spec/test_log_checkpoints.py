"""LOG-8 and LOG-9: what opening costs, what memory holds, and that neither changes what is so. Traps 9, 62, 63."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest

from events.codec import canonical
from events.errors import ProtocolError
from events.stores import DiskKnowledgeStore
from hub import (
    AdapterResult,
    Envelope,
    Expectation,
    Hub,
    Passport,
    SessionAdapter,
    SessionManifest,
    SessionMetadata,
    TaskSpec,
)
from hub.protocols.base import NoState
from hub.testing import MockClock
from projections import snapshots
from projections.sessions import SessionRecord
from tests.spec.stage import OpenHub, Stage
from tests.support.counting import count_decoded

CLOSE = Hub.close
"""As it is; in the tests it is wrapped in a check that dumps the state."""


@pytest.fixture
async def stage(open_hub: OpenHub, clock: MockClock, tmp_path: Path) -> Stage:
    """A hub on disk with something of everything that a checkpoint keeps."""
    stage = await Stage(open_hub, clock, DiskKnowledgeStore(tmp_path / "log", "os")).raise_curtain()
    alice, bob, carol = await stage.agents("alice", "bob", "carol")
    talk = await stage.open("conversation", alice, bob)
    for number in range(40):
        await stage.say(talk, alice if number % 4 else bob, str(number), idempotency_key=str(number))
    await stage.open("discussion", bob, alice, carol, knobs={"ordering": "round_robin"}, labels={"k": "v"})
    await stage.hub.observe_task(talk, bob, TaskSpec("t", "answers"), task_id="t1")
    await stage.hub.observe_task(talk, alice, TaskSpec("t"), task_id="t2")
    await stage.hub.update_task("t1", "completed")
    _, opening = await stage.invite("consulting", alice, carol)
    opening.add_done_callback(lambda opening: opening.exception())  # closed with the hub, or timed out
    await stage.wait(121)
    return stage


def checkpoints(stage: Stage) -> list[Path]:
    """All that are kept, whole ones and changes, oldest first."""
    return sorted((Path(stage.store.path) / "checkpoints").iterdir(), key=lambda path: path.stem)


async def reopened(stage: Stage, monkeypatch: pytest.MonkeyPatch, **options: Any) -> int:
    """Open the next hub on a closed one's log; how many events were decoded for it."""
    with monkeypatch.context() as patch:
        decoded = count_decoded(patch)
        await stage.raise_curtain(**options)
        return len(decoded)


async def test_trap_63_log_8_opening_costs_what_came_since_the_checkpoint(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = stage.hub.state_digest()
    await stage.hub.close()
    assert await reopened(stage, monkeypatch) == 0
    assert stage.hub.state_digest() == digest
    size = stage.hub.position
    await stage.agents("dave", "erin")
    digest = stage.hub.state_digest()
    await stage.hub.close()
    checkpoints(stage)[-1].unlink()
    assert await reopened(stage, monkeypatch) == stage.hub.position - size  # the one before it serves
    assert stage.hub.state_digest() == digest


def rewritten(path: Path, change: Callable[[Any], Any]) -> None:
    """A checkpoint whose checksum is right and whose content is another."""
    payload = msgpack.packb(change(msgpack.unpackb(path.read_bytes()[40:])))
    path.write_bytes(snapshots.MAGIC + hashlib.sha256(payload).digest() + payload)


def cut(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def replaced_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "deleted": Path.unlink,
    "emptied": lambda path: cut(path, 0),
    "cut short": lambda path: cut(path, path.stat().st_size - 1),
    "cut in its header": lambda path: cut(path, 20),
    "one bit of its magic": lambda path: flip(path, 0),
    "one bit of its checksum": lambda path: flip(path, 9),
    "one bit of its content": lambda path: flip(path, 500),
    "a folder in its place": replaced_by_a_folder,
    "of other code": lambda path: rewritten(path, lambda found: found | {"fingerprint": "0" * 16}),
    "of another log": lambda path: rewritten(path, lambda found: found | {"origin": "0" * 32}),
    "of a log that went another way": lambda path: rewritten(path, lambda found: found | {"leaf": bytes(32)}),
    "of another position": lambda path: rewritten(path, lambda found: found | {"position": found["position"] - 1}),
    "of a longer log": lambda path: rewritten(path, lambda found: found | {"position": 1 << 40}),
    "with a part missing": lambda path: rewritten(path, lambda found: found | {"state": {}}),
    "with parts of another shape": lambda path: rewritten(
        path, lambda found: found | {"state": {name: [1] for name in found["state"]}}
    ),
    "of no shape at all": lambda path: rewritten(path, lambda found: [1, 2]),
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_log_8_a_damaged_checkpoint_costs_time_and_changes_nothing(
    stage: Stage, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, position = stage.hub.state_digest(), stage.hub.position
    await stage.hub.close()
    for path in checkpoints(stage):
        DAMAGE[damage](path)
    assert await reopened(stage, monkeypatch) == position
    assert stage.hub.state_digest() == digest
    assert stage.hub.position == position + 1
    await stage.agents("dave")
    for path in checkpoints(stage):
        shutil.rmtree(path, ignore_errors=True)


async def test_log_8_checkpoints_of_another_log_are_passed_over(
    stage: Stage, open_hub: OpenHub, clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copied from one log to the other, which has as many events."""
    other = await Stage(open_hub, clock, DiskKnowledgeStore(tmp_path / "other", "os")).raise_curtain()
    while other.hub.position < stage.hub.position:
        await other.agents(f"agent{other.hub.position}")
    digest, size = other.hub.state_digest(), other.hub.position
    for one in (stage, other):
        await one.hub.close()
    shutil.rmtree(tmp_path / "other" / "checkpoints")
    shutil.copytree(tmp_path / "log" / "checkpoints", tmp_path / "other" / "checkpoints")
    assert await reopened(other, monkeypatch) == size
    assert other.hub.state_digest() == digest


async def test_log_8_a_hub_with_other_session_types_does_not_use_the_checkpoint(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, size = stage.hub.state_digest(), stage.hub.position
    await stage.hub.close()
    assert await reopened(stage, monkeypatch, register_default_adapters=False) == size
    await stage.hub.close()
    await stage.raise_curtain()
    assert stage.hub.state_digest() == digest


async def test_log_8_a_checkpoint_that_cannot_be_written_is_told_of_and_harms_nothing(stage: Stage) -> None:
    shutil.rmtree(Path(stage.store.path) / "checkpoints", ignore_errors=True)
    (Path(stage.store.path) / "checkpoints").write_text("in the way")
    digest = stage.hub.state_digest()
    await stage.hub.close()
    assert [type(error) for error in stage.heard.errors] == [FileExistsError]
    await stage.raise_curtain()
    assert stage.hub.state_digest() == digest


async def test_trap_63_a_hub_that_is_never_quiet_and_never_closed_has_checkpoints_too(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under load the state is ahead of the disk all the time; and lives that are short add up."""
    monkeypatch.setattr("hub.checkpointing.CHECKPOINT_EVENTS", 200)
    alice, bob = (stage.hub.find_agent_id(name) or "" for name in ("alice", "bob"))
    session_id = await stage.open("conversation", alice, bob)

    async def chatter(stage: Stage, count: int) -> None:
        for number in range(count):
            await stage.say(session_id, alice, str(number))

    await asyncio.gather(*(chatter(stage, 60) for _ in range(4)))
    assert len(checkpoints(stage)) == 1
    for life in range(5):  # each begins on what a crash of the one before leaves: a copy that nobody closed
        shutil.copytree(stage.store.path, tmp_path / str(life))
        stage = Stage(stage._open_hub, stage.clock, DiskKnowledgeStore(tmp_path / str(life), "os"))
        assert await reopened(stage, monkeypatch) < 200 + 90
        await chatter(stage, 80)
    assert len(checkpoints(stage)) > 2


async def test_log_8_few_checkpoints_are_kept(stage: Stage) -> None:
    for number in range(20):
        await stage.agents(f"agent{number}")
        await stage.restart()
    kept = checkpoints(stage)
    assert len([path for path in kept if path.suffix == snapshots.WHOLE]) <= snapshots.KEPT
    assert len(kept) < 20
    assert int(kept[-1].stem) == stage.hub.position - 1


async def test_trap_62_a_post_costs_the_same_however_long_the_session_is(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the log is read for a post; reading the newest slice reads that slice."""
    alice, bob = (stage.hub.find_agent_id(name) or "" for name in ("alice", "bob"))
    session_id = await stage.open("conversation", alice, bob)
    decoded = count_decoded(monkeypatch)
    await stage.restart()
    decoded.clear()
    last = ""
    for number in range(300):
        last = await stage.say(session_id, (alice, bob)[number % 2], "x", causation_id=last or None)
    assert decoded == []
    assert len(await stage.hub.read_wal(session_id, 290, 300)) == 10
    assert len(decoded) < 150


async def test_log_9_ended_sessions_leave_memory_and_are_folded_on_demand(stage: Stage) -> None:
    alice, bob = (stage.hub.find_agent_id(name) or "" for name in ("alice", "bob"))
    before, live = size_of(stage), stage.hub.health()["live_sessions"]
    shown: dict[str, SessionMetadata] = {}
    for number in range(50):
        session_id = await stage.open("consulting", alice, bob, labels={"n": str(number)})
        question = await stage.say(session_id, alice, "?", idempotency_key="k")
        shown[session_id] = await stage.hub.get_session(session_id)
        await stage.hub.acknowledge(alice, await stage.say(session_id, bob, "!"))
        assert await stage.say(session_id, alice, "?", idempotency_key="k") == question  # ENV-4 after the end, too
    assert stage.hub.health()["live_sessions"] == live
    assert size_of(stage) <= before + 200
    gc.collect()
    records = [r for r in gc.get_objects() if isinstance(r, SessionRecord) and r.session_id in shown]
    assert records == []
    for session_id, metadata in shown.items():
        ended = await stage.hub.get_session(session_id)
        assert (ended.state, ended.close_reason) == ("closed", "consulting_complete")
        assert (ended.labels, ended.participants) == (metadata.labels, metadata.participants)
        assert len(await stage.hub.read_wal(session_id)) == 6
    assert len(await stage.hub.list_sessions(state="closed", limit=None)) == 51


def size_of(stage: Stage) -> int:
    """Bytes of what is remembered, but the last minute's rates."""
    return len(canonical({name: part for name, part in stage.hub._state.dump().items() if name != "rates"}))


class Fickle(SessionAdapter):
    """A session type that asks for an evaluator, and whose state cannot be kept once it says so."""

    manifest = SessionManifest(type="fickle", expectations=[Expectation(name="odd", params={"seconds": 1})])
    state_type = NoState
    keeps = True

    def on_accepted(self, metadata: SessionMetadata, envelope: Envelope, state: Any) -> AdapterResult:
        return AdapterResult()

    def dump_state(self, state: Any) -> Any:
        if not self.keeps:
            raise TypeError("this state cannot be kept")
        return super().dump_state(state)


class Odd:
    """An evaluator that finds nothing."""

    name = "odd"

    def evaluate(self, expectation: Expectation, context: Any) -> None:
        return None


def knows_fickle(hub: Hub) -> Fickle:
    adapter = Fickle()
    hub.register_expectation_evaluator(Odd())
    hub.register_adapter(adapter)
    return adapter


async def test_trap_09_a_session_of_an_unknown_type_is_dormant_and_the_rest_runs(any_stage: Stage) -> None:
    """SESS-9: with its adapter and its evaluator gone, the hub opens; the session is listed and readable."""
    knows_fickle(any_stage.hub)
    alice, bob = await any_stage.agents("alice", "bob")
    odd, plain = [await any_stage.open(kind, alice, bob) for kind in ("fickle", "conversation")]
    await any_stage.say(odd, alice, "before")
    await any_stage.restart()
    assert [s.session_id for s in await any_stage.hub.list_sessions()] == [odd, plain]
    assert (await any_stage.wal(odd))[-1] == "msg.text"
    await any_stage.say(plain, alice)
    with pytest.raises(ProtocolError, match="no registered adapter"):
        await any_stage.say(odd, bob, "too early")
    await any_stage.wait(10)
    await any_stage.restart()
    knows_fickle(any_stage.hub)
    await any_stage.say(odd, bob, "after")
    assert [e.text for e in await any_stage.hub.read_wal(odd) if e.text] == ["before", "after"]


async def test_log_8_a_state_that_cannot_be_kept_does_not_keep_the_hub_from_closing(stage: Stage) -> None:
    adapter = knows_fickle(stage.hub)
    alice, bob = await stage.agents("dave", "erin")
    await stage.open("fickle", alice, bob)
    adapter.keeps = False
    await CLOSE(stage.hub)
    assert not stage.store.is_open
    assert [str(error) for error in stage.heard.errors] == ["this state cannot be kept"]
    hub = await Hub.open(stage.store)
    assert hub.find_agent_id("dave") == alice
    await hub.register_identity(Passport(name="frank"))
    await hub.close()
