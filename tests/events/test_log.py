"""Reading and finding in the log, against the same done the slow way, on both stores (LOG-1, LOG-3)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import accumulate, islice
from typing import Any

import pytest
from eventsourcing.dcb.api import DCBQuery
from hypothesis import given, settings
from hypothesis import strategies as st

from events.agents import AgentUnregistered
from events.codec import encode
from events.errors import StoreError
from events.event import SCHEMAS, Event
from events.log import LINEAR_EVENTS, EventLog, tagged
from events.sessions import EnvelopePosted, SessionOpened
from events.stores import DiskKnowledgeStore, MemoryKnowledgeStore
from tests.support.counting import count_decoded

PEOPLE = ("a" * 32, "b" * 32)
SESSIONS = ("c" * 32, "d" * 32)
Filter = Callable[[Event], bool]


def body_of(number: int, place: int) -> Any:
    """One of a few bodies; a session's sequence ascends with the place in the log."""
    session_id, agent_id = SESSIONS[number & 1], PEOPLE[number >> 1 & 1]
    if number < 4:
        return EnvelopePosted(session_id, agent_id, "ag2.msg.text", place, rest={"text": str(place)})
    return SessionOpened(session_id, place) if number < 6 else AgentUnregistered(agent_id, "x")


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Events as a log holds them: ids ascend, some sharing long prefixes, and time never goes back."""
    kinds = draw(st.lists(st.integers(0, 7), max_size=120))
    steps = draw(st.lists(st.sampled_from([1, 3, 1 << 16, 1 << 90]), min_size=len(kinds), max_size=len(kinds)))
    return [
        Event(body_of(kind, place), f"{number:032x}", place // 3, position=place)
        for place, (kind, number) in enumerate(zip(kinds, accumulate(steps), strict=True), 1)
    ]


FILTERS: dict[str, tuple[DCBQuery | None, Filter]] = {
    "all": (None, lambda e: True),
    "one tag": (tagged(f"session:{SESSIONS[0]}"), lambda e: f"session:{SESSIONS[0]}" in e.tags),
    "two tags": (
        tagged(f"session:{SESSIONS[0]}", f"agent:{PEOPLE[1]}"),
        lambda e: {f"session:{SESSIONS[0]}", f"agent:{PEOPLE[1]}"} <= set(e.tags),
    ),
    "types": (
        tagged(types=(SessionOpened, AgentUnregistered)),
        lambda e: isinstance(e.body, SessionOpened | AgentUnregistered),
    ),
    "a type and a tag": (
        tagged(f"agent:{PEOPLE[0]}", types=(EnvelopePosted,)),
        lambda e: isinstance(e.body, EnvelopePosted) and f"agent:{PEOPLE[0]}" in e.tags,
    ),
    "nothing": (tagged("session:none"), lambda e: False),
}


@contextmanager
def logs(events: list[Event]) -> Iterator[list[EventLog]]:
    """The same history in memory and on disk."""
    with tempfile.TemporaryDirectory() as folder:
        recorders = [MemoryKnowledgeStore(), DiskKnowledgeStore(f"{folder}/log", "os")]
        for recorder in recorders:
            if events:
                recorder.append([encode(event) for event in events])
        yield [EventLog(recorder) for recorder in recorders]
        for recorder in recorders:
            recorder.close()


@settings(max_examples=30)
@given(histories(), st.data())
def test_log_1_reading_is_filtering_in_order_of_position(events: list[Event], data: st.DataObject) -> None:
    query, matches = FILTERS[data.draw(st.sampled_from(sorted(FILTERS)))]
    places = st.integers(0, len(events) + 2)
    after, until, limit = data.draw(places), data.draw(st.none() | places), data.draw(st.none() | places)
    backwards = data.draw(st.booleans())
    chosen = [e for e in events if matches(e) and e.position > after and (until is None or e.position <= until)]
    expected = list(islice(reversed(chosen) if backwards else chosen, limit))
    with logs(events) as both:
        for log in both:
            assert log.head == len(events)
            found = log.read(query, after=after, until=until, limit=limit, backwards=backwards)
            assert list(found) == expected
            assert log.last(query) == next((e for e in reversed(events) if matches(e)), None)
            assert [log.get(p) for p in (after, until or 1)] == [nth(events, after), nth(events, until or 1)]


@settings(max_examples=30)
@given(histories(), st.data())
def test_ids_and_prefixes_are_found_without_an_index(events: list[Event], data: st.DataObject) -> None:
    ids = [event.id for event in events]
    some = data.draw(st.sampled_from(ids)) if ids else "0" * 32
    prefix = some[: data.draw(st.integers(0, 32))]
    absent = f"{int(some, 16) + data.draw(st.integers(-2, 2)) & (1 << 128) - 1:032x}"
    with logs(events) as both:
        for log in both:
            assert list(log.find_prefix(prefix)) == [e for e in events if e.id.startswith(prefix)]
            for event_id in (some, absent, "f" * 32, "", prefix):
                assert log.find(event_id) == next((e for e in events if e.id == event_id), None)


@settings(max_examples=30)
@given(histories(), st.data())
def test_bisecting_is_the_first_that_reaches_the_target(events: list[Event], data: st.DataObject) -> None:
    query, matches = FILTERS[data.draw(st.sampled_from(sorted(FILTERS)))]
    keys: list[tuple[Callable[[Event], int | None], int]] = [
        (lambda e: e.at_us, data.draw(st.integers(-1, len(events) // 3 + 1))),
        (lambda e: getattr(e.body, "sequence", None), data.draw(st.integers(0, len(events) + 2))),
    ]
    with logs(events) as both:
        for log in both:
            for key, target in keys:
                reached = (e.position for e in events if matches(e) and (at := key(e)) is not None and at >= target)
                assert log.bisect(query, key, target) == next(reached, None)


def nth(events: list[Event], position: int) -> Event | None:
    return events[position - 1] if 0 < position <= len(events) else None


@pytest.fixture
def long_log() -> EventLog:
    """5,000 events of two sessions."""
    recorder = MemoryKnowledgeStore()
    recorder.append([encode(Event(body_of(place % 4, place), f"{place:032x}", place)) for place in range(1, 5001)])
    return EventLog(recorder)


def test_trap_62_what_is_found_is_found_with_few_reads(long_log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """O(log n) events are decoded, and reading is lazy: what is not taken is not decoded."""
    decoded = count_decoded(monkeypatch)
    budget = 2 * 13 + 2 * LINEAR_EVENTS
    for cost, act in (
        (budget, lambda: long_log.find(f"{4711:032x}")),
        (budget, lambda: long_log.bisect(tagged(f"session:{SESSIONS[1]}"), lambda e: e.at_us, 3333)),
        (3, lambda: list(islice(long_log.read(), 3))),
        (1, lambda: long_log.last(tagged(f"session:{SESSIONS[0]}"))),
        (1, lambda: long_log.get(2500)),
    ):
        decoded.clear()
        assert act()
        assert 0 < len(decoded) <= cost


def test_content_stays_unread_when_it_is_not_asked_for(long_log: EventLog) -> None:
    said = SCHEMAS[EnvelopePosted].name
    with_text, without = (next(long_log.read(content=content)) for content in (True, False))
    assert (with_text.type, with_text.body.rest, without.body.rest) == (said, {"text": "1"}, {})
    assert with_text.facts == without.facts


def test_a_closed_log_knows_its_head_and_opens_nothing(long_log: EventLog) -> None:
    long_log.close()
    assert long_log.head == 5000
    with pytest.raises(StoreError, match="is closed; open another hub"):
        long_log.get(1)
