"""The tail: the events that the index on disk does not have yet, indexed in memory.

The index on disk is written seldom and for many events at once (``lmdb_writer``). What came since follows from the
records: the writer adds it as it writes, a reader decodes it once and then what is new.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from events.stores.lmdb_snapshot import Snapshot
from events.stores.postings import Postings
from events.stores.record import Entry, RecordRule, labels_of


class Tail:
    """The index of the events after a position.

    Args:
        base: the position.
        rule: how their records are read.
    """

    __slots__ = ("_lock", "_rule", "base", "last", "postings")

    def __init__(self, base: int, rule: RecordRule) -> None:
        self.base = self.last = base
        self.postings = Postings()
        self._rule = rule
        self._lock = threading.Lock()

    def extend(self, snapshot: Snapshot, last: int) -> None:
        """Read the records up to a position that are not in it yet; O(them).

        Raises:
            StoreError: one of them cannot be decoded.
        """
        if self.last >= last:
            return
        with self._lock:
            for position, record in snapshot.span(self.last + 1, last):
                self.postings.add(position, labels_of(self._rule.decode(record, position, snapshot.path)))
                self.last = position

    def add(self, entries: Sequence[Entry]) -> None:
        """Add events that are about to be written, behind all others; O(them)."""
        with self._lock:
            for position, entry in enumerate(entries, self.last + 1):
                self.postings.add(position, labels_of(entry))
            self.last += len(entries)
