"""A session as it stood after each of its events, folded as the hub folds it."""

from __future__ import annotations

from typing import NamedTuple

from events.event import Event
from events.values.session import SessionState
from projections.sessions import Sessions
from projections.tasks import Tasks
from replay.history import History
from replay.story import waits_for


class Stood(NamedTuple):
    """How a session stood.

    Attributes:
        state: pending, active and so on.
        waits: what it waited for, or the reason it ended with.
        busy: the owners of its open tasks, one entry a task.
        gone: who was hidden or had left.
    """

    state: SessionState
    waits: str
    busy: tuple[str, ...]
    gone: frozenset[str]


class Standing:
    """One session, folded event by event; O(1) an event beside the session type's own fold, memory O(the session).

    Args:
        history: the log that it is in.
        created: the event that created it.
    """

    def __init__(self, history: History, created: Event) -> None:
        self._names, self._session_id = history.names, created.id
        self._sessions, self._tasks = Sessions(history.catalogue, keep_ended=True), Tasks()
        self.stood = self.after(created)

    def after(self, event: Event) -> Stood:
        """Fold the session's next event and say how it stands then."""
        for projection in (self._sessions, self._tasks):
            fold = projection.FOLDS.get(type(event.body))
            if fold is not None:
                fold(projection, event)
        record = self._sessions.live[self._session_id]
        busy = tuple(task.owner_id for task in self._tasks.in_session(self._session_id))
        waits = record.close_reason or waits_for(record, self._names)
        self.stood = Stood(record.state, waits, busy, record.hidden | record.left)
        return self.stood
