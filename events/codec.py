"""Canonical bytes of an event: the same on every machine, readable for ever (LOG-6, LOG-7).

A record of the hub's log (the record rule ``event``) is

====== ============= ====================================================================================
offset type          meaning; what an unknown value does
====== ============= ====================================================================================
0      u8            record format: 1; 0, an event that is not the hub's, then its record by the rule ``record``;
                     any other: ``StoreError`` that names it
1      u8            event type, by its number in ``TYPE_NUMBERS``; an unknown one: ``StoreError`` naming it
2      u32 big-end.  length H of the head in bytes; longer than the record: ``CorruptLogError``
6      msgpack array the head: version, id, at_us, actor, cause, facts
                     version (int): a newer one than this library knows: ``StoreError`` naming type and version
                     id (bin 16), at_us (int, microseconds since 1970)
                     actor (bin 16: an agent id; str: ``hub`` or ``operator``), cause (bin 16 or nil)
                     facts (map, keys sorted at every level; a field at its default is left out)
6 + H  msgpack map   the content, keys sorted likewise; nothing at all when every field is at its default
====== ============= ====================================================================================

Ids are 16 bytes. There are no floats in facts but those that people put into ``data``, ``knobs`` or ``params``. Tags
follow from the facts and are not written. The Merkle leaf covers the first 6 + H bytes and the SHA-256 of the content:
content can be erased one day, and every proof stays valid (LOG-2). Cost: O(size of the event) each way;
``decode(…, content=False)`` does not touch content.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping
from typing import Any

import msgpack
from eventsourcing.dcb.api import DCBEvent

import events.agents
import events.governance
import events.sessions
import events.tasks  # noqa: F401  (importing the four modules registers every body)
from events.codec_compile import ordered, unpack_frozen
from events.errors import CorruptLogError, StoreError
from events.event import BODIES, NO_DATA, SCHEMAS, Event, Schema
from events.stores.record import RECORD_RULES, RecordRule
from events.stores.record import decode as decode_any
from events.stores.record import encode as encode_any
from events.values.frozen import thaw

FORMAT = 1
_FORMAT_BYTE = bytes((FORMAT,))
STRANGER = b"\0"
"""First byte of an event that is not the hub's: a log is a store for any application of the eventsourcing library."""
_PREFIX = struct.Struct(">BBI")
_PACKER = msgpack.Packer(autoreset=True)
_unpack = msgpack.unpackb
_new_event = tuple.__new__
_HEAD = _PREFIX.size
_BIN_16, _ID_END = b"\xc4\x10", 26
"""What stands before an id in msgpack, and where the event's own ends: after the head's mark and its version."""
_EMPTY_DIGEST = hashlib.sha256(b"").digest()

Upcaster = Callable[[dict[str, Any], dict[str, Any]], None]
"""Changes the facts and content of one version, in place, into those of the next."""
UPCASTERS: dict[tuple[str, int], Upcaster] = {}
"""(event type, stored version) to the step towards the next version. Empty: format 1 is the first."""


TYPE_NUMBERS: dict[str, int] = {
    "agent.registered": 1,
    "agent.unregistered": 2,
    "agent.resume_set": 3,
    "agent.skill_set": 4,
    "agent.rule_set": 5,
    "agent.observed": 6,
    "session.created": 16,
    "session.invite_sent": 17,
    "session.invite_accepted": 18,
    "session.invite_rejected": 19,
    "session.opened": 20,
    "session.closed": 21,
    "session.expired": 22,
    "session.participant_hidden": 23,
    "session.participant_left": 24,
    "envelope.posted": 32,
    "inbox.acknowledged": 33,
    "task.started": 48,
    "task.progressed": 49,
    "task.completed": 50,
    "task.failed": 51,
    "task.expired": 52,
    "task.cancelled": 53,
    "expectation.violated": 64,
    "access.denied": 65,
    "turn.failed": 66,
    "hub.opened": 67,
}
"""Event type to its number in a record. A number is never used for another type."""
_STARTS = {bytes((FORMAT, number)): name for name, number in TYPE_NUMBERS.items()}
"""The first two bytes of a record to its event type."""


class StoredEvent(DCBEvent):
    """An event of the hub's log as the store gives it; its tags are worked out from its facts when they are asked for.

    ``data`` is the whole record.
    """

    def __init__(self, type: str, data: bytes, tags: tuple[str, ...] | None = None) -> None:
        self.type, self.data, self._tags = type, data, tags

    @property
    def tags(self) -> list[str]:  # type: ignore[override]
        """What the event is looked up by; O(size of its head) the first time."""
        if self._tags is None:
            self._tags = tags_of(self.data)
        return list(self._tags)


def record_of(event: DCBEvent) -> bytes:
    """Return the record of an event: what ``encode`` made, or that of a stranger. Half of the rule ``event``."""
    if isinstance(event, StoredEvent):
        return event.data
    return STRANGER + encode_any(event)


def event_of(record: bytes, position: int, path: str) -> DCBEvent:
    """Return the event of a record, undecoded; O(1), a stranger's O(its size). The other half.

    Raises:
        StoreError: a record format or an event type that this library does not know.
        CorruptLogError: the record is shorter than its prefix.
    """
    name = _STARTS.get(record[:2])
    if name is not None and int.from_bytes(record[2:_HEAD], "big") + _HEAD <= len(record):
        return StoredEvent(name, record)
    if record[:1] == STRANGER:
        return decode_any(record[1:], position, path)
    split(record, position)  # tells what else is wrong
    raise StoreError(
        f"event {position} has the type number {record[1]}, which this ledgerhub does not know: "
        "open the log with a newer ledgerhub",
        position=position,
        type=record[1],
    )


def canonical(value: Any) -> bytes:
    """Return msgpack bytes with the keys of every mapping sorted; O(size)."""
    packed: bytes = _PACKER.pack(ordered(value))
    return packed


def encode(event: Event) -> StoredEvent:
    """Return the event as the store keeps it."""
    body, event_id, at_us, actor, cause, _ = event
    schema = SCHEMAS[type(body)]
    facts, content = schema.write(body)
    head = _PACKER.pack(
        (
            schema.version,
            bytes.fromhex(event_id),
            at_us,
            bytes.fromhex(actor) if len(actor) == 32 else actor,
            bytes.fromhex(cause) if cause else None,
            facts,
        )
    )
    prefix = _PREFIX.pack(FORMAT, TYPE_NUMBERS[schema.name], len(head))
    tail = b"" if content is None else _PACKER.pack(content)
    return StoredEvent(schema.name, prefix + head + tail, body.tags())


def split(data: bytes, position: int = 0) -> tuple[bytes, bytes]:
    """Return head and content of a stored event's data.

    Raises:
        StoreError: a record format that this library does not know.
        CorruptLogError: the data is shorter than it says.
    """
    if len(data) < _PREFIX.size:
        raise CorruptLogError(f"event {position} is cut short ({len(data)} bytes)", position=position)
    record_format, _, size = _PREFIX.unpack_from(data)
    if record_format != FORMAT:
        raise StoreError(
            f"event {position} is in record format {record_format}; this ledgerhub reads format {FORMAT}: "
            "open the log with a newer ledgerhub",
            position=position,
            format=record_format,
        )
    end = _PREFIX.size + size
    if end > len(data):
        raise CorruptLogError(
            f"event {position} says its head has {size} bytes, more than there are", position=position
        )
    return data[_PREFIX.size : end], data[end:]


def id_of(record: bytes, position: int = 0) -> str:
    """Return the id of a record's event, which stands at the same place in each; O(1).

    Raises:
        StoreError, CorruptLogError: as ``decode``.
    """
    if len(record) >= _ID_END and record[0] == FORMAT and record[8:10] == _BIN_16:
        return record[10:_ID_END].hex()
    return decode_record(record, position, content=False).id


def tags_of(record: bytes, position: int = 0) -> tuple[str, ...]:
    """Return what a record's event is looked up by; O(size of its head).

    Raises:
        StoreError, CorruptLogError: as ``decode``.
    """
    tags: tuple[str, ...] = decode_record(record, position, content=False).body.tags()
    return tags


def leaf_bytes(record: bytes) -> bytes:
    """Return what the Merkle leaf of a record covers: content only through its SHA-256."""
    if record[:1] == STRANGER:
        return record
    end = int.from_bytes(record[2:_HEAD], "big") + _HEAD
    if record[:1] != _FORMAT_BYTE or end > len(record):
        split(record)  # tells what is wrong
    return record[:end] + (hashlib.sha256(record[end:]).digest() if end < len(record) else _EMPTY_DIGEST)


def decode(stored: DCBEvent, position: int, *, content: bool = True) -> Event:
    """Return the event of a stored record, upcast to this library's version; O(size).

    Args:
        stored: type, tags and data as the store returns them.
        position: where it stands in the log, from 1.
        content: False leaves the content fields at their defaults and their bytes unread.

    Raises:
        StoreError: an event type, or a version of it, that this library does not know.
        CorruptLogError: bytes that are not what ``encode`` writes.
    """
    split(stored.data, position)
    schema = BODIES.get(stored.type)
    if schema is None:
        raise StoreError(
            f"event {position} has the type {stored.type!r}, which this ledgerhub does not know: "
            "open the log with a newer ledgerhub",
            position=position,
            type=stored.type,
        )
    return _event(schema, stored.data, position, content)


def decode_record(record: bytes, position: int, *, content: bool = True, path: str = "") -> Event:
    """Return the event of a record as ``decode(event_of(record, …))`` does, without the object in between; O(size).

    Raises:
        StoreError: a record format, an event type or a version of it that this library does not know.
        CorruptLogError: bytes that are not what ``encode`` writes.
    """
    name = _STARTS.get(record[:2])
    if name is None:  # a stranger's, an unknown one, or damage: the long way says which
        return decode(event_of(record, position, path), position, content=content)
    return _event(BODIES[name], record, position, content)


def _event(schema: Schema, record: bytes, position: int, content: bool) -> Event:
    """Make the event of a record whose format is known."""
    end = int.from_bytes(record[2:_HEAD], "big") + _HEAD
    if end > len(record):
        split(record, position)  # tells what is wrong
    try:
        unpack = unpack_frozen if schema.nests else _unpack
        version, event_id, at_us, actor, cause, facts = unpack(record[_HEAD:end])
        rest = unpack_frozen(record[end:]) if content and end < len(record) else NO_DATA
        if version != schema.version:
            facts, rest = _upcast(schema, version, facts, rest, position)
        return _new_event(
            Event,
            (
                schema.read(facts, rest),
                event_id.hex(),
                at_us,
                actor if actor.__class__ is str else actor.hex(),
                None if cause is None else cause.hex(),
                position,
            ),
        )
    except (ValueError, TypeError, KeyError, AttributeError, msgpack.exceptions.UnpackException) as error:
        raise CorruptLogError(
            f"event {position} ({schema.name}) cannot be decoded: {error}", position=position, type=schema.name
        ) from error


def _upcast(
    schema: Schema, version: int, stored: Mapping[str, Any], content: Mapping[str, Any], position: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    facts, rest = thaw(stored), thaw(content)
    while version < schema.version and (step := UPCASTERS.get((schema.name, version))):
        step(facts, rest)
        version += 1
    if version != schema.version:
        raise StoreError(
            f"event {position} is {schema.name} version {version}; this ledgerhub knows versions up to "
            f"{schema.version}: open the log with a newer ledgerhub",
            position=position,
            type=schema.name,
            version=version,
        )
    return facts, rest


RECORD_RULES["event"] = RecordRule(record_of, event_of, leaf_bytes)
