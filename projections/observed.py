"""What the hub saw agents do, per capability: counts and an exact median (TASK-3).

Memory: at most 256 latencies per agent and capability. An observation costs O(1); a median O(256 log 256).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from statistics import median
from typing import Any, ClassVar

from events.agents import AgentObserved, AgentRegistered, AgentUnregistered
from events.event import Event
from events.values.identity import ObservedStat
from projections.base import Fold
from projections.changed import Changed

WINDOW = 256
OUTCOMES = ("completed", "failed", "expired")


class Stat:
    """Counts by outcome, and the latest latencies in microseconds."""

    __slots__ = ("counts", "latencies_us", "n")

    def __init__(self, n: int = 0, counts: list[int] | None = None, latencies_us: list[int] | None = None) -> None:
        self.n = n
        self.counts = counts or [0] * len(OUTCOMES)
        self.latencies_us: deque[int] = deque(latencies_us or (), maxlen=WINDOW)

    def snapshot(self) -> ObservedStat:
        """Return the statistic as people read it, latency in milliseconds."""
        p50_ms = median(self.latencies_us) / 1000 if self.latencies_us else None
        return ObservedStat(self.n, self.counts[0], self.counts[1], self.counts[2], p50_ms)


class Observed:
    """Agent id to capability to statistic."""

    def __init__(self) -> None:
        self._stats: dict[str, dict[str, Stat]] = {}
        self.changed = Changed()

    def of(self, agent_id: str) -> dict[str, ObservedStat]:
        """Return the statistics of an agent by capability; O(capabilities)."""
        return {name: stat.snapshot() for name, stat in self._stats.get(agent_id, {}).items()}

    def _registered(self, event: Event) -> None:
        self._stats[event.body.agent_id] = {}
        self.changed.note(event.body.agent_id)

    def _unregistered(self, event: Event) -> None:
        self._stats.pop(event.body.agent_id, None)
        self.changed.gone(event.body.agent_id)

    def _observed(self, event: Event) -> None:
        body: AgentObserved = event.body
        stats = self._stats.get(body.agent_id)
        if stats is None:
            return
        stat = stats.setdefault(body.capability, Stat())
        self.changed.note(body.agent_id)
        stat.n += 1
        if body.outcome in OUTCOMES:
            stat.counts[OUTCOMES.index(body.outcome)] += 1
        if body.latency_us is not None:
            stat.latencies_us.append(body.latency_us)

    FOLDS: ClassVar[dict[type, Fold]] = {
        AgentRegistered: _registered,
        AgentUnregistered: _unregistered,
        AgentObserved: _observed,
    }

    def dump(self) -> Any:
        """Return every statistic."""
        return {agent_id: self.part(agent_id) for agent_id in self._stats}

    def keys(self) -> Collection[str]:
        """Return the keys of all parts."""
        return self._stats

    def part(self, agent_id: str) -> Any:
        """Return one agent's statistics as plain data; None when it is gone."""
        stats = self._stats.get(agent_id)
        if stats is None:
            return None
        return {name: [stat.n, list(stat.counts), list(stat.latencies_us)] for name, stat in stats.items()}

    def load_parts(self, parts: Mapping[str, Any]) -> None:
        """Take over the parts of a projection checkpoint."""
        self.load(parts)
        self.changed.restart(saved=parts)

    def load(self, dumped: Any) -> None:
        """Take over a dump."""
        self._stats = {
            agent_id: {name: Stat(n, list(counts), times) for name, (n, counts, times) in stats.items()}
            for agent_id, stats in dumped.items()
        }
        self.changed.restart(changed=dumped)
