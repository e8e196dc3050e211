"""Why an event happened: the event before it that led to it, in a table from body class to words.

Most events name their cause. Of those that do not (a sweeper's, a refusal, an agent's own word), the cause follows
from the facts: the TTL that a session was created with, the rule that was in force, the session, the registration.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from events.agents import (
    AgentObserved,
    AgentRegistered,
    AgentResumeSet,
    AgentRuleSet,
    AgentSkillSet,
    AgentUnregistered,
)
from events.event import HUB, OPERATOR, Event
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
from events.tasks import TERMINAL, TaskExpired, TaskProgressed, TaskStarted
from events.values.times import iso, maybe_iso
from replay.history import History
from replay.past import Past
from replay.refused import refusal
from replay.render.text import duration, printable

INVITE_TIMEOUT = "invite_timeout"


class Reason(NamedTuple):
    """What led to an event.

    ``cause`` is None where it began. ``recorded`` says that the event itself names it; it is derived from the facts
    otherwise. ``missing`` is an id that the event names as its cause, and that no event before it has. ``evidence`` are
    the positions of further events that the sentence rests on.
    """

    cause: Event | None
    why: str
    recorded: bool = False
    missing: str | None = None
    evidence: tuple[int, ...] = ()


def reason(history: History, event: Event) -> Reason:
    """Return what led to an event, and why that is its cause; O(log² n), of a refusal the envelopes counted, too."""
    past = Past(history.log, history.names, event)
    if event.cause is None:
        return DERIVED[type(event.body)](past, event)
    cause = past.find(event.cause)
    if cause is not None:
        return RECORDED.get(type(event.body), _follows)(past, event, cause)._replace(cause=cause, recorded=True)
    derived = DERIVED[type(event.body)](past, event)
    why = f"the cause that it names, {event.cause}, is not in the log before it; {derived.why}"
    return derived._replace(why=why, missing=event.cause)


def _at(event: Event | None) -> str:
    return "an event that is not in the log" if event is None else f"@{event.position}"


def _who(past: Past, event: Event) -> str:
    return {HUB: "the hub", OPERATOR: "the operator"}.get(event.actor) or printable(past.names.agent(event.actor))


def _say(why: str, *evidence: Event | None) -> Reason:
    return Reason(None, why, evidence=tuple(event.position for event in evidence if event is not None))


# The event names its cause.


def _follows(past: Past, event: Event, cause: Event) -> Reason:
    return _say(f"follows from {_at(cause)}")


def _asked_while(past: Past, event: Event, cause: Event) -> Reason:
    return _say(f"{_who(past, event)} asked for it while handling {_at(cause)}{_elsewhere(past, event, cause)}")


def _invited(past: Past, event: Event, cause: Event) -> Reason:
    return _say(f"invited by the opening {_at(cause)}")


def _answered(past: Past, event: Event, cause: Event) -> Reason:
    body: SessionInviteAccepted | SessionInviteRejected = event.body
    invite = past.newest(f"session:{body.session_id}", f"agent:{body.agent_id}", types=(SessionInviteSent,))
    return _say(f"answers the invite {_at(invite)} of the opening {_at(cause)}", invite)


def _opened(past: Past, event: Event, cause: Event) -> Reason:
    alone = isinstance(cause.body, SessionCreated)
    return _say("opened at once: nobody had to be asked" if alone else f"opened by the last answer, {_at(cause)}")


def _spoke(past: Past, event: Event, cause: Event) -> Reason:
    heard = isinstance(cause.body, EnvelopePosted) and event.body.sender_id in cause.body.recipients
    return _say(f"{'answers' if heard else 'names as its cause'} {_at(cause)}{_elsewhere(past, event, cause)}")


def _elsewhere(past: Past, event: Event, cause: Event) -> str:
    session_id = getattr(cause.body, "session_id", None)
    other = session_id is not None and session_id != event.body.session_id
    return f" in {printable(past.names.session(session_id))}" if other else ""


_NOUNS: dict[type, str] = {
    EnvelopePosted: "the envelope",
    SessionInviteRejected: "the rejection",
    ExpectationViolated: "the violation",
    AgentUnregistered: "the unregistration",
}


def _by(cause: Event) -> str:
    answer = isinstance(cause.body, EnvelopePosted) and cause.cause is not None
    return f"{'the answer' if answer else _NOUNS.get(type(cause.body), 'the event')} {_at(cause)}"


def _brought(what: str) -> Callable[[Past, Event, Event], Reason]:
    return lambda past, event, cause: _say(f"{what} by {_by(cause)}")


def _with(what: str) -> Callable[[Past, Event, Event], Reason]:
    return lambda past, event, cause: _say(f"{what} {_at(cause)}")


def _task_expired(past: Past, event: Event, cause: Event) -> Reason:
    if isinstance(cause.body, TaskStarted):
        return _ttl(cause, cause.body.expires_us)
    return _say(f"ended with its session, by {_by(cause)}")


RECORDED: dict[type, Callable[[Past, Event, Event], Reason]] = {
    SessionCreated: _asked_while,
    SessionInviteSent: _invited,
    SessionInviteAccepted: _answered,
    SessionInviteRejected: _answered,
    SessionOpened: _opened,
    EnvelopePosted: _spoke,
    SessionClosed: _brought("closed"),
    SessionParticipantHidden: _brought("hidden"),
    SessionParticipantLeft: _brought("left"),
    InboxAcknowledged: _with("done with"),
    TaskStarted: _with("started while handling"),
    TaskProgressed: _with("goes on with the task started at"),
    **dict.fromkeys(TERMINAL, _with("ends the task started at")),
    TaskExpired: _task_expired,
    AgentObserved: _with("seen when the task ended at"),
    TurnFailed: _with("failed on"),
}


# The event names no cause.


def _began(past: Past, event: Event) -> Reason:
    return _say("a hub process took up the log: here it began")


def _came(past: Past, event: Event) -> Reason:
    by = "itself" if event.actor == event.body.agent_id else _who(past, event)
    return _say(f"registered by {by}: here it began")


def _of_agent(past: Past, event: Event) -> Reason:
    registered = past.registration(event.body.agent_id)
    name = printable(past.names.agent(event.body.agent_id))
    return Reason(registered, f"done by {_who(past, event)}; {name} registered at {_at(registered)}")


def _asked(past: Past, event: Event) -> Reason:
    creator = past.registration(event.body.creator_id)
    name = printable(past.names.agent(event.body.creator_id))
    through = "" if event.actor == event.body.creator_id else f" through {_who(past, event)}"
    return Reason(creator, f"asked for by {name}{through}; {name} registered at {_at(creator)}")


def _of_session(what: str) -> Callable[[Past, Event], Reason]:
    def words(past: Past, event: Event) -> Reason:
        created = past.session(event.body.session_id)
        return Reason(created, f"{what} by {_who(past, event)}, in the session asked for at {_at(created)}")

    return words


def _unprompted(past: Past, event: Event) -> Reason:
    body: EnvelopePosted = event.body
    created = past.session(body.session_id)
    opened = past.newest(f"session:{body.session_id}", types=(SessionOpened,))
    name = printable(past.names.agent(body.sender_id))
    by = "" if event.actor == body.sender_id else f", posted by {_who(past, event)}"
    why = f"{name} names no cause{by}; the session asked for at {_at(created)} is open since {_at(opened)}"
    return _say(why, opened)._replace(cause=created)


def _closed(past: Past, event: Event) -> Reason:
    if event.body.reason != INVITE_TIMEOUT or event.actor != HUB:
        return _of_session("closed")(past, event)
    created = past.session(event.body.session_id)
    due = maybe_iso(created.body.invite_due_us) if created is not None else None
    return Reason(created, f"swept: the time for answers set at {_at(created)} was up at {due}")


def _ttl(setter: Event | None, expires_us: int | None) -> Reason:
    due = f", up at {iso(expires_us)}" if expires_us is not None else ""
    return Reason(setter, f"expired by the TTL set at {_at(setter)}{due}")


def _expired(past: Past, event: Event) -> Reason:
    created = past.session(event.body.session_id)
    return _ttl(created, created.body.expires_us if created is not None else None)


def _swept(past: Past, event: Event) -> Reason:
    body: ExpectationViolated = event.body
    since = past.placed(body.session_id, min(body.anchors, default=0)) or past.session(body.session_id)
    seconds = body.params.get("seconds")
    limit = f" of {duration(round(seconds * 1_000_000))}" if isinstance(seconds, int | float) else ""
    return Reason(since, f"swept: {printable(body.expectation)}{limit}, since {_at(since)}")


def _refused(past: Past, event: Event) -> Reason:
    found = refusal(past, event)
    return Reason(found.cause, found.why, evidence=found.evidence)


def _done(past: Past, event: Event) -> Reason:
    body: InboxAcknowledged = event.body
    found = {each.position: each for each in map(past.find, body.envelope_ids) if each is not None}
    newest = found[max(found)] if found else None
    return Reason(newest, f"done with {len(body.envelope_ids)} envelopes, the newest {_at(newest)}",
                  evidence=tuple(sorted(found)[:-1]))  # fmt: skip


def _of_task(past: Past, event: Event) -> Reason:
    started = past.newest(f"task:{event.body.task_id}", types=(TaskStarted,))
    if not isinstance(event.body, TaskExpired):
        return Reason(started, f"of the task started at {_at(started)}")
    ended = past.end_after(event.body.session_id)
    return _say(f"ended with its session, at {_at(ended)} in the same append", ended)._replace(cause=started)


DERIVED: dict[type, Callable[[Past, Event], Reason]] = {
    HubOpened: _began,
    AgentRegistered: _came,
    **dict.fromkeys((AgentUnregistered, AgentResumeSet, AgentSkillSet, AgentRuleSet, AgentObserved), _of_agent),
    SessionCreated: _asked,
    **dict.fromkeys((SessionInviteSent, SessionInviteAccepted, SessionInviteRejected), _of_session("done")),
    **dict.fromkeys((SessionOpened, SessionParticipantHidden, SessionParticipantLeft), _of_session("done")),
    EnvelopePosted: _unprompted,
    SessionClosed: _closed,
    SessionExpired: _expired,
    InboxAcknowledged: _done,
    TaskStarted: _of_session("started outside a turn"),
    **dict.fromkeys((TaskProgressed, *TERMINAL), _of_task),
    ExpectationViolated: _swept,
    AccessDenied: _refused,
    TurnFailed: _of_session("done"),
}
"""Body class to words; a test holds it complete."""
