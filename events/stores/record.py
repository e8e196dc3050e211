"""A record: the bytes of one event as every store keeps them, and the leaf of the Merkle tree that stands for it.

=======  =======================  ================================================================
part     bytes                    meaning
=======  =======================  ================================================================
record   msgpack array of 3       ``[type: str, tags: array of str, data: bin]``, tags in the order given,
                                  shortest msgpack forms; anything else is a ``CorruptLogError``
leaf     32                       RFC 6962 leaf hash of the bytes that the log's leaf rule gives
=======  =======================  ================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import msgpack
from eventsourcing.dcb.api import DCBEvent
from eventsourcing.persistence import ProgrammingError

from events.errors import CorruptLogError, StoreError
from events.merkle import leaf_hash
from events.stores.query import tag_label, type_label

LeafRule: TypeAlias = Callable[[DCBEvent], bytes]
"""Event -> the canonical bytes whose RFC 6962 leaf hash goes in the tree."""


class Entry(NamedTuple):
    """One event made ready to be written: its record, its leaf hash, its labels in the index."""

    record: bytes
    leaf: bytes
    labels: list[bytes]


def encode(event: DCBEvent) -> bytes:
    """Return the record of an event; the same bytes on every machine. The leaf rule ``record``."""
    packed: bytes = msgpack.packb((event.type, event.tags, event.data))
    return packed


def decode(record: bytes, position: int, path: str) -> DCBEvent:
    """Return the event of a record.

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


LEAF_RULES: dict[str, LeafRule] = {"record": encode}
"""Leaf rules by the name that a log's header keeps. Register one before opening a log that names it."""


def leaf_rule_named(name: str) -> LeafRule:
    """Return the leaf rule of that name.

    Raises:
        StoreError: nobody registered it.
    """
    try:
        return LEAF_RULES[name]
    except KeyError:
        known = ", ".join(sorted(LEAF_RULES))
        message = f"unknown leaf rule {name!r}: import the module that registers it (known here: {known})"
        raise StoreError(message, leaf_rule=name) from None


def prepare(events: Sequence[DCBEvent], rule: LeafRule) -> list[Entry]:
    """Return the events made ready to be written; O(bytes). Later changes to the events change nothing.

    Raises:
        ProgrammingError: there is no event, or one is not made of text, bytes and text tags.
    """
    if not events:
        raise ProgrammingError("an append needs at least one event")
    return [_entry(event, rule) for event in events]


def labels_of(event: DCBEvent) -> list[bytes]:
    """Return the keys under which an event stands in the index: its type, then its tags, each once."""
    return [type_label(event.type), *map(tag_label, dict.fromkeys(event.tags))]


def _entry(event: DCBEvent, rule: LeafRule) -> Entry:
    try:
        labels, record = labels_of(event), encode(event)
    except (AttributeError, TypeError, ValueError) as error:
        raise ProgrammingError(f"an event needs a text type, bytes data and a list of text tags: {event!r}") from error
    if type(event.data) is not bytes or isinstance(event.tags, str):
        raise ProgrammingError(f"an event needs a text type, bytes data and a list of text tags: {event!r}")
    return Entry(record, leaf_hash(record if rule is encode else rule(event)), labels)
