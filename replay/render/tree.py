"""What an event led to, as a tree that stays narrow.

A chain of causes can be as long as the log, so an effect is only indented where the way forks: of several effects of
one event, the one that most follows from goes on below it in the same column, the others stand before it, indented.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from events.event import Event
from replay.effects import Effect
from replay.history import History
from replay.render.sentences import sentence
from replay.render.table import GAP, Paint
from replay.render.text import offset, wrapped_lines

BRANCH, STEM, ARROW = "├─ ", "│  ", "← "
TEXT_WIDTH_MIN = 24
FORKS_MAX = 12
"""So many forks are drawn on the way to an event; what lies behind more of them stands below the last one drawn."""


def tree_lines(
    history: History, start: Event, effects: Sequence[Effect], *, width: int | None, paint: Paint
) -> Iterator[str]:
    """Give the lines of a tree; ``effects`` in order of position, each after what led to it. Memory O(effects)."""
    children: dict[int, list[Effect]] = {}
    weight: dict[int, int] = {}
    for effect in reversed(effects):
        children.setdefault(effect.cause, []).append(effect)
        own = weight.setdefault(effect.event.position, 1)
        weight[effect.cause] = weight.get(effect.cause, 1) + own
    above = start.position
    stack: list[tuple[Event, str, str, int | None]] = [(start, "", "", None)]
    while stack:
        event, first, rest, cause = stack.pop()
        arrow = f"  {ARROW}@{cause}" if cause is not None and cause != above else ""
        yield from _event(history, event, (first, rest), arrow, width, paint)
        above = event.position
        below = sorted(children.get(above, ()), key=lambda each: (-weight[each.event.position], each.event.position))
        goes_on = len(below) == 1 or (bool(below) and weight[below[0].event.position] > 1)
        if goes_on:
            stack.append((below[0].event, rest, rest, event.position))
        for effect in sorted(below[goes_on:], key=lambda effect: -effect.event.position):
            stack.append((effect.event, _fork(rest, BRANCH), _fork(rest, STEM), event.position))


def _fork(rest: str, mark: str) -> str:
    return rest + mark if len(rest) < FORKS_MAX * len(STEM) else rest[: -len(STEM)] + mark


def _event(
    history: History, event: Event, marks: tuple[str, str], arrow: str, width: int | None, paint: Paint
) -> Iterator[str]:
    position = f"@{event.position}".rjust(len(str(history.head)) + 1)
    when = offset(event.at_us - history.start_us()).ljust(len(offset(history.end_us() - history.start_us())))
    left = len(position) + len(when) + 2 * len(GAP)
    room = None if width is None else max(width - left - len(marks[0]), TEXT_WIDTH_MIN)
    first, *more = wrapped_lines(sentence(event, history.names) + arrow, room)
    yield GAP.join((paint(position, "bold"), paint(when, "green"), paint(marks[0], "dim") + first))
    yield from (" " * left + paint(marks[1], "dim") + line for line in more)
