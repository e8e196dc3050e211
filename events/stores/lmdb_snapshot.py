"""Reading in one transaction: positions by label, records by position, tree nodes by place.

Nearly all by seeking. Stepping a cursor to the next page is a little faster, but LMDB asserts, and so ends the process,
where that page is damaged; a seek reports it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from events.errors import CorruptLogError
from events.stores.lmdb_blocks import Block, Blocks
from events.stores.lmdb_chunks import Chunk, key_of, only_record, position_of
from events.stores.lmdb_env import Cursor, Environment, Transaction
from events.stores.query import END, Item, Seek, Window, remembering, seek_items

if TYPE_CHECKING:
    from events.stores.lmdb_tail import Tail

ALONE_MAX = 256
"""How many records that are chunks of their own are asked for at once."""
INDEXED = b"indexed"
"""Key in ``meta`` of the last position that the index on disk has."""


def node_key(tile_level: int, index: int) -> bytes:
    """Return the key of a tree node: its tile level, 1 byte, and its index there, 8 bytes, big-endian."""
    return tile_level.to_bytes(1, "big") + index.to_bytes(8, "big")


class Snapshot:
    """A log as one transaction sees it; of no use after its end.

    Args:
        txn: reading, or the writer's own.
        environment: where it belongs.
    """

    __slots__ = ("_dbs", "_txn", "path")

    def __init__(self, txn: Transaction, environment: Environment) -> None:
        self._txn = txn
        self._dbs = environment.dbs
        self.path = environment.path

    def last_position(self) -> int:
        """Return the last position, 0 when there is none; O(log n)."""
        cursor = self._txn.cursor(self._dbs.events)
        return position_of(cursor.key()) if cursor.last() else 0

    def indexed(self) -> int:
        """Return the last position that the index on disk has; O(1)."""
        return position_of(self._txn.get(INDEXED, b"", db=self._dbs.meta))

    def chunks(self, first: int, last: int) -> Iterator[Chunk]:
        """Yield the chunks that have positions from one to another, in order; O(log n) each.

        Raises:
            CorruptLogError: a chunk is damaged.
        """
        cursor = self._txn.cursor(self._dbs.events)
        while first <= last and cursor.set_range(key_of(first)):
            chunk = Chunk(cursor.key(), cursor.value(), self.path)
            if chunk.first > last:
                return
            yield chunk
            first = chunk.last + 1

    def span(self, first: int, last: int) -> list[tuple[int, bytes]]:
        """Return the records from one position to another; O(log n + their bytes).

        Raises:
            CorruptLogError: one is not there.
        """
        found: list[tuple[int, bytes]] = []
        for chunk in self.chunks(first, last):
            low, high = max(first, chunk.first), min(last, chunk.last)
            if low != first:
                break
            found += zip(range(low, high + 1), chunk.records(low, high), strict=True)
            first = high + 1
        if first <= last:
            raise self._missing(first)
        return found

    def rows(self, positions: Iterable[int]) -> list[tuple[int, bytes]]:
        """Return the records at positions in any order, best in theirs; O(log n) a chunk that they are in.

        Raises:
            CorruptLogError: one is not there.
        """
        cursor, found = self._txn.cursor(self._dbs.events), list[tuple[int, bytes]]()
        wanted, chunk = list(positions), None
        while len(found) < len(wanted):
            position = wanted[len(found)]
            if chunk is None or not chunk.first <= position <= chunk.last:
                there = cursor.set_range(key_of(position))
                chunk = Chunk(cursor.key(), cursor.value(), self.path) if there else None
                if chunk is None or chunk.first > position:
                    raise self._missing(position)
                if chunk.first == chunk.last:
                    found += self._alone(cursor, wanted[len(found) :])
                    continue
            found.append((position, chunk.record(position)))
        return found

    def _alone(self, cursor: Cursor, positions: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Yield records from the first on that are each a chunk of its own, as whoever posts alone writes them.

        They are asked for in one call: their keys are their positions.
        """
        keys = [key_of(position) for position in positions[:ALONE_MAX]]
        for position, wanted, (key, value) in zip(positions, keys, cursor.getmulti(keys), strict=False):
            if key != wanted or (record := only_record(value)) is None:
                return
            yield position, record

    def _missing(self, position: int) -> CorruptLogError:
        message = f"position {position} of {self.path} is missing: restore the log from a copy, or run replay verify"
        return CorruptLogError(message, position=position, path=self.path)

    def hashes(self, tile_level: int, start: int, count: int) -> Sequence[bytes]:
        """Return stored tree nodes, as ``events.merkle.Tiles``.

        Raises:
            CorruptLogError: there are fewer.
        """
        if tile_level == 0:
            first, last = start + 1, start + count
            found = [
                leaf
                for chunk in self.chunks(first, last)
                for leaf in chunk.leaves(max(first, chunk.first), min(last, chunk.last))
            ]
        else:
            keys = [node_key(tile_level, index) for index in range(start, start + count)]
            found = [node for _, node in self._txn.cursor(self._dbs.nodes).getmulti(keys)]
        if len(found) != count:
            raise CorruptLogError(
                f"the tree of {self.path} lacks nodes of tile level {tile_level} after index {start}: restore the log",
                path=self.path,
            )
        return found

    def matches(self, items: list[Item], window: Window, tail: Tail) -> list[int]:
        """Return the positions in the window that match a query, in scan order.

        Up to the tail's base they come from the blocks, behind it from the tail.
        """
        if not window.backwards:
            return window.collect(self.seek(items, window.first, tail))
        if window.first > tail.base:
            return window.collect(seek_items(items, tail.postings.find_backwards))
        return window.collect(seek_items(items, lambda label: self._find_backwards(label, tail)))

    def seek(self, items: list[Item], first: int, tail: Tail) -> Seek:
        """Return the seek for a query, to be asked from a position on."""
        if first > tail.base:
            return seek_items(items, tail.postings.find)
        return seek_items(items, lambda label: self._find_forwards(label, tail))

    def _find_forwards(self, label: bytes, tail: Tail) -> Seek:
        blocks = Blocks(self._txn.cursor(self._dbs.index), label, self.path)

        def look_up(position: int) -> int:
            if position <= tail.base and (found := blocks.at_or_after(position)) <= tail.base:
                return found
            return tail.postings.at_or_after(label, position)

        return remembering(look_up)

    def _find_backwards(self, label: bytes, tail: Tail) -> Seek:
        blocks = Blocks(self._txn.cursor(self._dbs.index), label, self.path)

        def look_up(key: int) -> int:
            position = -key
            if position > tail.base and (found := tail.postings.at_or_before(label, position)):
                return -found
            return -blocks.at_or_before(min(position, tail.base)) or END

        return remembering(look_up)

    def blocks_after(self, key: bytes, count: int) -> list[tuple[bytes, Block]]:
        """Return up to ``count`` blocks of the index with their keys, behind a key; fewer only at the end."""
        cursor = self._txn.cursor(self._dbs.index)
        found: list[tuple[bytes, Block]] = []
        while len(found) < count and cursor.set_range(key + b"\x00"):
            key = cursor.key()
            found.append((key, Block(cursor.value(), self.path)))
        return found

    def in_blocks(self, label: bytes, position: int) -> bool:
        """Tell whether the index on disk has the entry; O(log n)."""
        return Blocks(self._txn.cursor(self._dbs.index), label, self.path).at_or_after(position) == position
