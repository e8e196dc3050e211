"""What the event log asks of a store: the DCB port of the eventsourcing library, and a little more.

More is: batches that share a commit, scans in both directions, and the Merkle tree. A store of one's own derives
``LogRecorder``, implements what is abstract, and runs ``events.stores.conformance`` on itself.
"""

from __future__ import annotations

import os
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias

from eventsourcing.dcb.api import (
    DCBAppendCondition,
    DCBEvent,
    DCBQuery,
    DCBReadResponse,
    DCBRecorder,
    DCBSequencedEvent,
)

from events import merkle
from events.errors import StoreError
from events.stores.check import check
from events.stores.query import Window
from events.stores.record import RECORD_RULES, Entry, RecordRule, prepare, record_rule_named
from events.stores.subscription import LogSubscription

__all__ = ["RECORD_RULES", "Batch", "LogRecorder", "RecordRule", "new_origin"]

Completed: TypeAlias = "Callable[[Sequence[Batch]], None]"

_CHUNK_EVENTS_FIRST, _CHUNK_EVENTS_MAX = 16, 1024
_SUBTREES_KEPT = 1024


def new_origin() -> str:
    """Return a fresh identity for a log: 32 lower-case hex characters from the system's entropy."""
    return os.urandom(16).hex()


class Batch:
    """One atomic append: what to write, and afterwards what became of it.

    Args:
        events: at least one.
        condition: as in the DCB port; checked at the batch's place in the queue, earlier batches included.
        completed: called once per commit with all of its batches that share this callable, in order, on the thread
            that commits. It must not block, and what it raises goes to ``threading.excepthook``.
        follows: the position that must be the last one just before this batch, or it fails with ``StoreError``.
            A sole writer who decides ahead of the disk sets it, so that nothing decided after a failed append is
            ever written.

    Attributes:
        position: of the last event, once committed; 0 before and after a failure.
        waits: whether a thread stands still until it is committed, and may come back with another one at once.
        error: why nothing was written: ``IntegrityError`` for a failed condition, ``StoreError`` for a failed store.
    """

    __slots__ = ("completed", "condition", "entries", "error", "events", "follows", "position", "waits")

    def __init__(
        self,
        events: Sequence[DCBEvent],
        condition: DCBAppendCondition | None = None,
        completed: Completed | None = None,
        follows: int | None = None,
    ) -> None:
        self.events = events
        self.condition = condition
        self.completed = completed
        self.follows = follows
        self.entries: list[Entry] = []
        self.position = 0
        self.waits = False
        self.error: BaseException | None = None


class LogRecorder(DCBRecorder):
    """A DCB recorder whose positions are gapless from 1 and whose events are leaves of a Merkle tree.

    Args:
        record_rule: the name in ``RECORD_RULES`` of how events are written; kept by the log.
        new_origin: makes the identity of a new log.
    """

    commits_at_once = False
    """Whether ``submit`` commits before it returns, so that nothing is gained by gathering what to submit."""

    def __init__(self, *, record_rule: str = "record", new_origin: Callable[[], str] = new_origin) -> None:
        self._record_rule_name = record_rule
        self._rule: RecordRule = RECORD_RULES["record"]
        self._new_origin = new_origin
        self._lifecycle = threading.RLock()
        self._is_open = self._readonly = False
        self._subscriptions: set[LogSubscription] = set()

    # What a store implements.

    @abstractmethod
    def _open(self, readonly: bool) -> None:
        """Open the log, making it when it is new and not ``readonly``."""

    @abstractmethod
    def _close(self) -> None:
        """Write what was submitted, then let go of everything."""

    @abstractmethod
    def _submit(self, batch: Batch) -> None:
        """Take a batch whose ``entries`` are ready; never block on I/O."""

    @abstractmethod
    def _head(self) -> int:
        """Return the last durable position of the open log, 0 when empty."""

    @abstractmethod
    def _rows(self, query: DCBQuery | None, window: Window) -> list[tuple[int, bytes]]:
        """Return the matches in the window as ``(position, record)``, in scan order."""

    @abstractmethod
    def _hashes(self, tile_level: int, start: int, count: int) -> Sequence[bytes]:
        """Return roots of complete subtrees, as ``events.merkle.Tiles``."""

    @property
    @abstractmethod
    def origin(self) -> str:
        """The stable identity of this log, 32 lower-case hex characters, made when the log was made."""

    @property
    @abstractmethod
    def path(self) -> str:
        """Where the log is, for messages."""

    @abstractmethod
    def _stored(self, after: int, until: int) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield what is stored as ``(position, leaf hash, record)``, ascending, gaps and all."""

    @abstractmethod
    def _indexed(self) -> int:
        """Return the position up to which the index is written; what is behind it follows from the records."""

    @abstractmethod
    def _index_entries(self) -> Iterator[tuple[bytes, Sequence[int]]]:
        """Yield the whole written index as labels and positions, ascending; a label may come several times."""

    @abstractmethod
    def _in_index(self, label: bytes, position: int) -> bool:
        """Tell whether the written index has the entry."""

    # What every store has from here.

    def open(self, *, readonly: bool = False) -> None:
        """Open the log; a second call changes nothing. Other methods open it for writing when it is not open.

        Raises:
            StoreLockedError: another process, or another recorder, writes this log.
            CorruptLogError: the bytes there are not what a log has.
            StoreError: the log cannot be opened; the message says why.
        """
        with self._lifecycle:
            if self._is_open:
                if self._readonly and not readonly:
                    raise self._not_writable()
                return
            self._rule = record_rule_named(self._record_rule_name)
            self._open(readonly)
            self._readonly = readonly
            self._is_open = True

    def close(self) -> None:
        """Write what was submitted, end subscriptions and close; a second call changes nothing. May be reopened.

        Raises:
            ProgrammingError: called in ``completed``, on the thread that it would wait for.
        """
        self._refuse_waiting()
        with self._lifecycle:
            for subscription in tuple(self._subscriptions):
                subscription.stop()
            if self._is_open:
                try:
                    self._close()
                finally:
                    self._is_open = False  # last: a `completed` that reads meanwhile must not open it again

    @property
    def is_open(self) -> bool:
        """Whether the log is open."""
        return self._is_open

    @property
    def readonly(self) -> bool:
        """Whether the log is open for reading only; another process may be writing it."""
        return self._is_open and self._readonly

    @property
    def head(self) -> int:
        """The last durable position, 0 when the log is empty; O(log n) at most."""
        self._ensure_open()
        return self._head()

    def submit(self, batch: Batch) -> None:
        """Queue a batch for the next commit; never blocks on I/O. Its ``completed`` tells the outcome.

        Raises:
            ProgrammingError: the batch is empty or an event has a wrong type; nothing is queued.
            StoreError: the log is open for reading only.
        """
        self._ensure_open()
        if self._readonly:
            raise self._not_writable()
        batch.entries = prepare(batch.events, self._rule)
        self._submit(batch)

    def append(self, events: Sequence[DCBEvent], condition: DCBAppendCondition | None = None) -> int:
        """Append all events or none, wait until they are durable, and return the last one's position.

        Raises:
            IntegrityError: an event matches the condition.
            ProgrammingError: there are no events, one has a wrong type, or it is called in ``completed``.
            StoreError: the store failed; nothing was written.
        """
        self._refuse_waiting()
        done = threading.Lock()  # cheaper than an Event: one wake-up, and nothing allocated to wait
        done.acquire()
        batch = Batch(events, condition, lambda _: done.release())
        batch.waits = True
        self.submit(batch)
        done.acquire()
        if batch.error is not None:
            raise batch.error
        return batch.position

    def _refuse_waiting(self) -> None:
        """Raise ProgrammingError on a thread where waiting for a commit would never end."""

    def read(
        self, query: DCBQuery | None = None, *, after: int | None = None, limit: int | None = None
    ) -> LogReadResponse:
        """Return the matches after a position, lazily, in ascending order, as of now; cost as ``scan``."""
        head = self.head
        events = self.scan(query, after=after or 0, until=head, limit=limit)
        return LogReadResponse(events, (head or None) if limit is None else None, follows=limit is not None)

    def scan(
        self,
        query: DCBQuery | None = None,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int | None = None,
        backwards: bool = False,
    ) -> Iterator[DCBSequencedEvent]:
        """Yield the matches of ``rows``, decoded as they are taken.

        Raises:
            CorruptLogError: a record cannot be decoded.
        """
        for position, record in self.rows(query, after=after, until=until, limit=limit, backwards=backwards):
            yield DCBSequencedEvent(self._rule.decode(record, position, self.path), position)

    def rows(
        self,
        query: DCBQuery | None = None,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int | None = None,
        backwards: bool = False,
    ) -> Iterator[tuple[int, bytes]]:
        """Yield position and record of the matches with ``after < position <= until``, ascending or ``backwards``.

        ``until`` is the head of the moment when None: events recorded while the scan runs are not in it. Reads a few
        events ahead (16, then up to 1,024) and holds nothing open in between. O(log n) to start, then O(1) an event
        without a query, O(k log n) with one of k labels.
        """
        head = self.head
        low, high = max(after, 0) + 1, head if until is None else min(until, head)
        left = high if limit is None else limit
        chunk = _CHUNK_EVENTS_FIRST
        while left > 0 and low <= high:
            count = min(chunk, left)
            rows = self._rows(query, Window(low, high, count, backwards))
            yield from rows
            if len(rows) < count:
                return
            left -= count
            low, high = (low, rows[-1][0] - 1) if backwards else (rows[-1][0] + 1, high)
            chunk = min(chunk * 4, _CHUNK_EVENTS_MAX)

    def get(self, position: int) -> DCBEvent | None:
        """Return the event at a position, None when there is none; O(log n)."""
        return next((found.event for found in self.scan(after=position - 1, until=position)), None)

    def subscribe(self, query: DCBQuery | None = None, *, after: int | None = None) -> LogSubscription:
        """Return the matches after a position, then those still to come; ends with ``stop`` or ``close``."""
        self._ensure_open()
        return LogSubscription(self, query, after)

    def _attach(self, subscription: LogSubscription) -> None:
        self._subscriptions.add(subscription)

    def _detach(self, subscription: LogSubscription) -> None:
        self._subscriptions.discard(subscription)

    def _notify(self) -> None:
        for subscription in tuple(self._subscriptions):
            subscription.notify()

    # The Merkle tree (SPEC LOG-6).

    @property
    def tree_size(self) -> int:
        """The number of leaves: the head."""
        return self.head

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the tree's first ``size`` leaves (default: all), 32 bytes; O(log n)."""
        return merkle.root(self._hashes, self._size(size))

    def inclusion_proof(self, position: int, size: int | None = None) -> list[bytes]:
        """Return the audit path of the event at ``position`` (from 1) in the tree of ``size``; O(log n).

        Raises:
            ValueError: the position is not in a tree of that size, or the log has fewer events than that.
        """
        return merkle.inclusion_proof(self._hashes, position - 1, self._size(size))

    def inclusion_proofs(self, positions: Iterable[int], size: int | None = None) -> Iterator[list[bytes]]:
        """Yield the audit path of each event in the tree of ``size``; what neighbours share of the tree is read once.

        Raises:
            ValueError: as ``inclusion_proof``.
        """
        tiles, size = lru_cache(_SUBTREES_KEPT)(self._hashes), self._size(size)
        for position in positions:
            yield merkle.inclusion_proof(tiles, position - 1, size)

    def consistency_proof(self, old: int, new: int | None = None) -> list[bytes]:
        """Return the proof that the tree of size ``new`` (default: all) begins with that of ``old``; O(log n).

        Raises:
            ValueError: the sizes are not in order, or the log has fewer events than that.
        """
        return merkle.consistency_proof(self._hashes, old, self._size(new))

    def leaf_hash(self, position: int) -> bytes:
        """Return the stored leaf hash of the event at ``position``, 32 bytes; O(log n).

        Raises:
            ValueError: there is no such event.
        """
        return next(iter(self._hashes(0, self._size(position) - 1, 1)))

    def leaf_hashes(self, after: int = 0, until: int | None = None) -> Iterator[bytes]:
        """Yield the stored leaf hashes of ``after < position <= until`` (default: all), lazily; O(1) each."""
        last = self._size(until)
        for start in range(after, last, merkle.TILE_WIDTH):
            yield from self._hashes(0, start, min(merkle.TILE_WIDTH, last - start))

    def check_indexes(self, progress: Callable[[int], None] | None = None) -> Iterator[str]:
        """Compare positions, leaf hashes, indexes and tree with the records, as of now; O(n) time, O(1) memory.

        Yields a sentence per problem, with its position. ``progress`` is told the position reached now and then.
        """
        head = self.head
        return check(self, head, self._rule, progress)

    def _size(self, size: int | None) -> int:
        head = self.head
        if size is None:
            return head
        if not 0 <= size <= head:
            raise ValueError(f"the log {self.path} has {head} events, not {size}: give a size up to that")
        return size

    def _not_writable(self) -> StoreError:
        return StoreError(
            f"the log {self.path} is open for reading only: close it, then open it to write", path=self.path
        )

    def _ensure_open(self) -> None:
        if not self._is_open:
            self.open()


class LogReadResponse(DCBReadResponse):
    """The lazy answer to ``read``.

    ``head`` is the log's last position when the read was asked without a limit, None for an empty log; with a limit
    it is the position of the event given last, None before the first.
    """

    def __init__(self, events: Iterator[DCBSequencedEvent], head: int | None, *, follows: bool) -> None:
        self._events = events
        self._head = head
        self._follows = follows

    @property
    def head(self) -> int | None:
        """The position up to which the caller now knows the log; None for nothing."""
        return self._head

    def __next__(self) -> DCBSequencedEvent:
        event = next(self._events)
        if self._follows:
            self._head = event.position
        return event


def not_following(batch: Batch, last: int, path: str) -> StoreError:
    """Return the error of a batch whose ``follows`` is not the last position."""
    return StoreError(
        f"nothing was written to {path}: the append was decided after position {batch.follows}, but the log is at"
        f" {last}, because an append before it failed; decide again from the log",
        path=path,
        follows=batch.follows,
        position=last,
    )
