"""What is odd: a finding, what every check is like, and from when on something counts as odd."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from events.event import Event
from projections.state import HubState
from replay.history import History


class Severity(StrEnum):
    """How odd it is: ``warning`` wants a look, ``info`` is good to know."""

    WARNING = "warning"
    INFO = "info"


CODES: dict[str, tuple[Severity, str]] = {
    "unanswered": (Severity.WARNING, "an envelope that somebody owes an answer to, and got none"),
    "loop": (Severity.WARNING, "two agents who answer each other on and on, or with the same words"),
    "orphan": (Severity.WARNING, "an event whose cause is not in the log before it"),
    "near-cap": (Severity.INFO, "an agent that came near one of its caps"),
    "ttl-ended": (Severity.WARNING, "a session that nobody ended but time"),
    "refusals": (Severity.WARNING, "refusals of one agent in a burst"),
    "unsigned": (Severity.INFO, "a tail of the log that no signed checkpoint covers"),
}
"""Code to severity and what it stands for."""


class Oddity(NamedTuple):
    """Something odd.

    ``sentence`` says what, where and why it is odd, on one line; ``positions`` are the events to look at, ascending;
    ``next`` is the command to type next.
    """

    code: str
    sentence: str
    positions: tuple[int, ...]
    next: str

    @property
    def severity(self) -> Severity:
        """How odd it is."""
        return CODES[self.code][0]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From when on something counts as odd.

    Attributes:
        unanswered_s: an answer that a live session waits for is late after so many seconds.
        repeats: so many envelopes of nearly the same words, by two who answer each other, are a loop.
        chain: so many answers of two to each other, each caused by the one before, are a loop.
        near: an agent is near a cap at this share of it.
        burst: so many refusals of one agent, those that the log left out too, each within ``burst_s`` seconds of the
            one before, are a burst.
        burst_s: see there.
        unsigned: so many events may come after the newest signed checkpoint.
    """

    unanswered_s: float = 600.0
    repeats: int = 4
    chain: int = 50
    near: float = 0.9
    burst: int = 3
    burst_s: float = 300.0
    unsigned: int = 1000


class Check:
    """One kind of oddity, looked for in one pass; the defaults find nothing.

    Args:
        history: the log, for names and for what is looked up.
        limits: from when on something is odd.
    """

    def __init__(self, history: History, limits: Thresholds) -> None:
        self.history, self.limits = history, limits
        self.names = history.names

    def before(self, event: Event, state: HubState) -> Iterable[Oddity]:
        """Look at an event and at the state that it was decided on."""
        return ()

    def after(self, event: Event, state: HubState) -> Iterable[Oddity]:
        """Look at an event and at the state with it."""
        return ()

    def end(self, state: HubState) -> Iterator[Oddity]:
        """Look at the state at the end, and tell what was gathered."""
        return iter(())
