"""A log's own databases, opened behind its back and changed."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import lmdb

from events.merkle import HASH_SIZE_BYTES
from events.stores.lmdb_blocks import Block, label_of, merged
from events.stores.lmdb_chunks import Chunk, cut, key_of, pack, position_of
from events.stores.lmdb_snapshot import INDEXED, node_key

Database = lmdb._Database


class Raw:
    """What one log holds, to be changed at will; written back by ``save``."""

    def __init__(self, env: lmdb.Environment, txn: lmdb.Transaction[bytes]) -> None:
        self.txn = txn
        names = (b"events", b"index", b"nodes", b"meta")
        self._events, self._index, self.nodes, self.meta = (env.open_db(name, txn) for name in names)
        self.indexed = position_of(txn.get(INDEXED, b"", db=self.meta))
        self.values: dict[int, bytes] = {}
        """Position to leaf hash and record."""
        for key, value in txn.cursor(self._events):
            chunk = Chunk(key, value, "")
            positions = range(chunk.first, chunk.last + 1)
            leaves, records = chunk.leaves(chunk.first, chunk.last), chunk.records(chunk.first, chunk.last)
            self.values |= {at: leaf + record for at, leaf, record in zip(positions, leaves, records, strict=True)}
        self.index: defaultdict[bytes, set[int]] = defaultdict(set)
        for key, value in txn.cursor(self._index):
            self.index[label_of(key)] |= set(Block(value, "").positions())

    def save(self) -> None:
        """Write all of it: neighbours share chunks, and gaps stay gaps."""
        for database in (self._events, self._index):
            self.txn.drop(database, delete=False)
        for _, run in groupby(enumerate(sorted(self.values)), lambda each: each[1] - each[0]):
            positions = [position for _, position in run]
            leaves = [self.values[at][:HASH_SIZE_BYTES] for at in positions]
            records = [self.values[at][HASH_SIZE_BYTES:] for at in positions]
            for part in cut(records):
                self.txn.put(key_of(positions[part][-1]), pack(records[part], leaves[part]), db=self._events)
        index = {label: sorted(positions) for label, positions in self.index.items() if positions}
        self.txn.put(INDEXED, key_of(self.indexed), db=self.meta)
        cursor = self.txn.cursor(self._index)
        cursor.putmulti(merged(cursor, index, ""))

    def put_node(self, tile_level: int, index: int, node: bytes) -> None:
        self.txn.put(node_key(tile_level, index), node, db=self.nodes)

    def drop_node(self, tile_level: int, index: int) -> None:
        assert self.txn.delete(node_key(tile_level, index), db=self.nodes)

    @property
    def head(self) -> int:
        return max(self.values)

    def swap(self, one: int, other: int) -> None:
        self.values[one], self.values[other] = self.values[other], self.values[one]

    def take_out(self, position: int) -> None:
        """Remove an event and move all behind it up."""
        for each in range(position, self.head):
            self.values[each] = self.values[each + 1]
        del self.values[self.head]

    def put_in(self, position: int, value: bytes) -> None:
        """Move all from a position on down, and put a value there."""
        for each in range(self.head, position - 1, -1):
            self.values[each + 1] = self.values[each]
        self.values[position] = value

    def forget(self, after: int) -> None:
        """Make the index end at a position, as it is when the hub was killed before it was written again."""
        self.indexed = after
        for label, positions in self.index.items():
            self.index[label] = {position for position in positions if position <= after}

    def unindex(self, position: int) -> None:
        for positions in self.index.values():
            positions.discard(position)


def flip(value: bytes, at: int) -> bytes:
    return value[:at] + bytes((value[at] ^ 1,)) + value[at + 1 :]


@contextmanager
def raw(path: Path) -> Iterator[Raw]:
    with lmdb.open(os.fspath(path), max_dbs=4) as env, env.begin(write=True) as txn:
        log = Raw(env, txn)
        yield log
        log.save()
