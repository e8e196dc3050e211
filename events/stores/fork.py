"""A log that goes on from another one's position, in memory; the other is only read, and never changes by it.

Up to ``forked_at`` it is the other log: reads there fall through. What comes after lies in memory. The tree goes on,
too: the fork's tree of ``forked_at`` leaves is the other log's, and proofs across that place hold. Its identity is its
own. Cost: up to the place that of the other log, after it that of ``MemoryRecorder``; memory O(what was appended).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from eventsourcing.dcb.api import DCBQuery
from eventsourcing.persistence import IntegrityError

from events.merkle import TILE_HEIGHT, Frontier
from events.stores.base import Batch, LogRecorder, new_origin, not_following
from events.stores.memory import MemoryRecorder
from events.stores.query import Window


class ForkRecorder(MemoryRecorder):
    """A log in memory on top of the first events of another.

    Args:
        base: an open log, which has to stay open; somebody may go on writing it. Closing the fork leaves it open.
        forked_at: the last position that is the base's.
        new_origin: makes the identity of the fork.

    Raises:
        ValueError: the base has fewer events.
    """

    def __init__(self, base: LogRecorder, forked_at: int, *, new_origin: Callable[[], str] = new_origin) -> None:
        super().__init__(record_rule=base._record_rule_name, new_origin=new_origin)
        self.base, self.forked_at = base, base._size(forked_at)
        self._frontier = Frontier.load(base._hashes, forked_at)
        self._last = forked_at

    @property
    def path(self) -> str:
        """What messages call it: the base, and the place."""
        return f"{self.base.path}@{self.forked_at}+"

    def _refusal(self, batch: Batch) -> Exception | None:
        if batch.follows is not None and batch.follows != self._last:
            return not_following(batch, self._last, self.path)
        condition = batch.condition
        if condition is not None:
            window = Window((condition.after or 0) + 1, self._last, 1)
            if self._rows(condition.fail_if_events_match, window):
                return IntegrityError(condition)
        return None

    def _rows(self, query: DCBQuery | None, window: Window) -> list[tuple[int, bytes]]:
        below = window._replace(last=min(window.last, self.forked_at))
        above = window._replace(first=max(window.first, self.forked_at + 1))
        parts = [(self.base._rows, below), (self._rows_above, above)]
        rows: list[tuple[int, bytes]] = []
        for read, part in reversed(parts) if window.backwards else parts:
            if part.first <= part.last and len(rows) < window.limit:
                rows += read(query, part._replace(limit=window.limit - len(rows)))
        return rows

    def _rows_above(self, query: DCBQuery | None, window: Window) -> list[tuple[int, bytes]]:
        return [(each, self._records[each - self.forked_at - 1]) for each in self._positions(query, window)]

    def _hashes(self, tile_level: int, start: int, count: int) -> Sequence[bytes]:
        whole = self.forked_at >> (TILE_HEIGHT * tile_level)
        below = max(min(count, whole - start), 0)
        found = list(self.base._hashes(tile_level, start, below)) if below else []
        if below < count:
            first = start + below - whole
            found += self._tree()[tile_level][first : first + count - below]
        return found

    def _stored(self, after: int, until: int) -> Iterator[tuple[int, bytes, bytes]]:
        first = max(after, self.forked_at)
        leaves = self._tree()[0][first - self.forked_at :]
        above = zip(range(first + 1, until + 1), leaves, self._records[first - self.forked_at :], strict=False)
        return chain(self.base._stored(after, min(until, self.forked_at)), above)

    def _indexed(self) -> int:
        below = min(self.base._indexed(), self.forked_at)
        return below if below < self.forked_at else super()._indexed()

    def _index_entries(self) -> Iterator[tuple[bytes, Sequence[int]]]:
        for label, positions in self.base._index_entries():
            if below := positions[: bisect_right(positions, self.forked_at)]:
                yield label, below
        yield from super()._index_entries()

    def _in_index(self, label: bytes, position: int) -> bool:
        if position <= self.forked_at:
            return self.base._in_index(label, position)
        return super()._in_index(label, position)
