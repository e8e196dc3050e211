"""The log in memory: the readable reference for what every store must do (SPEC LOG-3)."""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence

from eventsourcing.dcb.api import DCBQuery
from eventsourcing.persistence import IntegrityError

from events.merkle import Frontier
from events.stores.base import Batch, LogRecorder, new_origin, not_following
from events.stores.query import END, Seek, Window, items_of, remembering, seek_items

_NOWHERE = array("Q")


class MemoryRecorder(LogRecorder):
    """A log that lives as long as the object: closing it and opening it again is a restart.

    ``submit`` commits before it returns and calls ``completed`` inside, under the lock that orders commits.
    """

    commits_at_once = True

    def __init__(self, *, record_rule: str = "record", new_origin: Callable[[], str] = new_origin) -> None:
        super().__init__(record_rule=record_rule, new_origin=new_origin)
        self._origin = new_origin()
        self._commit = threading.RLock()
        self._records: list[bytes] = []
        self._index: dict[bytes, array[int]] = {}
        self._frontier = Frontier()
        self._tiles: list[list[bytes]] = [[]]
        # Set last in a commit: a reader goes up to it and needs no lock.
        self._last = 0

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
        for position, entry in enumerate(batch.entries, self._last + 1):
            self._records.append(entry.record)
            for label in entry.labels:
                self._index.setdefault(label, array("Q")).append(position)
            self._tiles[0].append(entry.leaf)
            for tile_level, _, node in self._frontier.append(entry.leaf):
                if tile_level == len(self._tiles):
                    self._tiles.append([])
                self._tiles[tile_level].append(node)
        self._last += len(batch.entries)
        batch.position = self._last

    def _rows(self, query: DCBQuery | None, window: Window) -> list[tuple[int, bytes]]:
        return [(each, self._records[each - 1]) for each in self._positions(query, window)]

    def _positions(self, query: DCBQuery | None, window: Window) -> Sequence[int]:
        items = items_of(query)
        if items is None:
            return window.positions()
        return window.collect(seek_items(items, self._seek_backwards if window.backwards else self._seek_forwards))

    def _seek_forwards(self, label: bytes) -> Seek:
        positions = self._index.get(label, _NOWHERE)

        def look_up(key: int) -> int:
            at = bisect_left(positions, key)
            return positions[at] if at < len(positions) else END

        return remembering(look_up)

    def _seek_backwards(self, label: bytes) -> Seek:
        positions = self._index.get(label, _NOWHERE)

        def look_up(key: int) -> int:
            at = bisect_right(positions, -key)
            return -positions[at - 1] if at else END

        return remembering(look_up)

    def _hashes(self, tile_level: int, start: int, count: int) -> Sequence[bytes]:
        return self._tiles[tile_level][start : start + count]

    def _stored(self, after: int, until: int) -> Iterator[tuple[int, bytes, bytes]]:
        for at in range(after, min(until, self._last)):
            yield at + 1, self._tiles[0][at], self._records[at]

    def _index_entries(self) -> Iterator[tuple[bytes, int]]:
        for label, positions in self._index.items():
            for position in positions:
                yield label, position

    def _in_index(self, label: bytes, position: int) -> bool:
        return position in self._index.get(label, _NOWHERE)
