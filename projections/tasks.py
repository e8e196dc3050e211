"""The tasks that are not over yet (SPEC §9). Memory: O(open tasks); every fold O(1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from events.event import Event
from events.tasks import TERMINAL, TaskStarted
from projections.base import Fold
from projections.changed import Changed
from projections.deadlines import Deadlines


@dataclass(slots=True)
class TaskRecord:
    """One open task. Its texts stay in the log: title and payload at ``position``, which has the id ``event_id``."""

    task_id: str
    event_id: str
    session_id: str
    owner_id: str
    capability: str | None
    started_us: int
    expires_us: int | None
    position: int


class Tasks:
    """Task id to record, in order of first sight."""

    def __init__(self) -> None:
        self.open: dict[str, TaskRecord] = {}
        self.changed = Changed()
        self.open_of: dict[str, int] = {}
        self.deadlines = Deadlines(self._expires_us)
        self._in_session: dict[str, dict[str, None]] = {}

    def in_session(self, session_id: str) -> list[TaskRecord]:
        """Return the open tasks of a session, oldest first; O(those)."""
        return [self.open[task_id] for task_id in self._in_session.get(session_id, ())]

    def _expires_us(self, task_id: str) -> int | None:
        record = self.open.get(task_id)
        return None if record is None else record.expires_us

    def _started(self, event: Event) -> None:
        body: TaskStarted = event.body
        self._enter(
            TaskRecord(
                body.task_id,
                event.id,
                body.session_id,
                body.owner_id,
                body.capability,
                event.at_us,
                body.expires_us,
                event.position,
            )
        )

    def _enter(self, record: TaskRecord) -> None:
        self.open[record.task_id] = record
        self.changed.note("")
        self.open_of[record.owner_id] = self.open_of.get(record.owner_id, 0) + 1
        self._in_session.setdefault(record.session_id, {})[record.task_id] = None
        self.plan(record.task_id)

    def plan(self, task_id: str) -> None:
        """Schedule anew when a task's time is up; O(log n)."""
        record = self.open.get(task_id)
        self.deadlines.schedule(task_id, None if record is None else record.expires_us)

    def _ended(self, event: Event) -> None:
        record = self.open.pop(event.body.task_id, None)
        if record is None:
            return
        self.changed.note("")
        self.deadlines.cancel(record.task_id)
        self.open_of[record.owner_id] -= 1
        if not self.open_of[record.owner_id]:
            del self.open_of[record.owner_id]
        tasks = self._in_session[record.session_id]
        del tasks[record.task_id]
        if not tasks:
            del self._in_session[record.session_id]

    FOLDS: ClassVar[dict[type, Fold]] = {
        TaskStarted: _started,
        **dict.fromkeys(TERMINAL, _ended),
    }

    def dump(self) -> Any:
        """Return every open task."""
        return [
            [r.task_id, r.event_id, r.session_id, r.owner_id, r.capability, r.started_us, r.expires_us, r.position]
            for r in self.open.values()
        ]

    def load(self, dumped: Any) -> None:
        """Take over a dump."""
        self.__init__()  # type: ignore[misc]
        for item in dumped:
            self._enter(TaskRecord(*item))

    def keys(self) -> Collection[str]:
        """Return the keys of all parts."""
        return ("",)

    def part(self, _: str) -> Any:
        """Return the whole: it is small, and one part of a projection checkpoint."""
        return self.dump()

    def load_parts(self, parts: Mapping[str, Any]) -> None:
        """Take over the part of a projection checkpoint."""
        self.load(parts.get("", []))
        self.changed.restart(saved=parts)
