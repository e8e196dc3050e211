"""A piece of work that an agent does inside a session (SPEC §9)."""

from __future__ import annotations

import re
from dataclasses import field
from enum import StrEnum

from events.values.base import JsonMap, Value, frozen_value
from events.values.frozen import FrozenDict
from events.values.rule import Duration

TASK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""The shape of a task id (TASK-4)."""


class TaskState(StrEnum):
    """Where a task stands (TASK-1)."""

    CREATED = "created"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether the task is over."""
        return self not in (TaskState.CREATED, TaskState.RUNNING)


@frozen_value
class TaskSpec(Value):
    """What a task is asked to be; ``ttl`` None means the owner's ``task_ttl_default``."""

    title: str
    capability: str | None = None
    payload: JsonMap = field(default_factory=FrozenDict)
    ttl: Duration = None


@frozen_value
class TaskMetadata(Value):
    """A snapshot of a task; latency is from started to terminal, on the hub's clock, in milliseconds."""

    task_id: str
    owner_id: str
    session_id: str
    spec: TaskSpec
    state: TaskState
    started_at: str
    expires_at: str | None = None
    ended_at: str | None = None
    latency_ms: float | None = None
    error: str = ""
    result: JsonMap = field(default_factory=FrozenDict)
    progress: JsonMap = field(default_factory=FrozenDict)
