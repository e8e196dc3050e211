"""Canonical bytes of an event: the same on every machine, readable for ever (LOG-6, LOG-7).

An event is stored as the ``data`` of a ``DCBEvent`` whose ``type`` and ``tags`` stand beside it:

====== ============= ====================================================================================
offset type          meaning; what an unknown value does
====== ============= ====================================================================================
0      u8            record format, 1; any other: ``StoreError`` that names it
1      u32 big-end.  length H of the head in bytes; longer than the data: ``CorruptLogError``
5      msgpack array the head: version, id, at_us, actor, cause, facts
                     version (int): a newer one than this library knows: ``StoreError`` naming type and version
                     id (bin 16), at_us (int, microseconds since 1970)
                     actor (bin 16: an agent id; str: ``hub`` or ``operator``), cause (bin 16 or nil)
                     facts (map, keys sorted at every level; a field at its default is left out)
5 + H  msgpack map   the content, keys sorted likewise; nothing at all when every field is at its default
====== ============= ====================================================================================

Ids are 16 bytes. There are no floats in facts but those that people put into ``data``, ``knobs`` or ``params``.
The Merkle leaf covers ``[type, tags, head, SHA-256(content)]``: content can be erased one day, and every proof
stays valid (LOG-2). Cost: O(size of the event) each way; ``decode(…, content=False)`` does not touch content.
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
from events.values.frozen import FrozenDict, FrozenList

FORMAT = 1
_PREFIX = struct.Struct(">BI")
_PACKER = msgpack.Packer(autoreset=True)
_EMPTY_DIGEST = hashlib.sha256(b"").digest()

Upcaster = Callable[[dict[str, Any], dict[str, Any]], None]
"""Changes the facts and content of one version, in place, into those of the next."""
UPCASTERS: dict[tuple[str, int], Upcaster] = {}
"""(event type, stored version) to the step towards the next version. Empty: format 1 is the first."""


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


def encode(event: Event) -> DCBEvent:
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
    return DCBEvent(schema.name, _PREFIX.pack(FORMAT, len(head)) + head + tail, list(body.tags()))


def split(data: bytes, position: int = 0) -> tuple[bytes, bytes]:
    """Return head and content of a stored event's data.

    Raises:
        StoreError: a record format that this library does not know.
        CorruptLogError: the data is shorter than it says.
    """
    if len(data) < _PREFIX.size:
        raise CorruptLogError(f"event {position} is cut short ({len(data)} bytes)", position=position)
    record_format, size = _PREFIX.unpack_from(data)
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


def leaf_bytes(event: DCBEvent) -> bytes:
    """Return what the Merkle leaf of a stored event covers: content only through its SHA-256."""
    head, content = split(event.data)
    digest = hashlib.sha256(content).digest() if content else _EMPTY_DIGEST
    packed: bytes = _PACKER.pack((event.type, event.tags, head, digest))
    return packed


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
