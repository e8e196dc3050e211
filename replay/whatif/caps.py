"""How far caps were filled: inboxes, rates, sessions, tasks (RULE-7 to RULE-9)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from events.event import Event
from events.sessions import EnvelopePosted, SessionCreated
from events.tasks import TaskStarted
from events.values.envelope import is_protocol_event
from projections.state import HubState
from replay.whatif.report import Cap

Key = tuple[str, str]


@dataclass(slots=True)
class Level:
    """How far a cap was filled at most, the cap then in force, and where it was first reached (0: never)."""

    high: int = 0
    cap: int = 0
    reached: int = 0


class Levels:
    """The levels of one world; memory O(agents)."""

    def __init__(self, state: HubState, position: int) -> None:
        self._levels: dict[Key, Level] = {}
        for agent_id in state.registry.agents:
            self._inbox(state, agent_id, position)
            self._rate(state, agent_id, state.at_us, position)
            self._sessions(state, agent_id, position)
            self._tasks(state, agent_id, position)

    def note(self, state: HubState, event: Event, position: int) -> None:
        """Look at what an event that was just applied may have filled; O(recipients). ``position`` is where to say."""
        body = event.body
        if isinstance(body, EnvelopePosted) and not is_protocol_event(body.event_type):
            self._rate(state, body.sender_id, event.at_us, position)
            for agent_id in body.recipients:
                self._inbox(state, agent_id, position)
        elif isinstance(body, SessionCreated):
            self._sessions(state, body.creator_id, position)
        elif isinstance(body, TaskStarted):
            self._tasks(state, body.owner_id, position)

    def _inbox(self, state: HubState, agent_id: str, position: int) -> None:
        cap = state.registry.agents[agent_id].rule.inbox.max_pending
        self._see("inbox", agent_id, state.inboxes.depth(agent_id), cap, position)

    def _sessions(self, state: HubState, agent_id: str, position: int) -> None:
        cap = state.registry.agents[agent_id].rule.limits.max_concurrent_sessions
        self._see("sessions", agent_id, state.sessions.created_by.get(agent_id, 0), cap, position)

    def _tasks(self, state: HubState, agent_id: str, position: int) -> None:
        cap = state.registry.agents[agent_id].rule.limits.max_concurrent_tasks
        self._see("tasks", agent_id, state.tasks.open_of.get(agent_id, 0), cap, position)

    def _rate(self, state: HubState, agent_id: str, at_us: int, position: int) -> None:
        cap = state.registry.agents[agent_id].rule.rate.envelopes_per_minute
        if cap and state.rates.retry_after_s(agent_id, cap, at_us) is not None:
            self._see("rate", agent_id, cap, cap, position)
        elif cap:
            self._see("rate", agent_id, 0, cap, position)

    def _see(self, kind: str, agent_id: str, level: int, cap: int, position: int) -> None:
        seen = self._levels.setdefault((kind, agent_id), Level())
        if level >= seen.high:
            seen.high, seen.cap = level, cap
        if cap and level >= cap and not seen.reached:
            seen.reached = position

    def against(self, now: Levels) -> Iterator[Cap]:
        """Give the caps that were reached in this world or in ``now``, and not in the other one."""
        nothing = Level()
        for kind, agent_id in {**self._levels, **now._levels}:
            a, b = (levels.get((kind, agent_id), nothing) for levels in (self._levels, now._levels))
            if bool(a.reached) != bool(b.reached):
                yield Cap(kind, agent_id, a.reached, b.reached, a.high, b.high, a.cap, b.cap)
