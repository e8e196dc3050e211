"""What an agent may do (SPEC §4). Every value is checked when the rule is built, not when it bites."""

from __future__ import annotations

import re
from dataclasses import field
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, NonNegativeInt, StrictInt

from events.values.base import Strings, Value, frozen_value

_DURATION = re.compile(r"([0-9]{1,12})([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION_MAX_S = 100 * 366 * 86400
"""A duration beyond a century is a mistake, and would leave the calendar."""
COUNT_MAX = (1 << 32) - 1
"""The largest cap; 0, and not a large number, switches one off."""
EVERYONE = ("*",)


def parse_duration(duration: str | int | None) -> int | None:
    """Return a duration in seconds: an int, ``30s 15m 2h 1d``; ``""`` and 0 mean no expiry and give 0 (RULE-5).

    None is passed through: it means "the session type's own default".

    Raises:
        ValueError: any other notation, a negative number, or more than a century.
    """
    if duration is None or duration == "":
        return None if duration is None else 0
    seconds: int | None = None
    if isinstance(duration, int) and not isinstance(duration, bool):
        seconds = duration
    elif isinstance(duration, str) and (match := _DURATION.fullmatch(duration)):
        seconds = int(match[1]) * _UNIT_S[match[2]]
    if seconds is None or not 0 <= seconds <= DURATION_MAX_S:
        raise ValueError(f"{duration!r} is not a duration; write seconds as an int, or 30s, 15m, 2h, 1d")
    return seconds


def _duration(value: Any) -> Any:
    parse_duration(value)
    return value


def _count(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int) or value > COUNT_MAX:
        raise ValueError(f"expected a whole number up to {COUNT_MAX}, got {value!r}")
    return value


Duration = Annotated[str | int | None, BeforeValidator(_duration)]
Count = Annotated[NonNegativeInt, BeforeValidator(_count)]


def _globs(patterns: tuple[str, ...]) -> tuple[str, ...]:
    if "" in patterns:
        raise ValueError("an empty glob matches nobody; remove it")
    return patterns


Globs = Annotated[Strings, AfterValidator(_globs)]


@frozen_value
class AccessBlock(Value):
    """Whom an agent may reach and who may reach it: case-sensitive globs over names and types (RULE-1)."""

    outbound_to: Globs = EVERYONE
    inbound_from: Globs = EVERYONE
    session_types_allowed: Globs = EVERYONE


@frozen_value
class LimitsBlock(Value):
    """Caps and lifetimes; 0 switches a cap off (RULE-5 to RULE-7)."""

    session_ttl_default: Duration = None
    task_ttl_default: Duration = "15m"
    delegation_depth: Count = 5
    max_concurrent_sessions: Count = 0
    max_concurrent_tasks: Count = 0


@frozen_value
class RateBlock(Value):
    """How many substantive envelopes an agent may send in any 60 seconds; 0 means any number (RULE-8)."""

    envelopes_per_minute: Count = 0


@frozen_value
class InboxBlock(Value):
    """How many unacknowledged substantive envelopes an agent may have (RULE-9); ``high_water`` None means 80 %."""

    max_pending: Count = 1000
    high_water: Count | None = None


@frozen_value
class Rule(Value):
    """Everything that limits one agent. The defaults let everything through but depth 5 and inbox 1000."""

    access: AccessBlock = field(default_factory=AccessBlock)
    limits: LimitsBlock = field(default_factory=LimitsBlock)
    rate: RateBlock = field(default_factory=RateBlock)
    inbox: InboxBlock = field(default_factory=InboxBlock)
    version: StrictInt = 1


def admits(globs: tuple[str, ...] | list[str], text: str) -> bool:
    """Say whether any glob matches, case-sensitively (RULE-1); O(globs), constant for the default ``["*"]``."""
    return globs == EVERYONE or any(fnmatchcase(text, glob) for glob in globs)
