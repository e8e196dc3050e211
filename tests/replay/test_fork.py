"""Time travel as a library: a hub that goes on from any point, and the commands behind a log."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from events.errors import NotFoundError, ProtocolError
from events.event import Event
from events.stores import ForkRecorder, LmdbRecorder
from hub import Envelope, Hub, Passport
from hub.loading import save_checkpoint
from hub.testing import MockClock, settle
from replay import History, QuestionError
from replay.commands import commands
from tests.support.replaying import assert_equals_replay


@pytest.fixture
def night(flood_path: Path) -> Iterator[History]:
    """The log of a flood, open."""
    with History.open(flood_path) as history:
        yield history


@pytest.fixture
async def hub(night: History) -> AsyncIterator[Hub]:
    """A hub that goes on from the middle of the flood."""
    async with await night.fork("@30") as forked:
        yield forked


def of_flood(night: History) -> str:
    return night.session_id("@15")


async def test_a_fork_is_the_hub_as_it_was_at_any_point(night: History) -> None:
    for point in range(0, night.head + 1, 4):
        async with await night.fork(point) as forked:
            assert_equals_replay(forked)
            opened = forked.position - 1
            assert opened >= point
            assert forked._state.registry.names == night.at(opened).registry.names
            assert list(forked.store.check_indexes()) == []


async def test_a_fork_goes_on_and_the_log_stays(hub: Hub, night: History) -> None:
    before, root = list(night.events()), night.evidence().root
    session_id, mallory, dave = of_flood(night), hub.find_agent_id("mallory"), hub.find_agent_id("dave")
    assert mallory is not None
    assert dave is not None
    depth = hub.inbox_depth(dave)
    envelope_id = await hub.post_envelope(Envelope(session_id, mallory, event_data={"text": "another way"}))
    assert hub.inbox_depth(dave) == depth + 1
    await hub.close_session(session_id, "enough")
    assert (await hub.get_session(session_id)).close_reason == "enough"
    with pytest.raises(ProtocolError, match="is closed"):
        await hub.post_envelope(Envelope(session_id, mallory))
    assert (list(night.events()), night.evidence().root) == (before, root)
    assert night.log.find(envelope_id) is None
    assert_equals_replay(hub)


async def test_reads_go_across_the_place(hub: Hub, night: History) -> None:
    session_id = of_flood(night)
    recorded = [envelope for event, envelope in night.wal("@15") if event.position <= 30]
    await hub.close_session(session_id, "enough")
    wal = await hub.read_wal(session_id)
    assert wal[:-1] == recorded
    assert await hub.read_wal(session_id, since=len(recorded) - 2) == wal[-3:]
    kinds = [record["kind"] for record in await hub.audit_log.read_all()]
    assert (kinds.count("agent_registered"), kinds.count("session_closed")) == (5, 1)
    assert [a.name for a in await hub.list_agents()] == ["alice", "bob", "carol", "dave", "mallory"]
    assert len(await hub.list_sessions(state="closed")) == 1


async def test_time_stands_at_the_point_until_it_is_told_to_pass(hub: Hub, night: History) -> None:
    session_id, clock = of_flood(night), hub.clock
    assert isinstance(clock, MockClock)
    assert clock() == "2026-01-01T00:00:10Z"
    clock.advance(3600)
    await settle(hub)
    await hub.expire_due()
    assert (await hub.get_session(session_id)).state == "expired"


async def test_a_handshake_goes_on(night: History) -> None:
    pending = next(event for event in night.events() if event.type == "session.created")
    async with await night.fork(pending.position) as forked:
        assert forked.position == pending.position + 2, "the invite is of the same append"
        (session,) = await forked.list_sessions(state="pending")
        accept = Envelope(session.session_id, session.pending_acks[0], event_type="ag2.session.invite.ack")
        await forked.post_envelope(accept)
        assert (await forked.get_session(session.session_id)).state == "active"


async def test_new_agents_and_sessions_get_ids_above_the_logs(hub: Hub, night: History) -> None:
    erin = await hub.register_identity(Passport("erin"))
    last = night.log.get(30)
    assert last is not None
    assert erin.agent_id > last.id
    with pytest.raises(NotFoundError):
        await hub.get_agent("frank")


async def test_options_are_those_of_a_hub(night: History) -> None:
    clock = MockClock("2027-01-01T00:00:00Z")
    async with await night.fork("@30", clock=clock, ttl_sweep_interval=0) as forked:
        assert forked.clock is clock
        await forked.expire_due()
        assert await forked.list_sessions(state="active") == []


async def test_forks_do_not_know_each_other(night: History) -> None:
    async with await night.fork("@30") as one, await night.fork("@30") as other:
        await one.close_session(of_flood(night), "in one")
        assert (await other.get_session(of_flood(night))).state == "active"
        assert one.store.origin != other.store.origin


async def test_a_fork_starts_from_the_nearest_checkpoint(
    flood_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with History.open(shutil.copytree(flood_path, tmp_path / "log")) as copied:
        save_checkpoint(copied.log, copied.at("@25"), copied.catalogue)
        folder = tmp_path / "log" / "checkpoints"
        kept = sorted(path.name for path in folder.iterdir())
        read: list[int] = []
        rows = LmdbRecorder._rows

        def counting(recorder: LmdbRecorder, *asked: Any) -> list[tuple[int, bytes]]:
            found = rows(recorder, *asked)
            read.extend(position for position, _ in found)
            return found

        monkeypatch.setattr(LmdbRecorder, "_rows", counting)
        monkeypatch.delenv("LEDGERHUB_PARANOID", raising=False)
        async with await copied.fork("@30") as forked:
            assert forked.position == 31
            assert sorted({position for position in read if position <= 30}) == [26, 27, 28, 29, 30]
        assert sorted(path.name for path in folder.iterdir()) == kept, "a fork writes nothing"


async def test_a_point_that_is_none_is_refused(night: History) -> None:
    with pytest.raises(QuestionError, match="ends at @"):
        await night.fork("@99999")


async def test_a_fork_of_the_beginning_is_an_empty_hub(night: History) -> None:
    async with await night.fork(0) as forked:
        assert (forked.position, await forked.list_agents()) == (1, [])
        assert isinstance(forked.store, ForkRecorder)


# Commands.


def test_a_history_gives_the_commands_behind_it(night: History) -> None:
    found = [(type(recorded.command), recorded.events) for recorded in night.commands()]
    assert found == [(type(recorded.command), recorded.events) for recorded in commands(night.log.read())]


def test_of_one_session_the_commands_that_its_events_tell_of(night: History) -> None:
    found = list(night.commands(session="@11"))
    names = [type(recorded.command).__name__ for recorded in found]
    posts = [event.position for event in night.events() if _of(event, night.session_id("@11"))]
    assert names[:2] == ["CreateSession", "AnswerInvite"]
    assert names[-1] == "Lapse"
    assert names.count("Acknowledge") == 3, "of bob's answers, by mallory"
    assert [p for r in found for e in r.events if (p := e.position) in posts] == posts


def _of(event: Event, session_id: str) -> bool:
    return getattr(event.body, "session_id", None) == session_id


def test_a_ttl_that_the_rule_gave_is_not_asked_for_in_one_session_either(night: History) -> None:
    created = next(iter(night.commands(session="@11"))).command
    assert created.ttl is None


def test_there_is_no_such_session(night: History) -> None:
    with pytest.raises(QuestionError, match="no session's id begins"):
        list(night.commands(session="abcdef"))
