"""The check that what a store derives from its records, indexes and tree, is what the records say.

One pass over the records and one over the index, each in order. The index is compared by a sum of keyed hashes of
its entries (Python's own, keyed anew in each process unless PYTHONHASHSEED fixes it), which does not depend on the
order; only if the sums differ are entries looked up one by one, to name what is wrong. Memory is O(1).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, islice, repeat
from operator import itemgetter
from typing import Protocol

from events.errors import StoreError
from events.merkle import TILE_WIDTH, Frontier, Node, leaf_hash
from events.stores.query import readable
from events.stores.record import RecordRule, labels_of

PROGRESS_EVENTS = 4096
"""Progress is told every so many events."""

Stored = tuple[int, bytes, bytes]


class Checkable(Protocol):
    """What of a store is compared."""

    @property
    def path(self) -> str:
        """Where the log is, for messages."""

    def _stored(self, after: int, until: int) -> Iterator[Stored]:
        """Yield what is stored as ``(position, leaf hash, record)``, ascending, gaps and all."""

    def _indexed(self) -> int:
        """Return the position up to which the index is written; what is behind it follows from the records."""

    def _index_entries(self) -> Iterator[tuple[bytes, Sequence[int]]]:
        """Yield the whole written index as labels and positions; a label may come several times."""

    def _in_index(self, label: bytes, position: int) -> bool:
        """Tell whether the written index has the entry."""

    def _hashes(self, tile_level: int, start: int, count: int) -> Sequence[bytes]:
        """Return stored tree nodes, as ``events.merkle.Tiles``."""


def check(log: Checkable, until: int, rule: RecordRule, progress: Callable[[int], None] | None) -> Iterator[str]:
    """Yield a sentence per problem in the first ``until`` events; O(n) when there is none."""
    check = _Check(log, until, rule)
    yield from check.records(progress)
    if check.entries != check.index_sum():
        yield from check.missing_entries()
        yield from check.stray_entries()


class _Check:
    """One check; ``entries`` is the number and sum of the index entries that the records ask for."""

    def __init__(self, log: Checkable, until: int, rule: RecordRule) -> None:
        self._log, self._until, self._rule = log, until, rule
        self._indexed = min(until, log._indexed())
        self._frontier = Frontier()
        self._last = 0
        self.entries = 0, 0

    def records(self, progress: Callable[[int], None] | None) -> Iterator[str]:
        """Compare positions, leaf hashes and tree."""
        stored = self._log._stored(0, self._until)
        while some := list(islice(stored, PROGRESS_EVENTS)):
            yield from self._records(some)
            yield from self._nodes(self._frontier.extend([leaf for _, leaf, _ in some]))
            if progress is not None:
                progress(self._last)
        if self._last != self._until:
            yield f"positions {self._last + 1} to {self._until} are missing"

    def _records(self, some: list[Stored]) -> Iterator[str]:
        decode, leaf_bytes, path = self._rule.decode, self._rule.leaf, self._log.path
        count, total = self.entries
        last = self._last
        for position, leaf, record in some:
            if position != last + 1:
                yield f"positions {last + 1} to {position - 1} are missing"
            last = position
            try:
                labels = labels_of(decode(record, position, path))
                if leaf_hash(leaf_bytes(record)) != leaf:
                    yield f"the event at position {position} is not the one its leaf hash was made of"
            except StoreError as error:
                yield error.message
                continue
            if position <= self._indexed:
                count += len(labels)
                total += sum(map(hash, zip(labels, repeat(position), strict=False)))
        self._last, self.entries = last, (count, total)

    def _nodes(self, nodes: list[Node]) -> Iterator[str]:
        for level, group in groupby(nodes, itemgetter(0)):
            row = [(index, node) for _, index, node in group]
            stored = self._log._hashes(level, row[0][0], len(row))
            width = TILE_WIDTH**level
            for (index, node), found in zip(row, stored, strict=True):
                if node != found:
                    yield f"the tree's node over positions {index * width + 1} to {(index + 1) * width} is wrong"

    def index_sum(self) -> tuple[int, int]:
        """Return what ``entries`` must be."""
        count = total = 0
        for label, positions in self._log._index_entries():
            written = bisect_right(positions, self._indexed)
            count += written
            total += sum(map(hash, zip(repeat(label), islice(positions, written), strict=False)))
        return count, total

    def missing_entries(self) -> Iterator[str]:
        """Name what the index lacks."""
        for position, labels in self._labels(0, self._indexed):
            for label in labels:
                if not self._log._in_index(label, position):
                    yield f"the event at position {position} is missing in the index under {readable(label)}"

    def stray_entries(self) -> Iterator[str]:
        """Name what the index has too much."""
        for label, positions in self._log._index_entries():
            for position in positions:
                if position <= self._indexed and not any(
                    label in labels for _, labels in self._labels(position - 1, position)
                ):
                    yield f"the index has position {position} under {readable(label)}, but the event there has it not"

    def _labels(self, after: int, until: int) -> Iterator[tuple[int, list[bytes]]]:
        for position, _, record in self._log._stored(after, until):
            try:
                yield position, labels_of(self._rule.decode(record, position, self._log.path))
            except StoreError:
                continue  # the first pass has told of it
