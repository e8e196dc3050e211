"""A leaf of the tree, read for itself: what of an event every proof covers (SPEC LOG-2, LOG-6).

The bytes of a leaf are those of the event's record, but for the content, of which there is the SHA-256 alone
(``events.codec``). They are read here as they were stored, without the classes of any version of this library, so
that evidence reads the same for ever. A leaf is what somebody else handed over: nothing in it is believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import msgpack

from events.codec import TYPE_NUMBERS, split
from events.errors import NetworkError
from events.notes import NoteError
from events.values.times import iso

DIGEST_SIZE_BYTES = 32
NO_CONTENT = sha256(b"").digest()
"""What a leaf has where the event's content is empty."""
_NAMES = {number: name for name, number in TYPE_NUMBERS.items()}
_BROKEN = (ValueError, TypeError, AttributeError, OverflowError, RecursionError, msgpack.exceptions.UnpackException)


class Leaf(NamedTuple):
    """What a leaf says of its event; ``facts`` are as stored, fields at their default left out."""

    type: str
    version: int
    id: str
    at: str
    actor: str
    cause: str | None
    facts: Mapping[str, Any]
    content_sha256: bytes


def read_leaf(data: bytes) -> Leaf:
    """Return what the bytes of a leaf say; O(size).

    Raises:
        NoteError: they are not those of an event of a hub.
    """
    try:
        head, digest = split(data)
        version, event_id, at_us, actor, cause, facts = msgpack.unpackb(head)
        if len(digest) != DIGEST_SIZE_BYTES or not isinstance(version, int) or not isinstance(facts, dict):
            raise ValueError("its parts are not those of an event")
        name = _NAMES.get(data[1], f"type {data[1]}")
        named = actor if isinstance(actor, str) else actor.hex()
        came_of = None if cause is None else cause.hex()
        return Leaf(name, version, event_id.hex(), iso(at_us), named, came_of, readable(facts), digest)
    except NetworkError as error:
        raise NoteError(f"this is no leaf of a hub's log: {error.message}") from None
    except _BROKEN as error:
        raise NoteError(f"this is no leaf of a hub's log: {error}") from None


def read_content(data: bytes) -> Mapping[str, Any]:
    """Return the content of an event as stored; O(size).

    Raises:
        NoteError: the bytes are not those of a content.
    """
    try:
        content = msgpack.unpackb(data) if data else {}
        if isinstance(content, dict):
            found: Mapping[str, Any] = readable(content)
            return found
    except _BROKEN:
        pass  # told below, as the same fault
    raise NoteError("this is no content of an event")


def readable(value: Any) -> Any:
    """Return a value as JSON has it: bytes, which are ids, in hex.

    Raises:
        ValueError: it has what JSON has not.
    """
    if isinstance(value, dict):
        return {key: readable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [readable(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, str | int | float):
        return value
    raise ValueError(f"a {type(value).__name__} in it is not JSON")
