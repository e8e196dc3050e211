"""Reading in one transaction: positions by label, records by position, tree nodes by place.

All by seeking. Stepping a cursor to the next page is a little faster, but LMDB asserts, and so ends the process, where
that page is damaged; a seek reports it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import lmdb

from events.errors import CorruptLogError
from events.merkle import HASH_SIZE_BYTES
from events.stores.lmdb_env import Environment, Transaction
from events.stores.query import END, Item, Seek, Window, remembering, seek_items

Cursor: TypeAlias = "lmdb.Cursor[bytes]"


def key_of(position: int) -> bytes:
    """Return the key of a position: 8 bytes, big-endian, so that byte order is number order."""
    return position.to_bytes(8, "big")


def position_of(key: bytes) -> int:
    """Return the position of a key."""
    return int.from_bytes(key, "big")


def node_key(tile_level: int, index: int) -> bytes:
    """Return the key of a tree node: its tile level, 1 byte, and its index there, 8 bytes, big-endian."""
    return tile_level.to_bytes(1, "big") + index.to_bytes(8, "big")


class Snapshot:
    """A log as one transaction sees it; of no use after its end.

    Args:
        txn: reading, or the writer's own.
        environment: where it belongs.
    """

    __slots__ = ("_dbs", "_path", "_txn")

    def __init__(self, txn: Transaction, environment: Environment) -> None:
        self._txn = txn
        self._dbs = environment.dbs
        self._path = environment.path

    def last_position(self) -> int:
        """Return the last position, 0 when there is none; O(log n)."""
        cursor = self._txn.cursor(self._dbs.events)
        return position_of(cursor.key()) if cursor.last() else 0

    def values(self, positions: Sequence[int]) -> list[tuple[bytes, bytes]]:
        """Return the stored ``(key, leaf hash + record)`` of each position that is there; O(log n) each."""
        return self._txn.cursor(self._dbs.events).getmulti([key_of(each) for each in positions])

    def indexed_values(self, positions: list[int]) -> list[tuple[bytes, bytes]]:
        """Return ``values`` of positions that the index has given.

        Raises:
            CorruptLogError: one of them is not there.
        """
        found = self.values(positions)
        if len(found) != len(positions):
            missing = min(set(positions) - {position_of(key) for key, _ in found})
            raise CorruptLogError(
                f"the index of {self._path} names position {missing}, which is not there: restore the log from a copy",
                position=missing,
                path=self._path,
            )
        return found

    def hashes(self, tile_level: int, start: int, count: int) -> Sequence[bytes]:
        """Return stored tree nodes, as ``events.merkle.Tiles``.

        Raises:
            CorruptLogError: there are fewer.
        """
        if tile_level == 0:
            found = [value[:HASH_SIZE_BYTES] for _, value in self.values(range(start + 1, start + 1 + count))]
        else:
            keys = [node_key(tile_level, index) for index in range(start, start + count)]
            found = [node for _, node in self._txn.cursor(self._dbs.nodes).getmulti(keys)]
        if len(found) != count:
            raise CorruptLogError(
                f"the tree of {self._path} lacks nodes of tile level {tile_level} after index {start}: restore the log",
                path=self._path,
            )
        return found

    def matches(self, items: list[Item], window: Window) -> list[int]:
        """Return the positions in the window that match a query, in scan order."""

        def find(label: bytes) -> Seek:
            cursor = self._txn.cursor(self._dbs.index)
            return _seek_backwards(cursor, label) if window.backwards else _seek_forwards(cursor, label)

        return window.collect(seek_items(items, find))

    def index_entries(self, after: tuple[bytes, int], count: int) -> list[tuple[bytes, int]]:
        """Return up to ``count`` index entries ``(label, position)`` after one; fewer only at the end."""
        cursor = self._txn.cursor(self._dbs.index)
        label, position = after
        found: list[tuple[bytes, int]] = []
        while len(found) < count:
            if not cursor.set_range_dup(label, key_of(position + 1)):
                if not cursor.set_range(label + b"\x00"):
                    break
                label = cursor.key()
            position = position_of(cursor.value())
            found.append((label, position))
        return found

    def in_index(self, label: bytes, position: int) -> bool:
        """Tell whether the index has the entry; O(log n)."""
        return self._txn.cursor(self._dbs.index).set_key_dup(label, key_of(position))


def _seek_forwards(cursor: Cursor, label: bytes) -> Seek:
    def look_up(key: int) -> int:
        return position_of(cursor.value()) if cursor.set_range_dup(label, key_of(key)) else END

    return remembering(look_up)


def _seek_backwards(cursor: Cursor, label: bytes) -> Seek:
    def look_up(key: int) -> int:
        return -position_of(cursor.value()) if _place_at_or_before(cursor, label, -key) else END

    return remembering(look_up)


def _place_at_or_before(cursor: Cursor, label: bytes, position: int) -> bool:
    """Place the cursor at the label's last position up to ``position``; False when there is none."""
    if cursor.set_range_dup(label, key_of(max(position, 0))):
        return position_of(cursor.value()) == position or cursor.prev_dup()
    return cursor.set_key(label) and cursor.last_dup()
