"""Reasons of events that name their cause: what the cause is to them."""

from __future__ import annotations

from collections.abc import Callable

from events.agents import AgentObserved, AgentUnregistered
from events.event import Event
from events.governance import ExpectationViolated, TurnFailed
from events.sessions import (
    EnvelopePosted,
    InboxAcknowledged,
    SessionClosed,
    SessionCreated,
    SessionInviteAccepted,
    SessionInviteRejected,
    SessionInviteSent,
    SessionOpened,
    SessionParticipantHidden,
    SessionParticipantLeft,
)
from events.tasks import TERMINAL, TaskExpired, TaskProgressed, TaskStarted
from replay.reasons.past import Past
from replay.reasons.words import Reason, at, say, ttl, who
from replay.render.text import printable


def follows(past: Past, event: Event, cause: Event) -> Reason:
    """Return the plainest words, for events that have none of their own."""
    return say(f"follows from {at(cause)}")


def _asked_while(past: Past, event: Event, cause: Event) -> Reason:
    return say(f"{who(past, event)} asked for it while handling {at(cause)}{_elsewhere(past, event, cause)}")


def _invited(past: Past, event: Event, cause: Event) -> Reason:
    return say(f"invited by the opening {at(cause)}")


def _answered(past: Past, event: Event, cause: Event) -> Reason:
    body: SessionInviteAccepted | SessionInviteRejected = event.body
    invite = past.newest(f"session:{body.session_id}", f"agent:{body.agent_id}", types=(SessionInviteSent,))
    return say(f"answers the invite {at(invite)} of the opening {at(cause)}", invite)


def _opened(past: Past, event: Event, cause: Event) -> Reason:
    alone = isinstance(cause.body, SessionCreated)
    return say("opened at once: nobody had to be asked" if alone else f"opened by the last answer, {at(cause)}")


def _spoke(past: Past, event: Event, cause: Event) -> Reason:
    heard = isinstance(cause.body, EnvelopePosted) and event.body.sender_id in cause.body.recipients
    return say(f"{'answers' if heard else 'names as its cause'} {at(cause)}{_elsewhere(past, event, cause)}")


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
    return f"{'the answer' if answer else _NOUNS.get(type(cause.body), 'the event')} {at(cause)}"


def _brought(what: str) -> Callable[[Past, Event, Event], Reason]:
    return lambda past, event, cause: say(f"{what} by {_by(cause)}")


def _with(what: str) -> Callable[[Past, Event, Event], Reason]:
    return lambda past, event, cause: say(f"{what} {at(cause)}")


def _task_expired(past: Past, event: Event, cause: Event) -> Reason:
    if isinstance(cause.body, TaskStarted):
        return ttl(cause, cause.body.expires_us)
    return say(f"ended with its session, by {_by(cause)}")


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
