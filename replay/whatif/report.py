"""What asking again brought: the differences, one by one, and what they come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from events.event import Event
from replay.whatif.plan import Setting

KEPT_MAX = 200
"""Differences, endings and paths that a report keeps of each; all are counted, and told as they are found."""


class Kind(StrEnum):
    """How something comes out otherwise."""

    REFUSED = "refused"
    """It was accepted and is now refused."""
    LET_IN = "let_in"
    """Its refusal is on record, and now it would be accepted; what it said is not in the log, so it goes no further."""
    CHANGED = "changed"
    """It is accepted and leads to other events."""
    UNDUE = "undue"
    """What time did, or an acknowledgement: there is nothing to do now."""
    MOOT = "moot"
    """It rested on something that does not happen now, and was not asked again."""
    NEW = "new"
    """What time does now, and did not then."""


class Difference(NamedTuple):
    """One command that comes out otherwise.

    Attributes:
        kind: how.
        position: of the recorded event that implies the command; 0 for ``NEW``.
        at_us: when, microseconds since 1970.
        command: its name in ``hub.decisions``.
        recorded: what was recorded of it, empty for ``NEW``.
        now: what is decided instead, empty where it is refused or moot.
        error: the code of the error that it is now refused with.
        message: that error's sentence; of ``LET_IN`` the recorded one.
        because: of ``MOOT`` the recorded position of what it rested on, or answered.
    """

    kind: Kind
    position: int
    at_us: int
    command: str
    recorded: tuple[Event, ...] = ()
    now: tuple[Event, ...] = ()
    error: str = ""
    message: str = ""
    because: int = 0

    @property
    def event(self) -> Event:
        """The event that tells best what it is about: the recorded one that implies the command, or the first now."""
        return next(
            (event for event in self.recorded if event.position == self.position), (self.recorded or self.now)[0]
        )


class Refusals(NamedTuple):
    """Like refusals: how many, and the positions of the first and the last."""

    number: int
    first: int
    last: int


class Ending(NamedTuple):
    """A session that ends otherwise; None where it does not end, or is never opened, by the end of the log."""

    session_id: str
    was: str | None
    now: str | None


class Cap(NamedTuple):
    """A cap that was reached in one world only.

    ``kind`` is inbox, rate, sessions or tasks. ``was`` and ``now`` are the recorded positions at which it was first
    reached, 0 for never; ``high_was`` and ``high_now`` are how far it was filled at most (0 for a rate, which is
    reached or not), ``cap_was`` and ``cap_now`` the caps then in force.
    """

    kind: str
    agent_id: str
    was: int
    now: int
    high_was: int
    high_now: int
    cap_was: int
    cap_now: int


class PathChange(NamedTuple):
    """A path of ``replay state`` whose value at the end is not what it was; None where it is not there."""

    path: str
    was: Any
    now: Any


@dataclass(slots=True)
class Report:
    """What asking again brought.

    Attributes:
        point: the position behind which commands were asked again, the end of an append.
        head: the last position of the log.
        settings: what was changed.
        asked: how many commands were decided again.
        again: how many came out the same.
        renumbered: how many of these only got other numbers (places in a session, versions).
        taken_over: commands that cannot be asked again and were taken as they are, by reason.
        counts: differences by kind.
        first: the first difference, or None.
        refused: refusals by (agent or actor, command, error), in order of the first.
        differences: the first ``KEPT_MAX`` of each kind.
        ended: how many sessions end otherwise; ``endings`` are the first of them, ``reasons`` all by (was, now).
        caps: those reached in one world only.
        changed: how many paths differ at the end; ``paths`` are the first of them.
        digest: of the changed state at the end.
    """

    point: int
    head: int
    settings: list[Setting]
    asked: int = 0
    again: int = 0
    renumbered: int = 0
    taken_over: Counter[str] = field(default_factory=Counter)
    counts: Counter[Kind] = field(default_factory=Counter)
    first: Difference | None = None
    refused: dict[tuple[str, str, str], Refusals] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    ended: int = 0
    reasons: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)
    endings: list[Ending] = field(default_factory=list)
    caps: list[Cap] = field(default_factory=list)
    changed: int = 0
    paths: list[PathChange] = field(default_factory=list)
    digest: str = ""

    @property
    def diverges(self) -> bool:
        """Whether anything comes out otherwise."""
        return bool(self.counts)

    def note(self, difference: Difference) -> None:
        """Count a difference, and keep it while there is room."""
        self.counts[difference.kind] += 1
        self.first = self.first or difference
        if difference.kind is Kind.REFUSED:
            key, place = (_who(difference.event), difference.command, difference.error), difference.position
            seen = self.refused.get(key, Refusals(0, place, place))
            self.refused[key] = Refusals(seen.number + 1, seen.first, place)
        if self.counts[difference.kind] <= KEPT_MAX:
            self.differences.append(difference)


def _who(event: Event) -> str:
    for name in ("sender_id", "creator_id", "owner_id", "agent_id"):
        if isinstance(found := getattr(event.body, name, None), str):
            return found
    return event.actor


Told = Callable[[Difference], None]
"""Told of each difference as it is found."""
