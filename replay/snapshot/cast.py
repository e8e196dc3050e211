"""Who is who in a text: ids give way to names that two runs share.

An agent has its own name, a later one of the same name ``bob-2``; sessions, envelopes and tasks are numbered in the
order in which the text comes to them: ``session-1``, ``env-3``, ``task-1``.
"""

from __future__ import annotations

import re
from collections import Counter

from events.agents import AgentRegistered
from events.event import Event
from events.sessions import EnvelopePosted, SessionCreated
from events.tasks import TaskStarted

_ID = re.compile(r"\b[0-9a-f]{32}\b")


class Cast:
    """Ids to names. Agents are known once they are met, all else from the event that it begins with."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._envelopes: set[str] = set()
        self._namesakes: Counter[str] = Counter()
        self._numbers: Counter[str] = Counter()

    def meet(self, event: Event) -> None:
        """Take note of an agent that registers; O(1). One that is known keeps its name."""
        body = event.body
        if isinstance(body, AgentRegistered) and body.agent_id not in self._names:
            self._namesakes[body.name] += 1
            count = self._namesakes[body.name]
            self._names[body.agent_id] = body.name if count == 1 else f"{body.name}-{count}"

    def number(self, event: Event) -> None:
        """Number what begins with an event: a session, an envelope, a task; O(1)."""
        body = event.body
        if isinstance(body, SessionCreated):
            self._give(body.session_id, "session")
        elif isinstance(body, EnvelopePosted):
            self._envelopes.add(event.id)
            self._give(event.id, "env")
        elif isinstance(body, TaskStarted):
            self._give(body.task_id, "task")

    def _give(self, found_id: str, kind: str) -> None:
        self._numbers[kind] += 1
        self._names[found_id] = f"{kind}-{self._numbers[kind]}"

    def name(self, found_id: str) -> str:
        """Return the name behind an id, or the id itself; O(1)."""
        return self._names.get(found_id, found_id)

    def is_envelope(self, found_id: str) -> bool:
        """Say whether an id is that of an envelope with a number; O(1)."""
        return found_id in self._envelopes

    def translate(self, text: str) -> str:
        """Return a text with each id that has a name replaced by it; O(text)."""
        return _ID.sub(lambda match: self.name(match[0]), text)
