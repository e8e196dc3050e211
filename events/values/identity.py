"""Who an agent is (Passport), what it claims and what it was seen to do (Resume). SPEC §2 and §3."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

from pydantic import AfterValidator, field_validator

from events.values.base import JsonMap, Strings, Value, frozen_items, frozen_value
from events.values.frozen import FrozenDict

AGENT_ID = re.compile(r"[0-9a-f]{32}")
"""The shape of an agent id; a name may not look like one (REG-2)."""
NAME_LENGTH_MAX = 128


@frozen_value
class AuthBlock(Value):
    """Credentials shown at registration (AUTH-2).

    ``claim`` is the secret part: it is checked and forgotten, and no ``repr``, log line or event shows it.
    """

    scheme: str = ""
    issuer: str | None = None
    audience: str | None = None
    key_fingerprint: str | None = None
    claim: JsonMap = field(default_factory=FrozenDict, repr=False)


@frozen_value
class Passport(Value):
    """An agent's identity card (REG-1). The hub stamps ``agent_id`` and ``created_at`` on a copy.

    Raises:
        ValueError: ``kind`` is not agent, human or remote_agent, or a field has the wrong type.
    """

    name: str
    owner: str = ""
    provider: str | None = None
    model: str | None = None
    cost: str | float | None = None
    region: str | None = None
    auth: AuthBlock = field(default_factory=AuthBlock)
    kind: Literal["agent", "human", "remote_agent"] = "agent"
    version: int = 1
    agent_id: str = ""
    created_at: str = ""

    @field_validator("name")
    @classmethod
    def _named(cls, name: str) -> str:
        if problem := name_problem(name):
            raise ValueError(problem)
        return name


def name_problem(name: str) -> str | None:
    """Say what REG-2 finds wrong with a name, or None; names are compared as given, case and all."""
    if not 1 <= len(name) <= NAME_LENGTH_MAX:
        return f"an agent name has 1 to {NAME_LENGTH_MAX} characters, this one has {len(name)}"
    if name != name.strip():
        return f"the name {name!r} starts or ends with a space; strip it"
    if not name.isprintable():
        return f"the name {name!r} has characters that cannot be printed"
    if AGENT_ID.fullmatch(name):
        return f"the name {name!r} has the shape of an agent id; choose a name that cannot be mistaken for one"
    return None


@frozen_value
class ResumeExample(Value):
    """One thing an agent shows that it has done."""

    title: str
    note: str = ""


@frozen_value
class ObservedStat(Value):
    """What the hub saw of one capability (TASK-3); latencies in milliseconds of the hub's clock."""

    n: int = 0
    completed: int = 0
    failed: int = 0
    expired: int = 0
    p50_latency_ms: float | None = None


@frozen_value
class Resume(Value):
    """What an agent claims (REG-4); ``observed``, ``version`` and ``last_updated`` are the hub's."""

    claimed_capabilities: Strings = ()
    domains: Strings = ()
    summary: str = ""
    examples: Annotated[list[ResumeExample] | tuple[ResumeExample, ...], AfterValidator(frozen_items)] = ()
    observed: Annotated[Mapping[str, ObservedStat], AfterValidator(frozen_items)] = field(default_factory=FrozenDict)
    version: int = 1
    last_updated: str = ""
