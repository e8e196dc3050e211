"""Reasons of events that name no cause: what follows from the facts."""

from __future__ import annotations

from collections.abc import Callable

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
from events.tasks import TERMINAL, TaskExpired, TaskProgressed, TaskStarted
from events.values.times import maybe_iso
from replay.reasons.past import Past
from replay.reasons.refused import refusal
from replay.reasons.words import Reason, at, say, ttl, who
from replay.render.text import duration, printable

INVITE_TIMEOUT = "invite_timeout"


def _began(past: Past, event: Event) -> Reason:
    return say("a hub process took up the log: here it began")


def _came(past: Past, event: Event) -> Reason:
    by = "itself" if event.actor == event.body.agent_id else who(past, event)
    return say(f"registered by {by}: here it began")


def _of_agent(past: Past, event: Event) -> Reason:
    registered = past.registration(event.body.agent_id)
    name = printable(past.names.agent(event.body.agent_id))
    return Reason(registered, f"done by {who(past, event)}; {name} registered at {at(registered)}")


def _asked(past: Past, event: Event) -> Reason:
    creator = past.registration(event.body.creator_id)
    name = printable(past.names.agent(event.body.creator_id))
    through = "" if event.actor == event.body.creator_id else f" through {who(past, event)}"
    return Reason(creator, f"asked for by {name}{through}; {name} registered at {at(creator)}")


def _of_session(what: str) -> Callable[[Past, Event], Reason]:
    def words(past: Past, event: Event) -> Reason:
        created = past.session(event.body.session_id)
        return Reason(created, f"{what} by {who(past, event)}; the session was asked for at {at(created)}")

    return words


def _unprompted(past: Past, event: Event) -> Reason:
    body: EnvelopePosted = event.body
    created = past.session(body.session_id)
    opened = past.newest(f"session:{body.session_id}", types=(SessionOpened,))
    name = printable(past.names.agent(body.sender_id))
    by = "" if event.actor == body.sender_id else f", posted by {who(past, event)}"
    why = f"{name} names no cause{by}; the session asked for at {at(created)} is open since {at(opened)}"
    return say(why, opened)._replace(cause=created)


def _closed(past: Past, event: Event) -> Reason:
    if event.body.reason != INVITE_TIMEOUT or event.actor != HUB:
        return _of_session("closed")(past, event)
    created = past.session(event.body.session_id)
    due = maybe_iso(created.body.invite_due_us) if created is not None else None
    return Reason(created, f"swept: the time for answers set at {at(created)} was up at {due}")


def _expired(past: Past, event: Event) -> Reason:
    created = past.session(event.body.session_id)
    return ttl(created, created.body.expires_us if created is not None else None)


def _swept(past: Past, event: Event) -> Reason:
    body: ExpectationViolated = event.body
    since = past.placed(body.session_id, min(body.anchors, default=0)) or past.session(body.session_id)
    seconds = body.params.get("seconds")
    limit = f" of {duration(round(seconds * 1_000_000))}" if isinstance(seconds, int | float) else ""
    return Reason(since, f"swept: {printable(body.expectation)}{limit}, since {at(since)}")


def _done(past: Past, event: Event) -> Reason:
    body: InboxAcknowledged = event.body
    found = {each.position: each for each in map(past.find, body.envelope_ids) if each is not None}
    newest = found[max(found)] if found else None
    return Reason(newest, f"done with {len(body.envelope_ids)} envelopes, the newest {at(newest)}",
                  evidence=tuple(sorted(found)[:-1]))  # fmt: skip


def _of_task(past: Past, event: Event) -> Reason:
    started = past.newest(f"task:{event.body.task_id}", types=(TaskStarted,))
    if not isinstance(event.body, TaskExpired):
        return Reason(started, f"of the task started at {at(started)}")
    ended = past.end_after(event.body.session_id)
    return say(f"ended with its session, at {at(ended)} in the same append", ended)._replace(cause=started)


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
    AccessDenied: refusal,
    TurnFailed: _of_session("done"),
}
"""Body class to words; a test holds it complete."""
