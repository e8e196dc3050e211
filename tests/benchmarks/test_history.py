"""Made pasts are pasts: a hub opens on them, and they check like any log."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.harness import Bench
from benchmarks.history import Stamp, Tape, long_log, write
from events.log import EventLog
from events.sessions import EnvelopePosted, SessionClosed, SessionCreated
from hub import DiskKnowledgeStore, Hub, MemoryKnowledgeStore


@pytest.fixture
async def tape() -> Tape:
    return await Tape.record(posts=2)


async def test_a_tape_holds_one_life(tape: Tape) -> None:
    assert len(tape.agents) == 2
    assert isinstance(tape.session[0].body, SessionCreated)
    assert sum(isinstance(event.body, EnvelopePosted) for event in tape.session) == 2
    assert isinstance(tape.closing[0].body, SessionClosed)


async def test_a_hub_opens_on_a_made_past_and_finds_what_was_asked_for(tape: Tape) -> None:
    store = MemoryKnowledgeStore()
    write(store, Stamp(tape, pairs=3).past(closed=5, live=4))
    async with await Hub.open(store, ttl_sweep_interval=0, expectation_sweep_interval=0) as hub:
        health = hub.health()
        assert (health["registered_agents"], health["live_sessions"], health["pending_inbox_total"]) == (6, 4, 0)
        everything = await hub.list_sessions(limit=None)
        assert [session.state.value for session in everything] == ["active"] * 4 + ["closed"] * 5
        assert len({session.session_id for session in everything}) == 9
        assert not list(store.check_indexes())


async def test_stamped_events_have_ids_and_times_of_their_own_and_causes_among_themselves(tape: Tape) -> None:
    store = MemoryKnowledgeStore()
    write(store, Stamp(tape, pairs=1).past(closed=2, live=0))
    events = list(EventLog(store).read())
    ids = [event.id for event in events]
    assert ids == sorted(set(ids))
    assert [event.at_us for event in events] == sorted(event.at_us for event in events)
    assert {event.cause for event in events} - {None} <= set(ids)


async def test_the_shortest_life_has_three_events() -> None:
    tape = await Tape.record_unanswered()
    assert [event.type for event in (*tape.session, *tape.closing)] == [
        "session.created",
        "session.invite_sent",
        "session.closed",
    ]


async def test_a_long_log_has_about_the_length_asked_for_and_is_made_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "tiny")
    folder = await long_log(bench, events=500, live=10)
    assert await long_log(bench, events=500, live=10) == folder
    store = DiskKnowledgeStore(folder)
    assert 480 <= store.head <= 500
    assert not list(store.check_indexes())
    store.close()
