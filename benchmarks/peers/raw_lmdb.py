"""LMDB without ledgerhub: what a hub's log got, put into an empty file by one thread, a row a record and index entry.

That is how one would use LMDB: the record of an event under its position, and in an index with sorted duplicates its
position under each of its labels. The rows are read back from the log and sorted beforehand, so that only LMDB is
timed. (The log itself packs many events into a row: docs/decisions/0002.)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

import lmdb

from events.stores import DiskKnowledgeStore
from events.stores.lmdb_chunks import key_of
from events.stores.lmdb_env import Environment
from events.stores.record import labels_of

MAP_SIZE_BYTES = 1 << 36
COPIED_A_COMMIT = 10_000
T = TypeVar("T")


class Rows(NamedTuple):
    """What one event takes where each record and each index entry is a row: leaf hash and record, and its labels."""

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
    """Return the rows of every event after a position; O(events)."""
    store = DiskKnowledgeStore(path)
    store.open(readonly=True)
    try:
        found = zip(store.scan(after=position), store.leaf_hashes(position), strict=False)
        return [Rows(each.position, leaf + each.event.data, labels_of(each.event)) for each, leaf in found]
    finally:
        store.close()


def copy_of(log: Path, folder: Path) -> int:
    """Put each record of a log, behind its leaf hash, in a row of a new file; return how many there are."""
    store = DiskKnowledgeStore(log)
    store.open(readonly=True)
    rows = zip(store.scan(), store.leaf_hashes(), strict=True)
    with lmdb.open(str(folder), map_size=MAP_SIZE_BYTES, max_dbs=2, sync=False) as env:
        events = env.open_db(b"events")
        while some := list(islice(rows, COPIED_A_COMMIT)):
            with env.begin(write=True) as txn:
                ready = [(key_of(found.position), leaf + found.event.data) for found, leaf in some]
                txn.cursor(events).putmulti(ready, append=True)
        with env.begin() as txn:
            count: int = txn.stat(events)["entries"]
    store.close()
    return count


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
