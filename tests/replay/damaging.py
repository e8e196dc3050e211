"""A log's own databases, opened behind its back and changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb

from events.codec import event_of, leaf_bytes
from events.merkle import leaf_hash
from events.stores.lmdb_index import key_of
from events.stores.record import labels_of

Change = Callable[[bytes], bytes]


class Raw:
    """The databases of one log in a write transaction."""

    def __init__(self, env: lmdb.Environment, txn: lmdb.Transaction[bytes]) -> None:
        self.txn = txn
        self.events, self.index, self.nodes, self.meta = (
            env.open_db(name, txn) for name in (b"events", b"index", b"nodes", b"meta")
        )

    @property
    def head(self) -> int:
        cursor = self.txn.cursor(self.events)
        assert cursor.last()
        return int.from_bytes(cursor.key(), "big")

    def value(self, position: int) -> bytes:
        """Leaf hash and record."""
        value = self.txn.get(key_of(position), db=self.events)
        assert value is not None
        return value

    def put(self, position: int, value: bytes) -> None:
        self.txn.put(key_of(position), value, db=self.events)

    def drop(self, position: int) -> None:
        assert self.txn.delete(key_of(position), db=self.events)

    def labels(self, position: int) -> list[bytes]:
        return labels_of(event_of(self.value(position)[32:], position, ""))

    def unindex(self, position: int) -> None:
        for label in self.labels(position):
            assert self.txn.delete(label, key_of(position), db=self.index)

    def swap(self, one: int, other: int) -> None:
        first, second = self.value(one), self.value(other)
        self.put(one, second)
        self.put(other, first)

    def take_out(self, position: int) -> None:
        """Remove an event and move all behind it up."""
        for each in range(position, self.head):
            self.put(each, self.value(each + 1))
        self.drop(self.head)

    def put_in(self, position: int, value: bytes) -> None:
        """Move all from a position on down, and put a value there."""
        for each in range(self.head, position - 1, -1):
            self.put(each + 1, self.value(each))
        self.put(position, value)


def signed(record: bytes) -> bytes:
    """A record with the leaf hash that it should have."""
    return leaf_hash(leaf_bytes(record)) + record


def flip(value: bytes, at: int) -> bytes:
    return value[:at] + bytes((value[at] ^ 1,)) + value[at + 1 :]


@contextmanager
def raw(path: Path) -> Iterator[Raw]:
    with lmdb.open(os.fspath(path), max_dbs=4) as env, env.begin(write=True) as txn:
        yield Raw(env, txn)
