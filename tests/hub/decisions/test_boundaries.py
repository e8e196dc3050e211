"""Each decision's consistency boundary: wide enough to see what would change it, and no wider than a world of its own.

Two commands are decided on the same state. If the one, recorded first, would have changed what the other decided, then
one of its events must match the other's boundary (DESIGN, "The one way in"): every pair is tried.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from eventsourcing.dcb.api import DCBQuery

from events.event import Event
from hub.decisions import DECISIONS
from tests.hub.decisions.story import Story
from tests.hub.decisions.world import APART, CASES, Case, world


def matches(query: DCBQuery, event: Event) -> bool:
    """Whether an event is one that the query asks for, as the DCB port says."""
    return any(
        (not item.types or event.type in item.types) and set(item.tags) <= set(event.tags) for item in query.items
    )


def outcome(story: Story) -> Any:
    """What was decided, without places in the log."""
    if story.decision is None:
        return type(story.error), str(story.error)
    return [(event.body, event.cause, event.actor) for event in story.decision.events], story.decision.result


def decide_on(story: Story, case: Case, moment_s: float, first_id: int = 10_000) -> Story:
    """Decide a case; its ids are the same wherever it stands."""
    return story.when(case.command, actor=case.actor, at_s=moment_s, first_id=first_id)


@cache
def alone(name: str, moment_s: float) -> Story:
    """A case decided in the world as it is."""
    return decide_on(world(), (CASES | APART)[name], moment_s)


@cache
def recorded(name: str, moment_s: float) -> tuple[Event, ...]:
    """The events of a case that is recorded first."""
    story = decide_on(world(), (CASES | APART)[name], moment_s, first_id=5_000)
    return tuple(story.decision.events) if story.decision is not None else ()


def boundary_of(name: str) -> DCBQuery:
    decision = alone(name, CASES[name].at_s).decision
    assert decision is not None
    return decision.boundary


def test_every_kind_of_command_is_here() -> None:
    assert {type(case.command) for case in CASES.values()} == set(DECISIONS)


@pytest.mark.parametrize("name", CASES)
def test_each_case_decides_something(name: str) -> None:
    story = alone(name, CASES[name].at_s)
    assert story.decision is not None, story.error
    assert story.decision.events
    assert story.decision.boundary.items, "an empty query is the whole log"
    assert all(item.tags for item in story.decision.boundary.items), "so is an item without tags"


@pytest.mark.parametrize("name", CASES)
def test_the_boundary_sees_whatever_would_change_the_decision(name: str) -> None:
    unseen = []
    for other, meanwhile in CASES.items():
        moment_s = max(CASES[name].at_s, meanwhile.at_s)
        first, events = alone(name, moment_s), recorded(other, moment_s)
        if first.decision is None or any(matches(first.decision.boundary, event) for event in events):
            continue
        after = world()
        for event in events:
            after.state.apply(event)
        if outcome(decide_on(after, CASES[name], moment_s)) != outcome(first):
            unseen.append(other)
    assert unseen == []


@pytest.mark.parametrize("name", CASES)
def test_the_boundary_does_not_see_another_world(name: str) -> None:
    boundary = boundary_of(name)
    happened = {other: recorded(other, 20) for other in APART}
    assert all(happened.values())
    assert [other for other, events in happened.items() if any(matches(boundary, event) for event in events)] == []


Others = list[str]
CHANGED_BY: dict[str, tuple[Others, Others]] = {
    # a command: what would change it, what does not touch it
    "register dave": (["register dave"], ["register erin", "unregister bob", "bob's resume", "alice talks"]),
    "unregister bob": (["close the talk", "alice rejects", "bob's skill"], ["alice's rule", "dave is refused"]),
    "alice opens to bob": (["unregister bob", "bob's rule"], ["bob's resume", "alice talks", "close the talk"]),
    "alice accepts": (["carol accepts", "close the pending", "unregister alice"], ["alice talks", "bob's rule"]),
    "close the talk": (["bob completes", "bob goes on", "the talk's time", "bob is observed"], ["bob answers"]),
    "alice talks": (
        ["close the talk", "bob talks", "unregister bob", "bob's rule", "alice's rule", "bob acknowledges"],
        ["bob's resume", "bob's skill", "bob is observed", "carol accepts", "dave is refused"],
    ),
    "bob acknowledges": (["bob talks", "bob fails"], ["alice's rule", "carol accepts"]),
    "bob starts a task": (["close the talk", "bob's rule", "bob completes"], ["bob answers", "carol accepts"]),
    "bob completes": (["bob gives up", "bob's resume", "bob is observed", "the task's time"], ["bob answers"]),
    "the talk's time": (["close the talk", "bob talks", "bob is observed"], ["bob answers", "alice rejects"]),
    "no reply": (["bob answers", "unregister bob"], ["close the talk", "alice's rule"]),
    "alice is refused": (["alice is refused"], ["dave is refused", "alice talks", "open the log"]),
    "open the log": (["open the log"], ["alice talks", "register dave", "alice is refused"]),
}


@pytest.mark.parametrize("name", CHANGED_BY)
def test_what_a_boundary_sees_and_what_it_does_not(name: str) -> None:
    """The table, for people; that it is complete is the business of the tests above."""
    boundary = boundary_of(name)

    def sees(other: str) -> bool:
        events = recorded(other, CASES[other].at_s)
        assert events
        return any(matches(boundary, event) for event in events)

    changing, apart = CHANGED_BY[name]
    assert [other for other in changing if not sees(other)] == []
    assert [other for other in apart if sees(other)] == []
