"""Who set what stands at a path: every event that ever changed it (REPLAY, blame)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from events.event import Event
from replay.differences import ABSENT, Difference, differences
from replay.history import History
from replay.lives import life_of
from replay.state import look


class Setting(NamedTuple):
    """An event, and what it changed at the path or below it."""

    event: Event
    changes: tuple[Difference, ...]


def blame(history: History, path: str, until: str | int = "head") -> Iterator[Setting]:
    """Give every event that changed what stands at a path, oldest first, lazily; the last one set what is there now.

    Events that set it to what it was are not among them.

    Args:
        history: the log to ask.
        path: as ``replay state`` takes it, of one thing or a field of it: ``agents/bob/rule``.
        until: up to this point.

    Raises:
        QuestionError: nothing ever stood there, or the path names a whole collection.

    Cost: O(the thing's own events), memory O(the thing).
    """
    life, last = life_of(history, path), history.position(until)
    state, value = life.begin(), ABSENT
    found = False
    for event in life.walk(state, last):
        before, value = value, life.value(state)
        if changes := tuple(differences(before, value, life.path)):
            found = True
            yield Setting(history.event(event.position), changes)
    if not found:
        state.position = last
        look(history, state, life.path)  # says why nothing stands there
