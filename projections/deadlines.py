"""What is due when: a heap with lazy deletion, so that a tick costs what is due (GOV-4).

A key has at most one live entry. Moving a deadline later leaves the entry where it is and moves it when it comes up,
so a post that postpones a deadline costs a comparison. ``schedule`` costs O(log n), ``due`` O(due log n).
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

SLACK = 64
"""How many cancelled entries a heap may hold beside as many as it has live ones."""


class Deadlines:
    """Key to its next deadline in microseconds since 1970. Derived, so neither dumped nor part of a digest."""

    def __init__(self) -> None:
        self._due: dict[str, int] = {}
        self._entry: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._due)

    def schedule(self, key: str, due_us: int | None) -> None:
        """Set, move or (None) cancel the deadline of a key."""
        if due_us is None:
            if self._due.pop(key, None) is not None and len(self._heap) > 2 * len(self._due) + SLACK:
                self._compact()
            return
        self._due[key] = due_us
        entry = self._entry.get(key)
        if entry is None or due_us < entry:
            self._entry[key] = due_us
            heappush(self._heap, (due_us, key))

    def _compact(self) -> None:
        """Leave out what was cancelled or moved: the heap follows what is live (LOG-9); O(1) amortised."""
        self._entry = dict(self._due)
        self._heap = [(due_us, key) for key, due_us in self._due.items()]
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
            due_us = self._due.get(key)
            if due_us is None:
                continue
            if due_us <= now_us:
                del self._due[key]
                ready.append((due_us, key))
            else:
                self.schedule(key, due_us)
        return [key for _, key in sorted(ready)]
