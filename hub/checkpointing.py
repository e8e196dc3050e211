"""Writing projection checkpoints beside a running hub: what changed is taken on the loop, the rest is a thread's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from events.log import EventLog
from hub.catalogue import Catalogue
from hub.loading import checkpoint_folder
from projections.snapshots import Changes, Link, LostBaseError, collect, write
from projections.state import HubState

CHECKPOINT_EVENTS = 2_048
"""A running hub writes what changed each time so many events have come since the last time.

What changed is copied on the event loop, which costs it some microseconds for each session and agent among them: so few
events that this is a matter of milliseconds.
"""


class Checkpointer:
    """Writes a log's projection checkpoints; a failure costs only time (LOG-8). Nothing for a log in memory.

    Under load the state is always ahead of the disk: what changed is taken when a checkpoint is due, and written once
    the disk has come so far.

    Args:
        log: whose state is kept.
        catalogue: the session types that fold it.
        state: gives the state of this moment.
        failed: told of what went wrong.
    """

    def __init__(
        self,
        log: EventLog,
        catalogue: Catalogue,
        state: Callable[[], HubState],
        failed: Callable[[str, Exception], None],
    ) -> None:
        self._log, self._catalogue, self._state, self._failed = log, catalogue, state, failed
        self._folder = checkpoint_folder(log)
        self._after: Link | None = None
        self._reached = self._lives = 0
        self._taken: Changes | None = None
        self._writing: asyncio.Future[None] | None = None

    def restart(self, state: HubState, link: Link | None) -> None:
        """Begin with a state that was loaded from the checkpoint of the link, or folded from the start."""
        self._after, self._reached, self._taken = link, state.loaded_at, None
        self._lives += 1

    def reached(self, durable: int) -> None:
        """The disk has come to a position: take or write a checkpoint when one is due; O(1), or O(what changed)."""
        if self._folder is None:
            return
        if self._taken is None and self._writing is None and durable - self._reached >= CHECKPOINT_EVENTS:
            self._take()
        if self._taken is not None and self._taken.position <= durable:
            self._writing = asyncio.ensure_future(self._write())

    async def close(self, durable: int) -> None:
        """Write what is left; the state must be on disk."""
        if self._writing is not None:
            await self._writing
        if self._folder is not None and durable > self._reached:
            self._take()
            await self._write()

    def _take(self) -> None:
        state = self._state()
        self._reached = state.position
        try:
            self._taken = collect(state, self._after)
        except Exception as error:
            self._lost(error)

    async def _write(self) -> None:
        taken, self._taken = self._taken, None
        if taken is None or self._folder is None:
            return
        recorder, fingerprint, life = self._log.recorder, self._catalogue.fingerprint(), self._lives
        try:
            link = await asyncio.to_thread(write, self._folder, taken, recorder, fingerprint)
            if life == self._lives:  # else the state of now knows nothing of what was written
                self._after = link
        except LostBaseError:
            self._after, self._reached = None, 0  # somebody deleted it: a whole one, soon
        except Exception as error:
            self._lost(error)
        finally:
            self._writing = None

    def _lost(self, error: Exception) -> None:
        self._after, self._taken = None, None
        self._failed("writing a projection checkpoint", error)
