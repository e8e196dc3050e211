"""LOG-1, LOG-8, DET-2: a state is the fold of its events, by whatever way it came to be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.codec import canonical, decode, encode
from events.event import Event
from projections.deadlines import Deadlines
from projections.state import HubState
from tests.hub.decisions.story import Story
from tests.hub.decisions.world import APART, CASES, world

COMMANDS = [*CASES.values(), *APART.values()]
STEPS = st.lists(st.tuples(st.integers(0, len(COMMANDS) - 1), st.sampled_from([0, 0, 1, 30, 60, 700])), max_size=40)


def copied(story: Story) -> HubState:
    """The state as a checkpoint brings it back: dumped, written, read and loaded."""
    state = story.state
    fresh = HubState(story.catalogue)
    fresh.load(msgpack.unpackb(canonical(state.dump())), state.position, state.at_us, state.last_id)
    return fresh


def stored(event: Event) -> Event:
    """The event as a log brings it back, without content: no fold reads it (LOG-2)."""
    return decode(encode(event), event.position, content=False)


def play(story: Story, steps: list[tuple[int, int]], tell: Callable[[Event], object] | None = None) -> list[Event]:
    """Decide commands at ever later moments, and tell what is not refused, by default to the state; the events."""
    events: list[Event] = []
    now_s = 0.0
    tell = tell or story.state.apply
    for place, wait_s in steps:
        now_s += wait_s
        case = COMMANDS[place]
        decision = story.when(case.command, actor=case.actor, at_s=now_s).decision
        for event in decision.events if decision is not None else ():
            tell(event)
            events.append(event)
    return events


def planned(deadlines: Deadlines, keys: Iterable[str]) -> dict[str, int | None]:
    """The deadline of each key, which must not lie before the time at which it is looked at."""
    found = {key: deadlines._current(key) for key in keys}
    for key, due_us in found.items():
        entry_us = deadlines.entry_us(key)
        assert due_us is None or (entry_us is not None and entry_us <= due_us), f"{key} would be missed"
    assert deadlines._entry.keys() <= found.keys(), "what is over is forgotten"
    return found


def falling_due(state: HubState) -> list[list[list[str]]]:
    """What comes up, minute by minute, until nothing more does; the state has no deadlines left then."""
    heaps = (state.lapses, state.expectations, state.tasks.deadlines)
    return [[heap.due(state.at_us + minute * 60_000_000) for minute in range(200)] for heap in heaps]


def derived(state: HubState) -> dict[str, Any]:
    """What is in no dump and has to be the same all the same."""
    return {
        "lapses": planned(state.lapses, state.sessions.live),
        "expectations": planned(state.expectations, state.sessions.live),
        "task_deadlines": planned(state.tasks.deadlines, state.tasks.open),
        "open_of": dict(state.tasks.open_of),
        "created_by": dict(state.sessions.created_by),
        "by_agent": {agent: list(ids) for agent, ids in state.sessions._by_agent.items()},
        "names": dict(state.registry.names),
        "holders": {name: set(ids) for name, ids in state.registry._holders.items()},
        "in_session": {
            session_id: {agent: list(ids) for agent, ids in holders.items() if ids}
            for session_id, holders in state.inboxes._in_session.items()
            if any(holders.values())
        },
    }


@given(before=STEPS, after=STEPS)
def test_log_8_what_is_loaded_is_what_was_dumped_and_goes_on_alike(
    before: list[tuple[int, int]], after: list[tuple[int, int]]
) -> None:
    """Equal digests and equal indexes after loading, and after whatever comes next."""
    story = world()
    play(story, before)
    loaded = copied(story)
    assert (loaded.digest(), derived(loaded)) == (story.state.digest(), derived(story.state))
    for event in play(story, after):
        loaded.apply(stored(event))
    assert (loaded.digest(), derived(loaded)) == (story.state.digest(), derived(story.state))
    assert (loaded.position, loaded.at_us, loaded.last_id) == (
        story.state.position,
        story.state.at_us,
        story.state.last_id,
    )
    assert falling_due(loaded) == falling_due(story.state)


@given(steps=STEPS)
def test_det_2_a_replay_plans_at_its_end_what_was_planned_event_by_event(steps: list[tuple[int, int]]) -> None:
    """Once in one go, once in two: equal digests and indexes, and the same falls due (GOV-4)."""
    story = world()
    events = [*story.events, *play(story, steps)]
    half = len(events) // 2
    whole = HubState(story.catalogue).replay(map(stored, events))
    halves = HubState(story.catalogue).replay(map(stored, events[:half])).replay(map(stored, events[half:]))
    for replayed in (whole, halves):
        assert (replayed.position, replayed.at_us, replayed.last_id) == (
            story.state.position,
            story.state.at_us,
            story.state.last_id,
        )
        assert (replayed.digest(), derived(replayed)) == (story.state.digest(), derived(story.state))
    assert falling_due(whole) == falling_due(halves) == falling_due(story.state)


@given(steps=STEPS)
def test_det_2_no_fold_depends_on_content(steps: list[tuple[int, int]]) -> None:
    story, facts_only = world(), world()
    for event in play(story, steps):
        facts_only.state.apply(stored(event))
    assert facts_only.state.digests() == story.state.digests()


def test_log_1_an_event_out_of_place_is_refused() -> None:
    story = world()
    with pytest.raises(AssertionError, match="event 99 after"):
        story.state.apply(Event(APART["frank is refused"].command, "f" * 32, story.state.at_us, position=99))


def test_digests_name_the_projection_that_differs() -> None:
    story, other = world(), world()
    play(other, [(list(CASES).index("alice is refused"), 0)])
    ours, theirs = story.state.digests(), other.state.digests()
    assert [name for name in ours if ours[name] != theirs[name]] == ["denials"]
    assert story.state.digest() != other.state.digest()
