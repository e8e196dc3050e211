"""Who waits for a session to become active, and what became of it (SESS-3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from events.errors import ProtocolError
from events.event import Event
from events.sessions import (
    SessionClosed,
    SessionCreated,
    SessionExpired,
    SessionInviteRejected,
    SessionOpened,
)


class Handshakes:
    """Session id to the future of its handshake: None once active, the error otherwise.

    A handshake is kept from the session's creation until its opener has taken note, which may be after the session
    is over: answers can be faster than the opener's task. Memory: O(openers waiting).
    """

    def __init__(self, name_for: Callable[[str], str]) -> None:
        self._name_for = name_for
        self._waiting: dict[str, asyncio.Future[ProtocolError | None]] = {}
        self._rejected: dict[str, Event] = {}

    def hear(self, event: Event) -> None:
        """Take note of a recorded event."""
        body = event.body
        if isinstance(body, SessionCreated):
            self._waiting[body.session_id] = asyncio.get_running_loop().create_future()
        elif isinstance(body, SessionInviteRejected) and body.session_id in self._waiting:
            self._rejected[body.session_id] = event
        elif isinstance(body, SessionOpened):
            self._settle(body.session_id, None)
        elif isinstance(body, SessionClosed | SessionExpired) and body.session_id in self._waiting:
            self._settle(body.session_id, self._error(body.session_id, body.reason))

    async def outcome(self, session_id: str) -> None:
        """Wait until a session that was just created is active.

        Raises:
            ProtocolError: somebody rejected, nobody answered in time, or it was closed meanwhile.
        """
        try:
            error = await asyncio.shield(self._waiting[session_id])
        finally:
            self.forget(session_id)
        if error is not None:
            raise error

    def forget(self, session_id: str) -> None:
        """Stop keeping a handshake: its opener knows, or is gone."""
        self._waiting.pop(session_id, None)
        self._rejected.pop(session_id, None)

    def close(self) -> None:
        """Release every opener that still waits: the hub closes."""
        for session_id in self._waiting:
            text = f"the hub was closed during the handshake of session {session_id}, which is pending"
            self._settle(session_id, ProtocolError(text, session_id=session_id))

    def _error(self, session_id: str, reason: str) -> ProtocolError:
        facts = {"session_id": session_id, "reason": reason}
        rejected = self._rejected.get(session_id)
        if rejected is not None:
            why = f": {rejected.body.reason}" if rejected.body.reason else ""
            agent_id = rejected.body.agent_id
            return ProtocolError(
                f"{self._name_for(agent_id)!r} rejected the invite to session {session_id}{why}",
                agent_id=agent_id,
                **facts,
            )
        if reason == "invite_timeout":
            return ProtocolError(f"ack timeout: not everybody answered the invite to session {session_id}", **facts)
        return ProtocolError(f"session {session_id} was closed during handshake: {reason}", **facts)

    def _settle(self, session_id: str, error: ProtocolError | None) -> None:
        waiting = self._waiting.get(session_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(error)
