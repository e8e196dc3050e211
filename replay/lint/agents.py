"""What is odd of agents: near their caps, refused in bursts."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import ceil
from typing import NamedTuple

from events.event import Event
from events.governance import AccessDenied
from events.sessions import EnvelopePosted, SessionCreated
from events.tasks import TaskStarted
from events.values.envelope import is_protocol_event
from events.values.identity import AGENT_ID
from projections.state import HubState
from replay.lint.oddities import Check, Oddity
from replay.render.text import duration, printable


class _Peak(NamedTuple):
    """The most that an agent had of something capped."""

    used: int
    cap: int
    position: int


_CAPS = {
    "inbox": ("inbox.max_pending", "envelopes unacknowledged"),
    "rate": ("rate.envelopes_per_minute", "envelopes within a minute"),
    "sessions": ("limits.max_concurrent_sessions", "sessions of its own open"),
    "tasks": ("limits.max_concurrent_tasks", "tasks open"),
    "depth": ("limits.delegation_depth", "delegations deep"),
}
"""What is capped: the rule's field, and what is counted."""


class NearCaps(Check):
    """Agents that came near a cap of their rule: told once for each agent and cap, at the fullest.

    What is counted is what the hub counts (RULE-6 to RULE-9); caps of 0 are none. A post costs O(recipients); memory is
    O(agents).
    """

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._peaks: dict[tuple[str, str], _Peak] = {}

    def after(self, event: Event, state: HubState) -> Iterable[Oddity]:
        """Look how full it is now."""
        body, registry = event.body, state.registry
        if isinstance(body, EnvelopePosted) and not is_protocol_event(body.event_type):
            for agent_id in body.recipients:
                if (record := registry.get(agent_id)) is not None:
                    self._use(agent_id, "inbox", state.inboxes.depth(agent_id), record.rule.inbox.max_pending, event)
            if (record := registry.get(body.sender_id)) is not None:
                self._use(body.sender_id, "depth", body.depth, record.rule.limits.delegation_depth, event)
                self._sent(body.sender_id, record.rule.rate.envelopes_per_minute, event, state)
        elif isinstance(body, SessionCreated) and (record := registry.get(body.creator_id)) is not None:
            used, cap = state.sessions.created_by.get(body.creator_id, 0), record.rule.limits.max_concurrent_sessions
            self._use(body.creator_id, "sessions", used, cap, event)
        elif isinstance(body, TaskStarted) and (record := registry.get(body.owner_id)) is not None:
            used, cap = state.tasks.open_of.get(body.owner_id, 0), record.rule.limits.max_concurrent_tasks
            self._use(body.owner_id, "tasks", used, cap, event)
        return ()

    def _near(self, cap: int) -> int:
        return ceil(cap * self.limits.near)

    def _sent(self, agent_id: str, cap: int, event: Event, state: HubState) -> None:
        """The window is asked only whether so many are in it: at its cap, or near it."""
        for used in (cap, self._near(cap)):
            if cap and used and state.rates.retry_after_s(agent_id, used, event.at_us) is not None:
                self._use(agent_id, "rate", used, cap, event)
                return

    def _use(self, agent_id: str, what: str, used: int, cap: int, event: Event) -> None:
        if not cap or used < self._near(cap):
            return
        peak = self._peaks.get((agent_id, what))
        if peak is None or used * peak.cap > peak.used * cap:
            self._peaks[agent_id, what] = _Peak(used, cap, event.position)

    def end(self, state: HubState) -> Iterator[Oddity]:
        """Tell of every agent that came near a cap."""
        for (agent_id, what), peak in sorted(self._peaks.items(), key=lambda item: item[1].position):
            name, (rule, words) = self.names.agent(agent_id), _CAPS[what]
            sentence = f"{name} had {peak.used:,} {words} at @{peak.position}, of the {peak.cap:,} that {rule} allows"
            command = f"replay log --agent {shlex.quote(printable(name))} --until @{peak.position} --reverse --limit 20"
            yield Oddity("near-cap", printable(sentence), (peak.position,), command)


@dataclass(slots=True)
class _Burst:
    """Refusals of one agent that came close behind each other."""

    first: int
    first_us: int
    last: int = 0
    last_us: int = 0
    count: int = 0
    errors: Counter[str] = field(default_factory=Counter)


class Refusals(Check):
    """Refusals of one agent, close behind each other; those that the log left out (GOV-6) count. Memory O(agents)."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._bursts: dict[str, _Burst] = {}

    def after(self, event: Event, state: HubState) -> Iterator[Oddity]:
        """Count a refusal, and tell of the burst before it when that is over."""
        if not isinstance(event.body, AccessDenied):
            return
        subject = event.body.subject
        burst = self._bursts.get(subject)
        if burst is not None and event.at_us - burst.last_us > self.limits.burst_s * 1_000_000:
            yield from self._told(subject, burst)
            burst = None
        if burst is None:
            burst = self._bursts[subject] = _Burst(event.position, event.at_us)
        burst.last, burst.last_us = event.position, event.at_us
        burst.count += 1 + event.body.left_out
        burst.errors[event.body.error] += 1 + event.body.left_out

    def end(self, state: HubState) -> Iterator[Oddity]:
        """Tell of the last burst of each agent."""
        for subject, burst in sorted(self._bursts.items(), key=lambda item: item[1].first):
            yield from self._told(subject, burst)

    def _told(self, subject: str, burst: _Burst) -> Iterator[Oddity]:
        if burst.count < self.limits.burst:
            return
        name = self.names.agent(subject)
        errors = ", ".join(f"{error} {count:,}" for error, count in sorted(burst.errors.items()))
        span = duration(burst.last_us - burst.first_us)
        where = f"within {span}, from @{burst.first} to @{burst.last}"
        sentence = f"{name} was refused {burst.count:,} times {where}: {errors}"
        who = f" --agent {shlex.quote(printable(name))}" if AGENT_ID.fullmatch(subject) else ""
        command = f"replay audit --kind access_denied{who} --since @{burst.first} --until @{burst.last}"
        yield Oddity("refusals", printable(sentence), (burst.first, burst.last), command)
