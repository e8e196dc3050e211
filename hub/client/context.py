"""What is being handled right now, known to whatever runs inside: tasks, sends and opens find their cause by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from events.values import Envelope

if TYPE_CHECKING:
    from hub.client.agent_client import AgentClient
    from hub.links.connection import Connection


class Handling:
    """An envelope and the agent that handles it; entered for as long as the handler runs."""

    __slots__ = ("_parked", "_token", "client", "envelope", "over")

    def __init__(self, client: AgentClient, envelope: Envelope) -> None:
        self.client = client
        self.envelope = envelope
        self.over = False
        self._parked = 0

    def __enter__(self) -> Handling:
        self._token = HANDLING.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.over = True
        if self._parked:
            self.client.connection.hub.activity.begin()
        HANDLING.reset(self._token)

    @contextmanager
    def parked(self) -> Iterator[None]:
        """Say that the handler waits for others or for the clock, so that ``settle`` need not wait for it (DET-3)."""
        if self.over:
            yield
            return
        activity = self.client.connection.hub.activity
        self._parked += 1
        if self._parked == 1:
            activity.end()
        try:
            yield
        finally:
            self._parked -= 1
            if not self._parked and not self.over:
                activity.begin()


HANDLING: ContextVar[Handling | None] = ContextVar("ledgerhub_handling", default=None)
"""Set while an envelope is being handled; asyncio tasks started meanwhile inherit it."""


def handling_on(connection: Connection) -> Handling | None:
    """Return what is being handled if it came from the same hub, else None: ids mean nothing elsewhere."""
    handling = HANDLING.get()
    return handling if handling is not None and handling.client.connection.hub is connection.hub else None


def cause_on(connection: Connection) -> Envelope | None:
    """Return the envelope being handled if it came from the same hub, else None."""
    handling = handling_on(connection)
    return handling.envelope if handling is not None else None


@contextmanager
def waiting_on(connection: Connection) -> Iterator[None]:
    """Park the handler that runs this block, if one does."""
    handling = handling_on(connection)
    if handling is None:
        yield
        return
    with handling.parked():
        yield
