"""Group commit: one thread owns the write transactions, and each takes all that waits (SPEC LOG-4, LOG-5)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

from eventsourcing.persistence import IntegrityError

from events.errors import CorruptLogError
from events.merkle import Frontier, leaf_hash
from events.stores.base import Batch, Completed, not_following
from events.stores.lmdb_blocks import merged
from events.stores.lmdb_chunks import cut, key_of, pack
from events.stores.lmdb_env import Environment, Transaction
from events.stores.lmdb_snapshot import INDEXED, Snapshot, node_key
from events.stores.lmdb_tail import Tail
from events.stores.query import items_of
from events.stores.record import Entry, RecordRule

COMMIT_EVENTS_MAX = 4096
"""A commit takes no further batch once it has this many events."""
GATHERING_S = 0.001
"""How long a commit waits, in seconds, for the next of the callers who are about to come back."""
TAIL_EVENTS_MAX = 4096
"""The commit that makes the tail this long also writes the index."""


class Writer:
    """The thread that writes one log.

    Args:
        environment: attached for writing, under the writer's lock.
        rule: the log's record rule.
        map_size_bytes_max: how far the map may grow; None for as far as it goes.
        committed: called after each commit that wrote something.

    Attributes:
        head: the last position on disk.
        tail: what the index on disk has not, and perhaps events beyond the head that are being written.
    """

    def __init__(
        self,
        environment: Environment,
        rule: RecordRule,
        map_size_bytes_max: int | None,
        committed: Callable[[], None],
    ) -> None:
        self._environment = environment
        self._rule = rule
        self._map_size_bytes_max = map_size_bytes_max
        self._committed = committed
        self._queue: SimpleQueue[Batch | None] = SimpleQueue()
        self._accepting, self._closed = threading.Lock(), False
        self._awaited = 0
        with environment.reading() as txn:
            self._load(Snapshot(txn, environment))
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def _load(self, snapshot: Snapshot) -> None:
        self.head, indexed = snapshot.last_position(), snapshot.indexed()
        if indexed > self.head:
            raise _behind_the_end(snapshot.path)
        self.tail = Tail(indexed, self._rule)
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
        """Write what is queued, and the index, then end."""
        with self._accepting:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def is_current_thread(self) -> bool:
        """Whether the caller runs on the writer's thread, where waiting for it would never end."""
        return threading.current_thread() is self._thread

    def _run(self) -> None:
        more = True
        while more and (batch := self._queue.get()) is not None:
            batches, more = self._gather(batch)
            self._commit(batches)
            self._awaited = self._queue.qsize() + sum(batch.waits for batch in batches)
            self._tell(batches)
        if self.head > self.tail.base:
            self._commit([])  # should it fail, the tail stays what it is: read from the records

    def _gather(self, batch: Batch) -> tuple[list[Batch], bool]:
        """Return all that waits, up to the cap, and whether more may come.

        Whoever stood still for the last commit is likely to be back in a moment, and two commits of half of them take
        twice as long: so they are waited for, until nobody has come for ``GATHERING_S``.
        """
        batches, count = [batch], len(batch.entries)
        while count < COMMIT_EVENTS_MAX:
            try:
                following = self._queue.get(len(batches) < self._awaited, GATHERING_S)
            except Empty:
                break
            if following is None:
                return batches, False
            batches.append(following)
            count += len(following.entries)
        return batches, True

    def _commit(self, batches: list[Batch]) -> None:
        """Commit batches; without any, only what the index lacks."""
        try:
            commit = self._environment.write(lambda txn: self._write(txn, batches), self._map_size_bytes_max)
        except Exception as error:  # whatever it is, those who wait are told, and the thread lives on
            self._stale = True
            for batch in batches:
                batch.position, batch.error = 0, error
        else:
            wrote = commit.head != self.head
            self.head, self.tail, self._frontier = commit.head, commit.tail, commit.frontier
            if wrote:
                self._committed()

    def _write(self, txn: Transaction, batches: list[Batch]) -> _Commit:
        snapshot = Snapshot(txn, self._environment)
        if self._stale:  # after a failure, believe the disk
            self._load(snapshot)
        if self.tail.last > self.head:  # written once already, in a transaction that has come to nothing
            self.tail = Tail(self.tail.base, self._rule)
        self.tail.extend(snapshot, self.head)
        commit = _Commit(txn, self._environment, self._rule, self.head, self.tail, self._frontier.copy())
        for batch in batches:
            batch.error = commit.refusal(batch)
            batch.position = 0 if batch.error else commit.add(batch.entries)
        commit.flush()
        if commit.tail_length >= (TAIL_EVENTS_MAX if batches else 1):
            commit.index()
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
    """One write transaction in the making."""

    def __init__(
        self, txn: Transaction, environment: Environment, rule: RecordRule, head: int, tail: Tail, frontier: Frontier
    ) -> None:
        self._txn = txn
        self._snapshot = Snapshot(txn, environment)
        self._dbs = environment.dbs
        self._rule = rule
        self.head = head
        self.tail = tail
        self.frontier = frontier
        self._entries: list[Entry] = []

    @property
    def tail_length(self) -> int:
        """How many events the index does not have yet."""
        return self.head - self.tail.base

    def refusal(self, batch: Batch) -> Exception | None:
        """Return why the batch may not be written at this place, or None."""
        if batch.follows is not None and batch.follows != self.head:
            return not_following(batch, self.head, self._snapshot.path)
        condition = batch.condition
        if condition is None:
            return None
        first = (condition.after or 0) + 1
        if first > self.head:
            return None
        items = items_of(condition.fail_if_events_match)
        if items is None or self._snapshot.seek(items, first, self.tail)(first) <= self.head:
            return IntegrityError(condition)
        return None

    def add(self, entries: Sequence[Entry]) -> int:
        """Take the entries and return the last one's position."""
        self._entries += entries
        self.tail.add(entries)
        self.head += len(entries)
        return self.head

    def flush(self) -> None:
        """Put the records, and the nodes of the tree that they complete."""
        records = [entry.record for entry in self._entries]
        leaves = [leaf_hash(self._rule.leaf(record)) for record in records]
        first = self.head - len(records) + 1
        for part in cut(records):
            key, value = key_of(first + part.stop - 1), pack(records[part], leaves[part])
            if not self._txn.put(key, value, append=True, db=self._dbs.events):
                raise _behind_the_end(self._snapshot.path)
        for tile_level, index, node in self.frontier.extend(leaves):
            self._txn.put(node_key(tile_level, index), node, db=self._dbs.nodes)

    def index(self) -> None:
        """Put what the index lacks, and begin a new tail."""
        cursor = self._txn.cursor(self._dbs.index)
        cursor.putmulti(merged(cursor, self.tail.postings.by_label, self._snapshot.path))
        self._txn.put(INDEXED, key_of(self.head), db=self._dbs.meta)
        self.tail = Tail(self.head, self._rule)


def _behind_the_end(path: str) -> CorruptLogError:
    return CorruptLogError(f"the log {path} holds positions after its last one: restore it from a copy", path=path)
