"""DET-0 to DET-2: time and ids come from outside, are checked, and the same ones give the same bytes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from asyncio.subprocess import PIPE
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from events.codec import encode
from events.event import Event
from events.log import EventLog
from events.stores import LogRecorder
from hub import DiskKnowledgeStore, Hub, HubClient, LocalLink, MemoryKnowledgeStore, Passport, RateBlock, Rule
from hub.ids import SystemIds
from hub.testing import MockClock, ScriptedAgent, SequentialIds, settle
from tests.house.sources import ROOT
from tests.spec.stage import Stage
from tests.support.replaying import assert_equals_replay
from tests.support.scenario import digests, perform, records_of


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (lambda: "2026-01-01T00:00:00", "has no offset, so it could be any time zone; add Z or +00:00"),
        (lambda: "yesterday", "'yesterday' is not an ISO-8601 time such as 2026-01-01T00:00:00Z"),
        (lambda: "", "'' is not an ISO-8601 time"),
        (lambda: None, "None is not an ISO-8601 time"),
        (lambda: 1_767_225_600, "1767225600 is not an ISO-8601 time"),
        (lambda: datetime(2026, 1, 1, tzinfo=UTC), "is not an ISO-8601 time"),
    ],
)
async def test_det_0_a_bad_clock_is_refused_at_open(any_stage: Stage, broken: Any, sentence: str) -> None:
    await refused_at_open(any_stage, sentence, "the hub's clock gave a time", clock=broken)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("A" * 32, "which is not an id: an id is 32 lower-case hex characters"),
        ("0" * 31, "which is not an id"),
        ("g" * 32, "which is not an id"),
        ("0" * 31 + "1\n", "which is not an id"),
        (None, "gave None, which is not an id"),
        (b"0" * 32, "which is not an id"),
        (7, "gave 7, which is not an id"),
    ],
)
async def test_det_0_bad_ids_are_refused_at_open(any_stage: Stage, value: Any, sentence: str) -> None:
    await refused_at_open(any_stage, sentence, "the hub's ids gave", ids=lambda: value)


async def refused_at_open(stage: Stage, sentence: str, who: str, **options: Any) -> None:
    """Refused with a sentence; nothing is written, and the store can be opened by the next."""
    await stage.hub.close()
    with pytest.raises(ValueError) as caught:
        await stage.raise_curtain(**options)
    assert who in str(caught.value)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not stage.store.is_open
    await stage.raise_curtain()
    assert stage.types() == ["hub.opened"] * 2


async def test_det_0_ids_that_do_not_ascend_are_refused_when_they_come(any_stage: Stage) -> None:
    """The command is refused, nothing is written, and the next good id is taken."""
    await any_stage.restart(ids=iter(f"{n:032x}" for n in (10, 10, 9, 11, 12)).__next__)
    position = any_stage.hub.position
    for again in (10, 9):
        with pytest.raises(ValueError, match=rf"gave '0*{again:x}' after '0*a': each id must be above the one before"):
            await any_stage.agents("alice")
    assert any_stage.hub.position == position
    await any_stage.agents("alice")


async def test_det_0_a_clock_that_breaks_later_is_refused_then(any_stage: Stage) -> None:
    times = ["2026-01-01T00:00:00Z"]
    await any_stage.restart(clock=lambda: times[-1])
    times.append("noon")
    position = any_stage.hub.position
    with pytest.raises(ValueError, match="the hub's clock gave a time that cannot be used: 'noon' is not"):
        await any_stage.agents("alice")
    times.append("2026-01-01T00:00:01Z")
    await any_stage.agents("alice")
    assert any_stage.hub.position == position + 1


async def play_in_another_process(seed: int, kind: str, folder: Path, python: str = sys.executable) -> dict[str, Any]:
    command = (python, "-m", "tests.support.scenario", "digests", kind, str(folder / f"{kind}{seed}"))
    env = os.environ | {"PYTHONHASHSEED": str(seed)}
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=env, stdout=PIPE)
    out, _ = await process.communicate()
    found: dict[str, Any] = json.loads(out)
    return found


async def test_det_1_the_same_commands_clock_and_ids_give_the_same_bytes(tmp_path: Path) -> None:
    """On either store, in this process and in two others that hash differently."""
    here = [await digests(MemoryKnowledgeStore()), await digests(DiskKnowledgeStore(tmp_path / "here", "os"))]
    there = [play_in_another_process(seed, kind, tmp_path) for seed, kind in ((1, "memory"), (2, "disk"))]
    found = [*here, *await asyncio.gather(*there)]
    assert [[run[part] for run in found] for part in found[0]] == [[found[0][part]] * 4 for part in found[0]]


@pytest.mark.parametrize("python", ["python3.11", "python3.12", "python3.13", "python3.14"])
async def test_det_1_on_every_python_that_is_at_hand(tmp_path: Path, python: str) -> None:
    found = shutil.which(python)
    if found is None or python.endswith(f".{sys.version_info.minor}"):
        pytest.skip(f"{python} is this one, or is not on PATH")
    check = await asyncio.create_subprocess_exec(found, "-c", "import hub", cwd=ROOT, stderr=PIPE)
    await check.communicate()
    if check.returncode:
        pytest.skip(f"{python} has not the packages that ledgerhub needs")
    here, there = await digests(MemoryKnowledgeStore()), await play_in_another_process(3, "memory", tmp_path, found)
    assert (there["records"], there["state"]) == (here["records"], here["state"])


async def test_det_1_what_agents_do_by_themselves_is_the_same_too(tmp_path: Path) -> None:
    """Connected agents that accept, answer and acknowledge, when all is quiet between the commands.

    In memory to the byte. On disk the writer's thread decides which acknowledgements happen to share an event; all
    else happens in the same order.
    """
    memory = [await network(MemoryKnowledgeStore()) for _ in range(2)]
    disk = await network(DiskKnowledgeStore(tmp_path / "log", "os"))
    assert [encode(event).data for event in memory[0]] == [encode(event).data for event in memory[1]]
    said = [[e.type for e in events if e.type != "inbox.acknowledged"] for events in (memory[0], disk)]
    assert len(said[0]) > 40
    assert said[0] == said[1]


async def network(store: LogRecorder) -> list[Event]:
    hub = await Hub.open(store, clock=MockClock(), ids=SequentialIds())
    client = HubClient(LocalLink(hub))
    alice, *others = [
        await client.register(ScriptedAgent(*[f"{name} {n}" for n in range(9)]), Passport(name=name))
        for name in ("alice", "bob", "carol")
    ]
    for kind, target in (("consulting", "bob"), ("discussion", ["bob", "carol"]), ("consulting", "carol")):
        session = await alice.open(type=kind, target=target)
        await settle(hub)
        await session.send("begin")
        await settle(hub)
    for other in others:
        await other.set_skill("# none")
    await settle(hub)
    events = list(EventLog(store).read())
    await hub.close()
    return events


async def test_det_1_other_ids_give_another_log_of_the_same_shape() -> None:
    """The other direction: with the system's ids two runs differ, and only by what the ids are."""
    runs = []
    for ids in (SystemIds(), SystemIds(), SequentialIds()):
        stage = await perform(MemoryKnowledgeStore(), ids)
        runs.append((stage.types(), records_of(stage), stage.hub.state_digest()))
        await stage.hub.close()
    assert runs[0][0] == runs[1][0] == runs[2][0]
    assert len({digest for *_, digest in runs}) == 3
    assert all(one != other for one, other in zip(runs[0][1], runs[1][1], strict=True))


async def test_det_2_opening_a_log_again_does_not_change_the_digest(any_stage: Stage) -> None:
    alice, bob = await any_stage.agents("alice", "bob")
    session_id = await any_stage.open("discussion", alice, bob)
    await any_stage.say(session_id, alice, "first")
    before = any_stage.hub.state_digest()
    for _ in range(3):
        await any_stage.restart()
        assert any_stage.hub.state_digest() == before
    await any_stage.say(session_id, bob, "second")
    assert any_stage.hub.state_digest() != before


async def test_det_2_asking_changes_nothing(any_stage: Stage) -> None:
    """Neither a read nor a refusal moves a projection: not even past the end of a rate's window."""
    alice, bob = await any_stage.agents("alice", "bob", rule=Rule(rate=RateBlock(envelopes_per_minute=2)))
    session_id = await any_stage.open("conversation", alice, bob)
    await any_stage.say(session_id, alice)
    any_stage.clock.advance(61)
    before, hub = any_stage.hub.state_digest(), any_stage.hub
    assert hub.can_send(session_id, alice)
    assert hub.expected_next(session_id) is None
    assert hub.pending_turns_for(bob) == []
    for read in (
        hub.get_resume(alice),
        hub.list_agents(),
        hub.list_sessions(),
        hub.read_wal(session_id),
        hub.list_tasks(),
    ):
        await read
    assert await hub.audit_log.read_all()
    with pytest.raises(Exception, match="already registered"):
        await any_stage.agents("alice")
    assert hub.state_digest() == before
    assert_equals_replay(hub)


async def test_det_2_a_digest_differs_when_the_state_does(any_stage: Stage) -> None:
    """Every kind of change shows in it."""
    alice, bob = await any_stage.agents("alice", "bob")
    session_id = await any_stage.open("conversation", alice, bob)
    hub, seen = any_stage.hub, {any_stage.hub.state_digest()}
    names = count()

    async def changed() -> None:
        seen.add(hub.state_digest())
        assert len(seen) == next(names) + 2

    sent = await any_stage.say(session_id, alice)
    await changed()
    await hub.acknowledge(bob, sent)
    await changed()
    await hub.set_rule(bob, Rule(rate=RateBlock(envelopes_per_minute=9)))
    await changed()
    await hub.record_observation(bob, "x", "failed")
    await changed()
    await hub.close_session(session_id)
    await changed()
    await hub.unregister(bob)
    await changed()
