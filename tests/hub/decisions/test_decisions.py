"""What each decision adds to the log, to the letter: given, when, then (DESIGN, "The one way in")."""

from __future__ import annotations

from typing import Any

import pytest

from events.agents import (
    AgentObserved,
    AgentResumeSet,
    AgentRuleSet,
    AgentSkillSet,
    AgentUnregistered,
)
from events.errors import AccessDeniedError, InboxFull, NetworkError, NotFoundError, ProtocolError, RateLimitedError
from events.event import HUB, OPERATOR
from events.governance import AccessDenied, ExpectationViolated, HubOpened, TurnFailed
from events.sessions import (
    EnvelopePosted,
    InboxAcknowledged,
    SessionClosed,
    SessionExpired,
    SessionInviteAccepted,
    SessionInviteRejected,
    SessionInviteSent,
    SessionOpened,
    SessionParticipantHidden,
    SessionParticipantLeft,
)
from events.tasks import TaskCancelled, TaskCompleted, TaskExpired, TaskFailed, TaskProgressed, TaskStarted
from events.values import (
    AccessBlock,
    Envelope,
    InboxBlock,
    Passport,
    RateBlock,
    Resume,
    ResumeExample,
    Rule,
    TaskSpec,
    TaskState,
)
from hub.decisions import RecordOpening
from hub.decisions.closing import CloseSession
from hub.decisions.opening import AnswerInvite, CreateSession
from hub.decisions.posting import Acknowledge, Cause, FailTurn, Post
from hub.decisions.refusing import RecordDenial
from hub.decisions.registration import RecordObservation, Register, SetResume, SetRule, SetSkill, Unregister
from hub.decisions.sweeping import CheckExpectations, Lapse, LapseTask
from hub.decisions.tasks import ObserveTask, UpdateTask
from projections.denials import Refusal
from tests.hub.decisions.story import INVITE_S, TTL_S, Story, at, created, nth, opened, registered

ALICE, BOB, CAROL, SESSION = map(nth, range(1, 5))
TIGHT = Rule(
    access=AccessBlock(outbound_to=["alice"]), rate=RateBlock(envelopes_per_minute=1), inbox=InboxBlock(max_pending=1)
)
PEOPLE = [registered(1, "alice"), registered(2, "bob", TIGHT), registered(3, "carol")]
TEXT = "ag2.msg.text"


def talk(kind: str = "conversation") -> Story:
    """Alice and bob in session 4, active since position 7."""
    return Story().given(*PEOPLE, *opened(4, kind, ALICE, BOB))


def handshake() -> Story:
    """Alice waits for bob and carol in session 4."""
    people = (ALICE, BOB, CAROL)
    invites = [SessionInviteSent(SESSION, agent_id, place) for place, agent_id in enumerate(people[1:], 1)]
    return Story().given(*PEOPLE, created(4, "discussion", *people), *invites)


def working() -> Story:
    """Bob is at work on a task, started at position 8, after 2 s."""
    return talk().given(TaskStarted("t-1", SESSION, BOB, 4, "analysis", at(902)), at_s=2)


def asked() -> Story:
    """Alice has put her question to bob, at position 8."""
    return talk("consulting").given(EnvelopePosted(SESSION, ALICE, TEXT, 4, (BOB,)))


def say(sender_id: str, **fields: Any) -> Post:
    return Post(Envelope(SESSION, sender_id, event_data={"text": "x"}, **fields))


def posted(sender_id: str, sequence: int, *recipients: str, **fields: Any) -> EnvelopePosted:
    return EnvelopePosted(SESSION, sender_id, TEXT, sequence, recipients, rest={"text": "x"}, **fields)


def test_opening_the_log_is_recorded() -> None:
    Story().when(RecordOpening("1.0", 1, ("talk/1",)), actor=HUB).then(HubOpened("1.0", 1, ("talk/1",)))


# Agents.


def test_trap_07_registering_is_one_event() -> None:
    """Identity, resume, rule and skill; the claim of the credentials is not in it (AUTH-2)."""
    passport = Passport(name="alice", owner="acme", auth={"scheme": "api_key", "claim": {"key": "s3cret"}})  # type: ignore[arg-type]
    resume = Resume(["analysis"], ["law"], "Senior.", [ResumeExample("a", "b")])
    story = Story().when(Register(passport, resume, Rule(), "# skill", by_itself=True))
    assert story.decision is not None
    (event,) = story.decision.events
    assert (event.id, event.body.agent_id, event.actor, story.decision.result) == (ALICE,) * 4
    assert (event.body.name, event.body.owner, event.body.capabilities) == ("alice", "acme", ("analysis",))
    assert (event.body.summary, event.body.skill, event.body.has_skill) == ("Senior.", "# skill", True)
    assert "s3cret" not in str(event)


def test_the_number_of_a_resume_and_of_a_rule_is_the_hubs() -> None:
    story = Story().given(*PEOPLE, AgentObserved(BOB, "x", "completed", 2))
    story.when(SetResume(BOB, Resume(["y"], summary="s", version=99))).then(
        AgentResumeSet(BOB, 3, ("y",), (), "s", ()), actors=[OPERATOR]
    )
    story.when(SetRule(BOB, Rule(version=99)), actor=BOB).then(
        AgentRuleSet(BOB, 2, {**Rule().to_dict(), "version": 2}), actors=[BOB]
    )
    story.when(SetSkill(BOB, "# x")).then(AgentSkillSet(BOB, False, "# x"))
    story.when(SetSkill(BOB, None)).then(AgentSkillSet(BOB, True, ""))
    story.when(RecordObservation(BOB, "x", "failed", 5)).then(AgentObserved(BOB, "x", "failed", 3, 5))


def test_who_leaves_leaves_its_sessions_and_closes_those_nobody_can_move_on() -> None:
    story = asked().given(*opened(9, "conversation", BOB, CAROL))
    story.when(Unregister(BOB), actor=BOB).then(
        AgentUnregistered(BOB, "bob"),
        SessionParticipantLeft(SESSION, BOB),
        SessionClosed(SESSION, "participant_left", 5),
        SessionParticipantLeft(nth(9), BOB),
        causes=[None, nth(9 + 4), nth(9 + 4), nth(9 + 4)],
        actors=[BOB, HUB, HUB, HUB],
    )


# Sessions.


def test_opening_a_session_invites_everybody_else() -> None:
    story = Story().given(*PEOPLE, at_s=5)
    command = CreateSession("discussion", CAROL, (ALICE, CAROL, BOB), 30_000_000, "1m", {"ordering": "round_robin"})
    story.when(command, actor=CAROL, at_s=5)
    assert story.decision is not None
    body = story.decision.events[0].body
    assert (body.session_id, body.creator_id, body.participants) == (nth(4), CAROL, (ALICE, CAROL, BOB))
    assert (body.invite_due_us, body.expires_us, body.knobs) == (at(35), at(65), {"ordering": "round_robin"})
    story.then(
        body,
        SessionInviteSent(nth(4), ALICE, 1),
        SessionInviteSent(nth(4), BOB, 2),
        causes=[None, nth(4), nth(4)],
        actors=[CAROL, HUB, HUB],
    )


def test_rule_6_a_session_opened_while_handling_an_envelope_starts_one_deeper() -> None:
    command = CreateSession("conversation", ALICE, (CAROL,), 1, cause=Cause(nth(8), SESSION, 2))
    story = talk().when(command)
    assert story.decision is not None
    assert (story.decision.events[0].body.depth, story.decision.events[0].cause) == (3, nth(8))


def test_the_last_yes_opens_the_session_and_one_no_closes_it() -> None:
    story = handshake()
    story.when(AnswerInvite(SESSION, CAROL, True), actor=CAROL).then(
        SessionInviteAccepted(SESSION, CAROL, 3), causes=[SESSION], actors=[CAROL]
    )
    story.given(SessionInviteAccepted(SESSION, CAROL, 3))
    story.when(AnswerInvite(SESSION, BOB, True), actor=BOB).then(
        SessionInviteAccepted(SESSION, BOB, 4),
        SessionOpened(SESSION, 5),
        causes=[SESSION, nth(8)],
        actors=[BOB, HUB],
    )
    story.when(AnswerInvite(SESSION, BOB, False, "busy"), actor=BOB).then(
        SessionInviteRejected(SESSION, BOB, 4, "busy"),
        SessionClosed(SESSION, "invite_rejected", 5),
        causes=[SESSION, nth(8)],
        actors=[BOB, HUB],
    )


def test_a_close_expires_the_tasks_first_each_with_what_it_shows() -> None:
    story = working().given(TaskStarted("t-2", SESSION, BOB, 5, "analysis"), TaskStarted("t-3", SESSION, ALICE, 6))
    story.when(CloseSession(SESSION), actor=ALICE, at_s=12).then(
        TaskExpired("t-1", SESSION, BOB, 7, 10_000_000, "analysis", "session_closed"),
        AgentObserved(BOB, "analysis", "expired", 2, 10_000_000, "t-1"),
        TaskExpired("t-2", SESSION, BOB, 8, 10_000_000, "analysis", "session_closed"),
        AgentObserved(BOB, "analysis", "expired", 3, 10_000_000, "t-2"),
        TaskExpired("t-3", SESSION, ALICE, 9, 10_000_000, None, "session_closed"),
        SessionClosed(SESSION, "explicit_close", 10),
        causes=[None, nth(11), None, nth(13), None, None],
        actors=[HUB, HUB, HUB, HUB, HUB, ALICE],
    )


# Envelopes.


def test_a_post_is_recorded_with_whom_it_reaches() -> None:
    story = talk()
    story.when(say(ALICE), actor=ALICE).then(posted(ALICE, 4, BOB), causes=[None], actors=[ALICE])
    story.when(say(ALICE, audience=[BOB, BOB])).then(posted(ALICE, 4, BOB, audience=(BOB, BOB)))
    story.when(say(ALICE, causation_id=nth(7), priority="high", ttl_seconds=5)).then(
        posted(ALICE, 4, BOB, priority="high", ttl_us=5_000_000), causes=[nth(7)]
    )


def test_rule_3_who_does_not_want_it_is_no_recipient() -> None:
    closed = Rule(access=AccessBlock(inbound_from=["carol"])).to_dict()
    talk().given(AgentRuleSet(BOB, 2, closed)).when(say(ALICE)).then(posted(ALICE, 4))


def test_gov_2_trap_51_who_is_hidden_or_gone_is_no_recipient() -> None:
    story = Story().given(*PEOPLE, *opened(4, "discussion", ALICE, BOB, CAROL))
    story.given(SessionParticipantHidden(SESSION, BOB)).when(say(ALICE)).then(posted(ALICE, 6, CAROL))
    story.given(AgentUnregistered(CAROL, "carol"), SessionParticipantLeft(SESSION, CAROL))
    story.when(say(ALICE)).then(posted(ALICE, 6))


def test_trap_03_an_answer_takes_the_tasks_and_the_session_with_it() -> None:
    story = asked().given(TaskStarted("t-1", SESSION, BOB, 5))
    story.when(say(BOB, causation_id=nth(8)), actor=BOB, at_s=3).then(
        posted(BOB, 6, ALICE),
        TaskExpired("t-1", SESSION, BOB, 7, 3_000_000, None, "session_closed"),
        SessionClosed(SESSION, "consulting_complete", 8),
        causes=[nth(8), nth(10), nth(10)],
        actors=[BOB, HUB, HUB],
    )


def test_env_4_a_key_that_was_used_gives_the_first_envelope_and_adds_nothing() -> None:
    story = talk().when(say(ALICE, idempotency_key="k"))
    assert story.decision is not None
    story.given(story.decision.events[0].body)
    story.when(say(ALICE, idempotency_key="k")).then()
    assert story.decision.result == nth(8)
    story.when(Post(Envelope(SESSION, ALICE, event_data={"text": "y"}, idempotency_key="k"))).then_refused(
        ProtocolError, "with other content"
    )


def test_only_what_waits_is_acknowledged_and_a_failed_turn_counts_its_attempts() -> None:
    story = asked()
    waiting, unknown = nth(8), nth(99)
    story.when(Acknowledge(((BOB, waiting), (BOB, waiting), (BOB, unknown), (ALICE, waiting))), actor=HUB).then(
        InboxAcknowledged((BOB,), (waiting,)), causes=[waiting]
    )
    story.when(Acknowledge(((BOB, unknown),))).then()
    for attempt, final in ((1, False), (2, False), (3, True)):
        failed = TurnFailed(BOB, SESSION, waiting, attempt, final, "oh")
        story.when(FailTurn(BOB, SESSION, waiting, "oh"), actor=BOB).then(failed, causes=[waiting])
        story.given(failed)
    story.when(FailTurn(BOB, SESSION, waiting, "oh")).then(TurnFailed(BOB, SESSION, waiting, 1, True, "oh"))


# Tasks.


@pytest.mark.parametrize(
    ("command", "ended"),
    [
        (
            UpdateTask("t-1", TaskState.COMPLETED, result={"ok": 1}),
            TaskCompleted("t-1", SESSION, BOB, 5, 10_000_000, "analysis", {"ok": 1}),
        ),
        (
            UpdateTask("t-1", TaskState.FAILED, error="no"),
            TaskFailed("t-1", SESSION, BOB, 5, 10_000_000, "analysis", "no"),
        ),
        (
            UpdateTask("t-1", TaskState.CANCELLED, error="no"),
            TaskCancelled("t-1", SESSION, BOB, 5, 10_000_000, "analysis", "no"),
        ),
        (LapseTask("t-1"), TaskExpired("t-1", SESSION, BOB, 5, 900_000_000, "analysis", "ttl_expired")),
    ],
)
def test_a_tasks_end_and_what_it_shows_are_one_decision(command: Any, ended: Any) -> None:
    story = working().when(command, at_s=902 if isinstance(command, LapseTask) else 12, actor=HUB)
    outcome = type(ended).__name__.removeprefix("Task").lower()
    story.then(ended, AgentObserved(BOB, "analysis", outcome, 2, ended.latency_us, "t-1"), causes=[nth(8), nth(9)])


def test_a_task_starts_once_and_goes_on() -> None:
    story = talk()
    spec = TaskSpec(title="t", capability="x", payload={"p": 1}, ttl="30s")
    started = TaskStarted("t-1", SESSION, BOB, 4, "x", at(31), "t", {"p": 1})
    story.when(ObserveTask(SESSION, BOB, spec, "t-1", cause=nth(7)), at_s=1).then(started, causes=[nth(7)])
    story.when(ObserveTask(SESSION, BOB, spec, "t-1", known=True)).then()
    story.given(started)
    story.when(ObserveTask(SESSION, BOB, spec, "t-1")).then()
    story.when(UpdateTask("t-1", TaskState.RUNNING, {"page": 1})).then(
        TaskProgressed("t-1", SESSION, BOB, 5, {"page": 1}), causes=[nth(8)]
    )


# Time.


@pytest.mark.parametrize(
    ("story", "command", "at_s", "bodies"),
    [
        (talk, Lapse(SESSION), TTL_S - 0.001, []),
        (talk, Lapse(SESSION), TTL_S, [SessionExpired(SESSION, 4)]),
        (handshake, Lapse(SESSION), INVITE_S - 0.001, []),
        (handshake, Lapse(SESSION), INVITE_S, [SessionClosed(SESSION, "invite_timeout", 3)]),
        (handshake, Lapse(SESSION), TTL_S, [SessionExpired(SESSION, 3)]),
        (talk, Lapse(nth(99)), TTL_S, []),
        (working, LapseTask("t-1"), 901.999, []),
        (working, LapseTask("t-2"), 10_000, []),
    ],
)
def test_what_lapses_when(story: Any, command: Any, at_s: float, bodies: list[Any]) -> None:
    story().when(command, at_s=at_s, actor=HUB).then(*bodies)


def check() -> CheckExpectations:
    return CheckExpectations(SESSION, lambda: iter(()), lambda where, error: pytest.fail(f"{where}: {error}"))


def test_a_violation_is_followed_by_what_its_handler_does() -> None:
    story = asked()
    story.when(check(), at_s=599.999, actor=HUB).then()
    detail = {"seconds": 600, "since": "2026-01-01T00:00:00Z"}
    violated = ExpectationViolated(SESSION, 1, "reply_within", "auto_close", (BOB,), (4,), 0, {"seconds": 600}, detail)
    story.when(check(), at_s=600, actor=HUB).then(
        violated,
        SessionClosed(SESSION, "expectation_violated:reply_within", 5),
        causes=[None, nth(9)],
        actors=[HUB, HUB],
    )
    story.given(violated).when(check(), at_s=700, actor=HUB).then()


def test_gov_2_who_violates_two_expectations_at_once_is_hidden_once() -> None:
    """The simulator's finding: each of the two handlers hid the same participant."""
    created_, *handshake = opened(4, "discussion", ALICE, BOB, CAROL)
    hiding = {"name": "turn_within", "on_violation": "hide", "params": {"seconds": 5}, "applies_to": None}
    manifest = {**created_.manifest, "expectations": [hiding, hiding]}
    story = Story().given(*PEOPLE, created_._replace(manifest=manifest), *handshake)
    story.when(check(), at_s=5, actor=HUB)
    assert story.decision is not None
    assert [(type(event.body), event.cause) for event in story.decision.events] == [
        (ExpectationViolated, None),
        (SessionParticipantHidden, nth(10)),
        (ExpectationViolated, None),
    ]


def test_gov_6_a_refusal_is_recorded_unless_a_like_one_is_younger_than_a_minute() -> None:
    refusal = Refusal(BOB, "post", ALICE, "access_denied")
    denied = AccessDenied(BOB, "post", ALICE, "access_denied", SESSION, 7, "no")
    story = talk()
    story.when(RecordDenial(refusal, "no", SESSION, 7)).then(denied)
    story.given(denied)
    story.when(RecordDenial(refusal, "no", SESSION, 7), at_s=59.999).then()
    story.when(RecordDenial(refusal, "no", SESSION, 7), at_s=60).then(denied)
    other = refusal._replace(target=CAROL)
    story.when(RecordDenial(other, "no", "not an id", 0)).then(AccessDenied(*other, None, 0, "no"))


# Refusals.

REFUSALS: list[tuple[Any, Any, str, type[NetworkError], str]] = [
    (talk, Register(Passport(name="bob"), Resume(), Rule()), OPERATOR, ProtocolError, f"already registered, by {BOB}"),
    (talk, Unregister(nth(99)), OPERATOR, NotFoundError, "no live agent"),
    (talk, Unregister(BOB), ALICE, AccessDeniedError, "'alice' may not unregister another agent"),
    (talk, SetResume(BOB, Resume()), ALICE, AccessDeniedError, "'alice' may not set another agent's resume"),
    (talk, SetSkill(BOB, None), ALICE, AccessDeniedError, "'alice' may not set another agent's skill"),
    (talk, SetRule(BOB, Rule()), ALICE, AccessDeniedError, "'alice' may not set another agent's rule"),
    (talk, RecordObservation(BOB, "x", "failed"), BOB, AccessDeniedError, "they are the hub's"),
    (
        talk,
        CreateSession("conversation", ALICE, (BOB,), 1),
        BOB,
        AccessDeniedError,
        "may not open a session as 'alice'",
    ),
    (talk, CreateSession("conversation", BOB, (CAROL,), 1), BOB, AccessDeniedError, "'bob' may not reach 'carol'"),
    (talk, CloseSession(SESSION), CAROL, AccessDeniedError, "'carol' may not close session"),
    (talk, CloseSession(nth(99)), OPERATOR, NotFoundError, "no session"),
    (handshake, AnswerInvite(SESSION, BOB, True), CAROL, AccessDeniedError, "another agent's invite"),
    (handshake, AnswerInvite(SESSION, ALICE, True), ALICE, ProtocolError, "no open invite"),
    (handshake, say(ALICE), ALICE, ProtocolError, "is pending, not active"),
    (talk, say(ALICE), BOB, AccessDeniedError, "'bob' may not post as 'alice'"),
    (talk, say(CAROL), CAROL, ProtocolError, "only accepts sends from participants"),
    (talk, say(ALICE, audience=[CAROL]), ALICE, ProtocolError, "does not take part"),
    (talk, say(ALICE, depth=6), ALICE, AccessDeniedError, "delegation depth 6"),
    (asked, say(ALICE), ALICE, InboxFull, "'bob' is full"),
    (asked, say(ALICE, audience=[]), ALICE, ProtocolError, "expects the answer of its respondent"),
    (talk, Acknowledge(((BOB, nth(8)),)), ALICE, AccessDeniedError, "another agent's envelopes"),
    (talk, FailTurn(BOB, SESSION, nth(8), ""), ALICE, AccessDeniedError, "another agent's turn"),
    (handshake, ObserveTask(SESSION, ALICE, TaskSpec(title="t"), "t"), ALICE, ProtocolError, "cannot start"),
    (talk, ObserveTask(SESSION, ALICE, TaskSpec(title="t"), "t"), BOB, AccessDeniedError, "tasks of 'alice'"),
    (working, UpdateTask("t-1", TaskState.FAILED), ALICE, AccessDeniedError, "may not report on task 't-1'"),
    (working, UpdateTask("t-1", TaskState.EXPIRED), BOB, ProtocolError, "only the hub"),
    (working, UpdateTask("t-2", TaskState.FAILED), BOB, NotFoundError, "no task 't-2'"),
]


@pytest.mark.parametrize(("story", "command", "actor", "error", "match"), REFUSALS)
def test_a_refusal_adds_nothing_and_moves_nothing(
    story: Any, command: Any, actor: str, error: type[NetworkError], match: str
) -> None:
    told = story()
    before = told.state.digest()
    told.when(command, actor=actor, at_s=1).then_refused(error, match)
    assert told.state.digest() == before


def test_rule_8_the_rate_is_refused_with_the_time_to_wait() -> None:
    story = talk().given(posted(BOB, 4, ALICE), at_s=10)
    story.when(say(BOB), at_s=30).then_refused(RateLimitedError, "try again in 40.000 s")
    story.when(say(BOB), at_s=70).then(posted(BOB, 5, ALICE))


def test_det_1_deciding_changes_neither_the_state_nor_the_command() -> None:
    story = working()
    before = story.state.digest()
    for command in (say(ALICE), CloseSession(SESSION), Unregister(BOB), UpdateTask("t-1", TaskState.COMPLETED)):
        first = story.when(command, at_s=50).decision
        again = story.when(command, at_s=50).decision
        assert first is not None
        assert again is not None
        assert first.events == again.events
    assert story.state.digest() == before
