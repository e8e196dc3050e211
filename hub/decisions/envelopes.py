"""What any envelope must be before anything is looked up (ENV-1, ENV-3), and what the hub stamps on it.

On the path of every post: what is as it mostly is (short text, ASCII, no options) is recognised at once.
"""

from __future__ import annotations

import hashlib
from typing import Any

from events.codec import canonical
from events.errors import ProtocolError
from events.values.envelope import EV_PACKET, EV_TEXT, PRIORITIES, Envelope
from events.values.frozen import EMPTY, SIZE_MAX_BYTES, FreezeError, FrozenDict, FrozenList, freeze
from events.values.identity import AGENT_ID
from events.values.times import iso
from hub.protocols.base import SessionAdapter

TEXT_LENGTH_MAX = 256
"""Longest event type, idempotency key, trace id and the like, in characters."""
COUNT_MAX = (1 << 32) - 1
USUAL = (EV_TEXT, EV_PACKET)
"""The event types of most envelopes; a tuple, since what is compared with it may be anything."""


def check_envelope(envelope: Envelope) -> None:
    """Refuse what is no envelope; O(size).

    Raises:
        ProtocolError: the message names the field, and the limit.
    """
    _check_data(envelope.event_data)
    audience = envelope.audience
    if audience is not None:
        _check_audience(audience)
    if not _is_id(session_id := envelope.session_id):
        _check_text("session_id", session_id)
    if not _is_id(sender_id := envelope.sender_id):
        _check_text("sender_id", sender_id)
    if envelope.event_type not in USUAL:
        _check_text("event_type", envelope.event_type)
    if envelope.task_id is not None:
        _check_text("task_id", envelope.task_id)
    if envelope.trace_id is not None:
        _check_text("trace_id", envelope.trace_id)
    if envelope.idempotency_key is not None:
        _check_text("idempotency_key", envelope.idempotency_key)
    if envelope.causation_id is not None and not AGENT_ID.fullmatch(str(envelope.causation_id)):
        raise ProtocolError(f"causation_id {envelope.causation_id!r} is not an envelope id (32 lower-case hex)")
    if envelope.priority != "normal" and envelope.priority not in PRIORITIES:
        raise ProtocolError(f"priority {envelope.priority!r} is none of {', '.join(PRIORITIES)}")
    if envelope.depth.__class__ is not int or not 0 <= envelope.depth <= COUNT_MAX:
        _check_count("depth", envelope.depth)
    if envelope.ttl_seconds is not None:
        _check_count("ttl_seconds", envelope.ttl_seconds)


def _check_data(data: Any) -> None:
    if data.__class__ is not FrozenDict:
        try:
            frozen = freeze(data)  # raises, and says where: it could not be frozen when the envelope was built
        except FreezeError as error:
            raise ProtocolError(str(error)) from None
        if frozen.__class__ is not FrozenDict:
            raise ProtocolError(f"event_data is a {type(data).__name__}; send a mapping")
    if _size_bound(data) > SIZE_MAX_BYTES and (size := len(canonical(data))) > SIZE_MAX_BYTES:
        raise ProtocolError(f"event_data has {size} bytes encoded; the limit is {SIZE_MAX_BYTES} (1 MiB)")


def _size_bound(value: Any) -> int:
    """An upper bound of the encoded size that is cheap to compute; O(nodes)."""
    if isinstance(value, dict):
        bound = 5
        for key, item in value.items():
            bound += 10 + 4 * (len(key) + len(item)) if item.__class__ is str else 5 + 4 * len(key) + _size_bound(item)
        return bound
    if isinstance(value, str):
        return 5 + 4 * len(value)
    return 5 + sum(_size_bound(item) for item in value) if isinstance(value, list) else 9


def _check_audience(audience: Any) -> None:
    if audience.__class__ is FrozenList:
        for agent_id in audience:
            if not isinstance(agent_id, str):
                break
        else:
            return
    raise ProtocolError("audience is None for everybody, or a list of agent ids")


def _is_id(text: Any) -> bool:
    return text.__class__ is str and len(text) == 32 and text.isalnum()


def _check_text(name: str, text: Any) -> None:
    if not isinstance(text, str) or not 0 < len(text) <= TEXT_LENGTH_MAX or not text.isprintable():
        shown = repr(text)[:80]
        raise ProtocolError(f"{name} is {shown}; it must be 1 to {TEXT_LENGTH_MAX} printable characters")


def _check_count(name: str, number: Any) -> None:
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= COUNT_MAX:
        raise ProtocolError(f"{name} is {number!r}; it must be a whole number from 0 to 2^32 - 1")


def stamped(envelope: Envelope, depth: int, envelope_id: str, at_us: int, sequence: int) -> Envelope:
    """Return the envelope with what is the hub's to say (ENV-1)."""
    return Envelope(
        envelope.session_id,
        envelope.sender_id,
        envelope.audience,
        envelope.event_type,
        envelope.event_data,
        envelope_id,
        envelope.task_id,
        envelope.causation_id,
        envelope.trace_id,
        envelope.priority,
        depth,
        envelope.idempotency_key,
        iso(at_us),
        envelope.ttl_seconds,
        sequence,
    )


def with_data(envelope: Envelope, data: FrozenDict) -> Envelope:
    """Return the same envelope with other ``event_data``."""
    return Envelope(
        envelope.session_id,
        envelope.sender_id,
        envelope.audience,
        envelope.event_type,
        data,
        envelope.envelope_id,
        envelope.task_id,
        envelope.causation_id,
        envelope.trace_id,
        envelope.priority,
        envelope.depth,
        envelope.idempotency_key,
        envelope.created_at,
        envelope.ttl_seconds,
        envelope.sequence,
    )


def digest_of(envelope: Envelope) -> str:
    """Return what an idempotency key stands for, 32 hex characters (ENV-4); O(size)."""
    content = [envelope.event_type, envelope.audience, envelope.event_data, envelope.task_id, envelope.causation_id]
    return hashlib.sha256(canonical(content)).hexdigest()[:32]


def split_data(adapter: SessionAdapter, data: Any) -> tuple[FrozenDict, FrozenDict]:
    """Return the part of event_data that the type's fold reads, which becomes facts, and the rest (LOG-2)."""
    if adapter.fold_keys is None:
        return data, EMPTY
    if not adapter.fold_keys:
        return EMPTY, data
    facts = FrozenDict({key: value for key, value in data.items() if key in adapter.fold_keys})
    return facts, FrozenDict({key: value for key, value in data.items() if key not in adapter.fold_keys})
