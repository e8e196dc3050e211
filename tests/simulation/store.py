"""A log in memory that is as bad as a disk can be: slow, failing, full, and gone in the middle of a commit.

Group commit is played: batches wait, are written in order, and are answered later and together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from eventsourcing.dcb.api import DCBQuery

from events.codec import decode, event_of
from events.errors import StoreError
from events.event import Event
from events.governance import HubOpened
from events.stores import Batch, MemoryKnowledgeStore
from events.stores.query import Window

POINTS = ("submitted", "written", "answered", "published")
"""The named points of a commit at which a hub can be crashed; the last one is reached in a listener."""


class Unreadable(StoreError):
    """What was written cannot be read back now: what became of a command that says so is not known."""


class FaultyStore(MemoryKnowledgeStore):
    """A store with faults, which the driver switches on and off.

    Attributes:
        held: batches wait until ``commit`` and ``answer`` are called.
        broken: every commit fails.
        unreadable: nothing can be read back.
        hiccups: so many of the next batches fail, and then it is well again.
        room: how many more events fit; None: any number.
        failures: how many batches failed so far.
        dead: the process is gone: nothing is written or answered any more.
        reached: called at each of ``POINTS`` but the last.
    """

    def __init__(self, reached: Callable[[str], None], *, at_once: bool) -> None:
        super().__init__(new_origin=lambda: "51" * 16)
        self.commits_at_once = at_once
        self.reached = reached
        self.held = self.broken = self.dead = self.unreadable = False
        self.room: int | None = None
        self.failures = self.hiccups = 0
        self.waiting: list[Batch] = []
        self.unanswered: list[Batch] = []

    @property
    def in_flight(self) -> int:
        """How many batches were not answered yet."""
        return len(self.waiting) + len(self.unanswered)

    def _submit(self, batch: Batch) -> None:
        if self.dead:
            return
        self.waiting.append(batch)
        self.reached("submitted")
        if not self.held:
            self.flush()

    @property
    def troubled(self) -> bool:
        """Whether something is wrong with it that may keep a commit from being made or read back."""
        return bool(self.broken or self.unreadable or self.hiccups) or self.room is not None

    def written(self, after: int = 0) -> Iterator[Event]:
        """Give what is on disk after a position, whatever is wrong with the disk."""
        for position, record in enumerate(self._records[after:], after + 1):
            yield decode(self._rule.decode(record, position, self.path), position)

    def fingerprint(self) -> str:
        """Return the SHA-256 (hex) over all records but those that name the library's version."""
        told = hashlib.sha256()
        for record, event in zip(self._records, self.written(), strict=True):
            if not isinstance(event.body, HubOpened):
                told.update(record)
        return told.hexdigest()

    def well(self) -> None:
        """End all faults; what waits goes on waiting until ``flush``."""
        self.held = self.broken = self.unreadable = False
        self.room, self.hiccups = None, 0

    def flush(self) -> None:
        """Write and answer everything."""
        self.commit()
        self.answer()

    def commit(self, count: int | None = None) -> None:
        """Write the oldest ``count`` batches that wait, or fail them; nobody is told yet."""
        for batch in self.waiting[:count]:
            if self.dead:
                return
            self.waiting.remove(batch)
            self._decide(batch)
            self.unanswered.append(batch)
            self.reached("written")

    def answer(self) -> None:
        """Tell the hub, in one go, what became of the batches that were written or failed."""
        answered, self.unanswered = self.unanswered, []
        if answered and not self.dead and answered[0].completed is not None:
            answered[0].completed(answered)
            self.reached("answered")

    def _rows(self, query: DCBQuery | None, window: Window) -> list[tuple[int, bytes]]:
        if self.unreadable:
            raise Unreadable("the disk cannot be read")
        return super()._rows(query, window)

    def _decide(self, batch: Batch) -> None:
        batch.error = self._refusal(batch)
        full = self.room is not None and len(batch.entries) > self.room
        if batch.error is None and (self.broken or self.hiccups or full):
            batch.error = StoreError("the disk is full" if full else "the disk fails")
            self.hiccups -= self.hiccups > 0
        if batch.error is not None:
            self.failures += 1
            return
        self._write(batch)
        if self.room is not None:
            self.room -= len(batch.entries)

    def crash(self, kept: int) -> FaultyStore:
        """Lose the process; of the batches that wait, the oldest ``kept`` had reached the disk.

        Returns:
            The store that a new process finds.
        """
        self.dead = True
        for batch in self.waiting[:kept]:
            if self._refusal(batch) is None:
                self._write(batch)
        found = FaultyStore(self.reached, at_once=self.commits_at_once)
        if self._records:
            found.append([event_of(record, position, self.path) for position, record in enumerate(self._records, 1)])
        found.failures = self.failures
        return found
