"""The check that what a store derives from its records, indexes and tree, is what the records say.

One pass over the records and one over the index, each in order. The index is compared by a sum of keyed hashes of
its entries (Python's own, keyed anew in each process unless PYTHONHASHSEED fixes it), which does not depend on the
order; only if the sums differ are entries looked up one by one, to name what is wrong. Memory is O(1).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Protocol

from events.errors import StoreError
from events.merkle import Frontier, leaf_hash
from events.stores.record import RecordRule, labels_of

PROGRESS_EVENTS = 4096
"""Progress is told every so many events."""


class Checkable(Protocol):
    """What of a store is compared."""

    @property
    def path(self) -> str:
        """Where the log is, for messages."""

    def _stored(self, after: int, until: int) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield what is stored as ``(position, leaf hash, record)``, ascending, gaps and all."""

    def _index_entries(self) -> Iterator[tuple[bytes, int]]:
        """Yield the whole index as ``(label, position)``."""

    def _in_index(self, label: bytes, position: int) -> bool:
        """Tell whether the index has the entry."""

    def _hashes(self, tile_level: int, start: int, count: int) -> Sequence[bytes]:
        """Return stored tree nodes, as ``events.merkle.Tiles``."""


def check(log: Checkable, until: int, rule: RecordRule, progress: Callable[[int], None] | None) -> Iterator[str]:
    """Yield a sentence per problem in the first ``until`` events; O(n) when there is none."""
    expected = yield from _check_records(log, until, rule, progress)
    if expected != _index_sum(log, until):
        yield from _missing_entries(log, until, rule)
        yield from _stray_entries(log, until, rule)


def _check_records(
    log: Checkable, until: int, rule: RecordRule, progress: Callable[[int], None] | None
) -> Generator[str, None, tuple[int, int]]:
    frontier = Frontier()
    count = total = 0
    last = 0
    for position, leaf, record in log._stored(0, until):
        if position != last + 1:
            yield f"positions {last + 1} to {position - 1} are missing"
        last = position
        try:
            event = rule.decode(record, position, log.path)
            labels = labels_of(event)
            if leaf_hash(rule.leaf(record)) != leaf:
                yield f"the event at position {position} is not the one its leaf hash was made of"
        except StoreError as error:
            yield error.message
            labels = []
        for label in labels:
            total += hash((label, position))
        count += len(labels)
        for tile_level, index, node in frontier.append(leaf):
            if list(log._hashes(tile_level, index, 1)) != [node]:
                width = 256**tile_level
                yield f"the tree's node over positions {index * width + 1} to {(index + 1) * width} is wrong"
        if progress is not None and position % PROGRESS_EVENTS == 0:
            progress(position)
    if last != until:
        yield f"positions {last + 1} to {until} are missing"
    return count, total


def _index_sum(log: Checkable, until: int) -> tuple[int, int]:
    count = total = 0
    for entry in log._index_entries():
        if entry[1] <= until:
            count += 1
            total += hash(entry)
    return count, total


def _missing_entries(log: Checkable, until: int, rule: RecordRule) -> Iterator[str]:
    for position, labels in _labels(log, 0, until, rule):
        for label in labels:
            if not log._in_index(label, position):
                yield f"the event at position {position} is missing in the index under {readable(label)}"


def _stray_entries(log: Checkable, until: int, rule: RecordRule) -> Iterator[str]:
    for label, position in log._index_entries():
        if position <= until and not any(label in labels for _, labels in _labels(log, position - 1, position, rule)):
            yield f"the index has position {position} under {readable(label)}, but the event there has it not"


def _labels(log: Checkable, after: int, until: int, rule: RecordRule) -> Iterator[tuple[int, list[bytes]]]:
    for position, _, record in log._stored(after, until):
        try:
            yield position, labels_of(rule.decode(record, position, log.path))
        except StoreError:
            continue  # the first pass has told of it


def readable(label: bytes) -> str:
    """Return a label for people: ``type 'envelope.posted'``, ``tag 'session:…'``."""
    kind = "tag" if label[0] & 1 else "type"
    return f"{kind} {label[1:].hex() if label[0] & 0x80 else label[1:].decode(errors='replace')!r}"
