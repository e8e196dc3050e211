"""A session's write-ahead log: a view, each envelope built from one event (ENV-5, ENV-6).

``VIEWS`` is the table from event body to function. An event belongs to the view when its body has a ``sequence``
above 0. A slice is found by bisection over the positions of the session's events, so reading it costs
O(slice + log² log), whatever the length of the session or of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from eventsourcing.dcb.api import DCBQuery

from events.event import HUB, Event
from events.governance import ExpectationViolated
from events.log import EventLog, tagged
from events.sessions import (
    EnvelopePosted,
    SessionClosed,
    SessionExpired,
    SessionInviteAccepted,
    SessionInviteRejected,
    SessionInviteSent,
    SessionOpened,
    SessionParticipantHidden,
)
from events.tasks import TaskCancelled, TaskCompleted, TaskExpired, TaskFailed, TaskProgressed, TaskStarted
from events.values import envelope as ev
from events.values.envelope import Envelope
from events.values.frozen import FrozenList
from events.values.times import iso

UNLIMITED = 1 << 63
NEAR_THE_END = 64
"""So many envelopes after a slice are read in vain rather than look for its start by bisection."""


def posted_envelope(event: Event, *, facts_only: bool = False) -> Envelope:
    """Return the envelope of an ``envelope.posted`` event; ``facts_only`` leaves out what folds do not read."""
    body: EnvelopePosted = event.body
    data = body.data if facts_only or not body.rest else {**body.data, **body.rest} if body.data else body.rest
    return Envelope(
        body.session_id,
        body.sender_id,
        None if body.audience is None else FrozenList(body.audience),
        body.event_type,
        data,
        event.id,
        body.task_id,
        event.cause,
        body.trace_id,
        body.priority,
        body.depth,
        body.idempotency_key,
        iso(event.at_us),
        None if body.ttl_us is None else body.ttl_us // 1_000_000,
        body.sequence,
    )


def _hub_says(event_type: str, audience: tuple[str, ...] | None = None, **data: Any) -> Callable[[Event], Envelope]:
    def view(event: Event) -> Envelope:
        body = event.body
        values = {name: getattr(body, attribute) for name, attribute in data.items()}
        return _say(event, event_type, HUB, values, audience)

    return view


def _say(
    event: Event, event_type: str, sender_id: str, data: dict[str, Any], audience: tuple[str, ...] | None = None
) -> Envelope:
    body = event.body
    return Envelope(
        body.session_id,
        sender_id,
        audience,
        event_type,
        data,
        event.id,
        task_id=getattr(body, "task_id", None),
        causation_id=event.cause,
        created_at=iso(event.at_us),
        sequence=body.sequence,
    )


def _invite(event: Event) -> Envelope:
    body: SessionInviteSent = event.body
    return _say(event, ev.EV_SESSION_INVITE, HUB, {"invitee_id": body.invitee_id}, (body.invitee_id,))


def _accepted(event: Event) -> Envelope:
    return _say(event, ev.EV_SESSION_INVITE_ACK, event.body.agent_id, {})


def _rejected(event: Event) -> Envelope:
    return _say(event, ev.EV_SESSION_INVITE_REJECT, event.body.agent_id, {"reason": event.body.reason})


def _violated(event: Event) -> Envelope:
    body: ExpectationViolated = event.body
    data = {"expectation": body.expectation, "on_violation": body.on_violation, "violators": list(body.violators)}
    return _say(event, ev.EV_EXPECTATION_VIOLATED, HUB, {**data, "params": body.params, "detail": body.detail})


def _task(event_type: str, *fields: str) -> Callable[[Event], Envelope]:
    def view(event: Event) -> Envelope:
        data = {name: getattr(event.body, name) for name in ("task_id", *fields)}
        if (latency_us := getattr(event.body, "latency_us", None)) is not None:
            data["latency_ms"] = latency_us / 1000
        return _say(event, event_type, event.body.owner_id, data)

    return view


VIEWS: dict[type, Callable[[Event], Envelope]] = {
    EnvelopePosted: posted_envelope,
    SessionInviteSent: _invite,
    SessionInviteAccepted: _accepted,
    SessionInviteRejected: _rejected,
    SessionOpened: _hub_says(ev.EV_SESSION_OPENED),
    SessionClosed: _hub_says(ev.EV_SESSION_CLOSED, reason="reason"),
    SessionExpired: _hub_says(ev.EV_SESSION_EXPIRED, reason="reason"),
    ExpectationViolated: _violated,
    TaskStarted: _task(ev.EV_TASK_STARTED, "title", "capability", "payload"),
    TaskProgressed: _task(ev.EV_TASK_PROGRESS, "progress"),
    TaskCompleted: _task(ev.EV_TASK_COMPLETED, "capability", "result"),
    TaskFailed: _task(ev.EV_TASK_FAILED, "capability", "error"),
    TaskExpired: _task(ev.EV_TASK_EXPIRED, "capability", "reason"),
    TaskCancelled: _task(ev.EV_TASK_CANCELLED, "capability", "error"),
}


def wal_envelope(event: Event) -> Envelope | None:
    """Return the event's envelope in its session's write-ahead log, or None; O(size of the event)."""
    view = VIEWS.get(type(event.body))
    return view(event) if view is not None and event.body.sequence else None


def _sequence(event: Event) -> int | None:
    return getattr(event.body, "sequence", None) or None


class Viewers:
    """Agents who read a session together, and what they may see of it: what was live for one of them (trap 53).

    Args:
        log: where the session is.
        session_id: which session; when one of the agents was hidden in it, it sees nothing from there on (GOV-2).
        agent_ids: who reads.
    """

    def __init__(self, log: EventLog, session_id: str, agent_ids: Iterable[str]) -> None:
        self._until = dict.fromkeys(agent_ids, UNLIMITED)
        for event in log.read(tagged(f"session:{session_id}", types=(SessionParticipantHidden,)), content=False):
            if event.body.agent_id in self._until:
                self._until[event.body.agent_id] = event.position

    def sees(self, event: Event, envelope: Envelope) -> bool:
        """Say whether one of them sent an envelope, got it, or was meant by the hub; O(recipients)."""
        present = {agent_id for agent_id, until in self._until.items() if event.position <= until}
        if envelope.sender_id in present:
            return True
        reached = event.body.recipients if isinstance(event.body, EnvelopePosted) else envelope.audience
        return bool(present) if reached is None else not present.isdisjoint(reached)


def read_wal(
    log: EventLog,
    session_id: str,
    since: int = 0,
    until: int | None = None,
    viewers: Viewers | None = None,
    *,
    last: int | None = None,
) -> Iterator[Envelope]:
    """Give the slice ``[since:until]`` of a session's write-ahead log, in acceptance order (ENV-5).

    ``since`` and ``until`` count envelopes as a Python slice does, without negative numbers. An unknown session gives
    nothing. ``viewers`` leaves out what none of them may see. ``last`` is the number of the session's last envelope,
    where that is known: a slice that ends near it is read from the end. Cost: O(slice), and O(log² n) for its start
    unless it is the log's or is found from the end.
    """
    query = tagged(f"session:{session_id}")
    if last is not None and since and last - (last if until is None else until) <= NEAR_THE_END:
        events: Iterable[Event] = _from_the_end(log, query, since)
    else:
        start = log.bisect(query, _sequence, since + 1) if since > 0 else 1
        if start is None:
            return
        events = log.read(query, after=start - 1)
    for event in events:
        envelope = wal_envelope(event)
        if envelope is None:
            continue
        if until is not None and envelope.sequence > until:
            return
        if viewers is None or viewers.sees(event, envelope):
            yield envelope


def _from_the_end(log: EventLog, query: DCBQuery, since: int) -> list[Event]:
    found: list[Event] = []
    for event in log.read(query, backwards=True):
        sequence = _sequence(event)
        if sequence is not None and sequence <= since:
            break
        found.append(event)
    found.reverse()
    return found
