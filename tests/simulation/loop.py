"""An event loop without time, threads or I/O: what is ready runs one callback at a time, when the driver says so.

Callbacks run in the order in which they were asked for, as asyncio promises. Between any two of them the driver may
stop, and so crash the hub at any await point. Whatever would wait for the machine is refused, or done on the spot.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any

CALLBACKS_MAX = 200_000
"""So many in one go are a hub that never comes to rest."""


class Restless(AssertionError):
    """The loop does not run dry."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks one by one.

    Attributes:
        troubles: what a callback raised that nobody could be given.
    """

    def __init__(self) -> None:
        super().__init__()
        self.troubles: list[BaseException] = []
        self._waiting: deque[asyncio.Handle] = deque()
        self.set_exception_handler(self._note)

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is not None and "never retrieved" not in context.get("message", ""):
            self.troubles.append(error)

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Queue a callback."""
        handle = asyncio.Handle(callback, args, self, context)
        self._waiting.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Refuse: whoever waits for time has to wait for the hub's clock."""
        raise AssertionError("something waits for the loop's own time, not for the hub's clock")

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Call a function at once, where it is, and return what came of it."""
        done: asyncio.Future[Any] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done

    @property
    def busy(self) -> bool:
        """Whether a callback is ready."""
        return bool(self._waiting)

    def run(self, until: Callable[[], bool] = lambda: False, most: int = CALLBACKS_MAX) -> bool:
        """Run callbacks until none is left, ``until`` says so, or ``most`` have run; say whether none is left.

        Raises:
            Restless: none is left is not in sight.
        """
        asyncio.events._set_running_loop(self)
        try:
            for _ in range(most):
                if until() or not self._waiting:
                    break
                handle = self._waiting.popleft()
                if not handle.cancelled():
                    handle._run()
        finally:
            asyncio.events._set_running_loop(None)
        if most == CALLBACKS_MAX and self._waiting and not until():
            raise Restless(f"{most} callbacks, and there are still more: {self._waiting[0]!r:.200}")
        return not self._waiting

    def inside(self, function: Callable[[], Any]) -> None:
        """Call a function that needs a running loop, with nothing else running."""
        asyncio.events._set_running_loop(self)
        try:
            function()
        finally:
            asyncio.events._set_running_loop(None)

    def discard(self) -> None:
        """End every task, as far as tasks end, and forget what is left: the process is gone."""
        for _ in range(3):
            for task in asyncio.all_tasks(self):
                task.cancel()
            self.run()
        self._waiting.clear()
        self.close()
