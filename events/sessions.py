"""What happens in sessions: created, invited, opened, spoken in, closed.

``sequence`` numbers the envelopes of the session's write-ahead log from 1 (ENV-5); an event that has one is one
envelope of that view.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from events.event import NO_DATA, ContentMap, ContentText, Id, Ids, MaybeIds, event_type


@event_type("session.created")
class SessionCreated(NamedTuple):
    """A session was asked for; its id is the event's id. ``participants`` are in list order, creator first if added.

    ``depth`` is where its envelopes start (RULE-6); the deadlines are microseconds since 1970.
    """

    session_id: Id
    creator_id: Id
    manifest: Mapping[str, Any]
    participants: Ids
    invite_due_us: int
    expires_us: int | None = None
    depth: int = 0
    knobs: Mapping[str, Any] = NO_DATA
    labels: Mapping[str, str] = NO_DATA

    def tags(self) -> tuple[str, ...]:
        return (f"session:{self.session_id}", *(f"agent:{agent_id}" for agent_id in self.participants))


@event_type("session.invite_sent")
class SessionInviteSent(NamedTuple):
    """The hub invited a participant."""

    session_id: Id
    invitee_id: Id
    sequence: int

    def tags(self) -> tuple[str, ...]:
        return (f"session:{self.session_id}", f"agent:{self.invitee_id}")


@event_type("session.invite_accepted")
class SessionInviteAccepted(NamedTuple):
    """An invitee said yes."""

    session_id: Id
    agent_id: Id
    sequence: int

    def tags(self) -> tuple[str, ...]:
        return (f"session:{self.session_id}", f"agent:{self.agent_id}")


@event_type("session.invite_rejected")
class SessionInviteRejected(NamedTuple):
    """An invitee said no; the session closes in the same append."""

    session_id: Id
    agent_id: Id
    sequence: int
    reason: ContentText = ""

    def tags(self) -> tuple[str, ...]:
        return (f"session:{self.session_id}", f"agent:{self.agent_id}")


@event_type("session.opened")
class SessionOpened(NamedTuple):
    """Every invitee said yes: the session is active."""

    session_id: Id
    sequence: int

    def tags(self) -> tuple[str, ...]:
        return (f"session:{self.session_id}",)


@event_type("session.closed")
class SessionClosed(NamedTuple):
    """The session is over (SESS-5, SESS-8)."""

    session_id: Id
    reason: str
    sequence: int

    def tags(self) -> tuple[str, ...]:
        return (f"session:{self.session_id}",)


@event_type("session.expired")
class SessionExpired(NamedTuple):
    """The session outlived its TTL (GOV-5)."""

    session_id: Id
    sequence: int
    reason: str = "ttl_expired"

    def tags(self) -> tuple[str, ...]:
        return (f"session:{self.session_id}",)


@event_type("session.participant_hidden")
class SessionParticipantHidden(NamedTuple):
    """A participant sees nothing later and loses its turn (GOV-2)."""

    session_id: Id
    agent_id: Id
    expectation: str = ""

    def tags(self) -> tuple[str, ...]:
        return (f"session:{self.session_id}", f"agent:{self.agent_id}")


@event_type("session.participant_left")
class SessionParticipantLeft(NamedTuple):
    """A participant unregistered while the session was live (trap 51)."""

    session_id: Id
    agent_id: Id

    def tags(self) -> tuple[str, ...]:
        return (f"session:{self.session_id}", f"agent:{self.agent_id}")


@event_type("envelope.posted")
class EnvelopePosted(NamedTuple):
    """An envelope was accepted; its id is the event's id, its causation_id the event's cause.

    ``audience`` is what the sender asked for, ``recipients`` who is permitted to get it at this position. ``data``
    is the part of event_data that the session type's fold reads, ``rest`` the other part. ``digest`` covers the
    whole post and is kept where an idempotency key is (ENV-4). Tagged with its recipients too: what fills an inbox is
    found by agent, and is inside the consistency boundary of every post to that agent.
    """

    session_id: Id
    sender_id: Id
    event_type: str
    sequence: int
    recipients: Ids = ()
    audience: MaybeIds = None
    depth: int = 0
    task_id: str | None = None
    trace_id: str | None = None
    priority: str = "normal"
    ttl_us: int | None = None
    idempotency_key: str | None = None
    digest: str | None = None
    data: Mapping[str, Any] = NO_DATA
    rest: ContentMap = NO_DATA

    def tags(self) -> tuple[str, ...]:
        people = dict.fromkeys((self.sender_id, *self.recipients))
        return (f"session:{self.session_id}", *(f"agent:{agent_id}" for agent_id in people))


@event_type("inbox.acknowledged")
class InboxAcknowledged(NamedTuple):
    """Agents are done with envelopes: each of ``agent_ids`` with the one at its place in ``envelope_ids`` (RULE-9)."""

    agent_ids: Ids
    envelope_ids: Ids

    def tags(self) -> tuple[str, ...]:
        return tuple(f"agent:{agent_id}" for agent_id in dict.fromkeys(self.agent_ids))
