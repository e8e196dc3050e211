"""Where people, sessions and tasks stand, reckoned apart from the product."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from events.values import Rule

MINUTE_US = 60_000_000


class Since(NamedTuple):
    """Since which place in the session something is owed, and since when."""

    sequence: int
    at_us: int


NEVER = Since(0, 0)


@dataclass
class Person:
    """A live agent."""

    name: str
    rule: Rule
    sent_us: list[int] = field(default_factory=list)
    pending: dict[str, str] = field(default_factory=dict)
    """Envelope to session, while it counts against the inbox."""
    released: dict[str, str] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    """Envelope that waits to how often it failed."""
    claims: tuple[str, ...] = ()
    shown: set[str] = field(default_factory=set)

    @property
    def can(self) -> set[str]:
        """What it claims or was seen to do."""
        return {*self.claims, *self.shown}

    @property
    def capped(self) -> bool:
        """Whether its rule limits how many tasks it may have."""
        return self.rule.limits.max_concurrent_tasks > 0


@dataclass
class Talk:
    """A session."""

    session_id: str
    kind: str
    creator_id: str
    participants: tuple[str, ...]
    expectations: list[dict[str, Any]]
    created_us: int
    invite_due_us: int
    expires_us: int | None
    depth: int
    state: str = "pending"
    invited: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    hidden: dict[str, int] = field(default_factory=dict)
    """Of those who are gone, the ones that are hidden, and at which position; an agent may be hidden after it left."""
    sequence: int = 0
    moved: int = 0
    """The position of its last event, violations aside."""
    said: int = 0
    spoken: Since = NEVER
    speaker: str | None = None
    turn: Since = NEVER
    owed: dict[str, Since] = field(default_factory=dict)
    fired: dict[tuple[int, str], Since] = field(default_factory=dict)
    keys: set[tuple[str, str]] = field(default_factory=set)

    @property
    def present(self) -> list[str]:
        """Who is neither hidden nor gone."""
        return [one for one in self.participants if one not in self.gone]

    def after(self, agent_id: str) -> str | None:
        """Who is next in the round."""
        place = self.participants.index(agent_id) + 1
        return next(
            (one for one in (*self.participants[place:], *self.participants[:place]) if one in self.present), None
        )

    def due_to_speak(self) -> str | None:
        """Whose turn it is, by the session type's description."""
        if self.kind == "consulting":
            other = next(one for one in self.participants if one != self.creator_id)
            return (self.creator_id, other, None)[min(self.said, 2)]
        return self.speaker


@dataclass
class Work:
    """An open task."""

    owner_id: str
    session_id: str
    capability: str | None
    started_us: int
    expires_us: int | None


def within(cap: int, value: int) -> bool:
    """Whether a value is at most the cap, if there is one."""
    return not cap or value <= cap


def admits(globs: Any, text: str) -> bool:
    """Whether one of the globs matches."""
    return any(fnmatchcase(text, glob) for glob in globs)
