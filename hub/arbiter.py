"""The one seam through which every permission goes (RULE-13).

An arbiter is pure: it gets a request value and answers ``Allow()`` or ``Deny(reason, error)``. ``RuleBasedArbiter``
reads the rules of SPEC §4; derive from it to tighten, or replace it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from events.errors import AccessDeniedError, InboxFull, NetworkError, RateLimitedError
from events.values.envelope import Envelope
from events.values.identity import Passport
from events.values.rule import Rule, admits


@dataclass(frozen=True, slots=True)
class Allow:
    """Yes."""


@dataclass(frozen=True, slots=True)
class Deny:
    """No: a sentence for the caller, the error to raise, and its facts."""

    reason: str
    error: type[NetworkError] = AccessDeniedError
    facts: dict[str, Any] = field(default_factory=dict)


Verdict = Allow | Deny
ALLOW = Allow()


class Party(NamedTuple):
    """One agent as an arbiter sees it."""

    passport: Passport
    rule: Rule

    @property
    def name(self) -> str:
        """The agent's name, which globs match."""
        return self.passport.name

    @property
    def agent_id(self) -> str:
        """The agent's id."""
        return self.passport.agent_id


class OpenRequest(NamedTuple):
    """A session is asked for; ``open_sessions`` counts the creator's live ones, pending included."""

    creator: Party
    invitees: Sequence[Party]
    session_type: str
    depth: int
    open_sessions: int


class SendRequest(NamedTuple):
    """An envelope is about to be accepted.

    Asked up to twice per post (RULE-12): before the session is looked at, with the listed audience and the depth; and
    after the protocol is known, for a broadcast with its recipients, and for a sender with a cap with the rate
    (``retry_after_s`` None: there is room).
    """

    sender: Party
    recipients: Sequence[Party]
    event_type: str
    depth: int
    retry_after_s: float | None = None


class InboxRequest(NamedTuple):
    """A recipient is about to get another substantive envelope; ``pending`` counts those it has not acknowledged."""

    recipient: Party
    pending: int


class TaskRequest(NamedTuple):
    """A task is seen for the first time; ``open_tasks`` counts the owner's live ones."""

    owner: Party
    open_tasks: int


class Arbiter(Protocol):
    """What the hub asks before it decides. Every method is pure."""

    def authorize_register(self, passport: Passport, rule: Rule) -> Verdict:
        """May this identity register (after authentication)?"""
        ...

    def authorize_open(self, request: OpenRequest) -> Verdict:
        """May this session be opened?"""
        ...

    def authorize_send(self, request: SendRequest) -> Verdict:
        """May this envelope be sent?"""
        ...

    def authorize_inbox(self, request: InboxRequest) -> Verdict:
        """Has this recipient room?"""
        ...

    def authorize_delivery(self, sender: Party, recipient: Party, envelope: Envelope) -> Verdict:
        """Is this envelope delivered to this recipient? Deny filters silently (RULE-3)."""
        ...

    def authorize_task(self, request: TaskRequest) -> Verdict:
        """May this task start?"""
        ...


class RuleBasedArbiter:
    """Answers from the agents' rules (RULE-1 to RULE-10)."""

    def authorize_register(self, passport: Passport, rule: Rule) -> Verdict:
        """Everyone who is authenticated may register."""
        return ALLOW

    def authorize_open(self, request: OpenRequest) -> Verdict:
        """Check types (RULE-4), outbound (RULE-2), inbound (RULE-3), depth (RULE-6) and the cap (RULE-7)."""
        creator = request.creator
        for party in (creator, *request.invitees):
            if not admits(party.rule.access.session_types_allowed, request.session_type):
                return Deny(
                    f"{party.name!r} may not take part in {request.session_type!r} sessions: its rule's "
                    f"session_types_allowed is {list(party.rule.access.session_types_allowed)}",
                    facts={"agent_id": party.agent_id, "session_type": request.session_type},
                )
        if (denied := self._outbound(creator, request.invitees)) is not None:
            return denied
        for invitee in request.invitees:
            if not admits(invitee.rule.access.inbound_from, creator.name):
                return Deny(
                    f"{invitee.name!r} does not accept sessions from {creator.name!r}: its rule's inbound_from is "
                    f"{list(invitee.rule.access.inbound_from)}",
                    facts={"agent_id": creator.agent_id, "recipient_id": invitee.agent_id},
                )
        if (denied := self._depth(creator, request.depth)) is not None:
            return denied
        cap = creator.rule.limits.max_concurrent_sessions
        if cap and request.open_sessions >= cap:
            return Deny(
                f"{creator.name!r} has {request.open_sessions} open sessions and its rule's max_concurrent_sessions "
                f"is {cap}: close one first",
                facts={"agent_id": creator.agent_id, "cap": cap},
            )
        return ALLOW

    def authorize_send(self, request: SendRequest) -> Verdict:
        """Check outbound (RULE-2), depth (RULE-6) and rate (RULE-8)."""
        sender = request.sender
        denied = self._outbound(sender, request.recipients) or self._depth(sender, request.depth)
        if denied is not None:
            return denied
        if request.retry_after_s is not None:
            cap = sender.rule.rate.envelopes_per_minute
            return Deny(
                f"{sender.name!r} has sent {cap} envelopes within 60 s, as many as its rule's envelopes_per_minute "
                f"allows: try again in {request.retry_after_s:.3f} s",
                RateLimitedError,
                {"agent_id": sender.agent_id, "cap": cap, "retry_after": request.retry_after_s},
            )
        return ALLOW

    def authorize_inbox(self, request: InboxRequest) -> Verdict:
        """Check the recipient's cap (RULE-9)."""
        cap = request.recipient.rule.inbox.max_pending
        if not cap or request.pending < cap:
            return ALLOW
        return Deny(
            f"the inbox of {request.recipient.name!r} is full: {request.pending} envelopes wait to be acknowledged and "
            f"its rule's max_pending is {cap}",
            InboxFull,
            {"recipient_id": request.recipient.agent_id, "pending": request.pending, "cap": cap},
        )

    def authorize_delivery(self, sender: Party, recipient: Party, envelope: Envelope) -> Verdict:
        """Check the recipient's inbound_from (RULE-3)."""
        if admits(recipient.rule.access.inbound_from, sender.name):
            return ALLOW
        return Deny(f"{recipient.name!r} does not accept envelopes from {sender.name!r}")

    def authorize_task(self, request: TaskRequest) -> Verdict:
        """Check the owner's cap (RULE-7)."""
        cap = request.owner.rule.limits.max_concurrent_tasks
        if not cap or request.open_tasks < cap:
            return ALLOW
        return Deny(
            f"{request.owner.name!r} has {request.open_tasks} open tasks and its rule's max_concurrent_tasks is {cap}",
            facts={"agent_id": request.owner.agent_id, "cap": cap},
        )

    def _outbound(self, sender: Party, recipients: Sequence[Party]) -> Deny | None:
        globs = sender.rule.access.outbound_to
        for recipient in recipients:
            if recipient.agent_id != sender.agent_id and not admits(globs, recipient.name):
                return Deny(
                    f"{sender.name!r} may not reach {recipient.name!r}: its rule's outbound_to is {list(globs)}",
                    facts={"agent_id": sender.agent_id, "recipient_id": recipient.agent_id},
                )
        return None

    def _depth(self, sender: Party, depth: int) -> Deny | None:
        cap = sender.rule.limits.delegation_depth
        if not cap or depth <= cap:
            return None
        return Deny(
            f"{sender.name!r} would act at delegation depth {depth} and its rule's delegation_depth is {cap}",
            facts={"agent_id": sender.agent_id, "depth": depth, "cap": cap},
        )
