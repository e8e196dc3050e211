"""What a deterministic test is made of: a clock, ids, an agent, and knowing when all is quiet (DET-3).

Prior art: trio's ``MockClock``. Time here moves only when it is told to, and timers fire in the order they are due.
"""

from __future__ import annotations

import heapq
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeGuard

from events.values.times import iso, parse_iso
from hub.client.task import Tasked

if TYPE_CHECKING:
    from hub.hub import Hub

__all__ = ["MockClock", "ScriptedAgent", "SequentialIds", "settle"]


class Timer:
    """A virtual timer; ``cancel`` keeps it from firing."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Keep it from firing; nothing if it has fired."""
        self.callback = None


class MockClock:
    """A clock that stands still until ``advance``, with timers on its own time.

    Args:
        start: ISO-8601 with an offset.

    Raises:
        ValueError: ``start`` is not such a time.
    """

    def __init__(self, start: str = "2026-01-01T00:00:00Z") -> None:
        self._now_us = parse_iso(start)
        self._timers: list[tuple[int, int, Timer]] = []
        self._count = 0

    def __call__(self) -> str:
        """Return the time it shows, ISO-8601 with ``Z``."""
        return iso(self._now_us)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call back during the ``advance`` that reaches ``delay_s`` seconds from now; O(log timers)."""
        timer = Timer(callback)
        self._count += 1
        heapq.heappush(self._timers, (self._now_us + _microseconds(max(delay_s, 0)), self._count, timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Move on. Each timer that falls due fires at its own time, in order, those set meanwhile included.

        A timer may start asyncio work, which runs afterwards: ``await settle(hub)``. What a timer raises is raised
        here, at the time it was due.

        Raises:
            ValueError: ``seconds`` is negative: time does not go back (LOG-1).
        """
        if seconds < 0:
            raise ValueError(f"cannot advance by {seconds} s: time does not go back")
        until_us = self._now_us + _microseconds(seconds)
        while self._timers and self._timers[0][0] <= until_us:
            due_us, _, timer = heapq.heappop(self._timers)
            callback, timer.callback = timer.callback, None
            if callback is not None:
                self._now_us = due_us
                callback()
        self._now_us = until_us


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)


class SequentialIds:
    """Ids that count: ``000…001``, ``000…002``, 32 hexadecimal digits.

    Args:
        start: the first one's number, from 0.
    """

    def __init__(self, start: int = 1) -> None:
        self._next = start

    def __call__(self) -> str:
        """Return the next id."""
        value = f"{self._next:032x}"
        self._next += 1
        return value

    def continue_above(self, last_id: str) -> None:
        """Go on above an id that a log ends with (trap 17)."""
        self._next = max(self._next, int(last_id, 16) + 1)


class ScriptedAgent(Tasked):
    """An agent that says its lines in order, then nothing.

    Args:
        *replies: text, or anything an agent may reply with; an exception (instance or class) is raised; a callable is
            called with the message and may be async.
        name: for registering it without a passport.

    Attributes:
        heard: the messages it was asked with, in order.
        contexts: the ``TurnContext`` of each.
    """

    def __init__(self, *replies: Any, name: str | None = None) -> None:
        self.name = name
        self.heard: list[str] = []
        self.contexts: list[Any] = []
        self._script = iter(replies)

    async def ask(self, message: str, *, context: Any = None) -> Any:
        """Return the next line; "" when the script is over."""
        self.heard.append(message)
        self.contexts.append(context)
        reply = next(self._script, "")
        if _is_error(reply):
            raise reply
        if callable(reply):
            reply = reply(message)
        return await reply if inspect.isawaitable(reply) else reply


def _is_error(reply: Any) -> TypeGuard[BaseException | type[BaseException]]:
    return isinstance(reply, BaseException) or (isinstance(reply, type) and issubclass(reply, BaseException))


async def settle(hub: Hub) -> None:
    """Return when nothing is in flight in the hub: no command, delivery, handler or tick that could go on by itself.

    Nothing sleeps: what waits for the clock waits for ``MockClock.advance``.
    """
    await hub.activity.idle()
