"""What the tests of rules and envelopes do again and again."""

from __future__ import annotations

from typing import Any

import pytest

from hub import AccessBlock, AccessDeniedError, InboxBlock, LimitsBlock, RateBlock, Rule
from tests.spec.stage import Stage


def access(**globs: list[str]) -> Rule:
    return Rule(access=AccessBlock(**globs))


def limits(**caps: Any) -> Rule:
    return Rule(limits=LimitsBlock(**caps))


def rate(cap: int) -> Rule:
    return Rule(rate=RateBlock(envelopes_per_minute=cap))


def inbox(cap: int, high_water: int | None = None) -> Rule:
    return Rule(inbox=InboxBlock(max_pending=cap, high_water=high_water))


async def denied(stage: Stage, command: Any, match: str, error: type[Exception] = AccessDeniedError) -> Any:
    """The error of a refused command, of which nothing but the refusal is in the log."""
    before = stage.hub.position
    with pytest.raises(error, match=match) as caught:
        await command
    assert set(stage.types(before)) <= {"access.denied"}
    return caught.value


async def talking(stage: Stage) -> tuple[str, str, str]:
    """Alice, bob and their conversation."""
    a, b = await stage.agents("alice", "bob")
    return a, b, await stage.open("conversation", a, b)
