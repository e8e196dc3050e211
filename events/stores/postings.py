"""The index in memory: label to positions. The whole index of a log in memory, and the tail of one on disk."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from functools import partial

from events.stores.query import END, Seek

_NOWHERE = array("Q")


class Postings:
    """Each label's positions, ascending. A reader on another thread may see more than it asks for, never less."""

    __slots__ = ("by_label",)

    def __init__(self) -> None:
        self.by_label: defaultdict[bytes, array[int]] = defaultdict(partial(array, "Q"))

    def add(self, position: int, labels: Iterable[bytes]) -> None:
        """Add an event behind all others; O(labels)."""
        by_label = self.by_label
        for label in labels:
            by_label[label].append(position)

    def has(self, label: bytes, position: int) -> bool:
        """Tell whether the event at a position stands under a label; O(log n)."""
        return self.at_or_after(label, position) == position

    def at_or_after(self, label: bytes, position: int) -> int:
        """Return the label's first position from one on, ``END`` when there is none; O(log n)."""
        positions = self.by_label.get(label, _NOWHERE)
        at = bisect_left(positions, position)
        return positions[at] if at < len(positions) else END

    def at_or_before(self, label: bytes, position: int) -> int:
        """Return the label's last position up to one, 0 when there is none; O(log n)."""
        positions = self.by_label.get(label, _NOWHERE)
        at = bisect_right(positions, position)
        return positions[at - 1] if at else 0

    def find(self, label: bytes) -> Seek:
        """Return the seek in the label's positions."""
        return partial(self.at_or_after, label)

    def find_backwards(self, label: bytes) -> Seek:
        """Return the seek in the label's negated positions."""
        return lambda key: -self.at_or_before(label, -key) or END
