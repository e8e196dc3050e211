"""What happens to tasks. ``sequence`` is the task envelope's place in its session's write-ahead log."""

from __future__ import annotations

from typing import NamedTuple

from events.event import NO_DATA, ContentMap, ContentText, Id, event_type


def _tags(task_id: str, session_id: str, owner_id: str) -> tuple[str, ...]:
    return (f"task:{task_id}", f"session:{session_id}", f"agent:{owner_id}")


@event_type("task.started")
class TaskStarted(NamedTuple):
    """The hub saw a task for the first time; ``expires_us`` is microseconds since 1970."""

    task_id: str
    session_id: Id
    owner_id: Id
    sequence: int
    capability: str | None = None
    expires_us: int | None = None
    title: ContentText = ""
    payload: ContentMap = NO_DATA

    def tags(self) -> tuple[str, ...]:
        return _tags(self.task_id, self.session_id, self.owner_id)


@event_type("task.progressed")
class TaskProgressed(NamedTuple):
    """The owner reported how far it is."""

    task_id: str
    session_id: Id
    owner_id: Id
    sequence: int
    progress: ContentMap = NO_DATA

    def tags(self) -> tuple[str, ...]:
        return _tags(self.task_id, self.session_id, self.owner_id)


@event_type("task.completed")
class TaskCompleted(NamedTuple):
    """The task is done; latency from started to here in microseconds of the hub's clock."""

    task_id: str
    session_id: Id
    owner_id: Id
    sequence: int
    latency_us: int
    capability: str | None = None
    result: ContentMap = NO_DATA

    def tags(self) -> tuple[str, ...]:
        return _tags(self.task_id, self.session_id, self.owner_id)


@event_type("task.failed")
class TaskFailed(NamedTuple):
    """The task's work raised, or its owner said so."""

    task_id: str
    session_id: Id
    owner_id: Id
    sequence: int
    latency_us: int
    capability: str | None = None
    error: ContentText = ""

    def tags(self) -> tuple[str, ...]:
        return _tags(self.task_id, self.session_id, self.owner_id)


@event_type("task.expired")
class TaskExpired(NamedTuple):
    """The task outlived its TTL (``ttl_expired``) or its session (``session_closed``, SESS-6)."""

    task_id: str
    session_id: Id
    owner_id: Id
    sequence: int
    latency_us: int
    capability: str | None = None
    reason: str = "ttl_expired"

    def tags(self) -> tuple[str, ...]:
        return _tags(self.task_id, self.session_id, self.owner_id)


@event_type("task.cancelled")
class TaskCancelled(NamedTuple):
    """The task was called off."""

    task_id: str
    session_id: Id
    owner_id: Id
    sequence: int
    latency_us: int
    capability: str | None = None
    error: ContentText = ""

    def tags(self) -> tuple[str, ...]:
        return _tags(self.task_id, self.session_id, self.owner_id)


TERMINAL = (TaskCompleted, TaskFailed, TaskExpired, TaskCancelled)
