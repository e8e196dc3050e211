"""Names for ids: what people call an agent, and where a session began.

A session is called by its type and the position that created it, ``consulting @14``, a task by where it started: short,
unique in the log, and itself a point that every command takes. Ids are long, and those of one millisecond begin alike.
"""

from __future__ import annotations

from functools import lru_cache

from events.event import HUB, OPERATOR
from events.log import EventLog, tagged
from events.sessions import SessionCreated
from events.tasks import TaskStarted
from events.values.identity import AGENT_ID
from projections.archive import find_registration

REMEMBERED = 4096
"""Names kept of each kind, so that memory does not grow with the log."""


class Names:
    """Looks names up in a log and remembers the latest; O(log n) for one that is not remembered."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.agent = lru_cache(REMEMBERED)(self._agent)
        self.session = lru_cache(REMEMBERED)(self._session)
        self.task = lru_cache(REMEMBERED)(self._task)

    def _agent(self, agent_id: str) -> str:
        """Return the name behind an agent's id, of one that unregistered too; of anything else, itself."""
        if agent_id in (HUB, OPERATOR) or not AGENT_ID.fullmatch(agent_id):
            return agent_id
        event = find_registration(self._log, agent_id)
        return agent_id if event is None else str(event.body.name)

    def _session(self, session_id: str) -> str:
        """Return a session's type and where it began; of anything else, itself."""
        query = tagged(f"session:{session_id}", types=(SessionCreated,))
        event = next(self._log.read(query, limit=1, content=False), None)
        return session_id if event is None else f"{event.body.manifest['type']} @{event.position}"

    def _task(self, task_id: str) -> str:
        """Return where a task started and what it is called; of one that never did, its id."""
        event = next(self._log.read(tagged(f"task:{task_id}", types=(TaskStarted,)), limit=1), None)
        return f"task {task_id}" if event is None else f"task @{event.position} “{event.body.title or task_id}”"

    def agents(self, agent_ids: tuple[str, ...]) -> str:
        """Return the names of several agents, or ``nobody``."""
        return ", ".join(map(self.agent, agent_ids)) or "nobody"

    def anyone(self, text: str) -> str:
        """Return the name of whatever has this id: an agent, a session, or the text itself."""
        name = self.agent(text)
        return self.session(text) if name == text and AGENT_ID.fullmatch(text) else name
