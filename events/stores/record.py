"""A record: the bytes of one event as a store keeps them, and the leaf of the Merkle tree that stands for it.

Which bytes those are is the log's **record rule**, whose name its header keeps. The rule ``record``, for any
application of the eventsourcing library:

=======  =======================  ================================================================
part     bytes                    meaning
=======  =======================  ================================================================
record   msgpack array of 3       ``[type: str, tags: array of str, data: bin]``, tags in the order given,
                                  shortest msgpack forms; anything else is a ``CorruptLogError``
leaf     32                       RFC 6962 leaf hash of the record
=======  =======================  ================================================================

The rule ``event`` is the hub's own and stands in ``events.codec``: its records say their type in a byte, and their
tags follow from their facts, so neither is written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgpack
from eventsourcing.dcb.api import DCBEvent
from eventsourcing.persistence import ProgrammingError

from events.errors import CorruptLogError, StoreError
from events.stores.query import tag_label, type_label

_PACKER = msgpack.Packer(autoreset=True)
_TEXT = {str}


class RecordRule(NamedTuple):
    """How a log writes its events."""

    encode: Callable[[DCBEvent], bytes]
    """Event to record; raises AttributeError, TypeError or ValueError for what is no event."""
    decode: Callable[[bytes, int, str], DCBEvent]
    """Record, position and path (for messages) to event; raises CorruptLogError."""
    leaf: Callable[[bytes], bytes]
    """Record to the bytes whose RFC 6962 leaf hash goes in the tree."""


class Entry(NamedTuple):
    """One event made ready to be written: its record, and what it is looked up by."""

    record: bytes
    type: str
    tags: tuple[str, ...]


def encode(event: DCBEvent) -> bytes:
    """Return the record of an event; the same bytes on every machine. The rule ``record``.

    Raises:
        TypeError: its type or a tag is no text, or its data no bytes.
        ValueError: a text is not Unicode.
    """
    tags = event.tags
    if {type(event.type), *map(type, tags)} != _TEXT or type(event.data) is not bytes or isinstance(tags, str):
        raise TypeError(event)
    packed: bytes = _PACKER.pack((event.type, tags, event.data))
    return packed


def decode(record: bytes, position: int, path: str) -> DCBEvent:
    """Return the event of a record of the rule ``record``.

    Raises:
        CorruptLogError: the bytes are not a record; ``position`` and ``path`` say where.
    """
    try:
        event_type, tags, data = msgpack.unpackb(record)
        if type(event_type) is str and type(tags) is list and type(data) is bytes:
            return DCBEvent(event_type, data, tags)
    except (ValueError, TypeError):
        pass  # told below, as the same damage
    raise CorruptLogError(
        f"the event at position {position} of {path} is not a record: restore the log from a copy, or run verify",
        position=position,
        path=path,
    )


RECORD_RULES: dict[str, RecordRule] = {"record": RecordRule(encode, decode, bytes)}
"""Record rules by the name that a log's header keeps. Register one before opening a log that names it."""


def record_rule_named(name: str) -> RecordRule:
    """Return the record rule of that name.

    Raises:
        StoreError: nobody registered it.
    """
    try:
        return RECORD_RULES[name]
    except KeyError:
        known = ", ".join(sorted(RECORD_RULES))
        message = f"unknown record rule {name!r}: import the module that registers it (known here: {known})"
        raise StoreError(message, record_rule=name) from None


def prepare(events: Sequence[DCBEvent], rule: RecordRule) -> list[Entry]:
    """Return the events made ready to be written; O(bytes). Later changes to the events change nothing.

    Raises:
        ProgrammingError: there is no event, or one is not made of text, bytes and text tags.
    """
    if not events:
        raise ProgrammingError("an append needs at least one event")
    return [_entry(event, rule) for event in events]


def labels_of(event: DCBEvent | Entry) -> list[bytes]:
    """Return the keys under which an event stands in the index: its type, then its tags, each once."""
    tags = event.tags
    return [type_label(event.type), *map(tag_label, tags if len(tags) < 2 else dict.fromkeys(tags))]


def _entry(event: DCBEvent, rule: RecordRule) -> Entry:
    try:
        return Entry(rule.encode(event), event.type, tuple(event.tags))
    except (AttributeError, TypeError, ValueError) as error:
        raise ProgrammingError(f"an event needs a text type, bytes data and a list of text tags: {event!r}") from error
