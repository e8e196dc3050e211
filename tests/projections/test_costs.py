"""What folding costs, counted and not timed: plans, envelopes and snapshots made, and memory that stays."""

from __future__ import annotations

import gc
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from events.event import Event
from events.sessions import EnvelopePosted, InboxAcknowledged, SessionClosed
from events.values.session import SessionMetadata
from hub.catalogue import Catalogue
from hub.protocols import default_adapters
from projections.sessions import SessionRecord
from projections.state import HubState
from projections.wal import posted_envelope
from tests.hub.decisions.story import Story, nth
from tests.hub.decisions.world import ALICE, BOB, TALK, world


class Counting(Catalogue):
    """The built-in session types; counts the deadlines that are computed."""

    def __init__(self) -> None:
        super().__init__()
        self.planned = 0
        for adapter in default_adapters():
            self.register_adapter(adapter)

    def next_deadline_us(self, record: SessionRecord) -> int | None:
        self.planned += 1
        return super().next_deadline_us(record)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many envelopes and snapshots were made for folds."""
    counts: Counter[str] = Counter()

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*args: Any, **options: Any) -> Any:
            counts[name] += 1
            return function(*args, **options)

        return counting

    monkeypatch.setattr("projections.sessions.posted_envelope", counted("envelope", posted_envelope))
    monkeypatch.setattr(SessionMetadata, "trusted", counted("metadata", SessionMetadata.trusted))
    return counts


def said(story: Story, count: int) -> Iterator[Event]:
    """Alice talks to Bob, who acknowledges each word; a second goes by between them."""
    state = story.state
    position, sequence, at_us = state.position, state.sessions.live[TALK].sequence, state.at_us
    for _ in range(count):
        position, sequence, at_us = position + 1, sequence + 1, at_us + 1_000_000
        body = EnvelopePosted(TALK, ALICE, "ag2.msg.text", sequence, (BOB,))
        yield Event(body, nth(position), at_us, ALICE, None, position)
        position += 1
        yield Event(InboxAcknowledged((BOB,), (nth(position - 1),)), nth(position), at_us, BOB, None, position)


def test_gov_4_a_replay_plans_each_session_once_and_only_those_that_live(made: Counter[str]) -> None:
    story = world()
    catalogue = Counting()
    state = HubState(catalogue).replay(story.events)
    assert catalogue.planned == len(state.sessions.live) > 1
    catalogue.planned = 0
    made.clear()
    state.replay(said(story, 500))
    assert catalogue.planned <= len(state.sessions.live)
    assert made == {}, "a conversation's fold needs neither an envelope nor a snapshot"


def test_gov_4_a_post_that_postpones_a_deadline_computes_none(made: Counter[str]) -> None:
    story = world()
    catalogue = Counting()
    state = HubState(catalogue).replay(story.events)
    catalogue.planned = 0
    made.clear()
    for event in said(story, 100):
        state.apply(event)
    assert (catalogue.planned, made) == (0, {})
    silent_us = state.at_us + 3_600_000_000
    assert TALK not in state.expectations.due(silent_us - 1)
    assert TALK in state.expectations.due(silent_us)


def test_log_9_what_was_said_and_acknowledged_leaves_nothing_behind() -> None:
    story = world()
    state = HubState(Counting()).replay(story.events)
    for event in said(story, 300):  # the window of what rates remember is full
        state.apply(event)
    story.state = state
    events = list(said(story, 500))
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for event in events:
        state.apply(event)
    del event
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 8_000, f"{grown} bytes stayed of 500 posts"


def test_log_9_a_closed_session_leaves_nothing_behind() -> None:
    story = world()
    record = story.state.sessions.live[TALK]
    closing = Event(SessionClosed(TALK, "done", record.sequence + 1), nth(story.state.position + 1), story.state.at_us)
    story.state.apply(closing._replace(position=story.state.position + 1))
    state = story.state
    assert TALK not in state.sessions.live
    assert (state.lapses.entry_us(TALK), state.expectations.entry_us(TALK)) == (None, None)
    assert all(TALK not in ids for ids in state.sessions._by_agent.values())
    assert TALK not in state.inboxes._in_session
