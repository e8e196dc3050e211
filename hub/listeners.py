"""Who is told what happens in the hub: observers that can neither stop it nor harm each other (GOV-4, trap 12)."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any

from events.event import Event
from events.values.envelope import Envelope

logger = logging.getLogger("ledgerhub")


class HubListener:
    """What a hub tells; override what you want to hear.

    Calls are synchronous, on the hub's loop, after the fact: what is told is in the log already, so be quick, and put
    slow work on a queue of your own. What a listener raises is logged and told to the others; it harms nobody.
    """

    def on_event(self, event: Event) -> None:
        """Hear of an event that is in the log, in order of position; at acknowledged durability."""

    def on_inbox_pressure(self, agent_id: str, depth: int, high_water: int) -> None:
        """Hear once that an agent's pending envelopes have risen to its high-water mark (RULE-9)."""

    def on_error(self, where: str, error: BaseException) -> None:
        """Hear of an error that nobody could be given: in an evaluator, a sweeper, a subscriber, another listener."""

    def on_delivery_failed(self, agent_id: str, envelope: Envelope, error: BaseException) -> None:
        """Hear that an agent's handler failed for an envelope; it is delivered again up to a limit (trap 52)."""

    def on_task_mirror_failed(self, task_id: str, error: BaseException) -> None:
        """Hear that a task goes on, but the hub could not be told about it (TASK-2)."""

    def on_close(self) -> None:
        """Hear that the hub has closed; nothing comes after."""


CALLS = tuple(name for name in vars(HubListener) if name.startswith("on_"))
"""The names of everything a listener may hear."""


class Listeners(HubListener):
    """All listeners of a hub as one, in order of registration. A call costs O(listeners)."""

    def __init__(self) -> None:
        self._listeners: tuple[HubListener, ...] = ()

    def register(self, listener: HubListener) -> Callable[[], None]:
        """Add a listener; returns what removes it again. One that is there already is not added twice.

        Raises:
            TypeError: not a ``HubListener``, or one with an async method, which nobody would await.
        """
        if not isinstance(listener, HubListener):
            raise TypeError(f"a {type(listener).__name__} is not a listener; make it a subclass of HubListener")
        for name in CALLS:
            if inspect.iscoroutinefunction(getattr(listener, name)):
                raise TypeError(
                    f"{type(listener).__name__}.{name} is async and would never run; make it a plain method"
                )
        if listener not in self._listeners:
            self._listeners += (listener,)
        return lambda: self._remove(listener)

    def _remove(self, listener: HubListener) -> None:
        self._listeners = tuple(other for other in self._listeners if other is not listener)

    def on_event(self, event: Event) -> None:
        """Tell all of an event."""
        self._tell("on_event", event)

    def on_inbox_pressure(self, agent_id: str, depth: int, high_water: int) -> None:
        """Tell all that an inbox fills up."""
        self._tell("on_inbox_pressure", agent_id, depth, high_water)

    def on_error(self, where: str, error: BaseException) -> None:
        """Log an error with its traceback and tell all of it."""
        self._report(where, error)

    def on_delivery_failed(self, agent_id: str, envelope: Envelope, error: BaseException) -> None:
        """Log a failed delivery and tell all of it."""
        logger.warning("agent %s failed at envelope %s", agent_id, envelope.envelope_id, exc_info=error)
        self._tell("on_delivery_failed", agent_id, envelope, error)

    def on_task_mirror_failed(self, task_id: str, error: BaseException) -> None:
        """Log that a task is not observed and tell all of it."""
        logger.warning("the hub could not be told about task %s", task_id, exc_info=error)
        self._tell("on_task_mirror_failed", task_id, error)

    def on_close(self) -> None:
        """Tell all that the hub has closed."""
        self._tell("on_close")

    def _tell(self, name: str, *args: Any) -> None:
        for listener in self._listeners:
            try:
                getattr(listener, name)(*args)
            except Exception as error:
                self._report(f"{type(listener).__name__}.{name}", error, culprit=listener)

    def _report(self, where: str, error: BaseException, culprit: HubListener | None = None) -> None:
        """Log an error and tell all but its culprit; a listener that fails at that is only logged."""
        logger.error("%s failed", where, exc_info=error)
        for listener in self._listeners:
            try:
                if listener is not culprit:
                    listener.on_error(where, error)
            except Exception as second:
                logger.error("%s.on_error failed", type(listener).__name__, exc_info=second)
