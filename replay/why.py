"""Why an event happened: from cause to cause, back to where it began (REPLAY, why)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from events.event import Event
from replay.history import History
from replay.reasons import reason

KEPT_LINKS = 1000
"""How many links a chain keeps at each of its ends."""
TOLD_LINKS = 256
"""Progress is told every so many links."""


@dataclass(frozen=True, slots=True)
class Link:
    """One step of a chain.

    Attributes:
        event: what happened.
        why: in one phrase, why the next link of the chain is its cause.
        cause: the position of that, None where the chain begins.
        recorded: the event names its cause; False: it follows from the facts.
        missing: an id that the event names as its cause and that no event before it has, or None.
        evidence: positions of further events that ``why`` rests on.
    """

    event: Event
    why: str
    cause: int | None
    recorded: bool = False
    missing: str | None = None
    evidence: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """Everything that led to an event, the event itself first and where it began last.

    Attributes:
        links: the first and the last ones; ``left_out`` that stood between them were followed and not kept.
        near: how many of ``links`` stand before those that were left out.
        recorded: how many causes the events name themselves, of all links.
        derived: how many follow from the facts.
        missing: how many events name a cause that is not in the log before them.
    """

    links: tuple[Link, ...]
    near: int
    left_out: int
    recorded: int
    derived: int
    missing: int

    @property
    def length(self) -> int:
        """How many events the chain has, those left out too."""
        return len(self.links) + self.left_out

    @property
    def began(self) -> Event:
        """Where it began."""
        return self.links[-1].event


def causes(history: History, event: Event) -> Iterator[Link]:
    """Give the links of an event's chain, the event itself first, lazily; each costs O(log² n).

    Positions only go down, so it ends, whatever the events claim.
    """
    current: Event | None = event
    while current is not None:
        found = reason(history, current)
        where = None if found.cause is None else found.cause.position
        yield Link(current, found.why, where, found.recorded, found.missing, found.evidence)
        current = found.cause


def why(history: History, event: Event, keep: int = KEPT_LINKS, progress: Callable[[int], None] | None = None) -> Chain:
    """Return the causal chain of an event; O(chain · log² n), its memory O(keep).

    Args:
        history: the log that it is in.
        event: as ``history.event(point)`` gives it.
        keep: at most so many links at each end are kept.
        progress: told now and then how many links were followed.
    """
    near: list[Link] = []
    far: deque[Link] = deque(maxlen=keep)
    length = recorded = derived = missing = 0
    for length, link in enumerate(causes(history, event), 1):
        (near if length <= keep else far).append(link)
        recorded += link.recorded
        derived += link.cause is not None and not link.recorded
        missing += link.missing is not None
        if progress is not None and length % TOLD_LINKS == 0:
            progress(length)
    return Chain((*near, *far), len(near), length - len(near) - len(far), recorded, derived, missing)
