"""Stores that do what disks do: wait, and fail."""

from __future__ import annotations

from typing import Any

from events.errors import StoreError
from events.stores import Batch
from hub import MemoryKnowledgeStore


class HeldStore(MemoryKnowledgeStore):
    """A log in memory that, while ``held``, keeps appends waiting until they are let through, as a slow disk does."""

    held = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.waiting: list[Batch] = []

    def _submit(self, batch: Batch) -> None:
        if self.held:
            self.waiting.append(batch)
        else:
            super()._submit(batch)

    def let_through(self, count: int | None = None) -> None:
        """Write the oldest ``count`` of what waits; all of it by default."""
        for batch in self._take(count):
            super()._submit(batch)

    def refuse(self, count: int | None = None) -> None:
        """Fail the oldest ``count`` of what waits, as a full disk does."""
        for batch in self._take(count):
            fail(batch)

    def _take(self, count: int | None) -> list[Batch]:
        taken = self.waiting[:count]
        del self.waiting[: len(taken)]
        return taken


class BrokenStore(MemoryKnowledgeStore):
    """A log in memory that refuses to write while it is ``broken``."""

    broken = False

    def _submit(self, batch: Batch) -> None:
        if self.broken:
            fail(batch)
        else:
            super()._submit(batch)


def fail(batch: Batch) -> None:
    """End a batch as a store ends it that cannot write."""
    batch.error = StoreError("the disk is full: make room, then try again")
    if batch.completed is not None:
        batch.completed([batch])
