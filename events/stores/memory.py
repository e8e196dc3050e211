"""The log in memory: the readable reference for what every store must do (SPEC LOG-3)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

from eventsourcing.dcb.api import DCBQuery
from eventsourcing.persistence import IntegrityError

from events.merkle import Frontier, leaf_hash
from events.stores.base import Batch, LogRecorder, new_origin, not_following
from events.stores.postings import Postings
from events.stores.query import Window, items_of, seek_items
from events.stores.record import Entry, labels_of

UNINDEXED_MAX = 4096
"""An append that leaves so many events without an index makes it."""


class MemoryRecorder(LogRecorder):
    """A log that lives as long as the object: closing it and opening it again is a restart.

    ``submit`` commits before it returns and calls ``completed`` inside, under the lock that orders commits. Index and
    tree follow from the records, and are made when somebody asks for them; the index also when much has gathered.
    """

    commits_at_once = True

    def __init__(self, *, record_rule: str = "record", new_origin: Callable[[], str] = new_origin) -> None:
        super().__init__(record_rule=record_rule, new_origin=new_origin)
        self._origin = new_origin()
        self._commit = threading.RLock()
        self._records: list[bytes] = []
        # Set last in a commit: a reader goes up to it and needs no lock.
        self._last = 0
        self._index = Postings()
        self._unindexed: list[Entry] = []
        self._tiles: list[list[bytes]] = [[]]
        self._frontier = Frontier()

    @property
    def origin(self) -> str:
        """The identity of this log, made with the object."""
        return self._origin

    @property
    def path(self) -> str:
        """What messages call it."""
        return ":memory:"

    def _open(self, readonly: bool) -> None:
        pass

    def _close(self) -> None:
        pass

    def _head(self) -> int:
        return self._last

    def _submit(self, batch: Batch) -> None:
        with self._commit:
            batch.error = self._refusal(batch)
            if batch.error is None:
                self._write(batch)
            if batch.completed is not None:
                batch.completed([batch])
        self._notify()

    def _refusal(self, batch: Batch) -> Exception | None:
        if batch.follows is not None and batch.follows != self._last:
            return not_following(batch, self._last, self.path)
        condition = batch.condition
        if condition is not None:
            window = Window((condition.after or 0) + 1, self._last, 1)
            if self._positions(condition.fail_if_events_match, window):
                return IntegrityError(condition)
        return None

    def _write(self, batch: Batch) -> None:
        self._records.extend([entry.record for entry in batch.entries])
        self._unindexed.extend(batch.entries)
        self._last += len(batch.entries)
        batch.position = self._last
        if len(self._unindexed) >= UNINDEXED_MAX:
            self._postings()  # an entry takes more memory than its places in the index

    def _rows(self, query: DCBQuery | None, window: Window) -> list[tuple[int, bytes]]:
        return [(each, self._records[each - 1]) for each in self._positions(query, window)]

    def _positions(self, query: DCBQuery | None, window: Window) -> Sequence[int]:
        items = items_of(query)
        if items is None:
            return window.positions()
        index = self._postings()
        return window.collect(seek_items(items, index.find_backwards if window.backwards else index.find))

    def _postings(self) -> Postings:
        with self._commit:
            first = self._last - len(self._unindexed) + 1
            for position, entry in enumerate(self._unindexed, first):
                self._index.add(position, labels_of(entry))
            self._unindexed.clear()
        return self._index

    def _hashes(self, tile_level: int, start: int, count: int) -> Sequence[bytes]:
        return self._tree()[tile_level][start : start + count]

    def _tree(self) -> list[list[bytes]]:
        with self._commit:
            fresh = [leaf_hash(self._rule.leaf(record)) for record in self._records[len(self._tiles[0]) :]]
            self._tiles[0].extend(fresh)
            for level, _, node in self._frontier.extend(fresh):
                if level == len(self._tiles):
                    self._tiles.append([])
                self._tiles[level].append(node)
        return self._tiles

    def _stored(self, after: int, until: int) -> Iterator[tuple[int, bytes, bytes]]:
        leaves = self._hashes(0, after, until - after)
        yield from zip(range(after + 1, until + 1), leaves, self._records[after:until], strict=False)

    def _indexed(self) -> int:
        return self._last

    def _index_entries(self) -> Iterator[tuple[bytes, Sequence[int]]]:
        yield from list(self._postings().by_label.items())

    def _in_index(self, label: bytes, position: int) -> bool:
        return self._postings().has(label, position)
