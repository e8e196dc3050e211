"""One session as one of its participants sees it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from events.errors import ProtocolError
from events.values import EV_TEXT, Envelope, SessionMetadata, TaskSpec, is_close_event
from hub.client.context import cause_on
from hub.client.task import Task, TaskMirror
from hub.client.wait import Predicate

if TYPE_CHECKING:
    from hub.client.agent_client import AgentClient


class Session:
    """A handle on a session; keeps nothing but its id and the client it acts through.

    Args:
        client: the participant.
        session_id: the session's id.
    """

    __slots__ = ("client", "session_id")

    def __init__(self, client: AgentClient, session_id: str) -> None:
        self.client = client
        self.session_id = session_id

    def __repr__(self) -> str:
        return f"Session({self.session_id!r}, as {self.client.passport.name!r})"

    async def metadata(self) -> SessionMetadata:
        """Return the session as it is now."""
        return await self.client.connection.participated(self.client.agent_id, self.session_id)

    async def send(
        self,
        content: str | Mapping[str, Any] = "",
        audience: Sequence[str] | None = None,
        *,
        event_type: str = EV_TEXT,
        data: Mapping[str, Any] | None = None,
        causation_id: str | None = None,
        idempotency_key: str | None = None,
        priority: str = "normal",
        ttl_seconds: int | None = None,
        trace_id: str | None = None,
        task_id: str | None = None,
    ) -> str:
        """Post to the session; returns the envelope's id once it is in the log.

        Args:
            content: text, sent as ``{"text": ...}``, or the whole event_data.
            audience: names or ids of participants; None: everybody but the sender.
            event_type: any type but the hub's own.
            data: more event_data, beside the content.
            causation_id: the envelope this answers; None: the one being handled, if any (RULE-6).
            idempotency_key: sending it again with this key returns the first envelope's id (ENV-4).
            priority: ``high``, ``normal`` or ``low``.
            ttl_seconds: not delivered after so long.
            trace_id: carried along.
            task_id: the task it belongs to.

        Raises:
            AccessDeniedError, RateLimitedError, InboxFull: a rule refuses it (SPEC §4).
            ProtocolError: the session's state or type does not allow it, or the content is not JSON.
            NotFoundError: the sender is not registered any more.
        """
        connection = self.client.connection
        cause = cause_on(connection)
        if causation_id is None and cause is not None:
            causation_id = cause.envelope_id
        body = content if isinstance(content, Mapping) else {"text": content} if content or not data else {}
        more, listed = data or {}, audience
        if not isinstance(more, Mapping):
            raise ProtocolError(f"data is a {type(data).__name__}; send a mapping")
        if isinstance(audience, Iterable) and not isinstance(audience, str):
            listed = [connection.find_agent_id(one) or one for one in audience]
        envelope = Envelope(
            self.session_id,
            self.client.agent_id,
            listed,
            event_type,
            {**body, **more},
            causation_id=causation_id,
            idempotency_key=idempotency_key,
            priority=priority,
            ttl_seconds=ttl_seconds,
            trace_id=trace_id,
            task_id=task_id,
        )
        return await self.client.send_envelope(envelope)

    async def close(self, reason: str = "") -> SessionMetadata:
        """Close it; on a session that has ended, return how it did (SESS-5)."""
        return await self.client.connection.close_session(self.client.agent_id, self.session_id, reason)

    async def wait_for(self, predicate: Predicate, timeout: float | None = 300, *, since: int = 0) -> Envelope:
        """Return the first envelope that fits; see ``AgentClient.wait_for_session_event``."""
        return await self.client.wait_for_session_event(
            session_id=self.session_id, predicate=predicate, timeout=timeout, since=since
        )

    async def wait_closed(self, timeout: float | None = 300) -> SessionMetadata:
        """Return the session once it has ended, by closing or by expiry (trap 49); TimeoutError as ``wait_for``."""
        sequence = await self.client.connection.session_sequence(self.session_id)
        await self.wait_for(is_close_event, timeout, since=max(0, sequence - 1))
        return await self.metadata()

    async def read_wal(self, since: int = 0, until: int | None = None) -> list[Envelope]:
        """Return what of the slice ``[since:until]`` the participant may see (ENV-5)."""
        return await self.client.connection.read_wal(self.session_id, since, until, agent_id=self.client.agent_id)

    def task(
        self,
        title: str,
        capability: str | None = None,
        payload: Mapping[str, Any] | None = None,
        ttl: str | int | None = None,
    ) -> Task:
        """Return a task that is recorded in this session, in a turn or not; else as ``AgentClient.task``."""
        cause = cause_on(self.client.connection)
        mirror = TaskMirror(
            self.client.connection, self.client.agent_id, self.session_id, cause.envelope_id if cause else None
        )
        return Task(TaskSpec(title=title, capability=capability, payload=payload or {}, ttl=ttl), mirror)
