"""Two runs side by side: where they part, and what parts them.

Both logs are taken apart into the commands behind them (``replay.commands``), and these are compared one by one by what
they say: names for ids, nothing of the time of day, of latencies, of the words of a refusal, or of what only the hub
counts. The first two that differ are the divergence. Its class is the first of these that fits:

========= ============================================================================================================
class     how it is decided
========= ============================================================================================================
``rule``  the two differ in an agent's rule alone, or in what a session type is; or the same was asked and decided
          otherwise while the rules in force were not the same (where events of rules are ignored)
``code``  the same was asked, after the same, under the same rules, and decided otherwise: today's code decides it
          again, to tell which of the two it would be
``order`` each of the two comes in the other log, too, within its next ``ORDER_MAX`` commands
``time``  one of them is what a hub did when it looked at the clock (a TTL, an expectation), or a refusal by rate
``reply`` one of them is what an agent did on something: it names an envelope as its cause, answers an invite, tells
          of a task or a failed turn, or is a text of who had the turn by another's envelope or owed a reply
``input`` anything else: what came from outside was not the same
========= ============================================================================================================

Where one log ends and the other goes on, the class is that of what goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from events.event import Event
from replay.diverge.classes import ORDER_MAX, Class, Parting, classify
from replay.diverge.runs import Run, Step
from replay.history import History, Progress
from replay.snapshot.masks import Masks

__all__ = ["ORDER_MAX", "Class", "Divergence", "Side", "diverge"]

ASIDE = frozenset({"latency", "message"})
"""Fields of which only whether they are there is compared: what they hold depends on the time."""


class Side(NamedTuple):
    """One run at the divergence.

    Attributes:
        position: of the event that implies the command; where the log ends, of its last event.
        events: of the command, in order; empty where the log ends.
        evidence: what the class rests on: the causes, and what ``Divergence.why`` speaks of.
    """

    position: int
    events: tuple[Event, ...]
    evidence: tuple[Event, ...]


class Divergence(NamedTuple):
    """Where two runs part, or that they do not: ``kind`` is None then.

    ``alike`` counts the commands that are the same before it, ``why`` says how the class was decided.
    """

    alike: int
    kind: Class | None = None
    why: str = ""
    a: Side | None = None
    b: Side | None = None


def diverge(a: History, b: History, ignore: Sequence[str] = (), progress: Progress | None = None) -> Divergence:
    """Find where two runs part.

    Args:
        a: one log.
        b: the other.
        ignore: event types that do not count, globs such as ``inbox.*`` among them.
        progress: told the positions of ``a`` that were passed.

    Raises:
        StoreError, CorruptLogError: a log cannot be read.

    Cost: O(events up to the divergence), memory O(names); at the divergence the two states there.
    """
    masks = Masks(tuple(ignore), ASIDE)
    runs = Run(a, "A", masks, progress), Run(b, "B", masks)
    steps = runs[0].steps(), runs[1].steps()
    alike = 0
    for one, other in zip_longest(*steps):
        if one is None or other is None or one.said != other.said:
            verdict = classify(Parting(runs, (one, other), steps))
            sides = _side(runs[0], one, verdict.a), _side(runs[1], other, verdict.b)
            return Divergence(alike, verdict.kind, verdict.why, *sides)
        alike += 1
    return Divergence(alike)


def _side(run: Run, step: Step | None, found: tuple[Event, ...]) -> Side:
    if step is None:
        return Side(run.history.head, (), found)
    cause = None if step.head.cause is None else run.history.log.find(step.head.cause)
    evidence = found if cause is None or cause in found else (cause, *found)
    return Side(step.head.position, step.recorded.events, evidence)
