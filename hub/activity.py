"""Knows whether anything is in flight: commits, handlers, ticks. What ``settle`` waits for (DET-3)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from hub.clock import yield_once

QUIET_ROUNDS = 8
"""Turns of the event loop without activity that count as quiet: callbacks queued by callbacks have run by then."""


class Activity:
    """Counts what is under way in one hub."""

    def __init__(self) -> None:
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def begin(self) -> None:
        """Something is under way until ``end``."""
        self._busy += 1
        self._idle.clear()

    def end(self) -> None:
        """It is over."""
        self._busy -= 1
        if not self._busy:
            self._idle.set()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Something is under way inside the block."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    async def idle(self) -> None:
        """Return when nothing has been under way for ``QUIET_ROUNDS`` turns of the event loop."""
        quiet = 0
        while quiet < QUIET_ROUNDS:
            if self._busy:
                quiet = 0
                await self._idle.wait()
            await yield_once()
            quiet += 1
            if self._busy:
                quiet = 0
