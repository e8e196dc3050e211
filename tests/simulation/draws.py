"""What several commands draw: one of some, a session, a rule."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from events.values import (
    AccessBlock,
    InboxBlock,
    LimitsBlock,
    RateBlock,
    Rule,
)
from tests.simulation.standing import Talk
from tests.simulation.world import World

T = TypeVar("T")
NOBODY = "f" * 32
"""An id that is nobody's."""


def some(chance: Random, choices: Sequence[T]) -> T | None:
    """Return one of the choices, or None of none."""
    return chance.choice(choices) if choices else None


def draw_rule(world: World, chance: Random, token: str) -> Rule:
    """Draw a rule; its mark stands among the session types, where it matches none."""

    def tight() -> bool:
        return chance.random() < world.options.tightness

    names = [actor.name for actor in world.actors]

    def globs() -> list[str]:
        return chance.sample(names, chance.randint(1, len(names))) if tight() else ["*"]

    types = chance.sample(world.options.kinds, 1) if chance.random() < world.options.tightness / 4 else ["*"]
    return Rule(
        access=AccessBlock(outbound_to=globs(), inbound_from=globs(), session_types_allowed=[*types, token]),
        limits=LimitsBlock(
            session_ttl_default=chance.choice(("90s", "30s", "")) if tight() else None,
            task_ttl_default=chance.choice(("20s", "2m")) if tight() else "15m",
            delegation_depth=chance.choice([0, 1, 2]) if tight() else 5,
            max_concurrent_sessions=chance.randint(1, 3) if tight() else 0,
            max_concurrent_tasks=chance.randint(1, 2) if tight() else 0,
        ),
        rate=RateBlock(chance.randint(1, 4) if tight() else 0),
        inbox=InboxBlock(chance.randint(1, 3) if tight() else 1000),
    )


def draw_talk(world: World, chance: Random) -> Talk | None:
    """Draw a session, mostly an active one."""
    active = [talk for talk in world.model.live() if talk.state == "active"]
    others = list(world.model.talks.values())[-3:]
    return some(chance, active if active and chance.random() < 0.9 else others)
