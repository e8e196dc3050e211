"""Blocks: the positions of a label in LMDB. The table is in ``lmdb.py``.

A label has one open block, under a key that does not change, and closed ones before it. A closed block's key has its
last position: so one seek finds the block that has a position or the next one after it. A block is closed when it
fills a page of LMDB, or when the next position is more than 65,535 behind its first one.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import lmdb

from events.errors import CorruptLogError
from events.stores.lmdb_chunks import key_of, numbers, packed, position_of
from events.stores.query import END

Cursor: TypeAlias = "lmdb.Cursor[bytes]"

OPEN = b"\xff" * 8
"""Where a closed block's key has its last position."""
SPAN_MAX = 0xFFFF
POSITIONS_MAX = 2037
"""A full block: 8 bytes for its first position and 2 for each other one, the 4,080 that a page of LMDB holds."""
_FIRST_BYTES = 8


class Block:
    """One block as it was read: its first position, and how far behind it the others are.

    Args:
        value: as ``merged`` gave it.
        path: of the log, for messages.

    Raises:
        CorruptLogError: it has another size than any block.
    """

    __slots__ = ("_offsets", "first")

    def __init__(self, value: bytes, path: str) -> None:
        if len(value) < _FIRST_BYTES or len(value) % 2:
            raise CorruptLogError(f"the index of {path} is damaged: restore the log from a copy", path=path)
        self.first = position_of(value[:_FIRST_BYTES])
        self._offsets = numbers("H", value[_FIRST_BYTES:])

    def __len__(self) -> int:
        """How many positions it has."""
        return 1 + len(self._offsets)

    @property
    def last(self) -> int:
        """Its last position."""
        return self.first + (self._offsets[-1] if self._offsets else 0)

    def positions(self) -> array[int]:
        """Return all of its positions."""
        first = self.first
        return array("Q", [first, *[first + offset for offset in self._offsets]])

    def at_or_after(self, position: int) -> int:
        """Return its first position from one on, ``END`` when there is none."""
        if position <= self.first:
            return self.first
        at = bisect_left(self._offsets, position - self.first)
        return self.first + self._offsets[at] if at < len(self._offsets) else END

    def at_or_before(self, position: int) -> int:
        """Return its last position up to one, 0 when there is none."""
        if position <= self.first:
            return self.first if position == self.first else 0
        at = bisect_right(self._offsets, position - self.first)
        return self.first + (self._offsets[at - 1] if at else 0)


class Blocks:
    """The blocks of one label: the seeks of a query, each in the block that the last one was in if that will do."""

    __slots__ = ("_block", "_cursor", "_label", "_path")

    def __init__(self, cursor: Cursor, label: bytes, path: str) -> None:
        self._cursor, self._label, self._path = cursor, label, path
        self._block: Block | None = None

    def at_or_after(self, position: int) -> int:
        """Return the label's first position from one on, ``END`` when there is none; O(log n)."""
        block = self._block
        if block is None or not block.first <= position <= block.last:
            block = self._seek(position)
        return END if block is None else block.at_or_after(position)

    def at_or_before(self, position: int) -> int:
        """Return the label's last position up to one, 0 when there is none; O(log n)."""
        block = self._block
        if block is None or not block.first <= position <= block.last:
            block = self._seek(position)
            if block is not None and block.first > position:
                block = self._block = self._read() if self._cursor.prev() else None
        return 0 if block is None else block.at_or_before(position)

    def _seek(self, position: int) -> Block | None:
        found = self._cursor.set_range(self._label + key_of(position))
        self._block = self._read() if found else None
        return self._block

    def _read(self) -> Block | None:
        return Block(self._cursor.value(), self._path) if label_of(self._cursor.key()) == self._label else None


def label_of(key: bytes) -> bytes:
    """Return the label of a block's key."""
    return key[: -len(OPEN)]


def merged(cursor: Cursor, tail: Mapping[bytes, Sequence[int]], path: str) -> list[tuple[bytes, bytes]]:
    """Return the blocks to put, sorted by label, so that labels have the tail's positions, too.

    O(positions of the tail + labels log n).

    Raises:
        CorruptLogError: a block is damaged.
    """
    keys = [label + OPEN for label in sorted(tail)]
    stand = dict(cursor.getmulti(keys))
    blocks: list[tuple[bytes, bytes]] = []
    for key in keys:
        label = label_of(key)
        blocks.extend(_blocks(label, stand.get(key, b""), tail[label], path))
    return blocks


def _blocks(label: bytes, value: bytes, positions: Sequence[int], path: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield a label's open block with positions added, and before it those that are closed by that."""
    start = 0
    while start < len(positions):
        if not value:
            value = key_of(positions[start])
            start += 1
        block = Block(value, path)
        stop = min(len(positions), start + POSITIONS_MAX - len(block))
        stop = bisect_right(positions, block.first + SPAN_MAX, start, stop)
        value += packed("H", [position - block.first for position in positions[start:stop]])
        if stop < len(positions):
            yield label + key_of(Block(value, path).last), value
            value = b""
        start = stop
    yield label + OPEN, value
