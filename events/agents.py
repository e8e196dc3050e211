"""What happens to agents: registered, unregistered, changed, observed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from events.event import NO_DATA, ContentText, Id, event_type


@event_type("agent.registered")
class AgentRegistered(NamedTuple):
    """An identity with its resume, rule and skill, in one event (trap 7). The agent's id is the event's id."""

    agent_id: Id
    name: str
    owner: str
    passport: Mapping[str, Any]
    rule: Mapping[str, Any]
    capabilities: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    has_skill: bool = False
    summary: ContentText = ""
    examples: Annotated[tuple[Mapping[str, Any], ...], "content"] = ()
    skill: ContentText = ""

    def tags(self) -> tuple[str, ...]:
        return (f"agent:{self.agent_id}", f"name:{self.name}")


@event_type("agent.unregistered")
class AgentUnregistered(NamedTuple):
    """The agent is gone; its id stays resolvable in history (REG-3)."""

    agent_id: Id
    name: str

    def tags(self) -> tuple[str, ...]:
        return (f"agent:{self.agent_id}", f"name:{self.name}")


@event_type("agent.resume_set")
class AgentResumeSet(NamedTuple):
    """The agent's claims were replaced (REG-4)."""

    agent_id: Id
    version: int
    capabilities: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    summary: ContentText = ""
    examples: Annotated[tuple[Mapping[str, Any], ...], "content"] = ()

    def tags(self) -> tuple[str, ...]:
        return (f"agent:{self.agent_id}",)


@event_type("agent.skill_set")
class AgentSkillSet(NamedTuple):
    """The agent's skill text was set, or removed (REG-6)."""

    agent_id: Id
    removed: bool = False
    markdown: ContentText = ""

    def tags(self) -> tuple[str, ...]:
        return (f"agent:{self.agent_id}",)


@event_type("agent.rule_set")
class AgentRuleSet(NamedTuple):
    """The agent's rule was replaced; it holds from the next decision on (RULE-11)."""

    agent_id: Id
    version: int
    rule: Mapping[str, Any] = NO_DATA

    def tags(self) -> tuple[str, ...]:
        return (f"agent:{self.agent_id}",)


@event_type("agent.observed")
class AgentObserved(NamedTuple):
    """The hub saw a capability at work (TASK-3); latency in microseconds of the hub's clock."""

    agent_id: Id
    capability: str
    outcome: str
    version: int
    latency_us: int | None = None
    task_id: str | None = None

    def tags(self) -> tuple[str, ...]:
        return (f"agent:{self.agent_id}",)
