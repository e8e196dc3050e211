"""What each agent was sent and has not acknowledged: cursors that hold gaps (RULE-9, CLI-5).

``pending`` counts against the inbox cap. When a session ends its pending envelopes are **released**: they no longer
count, but are still delivered again until acknowledged, the latest ``RELEASED_MAX`` of them per agent. Memory:
O(unacknowledged). A post costs O(recipients).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, NamedTuple

from events.agents import AgentRegistered, AgentUnregistered
from events.event import Event
from events.governance import TurnFailed
from events.sessions import EnvelopePosted, InboxAcknowledged, SessionClosed, SessionExpired
from events.values.envelope import is_protocol_event
from projections.base import Fold
from projections.changed import Changed

RELEASED_MAX = 1000
NOBODY: dict[str, dict[str, None]] = {}


class Pending(NamedTuple):
    """Where an unacknowledged envelope stands: in which session, and at which position of the log."""

    session_id: str
    position: int


class Inbox:
    """One agent's unacknowledged envelopes, each map from envelope id, oldest first."""

    __slots__ = ("attempts", "pending", "released")

    def __init__(self) -> None:
        self.pending: dict[str, Pending] = {}
        self.released: dict[str, Pending] = {}
        self.attempts: dict[str, int] = {}

    def drop(self, envelope_id: str) -> Pending | None:
        """Forget an envelope; returns where it stood, None when it did not wait."""
        if self.attempts:
            self.attempts.pop(envelope_id, None)
        return self.pending.pop(envelope_id, None) or self.released.pop(envelope_id, None)


class Inboxes:
    """The inboxes of all live agents."""

    def __init__(self) -> None:
        self.inboxes: dict[str, Inbox] = {}
        self._in_session: dict[str, dict[str, dict[str, None]]] = {}
        self.changed = Changed()

    def depth(self, agent_id: str) -> int:
        """Return how many envelopes count against the agent's cap; O(1)."""
        inbox = self.inboxes.get(agent_id)
        return len(inbox.pending) if inbox else 0

    def waits(self, agent_id: str, envelope_id: str) -> Pending | None:
        """Return where an unacknowledged envelope of an agent stands, or None; O(1)."""
        inbox = self.inboxes.get(agent_id)
        if inbox is None:
            return None
        return inbox.pending.get(envelope_id) or inbox.released.get(envelope_id)

    def attempts(self, agent_id: str, envelope_id: str) -> int:
        """Return how often the agent's handler failed on an envelope so far."""
        inbox = self.inboxes.get(agent_id)
        return inbox.attempts.get(envelope_id, 0) if inbox else 0

    def outstanding(self, agent_id: str) -> list[tuple[str, Pending]]:
        """Return what a reconnected agent is to be sent again, released first; O(unacknowledged)."""
        inbox = self.inboxes.get(agent_id)
        return [*inbox.released.items(), *inbox.pending.items()] if inbox else []

    def _registered(self, event: Event) -> None:
        self.inboxes[event.body.agent_id] = Inbox()
        self.changed.note(event.body.agent_id)

    def _unregistered(self, event: Event) -> None:
        agent_id = event.body.agent_id
        inbox = self.inboxes.pop(agent_id, None)
        self.changed.gone(agent_id)
        for session_id in {pending.session_id for pending in inbox.pending.values()} if inbox else ():
            self._forget(session_id, agent_id)

    def _posted(self, event: Event) -> None:
        body: EnvelopePosted = event.body
        if is_protocol_event(body.event_type):
            return
        holders = self._in_session.get(body.session_id)
        if holders and (answered := holders.pop(body.sender_id, None)):
            self.changed.note(body.sender_id)
            inbox = self.inboxes[body.sender_id]
            for envelope_id in answered:
                inbox.drop(envelope_id)
        if not body.recipients:
            return
        if holders is None:
            holders = self._in_session[body.session_id] = {}
        place = Pending(body.session_id, event.position)
        for agent_id in body.recipients:
            self.changed.note(agent_id)
            self.inboxes[agent_id].pending[event.id] = place
            waiting = holders.get(agent_id)
            if waiting is None:
                holders[agent_id] = {event.id: None}
            else:
                waiting[event.id] = None

    def _acknowledged(self, event: Event) -> None:
        body: InboxAcknowledged = event.body
        for agent_id, envelope_id in zip(body.agent_ids, body.envelope_ids, strict=True):
            self._drop(agent_id, envelope_id)

    def _turn_failed(self, event: Event) -> None:
        body: TurnFailed = event.body
        inbox = self.inboxes.get(body.agent_id)
        if body.final:
            self._drop(body.agent_id, body.envelope_id)
        elif inbox and (body.envelope_id in inbox.pending or body.envelope_id in inbox.released):
            inbox.attempts[body.envelope_id] = body.attempt
            self.changed.note(body.agent_id)

    def _drop(self, agent_id: str, envelope_id: str) -> None:
        inbox = self.inboxes.get(agent_id)
        place = None if inbox is None else inbox.drop(envelope_id)
        if place is None:
            return
        self.changed.note(agent_id)
        waiting = self._in_session.get(place.session_id, NOBODY).get(agent_id)
        if waiting is not None:
            waiting.pop(envelope_id, None)
            if not waiting:
                self._forget(place.session_id, agent_id)

    def _ended(self, event: Event) -> None:
        for agent_id, envelope_ids in self._in_session.pop(event.body.session_id, {}).items():
            self.changed.note(agent_id)
            inbox = self.inboxes[agent_id]
            for envelope_id in envelope_ids:
                inbox.released[envelope_id] = inbox.pending.pop(envelope_id)
            while len(inbox.released) > RELEASED_MAX:
                inbox.drop(next(iter(inbox.released)))

    def _forget(self, session_id: str, agent_id: str) -> None:
        holders = self._in_session.get(session_id, {})
        holders.pop(agent_id, None)
        if not holders:
            self._in_session.pop(session_id, None)

    FOLDS: ClassVar[dict[type, Fold]] = {
        AgentRegistered: _registered,
        AgentUnregistered: _unregistered,
        EnvelopePosted: _posted,
        InboxAcknowledged: _acknowledged,
        TurnFailed: _turn_failed,
        SessionClosed: _ended,
        SessionExpired: _ended,
    }

    def dump(self) -> Any:
        """Return every inbox; O(unacknowledged)."""
        return {agent_id: self.part(agent_id) for agent_id in self.inboxes}

    def keys(self) -> Collection[str]:
        """Return the keys of all parts."""
        return self.inboxes

    def part(self, agent_id: str) -> Any:
        """Return one inbox as plain data; None when its agent is gone. O(unacknowledged)."""
        inbox = self.inboxes.get(agent_id)
        if inbox is None:
            return None
        return [
            [[key, *place] for key, place in inbox.pending.items()],
            [[key, *place] for key, place in inbox.released.items()],
            dict(inbox.attempts),
        ]

    def load_parts(self, parts: Mapping[str, Any]) -> None:
        """Take over the parts of a projection checkpoint."""
        self.load(parts)
        self.changed.restart(saved=parts)

    def load(self, dumped: Any) -> None:
        """Take over a dump."""
        self.__init__()  # type: ignore[misc]
        for agent_id, (pending, released, attempts) in dumped.items():
            self.changed.note(agent_id)
            inbox = self.inboxes[agent_id] = Inbox()
            inbox.pending = {key: Pending(session_id, position) for key, session_id, position in pending}
            inbox.released = {key: Pending(session_id, position) for key, session_id, position in released}
            inbox.attempts = dict(attempts)
            for key, place in inbox.pending.items():
                self._in_session.setdefault(place.session_id, {}).setdefault(agent_id, {})[key] = None
