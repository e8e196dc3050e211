"""What the hub does by itself every so often (SPEC §1: sweepers; GOV-4, GOV-5)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hub.activity import Activity
from hub.clock import Cancel, Timers
from hub.listeners import HubListener

Tick = Callable[[], Awaitable[None]]


class Sweepers:
    """Named ticks on the hub's timers.

    A tick that raises is told to listeners and comes again; one that is still running when it is due again is let run.
    """

    def __init__(self, timers: Timers, listeners: HubListener, activity: Activity) -> None:
        self._timers, self._listeners, self._activity = timers, listeners, activity
        self._pending: dict[str, Cancel] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False

    def register(self, name: str, interval_s: float, tick: Tick) -> Callable[[], None]:
        """Run a tick every ``interval_s`` seconds, the first one after that time; returns what ends it.

        A name that is taken is replaced; an interval of 0 or less switches the sweeper off.
        """
        self.unregister(name)
        if interval_s > 0:
            self._schedule(name, interval_s, tick)
        return lambda: self.unregister(name)

    def unregister(self, name: str) -> None:
        """End a sweeper; unknown names are none."""
        if pending := self._pending.pop(name, None):
            pending.cancel()

    def later(self, delay_s: float, tick: Tick) -> Cancel:
        """Run a tick once, after ``delay_s`` seconds."""
        return self._timers.call_later(delay_s, lambda: self._start("timer", tick))

    async def close(self) -> None:
        """End all sweepers and wait for ticks that are running."""
        self._closed = True
        for name in list(self._pending):
            self.unregister(name)
        if self._running:
            await asyncio.gather(*self._running, return_exceptions=True)

    def _schedule(self, name: str, interval_s: float, tick: Tick) -> None:
        def fire() -> None:
            self._schedule(name, interval_s, tick)
            if not any(task.get_name() == f"sweeper {name}" for task in self._running):
                self._start(name, tick)

        self._pending[name] = self._timers.call_later(interval_s, fire)

    def _start(self, name: str, tick: Tick) -> None:
        if self._closed:
            return
        task = asyncio.create_task(self._run(name, tick), name=f"sweeper {name}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, name: str, tick: Tick) -> None:
        with self._activity.busy():
            try:
                await tick()
            except Exception as error:
                self._listeners.on_error(f"sweeper {name}", error)
