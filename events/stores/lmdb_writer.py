"""Group commit: one thread owns the write transactions, and each takes all that waits (SPEC LOG-4, LOG-5)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

import lmdb
from eventsourcing.persistence import IntegrityError

from events.errors import CorruptLogError
from events.merkle import Frontier
from events.stores.base import Batch, Completed, not_following
from events.stores.lmdb_env import Environment, Transaction
from events.stores.lmdb_index import Snapshot, key_of, node_key
from events.stores.query import Window, items_of
from events.stores.record import Entry

COMMIT_EVENTS_MAX = 4096
"""A commit takes no further batch once it has this many events."""


class Writer:
    """The thread that writes one log.

    Args:
        environment: attached for writing, under the writer's lock.
        map_size_bytes_max: how far the map may grow; None for as far as it goes.
        committed: called after each commit that wrote something.
    """

    def __init__(self, environment: Environment, map_size_bytes_max: int | None, committed: Callable[[], None]) -> None:
        self._environment = environment
        self._map_size_bytes_max = map_size_bytes_max
        self._committed = committed
        self._queue: SimpleQueue[Batch | None] = SimpleQueue()
        self._accepting, self._closed = threading.Lock(), False
        with environment.reading() as txn:
            self._load(txn)
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def _load(self, txn: Transaction) -> None:
        snapshot = Snapshot(txn, self._environment)
        self.head = snapshot.last_position()
        self._frontier = Frontier.load(snapshot.hashes, self.head)
        self._stale = False

    def submit(self, batch: Batch) -> bool:
        """Queue a batch; False when the writer has been closed."""
        with self._accepting:
            if self._closed:
                return False
            self._queue.put(batch)
            return True

    def close(self) -> None:
        """Write what is queued, then end."""
        with self._accepting:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def is_current_thread(self) -> bool:
        """Whether the caller runs on the writer's thread, where waiting for it would never end."""
        return threading.current_thread() is self._thread

    def _run(self) -> None:
        while (batch := self._queue.get()) is not None:
            batches, more = self._gather(batch)
            self._commit(batches)
            self._tell(batches)
            if not more:
                return

    def _gather(self, batch: Batch) -> tuple[list[Batch], bool]:
        """Return all that waits, up to the cap, and whether more may come."""
        batches, count = [batch], len(batch.entries)
        while count < COMMIT_EVENTS_MAX:
            try:
                following = self._queue.get_nowait()
            except Empty:
                break
            if following is None:
                return batches, False
            batches.append(following)
            count += len(following.entries)
        return batches, True

    def _commit(self, batches: list[Batch]) -> None:
        try:
            commit = self._environment.write(lambda txn: self._write(txn, batches), self._map_size_bytes_max)
        except Exception as error:  # whatever it is, those who wait are told, and the thread lives on
            self._stale = True
            for batch in batches:
                batch.position, batch.error = 0, error
        else:
            wrote = commit.head != self.head
            self.head, self._frontier = commit.head, commit.frontier
            if wrote:
                self._committed()

    def _write(self, txn: Transaction, batches: list[Batch]) -> _Commit:
        if self._stale:  # after a failure, believe the disk
            self._load(txn)
        commit = _Commit(txn, self._environment, self.head, self._frontier.copy())
        for batch in batches:
            batch.error = commit.refusal(batch)
            batch.position = 0 if batch.error else commit.add(batch.entries)
        commit.flush()
        return commit

    def _tell(self, batches: list[Batch]) -> None:
        listeners: dict[Completed, list[Batch]] = {}
        for batch in batches:
            if batch.completed is not None:
                listeners.setdefault(batch.completed, []).append(batch)
        for completed, theirs in listeners.items():
            try:
                completed(theirs)
            except Exception as error:
                threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, self._thread)))


class _Commit:
    """One write transaction in the making.

    Rows are gathered and put by the hundred: each call into LMDB gives the interpreter's lock away, and while another
    thread computes it takes a switch interval to get it back.
    """

    def __init__(self, txn: Transaction, environment: Environment, head: int, frontier: Frontier) -> None:
        self._txn = txn
        self._snapshot = Snapshot(txn, environment)
        self._dbs = environment.dbs
        self._path = environment.path
        self.head = head
        self.frontier = frontier
        self._rows: list[tuple[bytes, bytes]] = []
        self._index: list[tuple[bytes, bytes]] = []
        self._nodes: list[tuple[bytes, bytes]] = []

    def refusal(self, batch: Batch) -> Exception | None:
        """Return why the batch may not be written at this place, or None."""
        if batch.follows is not None and batch.follows != self.head:
            return not_following(batch, self.head, self._path)
        condition = batch.condition
        if condition is None:
            return None
        window, items = Window((condition.after or 0) + 1, self.head, 1), items_of(condition.fail_if_events_match)
        if window.first > window.last:
            return None
        if items is not None:
            self.flush()
        return IntegrityError(condition) if items is None or self._snapshot.matches(items, window) else None

    def add(self, entries: list[Entry]) -> int:
        """Take the entries and return the last one's position."""
        position, append = self.head, self.frontier.append
        for record, leaf, labels in entries:
            position += 1
            key = key_of(position)
            self._rows.append((key, leaf + record))
            for label in labels:
                self._index.append((label, key))
            for tile_level, index, node in append(leaf):
                self._nodes.append((node_key(tile_level, index), node))
        self.head = position
        return position

    def flush(self) -> None:
        """Put what was taken where this transaction's reads see it."""
        self._index.sort()  # neighbours in the index are put one after another
        for db, rows in ((self._dbs.events, self._rows), (self._dbs.index, self._index)):
            if rows:
                self._put(db, rows)
        if self._nodes:
            self._txn.cursor(self._dbs.nodes).putmulti(self._nodes)
            self._nodes = []
        self._rows, self._index = [], []

    def _put(self, db: lmdb._Database, rows: list[tuple[bytes, bytes]]) -> None:
        consumed, added = self._txn.cursor(db).putmulti(rows, append=True)
        if added != consumed:
            raise CorruptLogError(
                f"the log {self._path} holds positions after its last one: restore it from a copy", path=self._path
            )
