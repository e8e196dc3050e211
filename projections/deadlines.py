"""What is due when: a heap with lazy deletion, so that a tick costs what is due (GOV-4).

A key has at most one live entry, at or before its deadline. Whoever moves a deadline later need not say so: the entry
stays, and when it comes up the deadline is asked for anew (``current``). ``schedule`` costs O(log n), ``due`` O(due log
n).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush

SLACK = 64
"""How many cancelled entries a heap may hold beside as many as it has live ones."""


class Deadlines:
    """Key to a time, in microseconds since 1970, before which nothing of it is due.

    Derived, so no part of a digest; a projection checkpoint keeps the times, to have them without looking at each key.

    Args:
        current: a key's deadline as of now, None when it has none.
    """

    __slots__ = ("_current", "_entry", "_heap")

    def __init__(self, current: Callable[[str], int | None]) -> None:
        self._current = current
        self._entry: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._entry)

    def entry_us(self, key: str) -> int | None:
        """Return a time before which the key is not due, or None when it is not scheduled; O(1)."""
        return self._entry.get(key)

    def schedule(self, key: str, due_us: int | None) -> None:
        """Set or (None) cancel the deadline of a key; one that moves later costs a comparison."""
        entry = self._entry.get(key)
        if due_us is None:
            self.cancel(key)
        elif entry is None or due_us < entry:
            self._entry[key] = due_us
            heappush(self._heap, (due_us, key))

    def cancel(self, key: str) -> None:
        """Forget a key; O(1) amortised."""
        if self._entry.pop(key, None) is not None and len(self._heap) > 2 * len(self._entry) + SLACK:
            self._fill()

    def load(self, entries: Iterable[tuple[str, int]]) -> None:
        """Take over the times of keys, in place of all there are; O(n)."""
        self._entry = dict(entries)
        self._fill()

    def _fill(self) -> None:
        """Leave out what was cancelled or moved: the heap follows what is live (LOG-9)."""
        self._heap = [(due_us, key) for key, due_us in self._entry.items()]
        heapify(self._heap)

    def next_us(self) -> int | None:
        """Return a time before which nothing is due, or None when nothing is scheduled; O(1) amortised."""
        while self._heap and self._entry.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now_us: int) -> list[str]:
        """Take out and return the keys whose deadline is at or before now, earliest first.

        A key that is returned has no deadline until it is scheduled again.
        """
        ready: list[tuple[int, str]] = []
        while self._heap and self._heap[0][0] <= now_us:
            entry_us, key = heappop(self._heap)
            if self._entry.get(key) != entry_us:
                continue
            del self._entry[key]
            due_us = self._current(key)
            if due_us is not None and due_us <= now_us:
                ready.append((due_us, key))
            else:
                self.schedule(key, due_us)
        return [key for _, key in sorted(ready)]
