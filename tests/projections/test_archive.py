"""LOG-9: memory follows what is live, and what has left it is folded from the log."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from events.codec import encode
from events.event import Event
from events.log import EventLog
from events.sessions import EnvelopePosted, SessionClosed, SessionExpired
from events.tasks import TaskCompleted, TaskProgressed, TaskStarted
from events.values import SessionMetadata
from hub import MemoryKnowledgeStore
from projections.archive import find_registration, fold_session, fold_task, session_outcome
from projections.inboxes import Pending
from projections.sessions import SessionRecord, Turn
from projections.tasks import TaskRecord
from tests.hub.decisions.story import Story, nth, opened, registered

ALICE, BOB = nth(1), nth(2)
FIRST = 3
EACH = 9


def session(number: int, end: type[Any] = SessionClosed) -> list[Any]:
    """All there is of a session: opened, two envelopes, a task, and its end."""
    session_id = nth(number)
    task_id = f"t-{number}"
    return [
        *opened(number, "discussion", ALICE, BOB),
        EnvelopePosted(session_id, ALICE, "ag2.msg.text", 4, (BOB,)),
        EnvelopePosted(session_id, BOB, "ag2.msg.text", 5, (ALICE,)),
        TaskStarted(task_id, session_id, BOB, 6, "x", None, "title", {"p": 1}),
        TaskCompleted(task_id, session_id, BOB, 7, 5, "x", {"r": 1}),
        end(session_id, 8) if end is SessionExpired else end(session_id, "done", 8),
    ]


def told(count: int) -> Story:
    story = Story().given(registered(1, "alice"), registered(2, "bob"))
    for number in range(count):
        story.given(*session(FIRST + EACH * number))
    return story


def alive() -> dict[type, int]:
    """How many objects of what lives with a session there are."""
    gc.collect()
    kinds = (SessionRecord, SessionMetadata, TaskRecord, Turn)
    counts = dict.fromkeys(kinds, 0)
    for thing in gc.get_objects():
        if type(thing) in counts:
            counts[type(thing)] += 1
    return counts


def test_log_9_nothing_of_an_ended_session_stays_alive() -> None:
    story = told(0)
    before = alive()
    for number in range(100):
        story.given(*session(FIRST + EACH * number))
    after = alive()
    assert after == before
    state = story.state
    assert not state.sessions.live
    assert not state.sessions._by_agent
    assert not state.sessions.created_by
    assert len(state.sessions._manifests) == 1
    assert not state.tasks.open
    assert not state.inboxes._in_session
    assert len(state.inboxes.inboxes[ALICE].released) == 100
    assert type(next(iter(state.inboxes.inboxes[ALICE].released.values()))) is Pending
    assert (len(state.lapses), len(state.expectations)) == (0, 0)


def test_equal_manifests_are_one_object() -> None:
    story = told(0)
    for number in range(3):
        story.given(*session(FIRST + EACH * number)[:-1])
    assert len({id(record.manifest) for record in story.state.sessions.live.values()}) == 1


@pytest.fixture
def log() -> Iterator[EventLog]:
    log = EventLog(MemoryKnowledgeStore())
    log.recorder.open()
    yield log
    log.recorder.close()


def written(log: EventLog, events: list[Event]) -> None:
    log.recorder.append([encode(event) for event in events])


@pytest.mark.parametrize("on_its_way", range(EACH + 1))
@pytest.mark.parametrize("overlap", [0, 3])
def test_log_9_a_session_is_folded_from_the_log_and_from_what_is_on_its_way_there(
    log: EventLog, on_its_way: int, overlap: int
) -> None:
    """Events that have arrived meanwhile are not folded twice."""
    story = told(2)
    split = len(story.events) - on_its_way
    written(log, story.events[:split])
    record = fold_session(log, nth(FIRST + EACH), story.catalogue, story.events[max(0, split - overlap) :])
    assert record is not None
    metadata = record.metadata
    assert (metadata.state, metadata.close_reason, record.sequence) == ("closed", "done", 8)
    assert (record.turn, record.adapter_state.speaker) == (None, ALICE)
    assert set(record.joined_us) == {ALICE, BOB}


def test_a_session_at_a_position_is_the_one_of_then(log: EventLog) -> None:
    story = told(1)
    written(log, story.events)
    states = []
    for until in range(2, len(story.events) + 1):
        record = fold_session(log, nth(FIRST), story.catalogue, until=until)
        states.append(None if record is None else f"{record.metadata.state} {record.sequence}")
    assert states == [
        None,
        "pending 0",
        "pending 1",
        "pending 2",
        "active 3",
        "active 4",
        "active 5",
        "active 6",
        "active 7",
        "closed 8",
    ]


@pytest.mark.parametrize(
    ("end", "outcome"), [(SessionClosed, ("closed", "done")), (SessionExpired, ("expired", "ttl_expired"))]
)
def test_how_a_session_ended(log: EventLog, end: type[Any], outcome: tuple[str, str]) -> None:
    story = told(0).given(*session(FIRST, end))
    written(log, story.events[:-1])
    assert session_outcome(log, nth(FIRST)) is None
    written(log, story.events[-1:])
    assert session_outcome(log, nth(FIRST)) == outcome
    assert session_outcome(log, nth(99)) is None
    assert fold_session(log, nth(99), story.catalogue) is None


def test_a_task_is_what_its_events_tell(log: EventLog) -> None:
    story = told(1)
    started, ended = story.events[-3], story.events[-2]
    progress = [TaskProgressed(f"t-{FIRST}", nth(FIRST), BOB, 7, {"page": n}) for n in (1, 2)]
    written(log, [started, *(started._replace(body=body) for body in progress)])
    task = fold_task(log, f"t-{FIRST}")
    assert task is not None
    assert (task.state, task.progress) == ("running", {"page": 2})
    assert (task.spec.title, task.spec.payload) == ("title", {"p": 1})
    written(log, [ended])
    task = fold_task(log, f"t-{FIRST}")
    assert task is not None
    assert (task.state, task.result, task.latency_ms) == ("completed", {"r": 1}, 0.005)
    assert fold_task(log, "t-0") is None


def test_reg_3_whoever_registered_once_is_found(log: EventLog) -> None:
    written(log, told(1).events)
    found = find_registration(log, BOB)
    assert found is not None
    assert found.body.name == "bob"
    assert find_registration(log, nth(FIRST)) is None
