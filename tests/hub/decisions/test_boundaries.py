"""Each decision's consistency boundary: wide enough to see what would change it, and no wider than a world of its own.

Two commands are decided on the same state. If the one, recorded first, would have changed what the other decided, then
one of its events must match the other's boundary (DESIGN, "The one way in"): every pair is tried.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import pytest
from eventsourcing.dcb.api import DCBQuery

from events.event import HUB, Event
from events.sessions import EnvelopePosted, SessionInviteSent
from events.tasks import TaskStarted
from events.values import (
    AccessBlock,
    Envelope,
    InboxBlock,
    LimitsBlock,
    Passport,
    RateBlock,
    Resume,
    Rule,
    TaskSpec,
    TaskState,
)
from hub.decisions import DECISIONS, RecordOpening
from hub.decisions.closing import CloseSession
from hub.decisions.opening import AnswerInvite, CreateSession
from hub.decisions.posting import Acknowledge, FailTurn, Post
from hub.decisions.refusing import RecordDenial
from hub.decisions.registration import (
    RecordObservation,
    Register,
    SetResume,
    SetRule,
    SetSkill,
    Unregister,
)
from hub.decisions.sweeping import CheckExpectations, Lapse, LapseTask
from hub.decisions.tasks import ObserveTask, UpdateTask
from projections.denials import Refusal
from tests.hub.decisions.story import TTL_S, Story, at, created, nth, opened, registered

ALICE, BOB, CAROL, FRANK, GRACE = map(nth, range(1, 6))
TALK, ASKED, PENDING, ROUND, THEIRS = map(nth, (6, 12, 17, 20, 26))
CAPPED = Rule(
    rate=RateBlock(envelopes_per_minute=3),
    inbox=InboxBlock(max_pending=3),
    limits=LimitsBlock(max_concurrent_sessions=4, max_concurrent_tasks=2),
)
TASK, THEIR_TASK = "t-1", "t-9"
TO_BOB = Envelope(TALK, ALICE, event_data={"text": "again"})


def world() -> Story:
    """Alice, bob and carol in four sessions, one of them pending, with a task and envelopes; frank and grace apart."""
    story = Story().given(
        *(registered(n, name, CAPPED) for n, name in enumerate(("alice", "bob", "carol", "frank", "grace"), 1)),
        *opened(6, "conversation", ALICE, BOB),
        EnvelopePosted(TALK, ALICE, "ag2.msg.text", 4, (BOB,), idempotency_key="k", digest="d"),
        TaskStarted(TASK, TALK, BOB, 5, "analysis", at(900)),
        *opened(12, "consulting", ALICE, BOB),
        EnvelopePosted(ASKED, ALICE, "ag2.msg.text", 4, (BOB,)),
        created(17, "discussion", BOB, CAROL, ALICE),
        SessionInviteSent(PENDING, CAROL, 1),
        SessionInviteSent(PENDING, ALICE, 2),
        *opened(20, "discussion", ALICE, BOB, CAROL),
        *opened(26, "conversation", FRANK, GRACE),
    )
    return story


class Case(NamedTuple):
    """A command, when it is decided and by whom."""

    command: Any
    at_s: float = 20
    actor: str = "operator"


def post(session_id: str, sender_id: str, **fields: Any) -> Case:
    return Case(Post(Envelope(session_id, sender_id, event_data={"text": "x"}, **fields)))


def denial(subject: str, target: str) -> Case:
    return Case(RecordDenial(Refusal(subject, "post", target, "access_denied"), "no", None, 0), actor=HUB)


def check(session_id: str) -> Case:
    return Case(CheckExpectations(session_id, lambda: iter(()), lambda where, error: None), 700, HUB)


NO_ONE = Rule(access=AccessBlock(inbound_from=[], outbound_to=[]))
CASES: dict[str, Case] = {
    "open the log": Case(RecordOpening("0.1", 1, ()), actor=HUB),
    "register dave": Case(Register(Passport(name="dave"), Resume(), Rule())),
    "register erin": Case(Register(Passport(name="erin"), Resume(), Rule())),
    "unregister alice": Case(Unregister(ALICE)),
    "unregister bob": Case(Unregister(BOB)),
    "unregister carol": Case(Unregister(CAROL)),
    "bob's resume": Case(SetResume(BOB, Resume(summary="x"))),
    "bob's skill": Case(SetSkill(BOB, "# x")),
    "bob's rule": Case(SetRule(BOB, NO_ONE)),
    "alice's rule": Case(SetRule(ALICE, NO_ONE)),
    "bob is observed": Case(RecordObservation(BOB, "analysis", "failed")),
    "alice opens to bob": Case(CreateSession("conversation", ALICE, (BOB,), 30_000_000)),
    "alice opens to carol": Case(CreateSession("consulting", ALICE, (CAROL,), 30_000_000)),
    "carol accepts": Case(AnswerInvite(PENDING, CAROL, accept=True)),
    "alice accepts": Case(AnswerInvite(PENDING, ALICE, accept=True)),
    "alice rejects": Case(AnswerInvite(PENDING, ALICE, accept=False)),
    "close the talk": Case(CloseSession(TALK, "done")),
    "close the pending": Case(CloseSession(PENDING)),
    "alice talks": post(TALK, ALICE),
    "alice talks to bob": post(TALK, ALICE, audience=[BOB]),
    "bob talks": post(TALK, BOB),
    "bob answers": post(ASKED, BOB),
    "alice's round": post(ROUND, ALICE),
    "keyed": post(TALK, BOB, idempotency_key="k2"),
    "bob acknowledges": Case(Acknowledge(((BOB, nth(10)),))),
    "bob acknowledges all": Case(Acknowledge(((BOB, nth(10)), (BOB, nth(16))))),
    "bob fails": Case(FailTurn(BOB, TALK, nth(10), "oh")),
    "alice starts a task": Case(ObserveTask(TALK, ALICE, TaskSpec(title="t", capability="policy"), "t-2")),
    "bob starts a task": Case(ObserveTask(TALK, BOB, TaskSpec(title="t"), "t-3")),
    "bob starts it too": Case(ObserveTask(TALK, BOB, TaskSpec(title="t"), "t-2")),
    "carol starts it elsewhere": Case(ObserveTask(ROUND, CAROL, TaskSpec(title="t"), "t-2")),
    "bob goes on": Case(UpdateTask(TASK, TaskState.RUNNING, {"page": 1})),
    "bob completes": Case(UpdateTask(TASK, TaskState.COMPLETED)),
    "bob gives up": Case(UpdateTask(TASK, TaskState.FAILED, error="no")),
    "the talk's time": Case(Lapse(TALK), TTL_S, HUB),
    "the handshake's time": Case(Lapse(PENDING), 30, HUB),
    "the task's time": Case(LapseTask(TASK), 900, HUB),
    "no reply": check(ASKED),
    "no turn": check(ROUND),
    "alice is refused": denial(ALICE, BOB),
    "dave is refused": Case(RecordDenial(Refusal("dave", "register", "dave", "auth_failed"), "no", None, 0), actor=HUB),
}
APART: dict[str, Case] = {
    "register heidi": Case(Register(Passport(name="heidi"), Resume(), Rule())),
    "frank's resume": Case(SetResume(FRANK, Resume())),
    "frank's rule": Case(SetRule(FRANK, NO_ONE)),
    "frank talks": post(THEIRS, FRANK),
    "frank opens": Case(CreateSession("conversation", FRANK, (GRACE,), 30_000_000)),
    "frank's task": Case(ObserveTask(THEIRS, FRANK, TaskSpec(title="t", capability="x"), THEIR_TASK)),
    "close theirs": Case(CloseSession(THEIRS)),
    "frank is refused": denial(FRANK, BOB),
    "unregister frank": Case(Unregister(FRANK)),
}
"""What happens in another world."""


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
