"""Who is registered, what they claim and what rule holds for them (SPEC §2, §4).

Memory: O(live agents). Every look-up by id or name is O(1); by capability O(matches).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from events.agents import (
    AgentObserved,
    AgentRegistered,
    AgentResumeSet,
    AgentRuleSet,
    AgentSkillSet,
    AgentUnregistered,
)
from events.event import Event
from events.values.identity import Passport
from events.values.rule import Rule
from events.values.times import iso
from projections.base import Fold
from projections.changed import Changed
from projections.shared import Shared


@dataclass(slots=True)
class AgentRecord:
    """One live agent. Texts that people wrote stay in the log; the positions say where."""

    passport: Passport
    rule: Rule
    capabilities: tuple[str, ...]
    domains: tuple[str, ...]
    resume_version: int
    resume_updated_us: int
    resume_position: int
    skill_position: int | None
    observed: frozenset[str] = frozenset()

    def can(self, capability: str) -> bool:
        """Whether the agent claims the capability or was seen to have it (REG-5)."""
        return capability in self.capabilities or capability in self.observed


OWN = ("name", "owner", "agent_id", "created_at")
"""What of a passport is told apart from the rest, which many agents have in common."""


def _unnamed(facts: Mapping[str, Any]) -> Passport:
    """Build what passports have in common whose facts are equal: all but names, id and time."""
    return Passport.from_dict({**facts, "name": "?"})


class Registry:
    """The live agents, in registration order."""

    def __init__(self) -> None:
        self.agents: dict[str, AgentRecord] = {}
        self.names: dict[str, str] = {}
        self.changed = Changed()
        self._holders: dict[str, dict[str, None]] = {}
        self._rules = Shared(Rule.from_dict)
        self._passports = Shared(_unnamed)

    def get(self, agent_id: str) -> AgentRecord | None:
        """Return the live agent of that id, or None."""
        return self.agents.get(agent_id)

    def resolve(self, name_or_id: str) -> str | None:
        """Return the id behind a live agent's name or id, or None; a name wins nothing over an id (REG-2)."""
        return name_or_id if name_or_id in self.agents else self.names.get(name_or_id)

    def name_of(self, agent_id: str) -> str | None:
        """Return the name of a live agent, or None."""
        record = self.agents.get(agent_id)
        return record.passport.name if record else None

    def with_capability(self, capability: str) -> Iterator[str]:
        """Give the ids of live agents with a capability, in registration order; O(matches log matches)."""
        return iter(sorted(self._holders.get(capability, ())))

    def _registered(self, event: Event) -> None:
        body: AgentRegistered = event.body
        passport = self._passports.of(body.passport).but(
            name=body.name, owner=body.owner, agent_id=body.agent_id, created_at=iso(event.at_us)
        )
        self.agents[body.agent_id] = AgentRecord(
            passport,
            self._rules.of(body.rule),
            body.capabilities,
            body.domains,
            1,
            event.at_us,
            event.position,
            event.position if body.has_skill else None,
        )
        self.names[body.name] = body.agent_id
        self.changed.note(body.agent_id)
        self._claim(body.agent_id, (), body.capabilities)

    def _unregistered(self, event: Event) -> None:
        body: AgentUnregistered = event.body
        record = self.agents.pop(body.agent_id)
        self.names.pop(body.name, None)
        self.changed.gone(body.agent_id)
        self._claim(body.agent_id, (*record.capabilities, *record.observed), ())

    def _resume_set(self, event: Event) -> None:
        body: AgentResumeSet = event.body
        record = self._touched(body.agent_id)
        lost = tuple(c for c in record.capabilities if c not in record.observed)
        self._claim(body.agent_id, lost, body.capabilities)
        record.capabilities, record.domains = body.capabilities, body.domains
        record.resume_version, record.resume_updated_us = body.version, event.at_us
        record.resume_position = event.position

    def _skill_set(self, event: Event) -> None:
        body: AgentSkillSet = event.body
        self._touched(body.agent_id).skill_position = None if body.removed else event.position

    def _rule_set(self, event: Event) -> None:
        body: AgentRuleSet = event.body
        self._touched(body.agent_id).rule = self._rules.of(body.rule)

    def _observed(self, event: Event) -> None:
        body: AgentObserved = event.body
        record = self.agents.get(body.agent_id)
        if record is None:
            return
        self.changed.note(body.agent_id)
        record.observed |= {body.capability}
        record.resume_version, record.resume_updated_us = body.version, event.at_us
        self._claim(body.agent_id, (), (body.capability,))

    def _touched(self, agent_id: str) -> AgentRecord:
        self.changed.note(agent_id)
        return self.agents[agent_id]

    def _claim(self, agent_id: str, lost: tuple[str, ...], gained: tuple[str, ...]) -> None:
        for capability in lost:
            holders = self._holders.get(capability, {})
            holders.pop(agent_id, None)
            if not holders:
                self._holders.pop(capability, None)
        for capability in gained:
            self._holders.setdefault(capability, {})[agent_id] = None

    FOLDS: ClassVar[dict[type, Fold]] = {
        AgentRegistered: _registered,
        AgentUnregistered: _unregistered,
        AgentResumeSet: _resume_set,
        AgentSkillSet: _skill_set,
        AgentRuleSet: _rule_set,
        AgentObserved: _observed,
    }

    def dump(self) -> Any:
        """Return the agents in registration order; O(agents)."""
        return [self.part(agent_id) for agent_id in self.agents]

    def keys(self) -> Collection[str]:
        """Return the keys of all parts."""
        return self.agents

    def part(self, agent_id: str) -> Any:
        """Return one agent as plain data; None when it is gone."""
        record = self.agents.get(agent_id)
        if record is None:
            return None
        return [
            record.passport.to_dict(),
            record.rule.to_dict(),
            list(record.capabilities),
            list(record.domains),
            record.resume_version,
            record.resume_updated_us,
            record.resume_position,
            record.skill_position,
            sorted(record.observed),
        ]

    def load_parts(self, parts: Mapping[str, Any]) -> None:
        """Take over the parts of a projection checkpoint; O(agents)."""
        self.load([parts[agent_id] for agent_id in sorted(parts)])
        self.changed.restart(saved=parts)

    def load(self, dumped: Any) -> None:
        """Take over a dump; O(agents)."""
        self.__init__()  # type: ignore[misc]
        for passport, rule, capabilities, domains, version, updated_us, position, skill, observed in dumped:
            record = AgentRecord(
                self._passport(passport),
                self._rules.of(rule),
                tuple(capabilities),
                tuple(domains),
                version,
                updated_us,
                position,
                skill,
                frozenset(observed),
            )
            agent_id = record.passport.agent_id
            self.changed.note(agent_id)
            self.agents[agent_id] = record
            self.names[record.passport.name] = agent_id
            self._claim(agent_id, (), (*record.capabilities, *record.observed))

    def _passport(self, dumped: Mapping[str, Any]) -> Passport:
        own = {name: dumped[name] for name in OWN}
        return self._passports.of({name: value for name, value in dumped.items() if name not in own}).but(**own)
