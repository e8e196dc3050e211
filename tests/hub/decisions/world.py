"""A small world in which much can happen, and one apart from it: commands to decide on a state."""

from __future__ import annotations

from typing import Any, NamedTuple

from events.event import HUB
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
from hub.decisions import RecordOpening
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
