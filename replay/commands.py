"""The commands behind a log, and deciding them again.

A log keeps what was decided, not what was asked; but what was asked follows from it. ``COMMANDS`` is the table from
event to the command of ``hub.decisions`` that it implies. An append has one such event; the others follow from it and
imply nothing. ``commands`` takes a log apart into appends and gives the command of each, ``redecide`` decides one
again with the production code, at the recorded time and with the recorded ids. On a log that nobody tampered with,
under the rules and code that made it, every command decided again gives the recorded events, byte for byte.

What is not in a log cannot be asked again: commands that were refused and not put on record, ticks and
acknowledgements that changed nothing, retries of an idempotency key. Where a session or task has just the TTL that
its owner's rule or its session type gives, it is taken that none was asked for: under another rule it gets another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from events.agents import (
    AgentObserved,
    AgentRegistered,
    AgentResumeSet,
    AgentRuleSet,
    AgentSkillSet,
    AgentUnregistered,
)
from events.codec import encode
from events.event import HUB, OPERATOR, Event
from events.governance import AccessDenied, ExpectationViolated, HubOpened, TurnFailed
from events.log import EventLog, tagged
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
from hub.arbiter import Arbiter, RuleBasedArbiter
from hub.catalogue import Catalogue
from hub.decisions import Decision, RecordOpening, decide
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
from projections.state import HubState
from projections.wal import posted_envelope, wal_envelope
from replay.errors import QuestionError

Limits = Mapping[str, LimitsBlock]
"""Agent id to the limits of its rule, which give the TTLs that nobody asked for."""
ReadWal = Callable[[str, int], Iterator[Envelope]]
"""Gives a session's write-ahead log as it was before a position."""
Failed = Callable[[str, BaseException], None]
_ARBITER = RuleBasedArbiter()


class Recorded(NamedTuple):
    """One command that was decided, and what came of it.

    ``actor`` is on whose authority it was, ``at_us`` when (microseconds since 1970), ``events`` the whole append in
    order, ``head`` the place in it of the event that implies the command: 0, but for a session's end, which comes
    behind its tasks'.
    """

    command: Any
    actor: str
    at_us: int
    events: tuple[Event, ...]
    head: int = 0

    @property
    def position(self) -> int:
        """The position of the append's first event; the command was decided on the state just before it."""
        return self.events[0].position

    @property
    def consequences(self) -> tuple[Event, ...]:
        """What followed from the command beside the event that implies it."""
        return self.events[: self.head] + self.events[self.head + 1 :]


def commands(events: Iterable[Event], limits: Limits | None = None) -> Iterator[Recorded]:
    """Give the commands that a log implies, in order; O(events), memory O(one append + agents).

    Args:
        events: with content, in order, from the first event of an append to the last of one: all of a log, say.
        limits: of the agents that were registered before the first of them; without it a TTL counts as asked for.

    Raises:
        QuestionError: the events begin or end in the middle of an append.
    """
    known = dict(limits or {})
    ahead: list[Event] = []  # the expired tasks of a session whose end comes behind them
    command, head, append = None, 0, list[Event]()
    for event in events:
        implied = COMMANDS[type(event.body)](event, known)
        _learn(known, event)
        if implied is None and _stands_ahead(event, ahead):
            ahead.append(event)
        elif implied is None or _same_tick(append, event):
            if ahead or not append:
                raise _cut(event)
            append.append(event)
        else:
            if append:
                yield _recorded(command, head, append)
            command, head, append, ahead = implied, len(ahead), [*ahead, event], []
    if ahead:
        raise _cut(ahead[0])
    if append:
        yield _recorded(command, head, append)


def _recorded(command: Any, head: int, append: list[Event]) -> Recorded:
    actor = OPERATOR if isinstance(command, Register) else append[head].actor
    return Recorded(command, actor, append[0].at_us, tuple(append), head)


def _cut(event: Event) -> QuestionError:
    return QuestionError(
        f"position {event.position} ({event.type}) is in the middle of what was decided as one: "
        "begin at its first event and end at its last",
        position=event.position,
    )


def _stands_ahead(event: Event, ahead: list[Event]) -> bool:
    """Whether an event is of a task that expired because its session was ended by a command of its own."""
    return (event.cause is None and isinstance(event.body, TaskExpired)) or event.cause in {e.id for e in ahead}


def _same_tick(append: list[Event], event: Event) -> bool:
    """Whether a violation was found in one look with those before it, which goes through the expectations once."""
    if not append or not isinstance(event.body, ExpectationViolated) or append[0].at_us != event.at_us:
        return False
    found = [e.body for e in append if isinstance(e.body, ExpectationViolated)]
    return bool(found) and found[0].session_id == event.body.session_id and found[-1].ordinal < event.body.ordinal


def _learn(limits: dict[str, LimitsBlock], event: Event) -> None:
    if isinstance(event.body, AgentRegistered | AgentRuleSet):
        limits[event.body.agent_id] = Rule.from_dict(event.body.rule).limits


def redecide(
    state: HubState,
    recorded: Recorded,
    *,
    catalogue: Catalogue,
    arbiter: Arbiter = _ARBITER,
    read_wal: ReadWal | None = None,
    failed: Failed | None = None,
) -> Decision:
    """Decide a recorded command again, at the recorded time and with the recorded ids, and write nothing.

    Args:
        state: what the command is decided on; not changed.
        recorded: the command.
        catalogue: the session types and expectations.
        arbiter: who is asked for permission; default: the agents' rules.
        read_wal: for custom evaluators that read the session's log, see ``wal_of``; None: they find it empty.
        failed: told of evaluators and handlers that raise, as a hub's listeners were the first time.

    A decision with more events than were recorded gets ids for them that no log has: they begin with ``ffffffffffff``.

    Raises:
        NetworkError: now it is refused.
    """
    command = recorded.command
    if isinstance(command, CheckExpectations):
        read = read_wal or _empty
        command = command._replace(
            read_wal=partial(read, command.session_id, recorded.position), failed=failed or command.failed
        )
    ids = iter([event.id for event in recorded.events])
    more = (f"{'f' * 12}{recorded.position:012x}{count:08x}" for count in range(1 << 32))
    return decide(
        state,
        command,
        arbiter=arbiter,
        catalogue=catalogue,
        at_us=recorded.at_us,
        new_id=lambda: next(ids, None) or next(more),
        actor=recorded.actor,
    )


def first_difference(decided: Sequence[Event], recorded: Sequence[Event]) -> int | None:
    """Return the place of the first event that is not the same to the byte in both, or None; O(bytes)."""
    for place, (ours, theirs) in enumerate(zip(decided, recorded, strict=False)):
        if encode(ours).data != encode(theirs).data:
            return place
    return None if len(decided) == len(recorded) else min(len(decided), len(recorded))


def wal_of(log: EventLog) -> ReadWal:
    """Return what reads sessions of a log as they were before a position; O(what is taken)."""

    def read(session_id: str, position: int) -> Iterator[Envelope]:
        events = log.read(tagged(f"session:{session_id}"), until=position - 1)
        return (envelope for event in events if (envelope := wal_envelope(event)) is not None)

    return read


def _empty(session_id: str, position: int) -> Iterator[Envelope]:
    return iter(())


def _unheard(what: str, error: BaseException) -> None:
    """The first time, the hub's listeners were told; ``redecide`` tells whom it is given."""


# What each event implies.


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
