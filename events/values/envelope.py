"""What agents send each other, and the names of what travels (SPEC §7, ENV-1 to ENV-5)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Self, cast

from events.values.frozen import EMPTY, FreezeError, FrozenDict, FrozenList, freeze, thaw

EV_TEXT = "ag2.msg.text"
EV_PACKET = "ag2.packet"
EV_CONTEXT_SET = "ag2.context.set"
EV_SESSION_INVITE = "ag2.session.invite"
EV_SESSION_INVITE_ACK = "ag2.session.invite.ack"
EV_SESSION_INVITE_REJECT = "ag2.session.invite.reject"
EV_SESSION_OPENED = "ag2.session.opened"
EV_SESSION_CLOSED = "ag2.session.closed"
EV_SESSION_EXPIRED = "ag2.session.expired"
EV_EXPECTATION_VIOLATED = "ag2.expectation.violated"
EV_TASK_STARTED = "ag2.task.started"
EV_TASK_PROGRESS = "ag2.task.progress"
EV_TASK_COMPLETED = "ag2.task.completed"
EV_TASK_FAILED = "ag2.task.failed"
EV_TASK_EXPIRED = "ag2.task.expired"
EV_TASK_CANCELLED = "ag2.task.cancelled"

HUB = "hub"
"""The sender of what the hub itself says in a session."""
PRIORITIES = ("high", "normal", "low")
"""Order in which an agent's waiting sessions are delivered after a reconnect."""


class _Unsealed:
    """An envelope while its constructor fills it in; ``Envelope`` is the same object, sealed.

    Prior art: a frozen dataclass sets each field through ``object.__setattr__``, at six times the cost. A post builds
    two envelopes, and reading a write-ahead log one for each line of it.
    """

    __slots__ = (
        "audience",
        "causation_id",
        "created_at",
        "depth",
        "envelope_id",
        "event_data",
        "event_type",
        "idempotency_key",
        "priority",
        "sender_id",
        "sequence",
        "session_id",
        "task_id",
        "trace_id",
        "ttl_seconds",
    )


@dataclass(frozen=True, slots=True, init=False)
class Envelope(_Unsealed):
    """One message in a session (ENV-1). ``event_data`` and ``audience`` are frozen when it is built.

    The hub stamps ``envelope_id``, ``created_at`` (ISO-8601, ``Z``), ``sequence`` (per session, from 1) and the
    final ``depth``. ``audience`` None reaches every participant but the sender; a list reaches those listed.
    ``ttl_seconds``: an envelope not delivered within it is not delivered at all.
    Shape errors in ``event_data`` (ENV-3) are raised by the hub when it is posted, not here.
    """

    session_id: str
    sender_id: str
    audience: Sequence[str] | None = None
    event_type: str = EV_TEXT
    event_data: Mapping[str, Any] = field(default_factory=dict)
    envelope_id: str = ""
    task_id: str | None = None
    causation_id: str | None = None
    trace_id: str | None = None
    priority: str = "normal"
    depth: int = 0
    idempotency_key: str | None = None
    created_at: str = ""
    ttl_seconds: int | None = None
    sequence: int = 0

    def __new__(
        cls,
        session_id: str,
        sender_id: str,
        audience: Sequence[str] | None = None,
        event_type: str = EV_TEXT,
        event_data: Mapping[str, Any] = EMPTY,
        envelope_id: str = "",
        task_id: str | None = None,
        causation_id: str | None = None,
        trace_id: str | None = None,
        priority: str = "normal",
        depth: int = 0,
        idempotency_key: str | None = None,
        created_at: str = "",
        ttl_seconds: int | None = None,
        sequence: int = 0,
    ) -> Self:
        """Build an envelope; O(size of what is not frozen yet)."""
        self: Any = _Unsealed()
        self.session_id = session_id
        self.sender_id = sender_id
        self.event_type = event_type
        self.envelope_id = envelope_id
        self.task_id = task_id
        self.causation_id = causation_id
        self.trace_id = trace_id
        self.priority = priority
        self.depth = depth
        self.idempotency_key = idempotency_key
        self.created_at = created_at
        self.ttl_seconds = ttl_seconds
        self.sequence = sequence
        self.event_data = event_data if event_data.__class__ is FrozenDict else _frozen_data(event_data)
        if audience is None or audience.__class__ is FrozenList:
            self.audience = audience
        else:
            self.audience = _frozen_audience(audience)
        self.__class__ = cls
        return cast("Self", self)

    def __reduce__(self) -> tuple[Any, ...]:
        return Envelope, tuple(getattr(self, f.name) for f in dataclasses.fields(self))

    @property
    def text(self) -> str:
        """The ``text`` of a text envelope, or the ``body`` of a packet, or ``""``."""
        text = self.event_data.get("text", self.event_data.get("body", ""))
        return text if isinstance(text, str) else ""

    def to_dict(self) -> dict[str, Any]:
        """Return every field as plain JSON data."""
        return {f.name: thaw(getattr(self, f.name)) for f in dataclasses.fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Envelope:
        """Build an envelope from plain data; raises ValueError on an unknown or missing key."""
        try:
            return cls(**data)
        except TypeError as error:
            raise ValueError(f"Envelope: {error}") from None


def _frozen_data(data: Any) -> Any:
    """Freeze event_data; what is not JSON stays as given: the hub refuses it by name when it is posted (ENV-3)."""
    try:
        return freeze(data)
    except (FreezeError, RecursionError):
        return data


def _frozen_audience(audience: Any) -> Any:
    """Freeze an audience in one order, always; what lists nobody stays as given, and is refused when it is posted."""
    if audience.__class__ is list or audience.__class__ is tuple:
        return FrozenList(audience)
    if isinstance(audience, str) or not isinstance(audience, Iterable):
        return audience
    return FrozenList(sorted(audience) if isinstance(audience, Set) else audience)


def visible_to(envelope: Envelope, agent_id: str) -> bool:
    """Say whether an agent may see an envelope: its sender, everyone of a broadcast, those listed (ENV-2)."""
    return envelope.audience is None or envelope.sender_id == agent_id or agent_id in envelope.audience


def is_close_event(envelope: Envelope) -> bool:
    """Say whether the session ended with this envelope, by closing or by expiry (trap 49)."""
    return envelope.event_type in (EV_SESSION_CLOSED, EV_SESSION_EXPIRED)


def is_protocol_event(event_type: str) -> bool:
    """Say whether only the hub (and an invitee answering) emits a type, which inboxes and rates pass over.

    SESS-7 and RULE-10: what agents could emit by such a name would evade their caps.
    """
    return event_type.startswith(("ag2.session.", "ag2.task.", "ag2.expectation."))
