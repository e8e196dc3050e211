"""Where time comes from: the hub's clock and its timers, both injected (DET-0).

A **clock** is a plain callable that says the time as ISO-8601 text with an offset. A clock that also offers
``call_later`` brings its own timers with it, and so its own virtual time; any other clock gets timers on the running
asyncio loop. This module and ``hub.ids`` are the only ones that touch the machine's clock, chance or sleep.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import coroutine
from typing import Protocol, runtime_checkable

from events.values.times import parse_iso

Clock = Callable[[], str]
"""Says the time: ISO-8601 text with an offset, such as ``2026-01-01T00:00:00Z``."""


class Cancel(Protocol):
    """A timer that was set."""

    def cancel(self) -> None:
        """Keep it from firing; does nothing once it has fired or was cancelled."""
        ...


@runtime_checkable
class Timers(Protocol):
    """What calls back after a while."""

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Cancel:
        """Call ``callback`` once, ``delay_s`` seconds from now; a delay of 0 or less means as soon as possible."""
        ...


class LoopTimers:
    """Timers on the running asyncio loop, whose clock is monotonic: steps of the wall clock do not move them."""

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Cancel:
        """Call ``callback`` on the loop after ``delay_s`` seconds; RuntimeError when no loop runs. O(log timers)."""
        return asyncio.get_running_loop().call_later(max(delay_s, 0.0), callback)


def system_clock() -> str:
    """Return the machine's time in UTC, to the microsecond, with ``Z``."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def timers_of(clock: Clock) -> Timers:
    """Return the clock's own timers when it has any (virtual time), else timers on the running loop."""
    offered: object = clock
    return offered if isinstance(offered, Timers) else LoopTimers()


def now_us(clock: Clock) -> int:
    """Return the clock's time in microseconds since 1970 UTC.

    Raises:
        ValueError: the clock gave something else than an ISO-8601 time with an offset (DET-0, trap 57).
    """
    if clock is system_clock:
        return time.time_ns() // 1000  # the same, without the way through text
    try:
        return parse_iso(clock())
    except ValueError as error:
        raise ValueError(f"the hub's clock gave a time that cannot be used: {error}") from None


@coroutine
def yield_once() -> Iterator[None]:
    """Let every other task that is ready run once; awaited, it is what ``asyncio.sleep(0)`` comes down to."""
    yield
