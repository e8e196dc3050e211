"""Waiting for an envelope: the past first, then the present, each once and in order (CLI-2, trap 45)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from events.values import Envelope, is_close_event
from hub.client.context import waiting_on
from hub.links.connection import Connection

Predicate = Callable[[Envelope], bool]
PAGE = 256
"""How many places of a session's log are read at once."""


class Wait:
    """One wait: every envelope is offered to its predicate in order of sequence, until one fits."""

    def __init__(self, predicate: Predicate, since: int) -> None:
        self.found: asyncio.Future[Envelope] = asyncio.get_running_loop().create_future()
        self.last: Envelope | None = None
        self._predicate = predicate
        self._seen = since
        self._ahead: list[Envelope] | None = []

    def live(self, envelope: Envelope) -> None:
        """Take an envelope that was just posted; kept aside until the past has been read."""
        if self._ahead is None:
            self.offer(envelope)
        else:
            self._ahead.append(envelope)

    def caught_up(self) -> None:
        """Go on with what was posted meanwhile."""
        ahead, self._ahead = self._ahead or [], None
        for envelope in ahead:
            self.offer(envelope)

    def offer(self, envelope: Envelope) -> None:
        """Try one envelope; what the predicate raises is raised to the one who waits, not to the hub."""
        if self.found.done() or envelope.sequence <= self._seen:
            return
        self._seen, self.last = envelope.sequence, envelope
        try:
            if self._predicate(envelope):
                self.found.set_result(envelope)
            elif is_close_event(envelope):
                self.fail(TimeoutError(f"{self.stand(envelope.session_id)}, and nothing can follow"))
        except Exception as error:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End the wait with an error, unless it has ended."""
        if not self.found.done():
            self.found.set_exception(error)

    def drop(self) -> None:
        """Forget the outcome: whoever waited has it, or was cancelled and wants it no more."""
        if not self.found.cancel() and not self.found.cancelled():
            self.found.exception()

    def stand(self, session_id: str) -> str:
        """Say where the session stands, as far as this wait saw it."""
        last = self.last
        seen = f"the last was #{last.sequence}, {last.event_type}" if last is not None else "there were none"
        if last is not None and is_close_event(last):
            seen += f" ({last.event_data.get('reason', '')})"
        return f"no envelope of session {session_id} was the one waited for: {seen}"


async def wait_for(
    connection: Connection, agent_id: str, session_id: str, predicate: Predicate, timeout: float | None, since: int
) -> Envelope:
    """Return the first envelope that fits; see ``AgentClient.wait_for_session_event``."""
    wait = Wait(predicate, since)
    stop = await connection.watch(agent_id, session_id, wait.live, wait.fail)
    alarm = None
    try:
        if timeout is not None and timeout > 0:
            alarm = connection.call_later(timeout, partial(_late, wait, session_id, timeout))
        await _past(connection, agent_id, session_id, wait, since)
        wait.caught_up()
        if timeout is not None and timeout <= 0:
            _late(wait, session_id, timeout)
        with waiting_on(connection):
            return await wait.found
    finally:
        stop()
        wait.drop()
        if alarm is not None:
            alarm.cancel()


async def _past(connection: Connection, agent_id: str, session_id: str, wait: Wait, since: int) -> None:
    """Offer what is in the log already, a page at a time, and no more of it than needed."""
    until = await connection.session_sequence(session_id)
    while since < until and not wait.found.done():
        page = await connection.read_wal(session_id, since, since + PAGE, agent_id=agent_id)
        for envelope in page:
            wait.offer(envelope)
        since += PAGE


def _late(wait: Wait, session_id: str, timeout: float) -> None:
    wait.fail(TimeoutError(f"waited {timeout:g} s: {wait.stand(session_id)}"))
