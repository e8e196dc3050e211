"""Which positions a query matches: unions and leapfrogging intersections over sorted label indexes.

An event stands in the index under its type and under each of its tags: its *labels*. A label's positions are
sorted, so a query is answered by seeking in them. Everything here is a ``Seek``, a function from a key to the
first match at or after it, and a bigger query is a ``Seek`` made of smaller ones: an item is the intersection
(Veldhuizen's leapfrog) of its tags and of the union of its types; a query is the union of its items.

Keys are positions when scanning forwards and negated positions when scanning backwards: one algorithm, both ways.
Cost: O(k log n) index seeks per match of the rarest of k labels; nothing is read that the caller does not ask for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from heapq import heapify, heapreplace
from typing import NamedTuple, TypeAlias

from eventsourcing.dcb.api import DCBQuery

END = 1 << 64
"""The key after all others: no further match."""

LABEL_TEXT_BYTES_MAX = 255
"""Labels with longer text are indexed by its SHA-256; LMDB's own limit for a key is 511."""

Seek: TypeAlias = Callable[[int], int]
"""Key -> the first matching key at or after it, or ``END``. Asked with keys that never go back."""

Find: TypeAlias = Callable[[bytes], Seek]
"""Label -> the seek in its positions. A store's part."""

Item: TypeAlias = tuple[list[bytes], list[bytes]]
"""One query item: the labels of its types (any of them) and of its tags (all of them)."""

_TYPE, _TAG, _ID, _LONG = 0x00, 0x01, 0x02, 0x80
_ID_TAG = re.compile(r"[^:]{0,32}:[0-9a-f]{32}", re.ASCII)
_ID_DIGITS = 32
_LABELS_REMEMBERED = 1 << 14


class Window(NamedTuple):
    """The positions that a read may give: at most ``limit`` in [first, last], descending when ``backwards``."""

    first: int
    last: int
    limit: int
    backwards: bool = False

    def positions(self) -> range:
        """Return what it gives when every position matches, in scan order."""
        every = range(self.first, self.last + 1)
        return every[::-1][: self.limit] if self.backwards else every[: self.limit]

    def collect(self, seek: Seek) -> list[int]:
        """Return the positions that the seek finds in it, in scan order."""
        key, end = (-self.last, -self.first) if self.backwards else (self.first, self.last)
        found: list[int] = []
        while len(found) < self.limit and (key := seek(key)) <= end:
            found.append(abs(key))
            key += 1
        return found


@lru_cache(maxsize=_LABELS_REMEMBERED)
def type_label(event_type: str) -> bytes:
    """Return the index key of an event type, at most 257 bytes."""
    return _label(_TYPE, event_type.encode())


@lru_cache(maxsize=_LABELS_REMEMBERED)
def tag_label(tag: str) -> bytes:
    """Return the index key of a tag, at most 257 bytes; one that ends in an id is shorter than the tag."""
    if _ID_TAG.fullmatch(tag):
        return _label(_ID, tag[: -_ID_DIGITS - 1].encode()) + bytes.fromhex(tag[-_ID_DIGITS:])
    return _label(_TAG, tag.encode())


def _label(kind: int, text: bytes) -> bytes:
    """Return kind, length and text. The length makes no label the beginning of another one."""
    if len(text) > LABEL_TEXT_BYTES_MAX:
        return bytes((kind | _LONG,)) + sha256(text).digest()
    return bytes((kind, len(text))) + text


def readable(label: bytes) -> str:
    """Return a label for people: ``type 'envelope.posted'``, ``tag 'session:…'``."""
    kind, text = label[0], label[2:].decode(errors="replace")
    if kind & _LONG:
        text = label[1:].hex()
    elif kind == _ID:
        text = f"{label[2 : 2 + label[1]].decode(errors='replace')}:{label[2 + label[1] :].hex()}"
    return f"{'type' if kind & ~_LONG == _TYPE else 'tag'} {text!r}"


def items_of(query: DCBQuery | None) -> list[Item] | None:
    """Return the query's items as labels, or None when it matches every event."""
    if query is None or not query.items or any(not item.types and not item.tags for item in query.items):
        return None
    return [(_labels(type_label, item.types), _labels(tag_label, item.tags)) for item in query.items]


def _labels(label: Callable[[str], bytes], texts: Sequence[str]) -> list[bytes]:
    return [label(text) for text in (texts if len(texts) < 2 else dict.fromkeys(texts))]


def seek_items(items: list[Item], find: Find) -> Seek:
    """Return the seek for a query of at least one item, each with at least one label."""
    return _union([_seek_item(types, tags, find) for types, tags in items])


def remembering(look_up: Seek) -> Seek:
    """Return a seek that asks the index only when the answer it has lies behind the key."""
    current = -END

    def seek(key: int) -> int:
        nonlocal current
        if key > current:
            current = look_up(key) if key < END else END
        return current

    return seek


def _seek_item(types: list[bytes], tags: list[bytes], find: Find) -> Seek:
    parts = [find(tag) for tag in tags]
    if types:
        parts.append(_union([find(each) for each in types]))
    return parts[0] if len(parts) == 1 else _intersection(parts)


def _intersection(parts: Sequence[Seek]) -> Seek:
    def seek(key: int) -> int:
        while True:
            start = key
            for part in parts:
                key = part(key)
            if key == start:  # a whole round moved nothing: all agree
                return key

    return seek


def _union(parts: Sequence[Seek]) -> Seek:
    if len(parts) == 1:
        return parts[0]
    heap: list[tuple[int, int]] = []

    def seek(key: int) -> int:
        if not heap:
            heap.extend((part(key), number) for number, part in enumerate(parts))
            heapify(heap)
        while heap[0][0] < key:
            number = heap[0][1]
            heapreplace(heap, (parts[number](key), number))
        return heap[0][0]

    return seek
