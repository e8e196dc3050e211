"""Everything downstream of an event, and what it comes to (REPLAY, impact)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from events.event import Event
from events.sessions import EnvelopePosted
from replay.effects import Effect, Effects
from replay.history import History, Progress
from replay.query import PROGRESS_EVENTS

READ_EVENTS_MAX = 100_000
"""How many events are looked at unless all are asked for: a second or so."""


@dataclass(slots=True)
class Impact:
    """What an event led to, counted as its effects are taken.

    Attributes:
        start: the event.
        events: how many depend on it.
        recorded: how many of these name their cause; of the others it follows from the facts.
        envelopes: how many of these are envelopes.
        types: events by type.
        sessions: ids of sessions in which something depends on it.
        agents: ids of agents whom something that depends on it is of, or reached.
        tasks: ids of tasks likewise.
        depth: the longest chain, in steps.
        last: the position of the last event that depends on it, that of the event when nothing does.
        read: how many events were looked at.
        complete: False when more were to be looked at.
    """

    start: Event
    events: int = 0
    recorded: int = 0
    envelopes: int = 0
    types: Counter[str] = field(default_factory=Counter)
    sessions: set[str] = field(default_factory=set)
    agents: set[str] = field(default_factory=set)
    tasks: set[str] = field(default_factory=set)
    depth: int = 0
    last: int = 0
    read: int = 0
    complete: bool = True

    def count(self, effect: Effect) -> None:
        """Count an effect."""
        event = effect.event
        self.events += 1
        self.recorded += effect.recorded
        self.envelopes += isinstance(event.body, EnvelopePosted)
        self.types[event.type] += 1
        self.depth, self.last = max(self.depth, effect.depth), event.position
        kinds = {"session": self.sessions, "agent": self.agents, "task": self.tasks}
        for tag in event.tags:
            name, _, value = tag.partition(":")
            if name in kinds:
                kinds[name].add(value)


def impact(
    history: History,
    event: Event,
    tally: Impact,
    read_max: int | None = READ_EVENTS_MAX,
    progress: Progress | None = None,
) -> Iterator[Effect]:
    """Give everything that depends on an event, in order of position, lazily, and count it.

    Args:
        history: the log that it is in.
        event: as ``history.event(point)`` gives it.
        tally: ``Impact(event)``, which is full when the effects have all been taken.
        read_max: look at so many events at most; None looks at all.
        progress: told the position reached now and then.

    Cost: as ``replay.effects.Effects``.
    """
    found = Effects(history, event, read_max)
    tally.last = event.position
    for effect in found:
        tally.count(effect)
        if progress is not None and tally.events % PROGRESS_EVENTS == 0:
            progress(effect.event.position)
        yield effect
    tally.read, tally.complete = found.read, found.complete
