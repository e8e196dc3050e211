"""LMDB without ledgerhub: the rows that a hub's log got, put again into an empty file by one thread.

The rows are read back from the log and sorted beforehand, so that only LMDB is timed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

import lmdb

from events.stores.lmdb_env import Environment
from events.stores.lmdb_index import key_of, position_of

MAP_SIZE_BYTES = 1 << 36
T = TypeVar("T")


class Rows(NamedTuple):
    """What one event takes in a log: its record under its position, and its entries in the index."""

    position: int
    record: bytes
    labels: list[bytes]


def last_commit(path: str) -> int:
    """The number of a log's last commit: LMDB counts them."""
    environment = Environment.attach(path, readonly=True)
    try:
        with environment.reading() as txn:
            return txn.id()
    finally:
        environment.detach()


def rows_after(path: str, position: int) -> list[Rows]:
    """Return the rows of every event after a position; O(index), for logs of a benchmark's size."""
    environment = Environment.attach(path, readonly=True)
    try:
        with environment.reading() as txn:
            cursor = txn.cursor(environment.dbs.events)
            found = {
                position_of(key): (value, list[bytes]())
                for key, value in (cursor if cursor.set_range(key_of(position + 1)) else ())
            }
            for label, key in txn.cursor(environment.dbs.index):
                if (entry := found.get(position_of(key))) is not None:
                    entry[1].append(label)
    finally:
        environment.detach()
    return [Rows(each, *found[each]) for each in sorted(found)]


def write(folder: Path, commits: Sequence[Sequence[Rows]]) -> list[float]:
    """Write each group of rows as one synced commit of a new file; returns the seconds of each."""
    ready = [(_events(rows), _index(rows)) for rows in commits]
    with lmdb.open(str(folder), map_size=MAP_SIZE_BYTES, max_dbs=2, sync=True) as env:
        events, index = env.open_db(b"events"), env.open_db(b"index", dupsort=True, dupfixed=True)
        seconds = []
        for event_rows, index_rows in ready:
            started = time.perf_counter()
            with env.begin(write=True) as txn:
                txn.cursor(events).putmulti(event_rows, append=True)
                txn.cursor(index).putmulti(index_rows, append=True)
            seconds.append(time.perf_counter() - started)
    return seconds


def _events(rows: Sequence[Rows]) -> list[tuple[bytes, bytes]]:
    return [(key_of(each.position), each.record) for each in rows]


def _index(rows: Sequence[Rows]) -> list[tuple[bytes, bytes]]:
    return sorted((label, key_of(each.position)) for each in rows for label in each.labels)


def spread(items: Sequence[T], parts: int) -> list[Sequence[T]]:
    """Cut a sequence into parts whose sizes differ by one at most; fewer when there are fewer items."""
    parts = max(1, min(parts, len(items)))
    cuts = [len(items) * number // parts for number in range(parts + 1)]
    return [items[low:high] for low, high in pairwise(cuts)]
