"""Work that an agent does, told to the hub when it happens inside a turn (TASK-1, TASK-2).

``Task`` is the agent's own; ``TaskMirror`` tells the hub. The work never depends on the telling: what the mirror
cannot record is reported to the hub's listeners, and the task goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from events.values import TaskMetadata, TaskSpec, TaskState
from hub.client.context import HANDLING

if TYPE_CHECKING:
    from hub.links.connection import Connection


class TaskMirror:
    """Tells the hub about one task of an agent in a session.

    Args:
        connection: the agent's way to the hub.
        agent_id: who does the work.
        session_id: where it is recorded.
        cause: id of the envelope that is being handled, or None.
    """

    def __init__(self, connection: Connection, agent_id: str, session_id: str, cause: str | None = None) -> None:
        self.metadata: TaskMetadata | None = None
        self._connection = connection
        self._agent_id = agent_id
        self._session_id = session_id
        self._cause = cause

    async def started(self, spec: TaskSpec) -> None:
        """Let the hub see the task for the first time; without that nothing of it is recorded."""
        try:
            self.metadata = await self._connection.observe_task(
                self._agent_id, self._session_id, spec, cause=self._cause
            )
        except Exception as error:
            self._connection.task_mirror_failed("", error)

    async def moved(self, state: TaskState, **outcome: Any) -> None:
        """Record progress (``running``) or the end; ``outcome`` is progress, result or error."""
        if self.metadata is None:
            return
        task_id = self.metadata.task_id
        try:
            self.metadata = await self._connection.update_task(self._agent_id, task_id, state, **outcome)
        except Exception as error:
            self._connection.task_mirror_failed(task_id, error)


class Task:
    """One piece of work: ``async with agent.task("sum up") as t: ...``.

    A clean exit completes it, an exception fails it and propagates, a cancellation cancels it. What ended stays as it
    ended: a later ``complete`` or ``fail`` is ignored.

    Args:
        spec: title, capability, payload and TTL.
        mirror: tells the hub; None finds the turn that it is entered in, or runs unobserved.
        owner: limits finding to turns of this client.
    """

    def __init__(self, spec: TaskSpec, mirror: TaskMirror | None = None, owner: object = None) -> None:
        self.spec = spec
        self.state = TaskState.CREATED
        self.result: Mapping[str, Any] = {}
        self.error = ""
        self._mirror = mirror
        self._owner = owner

    @property
    def metadata(self) -> TaskMetadata | None:
        """The task as the hub last saw it, or None while it is unobserved."""
        return self._mirror.metadata if self._mirror is not None else None

    async def progress(self, progress: Mapping[str, Any]) -> None:
        """Report how far it is, as a JSON mapping; after the end it is ignored."""
        if not self.state.terminal and self._mirror is not None:
            await self._mirror.moved(TaskState.RUNNING, progress=progress)

    async def complete(self, result: Any = None) -> None:
        """End it well. A result that is not a mapping is kept as ``{"result": result}``."""
        if not isinstance(result, Mapping):
            result = {} if result is None else {"result": result}
        await self._end(TaskState.COMPLETED, result=result)

    async def fail(self, error: str | BaseException) -> None:
        """End it badly, for a reason that people can read."""
        await self._end(TaskState.FAILED, error=_sentence(error))

    async def cancel(self, reason: str = "") -> None:
        """Call it off."""
        await self._end(TaskState.CANCELLED, error=reason)

    async def _end(self, state: TaskState, *, result: Mapping[str, Any] | None = None, error: str = "") -> None:
        if self.state.terminal:
            return
        self.state, self.result, self.error = state, result or {}, error
        if self._mirror is not None:
            await self._mirror.moved(state, result=result, error=error)

    async def __aenter__(self) -> Self:
        if self._mirror is None:
            self._mirror = self._of_turn()
        self.state = TaskState.RUNNING
        if self._mirror is not None:
            await self._mirror.started(self.spec)
        return self

    def _of_turn(self) -> TaskMirror | None:
        handling = HANDLING.get()
        if handling is None or self._owner not in (None, handling.client):
            return None
        client, envelope = handling.client, handling.envelope
        return TaskMirror(client.connection, client.agent_id, envelope.session_id, envelope.envelope_id)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            await self.complete()
        elif isinstance(error, asyncio.CancelledError):
            await self.cancel("the turn was cancelled")
        else:
            await self.fail(error)


def _sentence(error: str | BaseException) -> str:
    return error if isinstance(error, str) else f"{type(error).__name__}: {error}"


class Tasked:
    """What an agent inherits to have ``task``."""

    def task(
        self,
        title: str,
        capability: str | None = None,
        payload: Mapping[str, Any] | None = None,
        ttl: str | int | None = None,
    ) -> Task:
        """Return a task to enter with ``async with`` (TASK-1).

        Args:
            title: what people read.
            capability: what is learnt about the agent from how it ends (TASK-3); None: nothing.
            payload: what it works on, a JSON mapping.
            ttl: seconds or ``30s 15m 2h 1d``, ``0`` for no expiry; None: the agent's ``task_ttl_default``.

        Raises:
            ValueError: one of them has the wrong shape.
        """
        return Task(TaskSpec(title=title, capability=capability, payload=payload or {}, ttl=ttl))
