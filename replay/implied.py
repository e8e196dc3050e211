"""Which command an event implies: a table from event body to the command of ``hub.decisions`` behind it.

An append has one event that implies its command; the others follow from it and imply nothing. Where a session or task
has just the TTL that its owner's rule or its session type gives, it is taken that none was asked for: under another
rule it gets another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from events.agents import (
    AgentObserved,
    AgentRegistered,
    AgentResumeSet,
    AgentRuleSet,
    AgentSkillSet,
    AgentUnregistered,
)
from events.event import HUB, Event
from events.governance import AccessDenied, ExpectationViolated, HubOpened, TurnFailed
from events.sessions import (
    EnvelopePosted,
    InboxAcknowledged,
    SessionClosed,
    SessionCreated,
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
    AuthBlock,
    Envelope,
    LimitsBlock,
    Passport,
    Resume,
    ResumeExample,
    Rule,
    TaskSpec,
    TaskState,
)
from events.values.rule import parse_duration
from hub.decisions import RecordOpening
from hub.decisions.closing import CloseSession
from hub.decisions.opening import AnswerInvite, CreateSession
from hub.decisions.posting import Acknowledge, Cause, FailTurn, Post
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
from projections.wal import posted_envelope

Limits = Mapping[str, LimitsBlock]
"""Agent id to the limits of its rule, which give the TTLs that nobody asked for."""


def _consequence(event: Event, limits: Limits) -> None:
    """Nothing: it follows from the event that is its cause."""


def _opening(event: Event, limits: Limits) -> RecordOpening:
    return RecordOpening(*event.body)


def _register(event: Event, limits: Limits) -> Register:
    body: AgentRegistered = event.body
    facts = {**body.passport, "name": body.name, "owner": body.owner, "auth": AuthBlock(**body.passport["auth"])}
    return Register(
        Passport(**facts),
        _resume(body),
        Rule.from_dict(body.rule),
        body.skill if body.has_skill else None,
        event.actor == body.agent_id,
    )


def _resume(body: AgentRegistered | AgentResumeSet) -> Resume:
    examples = [ResumeExample(**example) for example in body.examples]
    return Resume(body.capabilities, body.domains, body.summary, examples)


def _create(event: Event, limits: Limits) -> CreateSession:
    body: SessionCreated = event.body
    asked = _seconds(body.expires_us, event.at_us)
    given = limits[body.creator_id].session_ttl_default if body.creator_id in limits else asked
    if given is None:
        given = body.manifest["ttl_default"]
    return CreateSession(
        body.manifest["type"],
        body.creator_id,
        body.participants,
        body.invite_due_us - event.at_us,
        None if body.creator_id in limits and asked == (parse_duration(given) or 0) else asked,
        body.knobs,
        body.labels,
        Cause(event.cause, "", body.depth - 1) if event.cause else None,
        0 if event.cause else body.depth,
    )


def _seconds(expires_us: int | None, at_us: int) -> int:
    return 0 if expires_us is None else (expires_us - at_us) // 1_000_000


def _close(event: Event, limits: Limits) -> CloseSession | Lapse | None:
    body: SessionClosed = event.body
    if event.cause is not None:
        return None
    if event.actor == HUB and body.reason == "invite_timeout":
        return Lapse(body.session_id)
    return CloseSession(body.session_id, body.reason)


def _post(event: Event, limits: Limits) -> Post:
    """The depth that the hub came to stands for what the sender stamped and for the cause's: it is the larger."""
    asked = posted_envelope(event)
    return Post(
        Envelope(
            asked.session_id,
            asked.sender_id,
            asked.audience,
            asked.event_type,
            asked.event_data,
            task_id=asked.task_id,
            causation_id=asked.causation_id,
            trace_id=asked.trace_id,
            priority=asked.priority,
            depth=asked.depth,
            idempotency_key=asked.idempotency_key,
            ttl_seconds=asked.ttl_seconds,
        )
    )


def _observe(event: Event, limits: Limits) -> RecordObservation | None:
    body: AgentObserved = event.body
    return RecordObservation(body.agent_id, body.capability, body.outcome, body.latency_us) if not event.cause else None


def _start(event: Event, limits: Limits) -> ObserveTask:
    body: TaskStarted = event.body
    asked, known = _seconds(body.expires_us, event.at_us), limits.get(body.owner_id)
    inherited = known is not None and asked == (parse_duration(known.task_ttl_default) or 0)
    spec = TaskSpec(body.title, body.capability, body.payload, None if inherited else asked)
    return ObserveTask(body.session_id, body.owner_id, spec, body.task_id, event.cause)


def _lapse_task(event: Event, limits: Limits) -> LapseTask | None:
    return LapseTask(event.body.task_id) if event.body.reason == "ttl_expired" else None


def _deny(event: Event, limits: Limits) -> RecordDenial:
    body: AccessDenied = event.body
    refusal = Refusal(body.subject, body.action, body.target, body.error)
    return RecordDenial(refusal, body.message, body.session_id, body.left_out)


def _unheard(what: str, error: BaseException) -> None:
    """The first time, the hub's listeners were told; ``redecide`` tells whom it is given."""


COMMANDS: Mapping[type, Callable[[Event, Limits], Any]] = {
    HubOpened: _opening,
    AgentRegistered: _register,
    AgentUnregistered: lambda event, _: Unregister(event.body.agent_id),
    AgentResumeSet: lambda event, _: SetResume(event.body.agent_id, _resume(event.body)),
    AgentSkillSet: lambda event, _: SetSkill(event.body.agent_id, None if event.body.removed else event.body.markdown),
    AgentRuleSet: lambda event, _: SetRule(event.body.agent_id, Rule.from_dict(event.body.rule)),
    AgentObserved: _observe,
    SessionCreated: _create,
    SessionInviteSent: _consequence,
    SessionInviteAccepted: lambda event, _: AnswerInvite(event.body.session_id, event.body.agent_id, True),
    SessionInviteRejected: lambda event, _: AnswerInvite(
        event.body.session_id, event.body.agent_id, False, event.body.reason
    ),
    SessionOpened: _consequence,
    SessionClosed: _close,
    SessionExpired: lambda event, _: Lapse(event.body.session_id),
    SessionParticipantHidden: _consequence,
    SessionParticipantLeft: _consequence,
    EnvelopePosted: _post,
    InboxAcknowledged: lambda event, _: Acknowledge(
        tuple(zip(event.body.agent_ids, event.body.envelope_ids, strict=True))
    ),
    TaskStarted: _start,
    TaskProgressed: lambda event, _: UpdateTask(event.body.task_id, TaskState.RUNNING, progress=event.body.progress),
    TaskCompleted: lambda event, _: UpdateTask(event.body.task_id, TaskState.COMPLETED, result=event.body.result),
    TaskFailed: lambda event, _: UpdateTask(event.body.task_id, TaskState.FAILED, error=event.body.error),
    TaskExpired: _lapse_task,
    TaskCancelled: lambda event, _: UpdateTask(event.body.task_id, TaskState.CANCELLED, error=event.body.error),
    ExpectationViolated: lambda event, _: CheckExpectations(event.body.session_id, lambda: iter(()), _unheard),
    AccessDenied: _deny,
    TurnFailed: lambda event, _: FailTurn(
        event.body.agent_id, event.body.session_id, event.body.envelope_id, event.body.error
    ),
}
"""Body class to what gives the command that an event of it implies, or None where it follows from another event."""
