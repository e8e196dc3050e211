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
from events.errors import CorruptLogError, StoreError
from events.event import BODIES, NO_DEFAULT, SCHEMAS, Event, FieldSpec, Schema
from events.stores.record import RECORD_RULES, RecordRule
from events.stores.record import decode as decode_any
from events.stores.record import encode as encode_any
from events.values.frozen import FrozenDict, FrozenList

FORMAT = 1
STRANGER = b"\0"
"""First byte of an event that is not the hub's: a log is a store for any application of the eventsourcing library."""
_PREFIX = struct.Struct(">BBI")
_PACKER = msgpack.Packer(autoreset=True)
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
_NUMBERED = {number: name for name, number in TYPE_NUMBERS.items()}


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
            self._tags = decode(self, 0, content=False).tags
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
    if record[:1] == STRANGER:
        return decode_any(record[1:], position, path)
    split(record, position)
    name = _NUMBERED.get(number := record[1])
    if name is None:
        raise StoreError(
            f"event {position} has the type number {number}, which this ledgerhub does not know: "
            "open the log with a newer ledgerhub",
            position=position,
            type=number,
        )
    return StoredEvent(name, record)


def canonical(value: Any) -> bytes:
    """Return msgpack bytes with the keys of every mapping sorted; O(size)."""
    packed: bytes = _PACKER.pack(_sorted(value))
    return packed


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_sorted(item) for item in value]
    return value


def _pack_fields(body: Any, specs: tuple[FieldSpec, ...]) -> dict[str, Any]:
    fields = {}
    for name, slot, kind, default in specs:
        value = body[slot]
        if value == default and default is not NO_DEFAULT:
            continue
        if kind == "id":
            value = bytes.fromhex(value)
        elif kind == "ids":
            value = [bytes.fromhex(item) for item in value]
        elif value.__class__ is not str and value.__class__ is not int:
            value = _sorted(value)
        fields[name] = value
    return fields


def encode(event: Event) -> StoredEvent:
    """Return the event as the store keeps it."""
    schema = SCHEMAS[type(event.body)]
    body, event_id, at_us, actor, cause, _ = event
    head = _PACKER.pack(
        (
            schema.version,
            bytes.fromhex(event_id),
            at_us,
            bytes.fromhex(actor) if len(actor) == 32 else actor,
            bytes.fromhex(cause) if cause else None,
            _pack_fields(body, schema.facts),
        )
    )
    content = _pack_fields(body, schema.content) if schema.content else None
    tail = _PACKER.pack(content) if content else b""
    prefix = _PREFIX.pack(FORMAT, TYPE_NUMBERS[schema.name], len(head))
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


def leaf_bytes(record: bytes) -> bytes:
    """Return what the Merkle leaf of a record covers: content only through its SHA-256."""
    if record[:1] == STRANGER:
        return record
    _, content = split(record)
    digest = hashlib.sha256(content).digest() if content else _EMPTY_DIGEST
    return record[: len(record) - len(content)] + digest


def _freeze_unpacked(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return FrozenDict({k: _freeze_unpacked(v) for k, v in value.items()})
    return FrozenList([_freeze_unpacked(v) for v in value]) if kind is list else value


def _unpack_fields(packed: Mapping[str, Any], specs: tuple[FieldSpec, ...], into: list[Any]) -> None:
    for name, slot, kind, default in specs:
        value = packed.get(name, NO_DEFAULT)
        if value is NO_DEFAULT:
            if default is NO_DEFAULT:
                raise KeyError(name)
            into[slot] = default
        elif kind == "id":
            into[slot] = value.hex() if value is not None else None
        elif kind == "ids":
            into[slot] = tuple([item.hex() for item in value]) if value is not None else None
        elif value.__class__ is dict:
            into[slot] = _freeze_unpacked(value)
        elif value.__class__ is list:
            into[slot] = tuple([_freeze_unpacked(item) for item in value])
        else:
            into[slot] = value


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
    head_bytes, tail = split(stored.data, position)
    schema = BODIES.get(stored.type)
    if schema is None:
        raise StoreError(
            f"event {position} has the type {stored.type!r}, which this ledgerhub does not know: "
            "open the log with a newer ledgerhub",
            position=position,
            type=stored.type,
        )
    try:
        version, event_id, at_us, actor, cause, facts = msgpack.unpackb(head_bytes)
        rest = msgpack.unpackb(tail) if content and tail else {}
        body = _build_body(schema, version, facts, rest, position)
        return Event(
            body,
            event_id.hex(),
            at_us,
            actor if actor.__class__ is str else actor.hex(),
            cause.hex() if cause is not None else None,
            position,
        )
    except (ValueError, TypeError, KeyError, AttributeError, msgpack.exceptions.UnpackException) as error:
        raise CorruptLogError(
            f"event {position} ({stored.type}) cannot be decoded: {error}", position=position, type=stored.type
        ) from error


def _build_body(schema: Schema, version: int, facts: dict[str, Any], content: dict[str, Any], position: int) -> Any:
    if version != schema.version:
        _upcast(schema, version, facts, content, position)
    values: list[Any] = [None] * (len(schema.facts) + len(schema.content))
    _unpack_fields(facts, schema.facts, values)
    _unpack_fields(content, schema.content, values)
    return schema.body(*values)


def _upcast(schema: Schema, version: int, facts: dict[str, Any], content: dict[str, Any], position: int) -> None:
    while version < schema.version and (step := UPCASTERS.get((schema.name, version))):
        step(facts, content)
        version += 1
    if version != schema.version:
        raise StoreError(
            f"event {position} is {schema.name} version {version}; this ledgerhub knows versions up to "
            f"{schema.version}: open the log with a newer ledgerhub",
            position=position,
            type=schema.name,
            version=version,
        )


RECORD_RULES["event"] = RecordRule(record_of, event_of, leaf_bytes)
