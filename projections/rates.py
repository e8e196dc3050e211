"""When each agent sent its latest substantive envelopes: the exact sliding window of RULE-8.

Memory: per agent, the times of the last 60 s, at most the larger of its cap and 256 of them. A post costs O(1)
amortised.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from events.agents import AgentRegistered, AgentRuleSet, AgentUnregistered
from events.event import Event
from events.sessions import EnvelopePosted
from events.values.envelope import is_protocol_event
from projections.base import Fold
from projections.changed import Changed

WINDOW_US = 60_000_000
KEPT_MIN = 256
"""Times kept even of agents without a cap, so that a new cap is exact at once up to this number."""


class Rates:
    """Per agent the times (microseconds) of accepted substantive envelopes, oldest first."""

    def __init__(self) -> None:
        self._kept: dict[str, int] = {}
        self._times: dict[str, deque[int]] = {}
        self.changed = Changed()

    def retry_after_s(self, agent_id: str, cap: int, now_us: int) -> float | None:
        """Return how many seconds until another envelope fits, or None when it does now; O(1), and nothing moves."""
        times = self._times.get(agent_id, ())
        if not cap or len(times) < cap:
            return None
        wait_us = times[-cap] + WINDOW_US - now_us
        return wait_us / 1_000_000 if wait_us > 0 else None

    def times(self, agent_id: str) -> tuple[int, ...]:
        """Return when an agent sent what its window holds, oldest first; O(those)."""
        return tuple(self._times.get(agent_id, ()))

    def _capped(self, event: Event) -> None:
        body: AgentRegistered | AgentRuleSet = event.body
        cap = body.rule.get("rate", {}).get("envelopes_per_minute", 0)
        self.changed.note(body.agent_id)
        self._kept[body.agent_id] = kept = max(cap, KEPT_MIN)
        if times := self._times.get(body.agent_id):
            self._times[body.agent_id] = deque(times, maxlen=kept)

    def _unregistered(self, event: Event) -> None:
        self._kept.pop(event.body.agent_id, None)
        self._times.pop(event.body.agent_id, None)
        self.changed.gone(event.body.agent_id)

    def _posted(self, event: Event) -> None:
        body: EnvelopePosted = event.body
        kept = self._kept.get(body.sender_id)
        if kept is None or is_protocol_event(body.event_type):
            return
        times = self._times.get(body.sender_id)
        if times is None:
            times = self._times[body.sender_id] = deque(maxlen=kept)
        _forget(times, event.at_us)
        times.append(event.at_us)
        self.changed.note(body.sender_id)

    FOLDS: ClassVar[dict[type, Fold]] = {
        AgentRegistered: _capped,
        AgentRuleSet: _capped,
        AgentUnregistered: _unregistered,
        EnvelopePosted: _posted,
    }

    def dump(self) -> Any:
        """Return the windows; O(agents + times)."""
        return {agent_id: self.part(agent_id) for agent_id in self._kept}

    def keys(self) -> Collection[str]:
        """Return the keys of all parts."""
        return self._kept

    def part(self, agent_id: str) -> Any:
        """Return one agent's window as plain data; None when it is gone."""
        kept = self._kept.get(agent_id)
        return None if kept is None else [kept, list(self._times.get(agent_id, ()))]

    def load_parts(self, parts: Mapping[str, Any]) -> None:
        """Take over the parts of a projection checkpoint."""
        self.load(parts)
        self.changed.restart(saved=parts)

    def load(self, dumped: Any) -> None:
        """Take over a dump."""
        self._kept = {agent_id: kept for agent_id, (kept, _) in dumped.items()}
        self._times = {agent_id: deque(times, maxlen=kept) for agent_id, (kept, times) in dumped.items() if times}
        self.changed.restart(changed=dumped)


def _forget(times: deque[int], now_us: int) -> None:
    while times and times[0] <= now_us - WINDOW_US:
        times.popleft()
