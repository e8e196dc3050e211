"""What of a projection changed since its last checkpoint, part by part (LOG-8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any


class Changed:
    """The keys of parts that changed, and of those that the last checkpoint has.

    Memory: O(parts). A part that came and went between two checkpoints leaves nothing here.
    """

    __slots__ = ("_keys", "_saved", "note")

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._saved: set[str] = set()
        self.note: Callable[[str], None] = self._keys.add
        """Say that a part is new, or not what it was; O(1)."""

    def gone(self, key: str) -> None:
        """Say that a part is no more; O(1)."""
        if key in self._saved:
            self._keys.add(key)
        else:
            self._keys.discard(key)

    def take(self, part: Callable[[str], Any]) -> Iterator[tuple[str, Any]]:
        """Give what changed, each part as ``part`` returns it, None for those that are gone; then nothing has changed.

        In order of keys. O(changed log changed).
        """
        keys = sorted(self._keys)
        self._keys.clear()
        for key in keys:
            value = part(key)
            if value is None:
                self._saved.discard(key)
            else:
                self._saved.add(key)
            yield key, value

    def restart(self, saved: Iterable[str] = (), changed: Iterable[str] = ()) -> None:
        """Begin anew: what a checkpoint has, and what has changed since."""
        self._saved = set(saved)
        self._keys.clear()
        self._keys.update(changed)
