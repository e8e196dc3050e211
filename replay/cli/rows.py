"""Tables of events: the columns that several commands share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from events.event import Event
from events.values.times import iso
from replay.cli.common import Asked
from replay.render.objects import event_json
from replay.render.sentences import sentence
from replay.render.table import Column, table
from replay.render.text import offset, printable

__all__ = ["AT_WIDTH", "EVENT_COLUMNS", "event_cells", "event_json", "event_table"]

AT_WIDTH = 27
EVENT_COLUMNS = (Column("type", 26, "cyan", needs=110), Column("actor", 12, "magenta", needs=160), Column("what"))


def event_table(asked: Asked, rows: Iterable[tuple[Event, Sequence[str]]], columns: Sequence[Column]) -> Iterator[str]:
    """Give a table whose rows begin with an event's position and time; it says when the times count from."""
    history, screen = asked.history, asked.screen
    start_us, end_us = history.start_us(), history.end_us()
    digits = max(len(str(history.head)) + 1, 3)
    when = (
        Column("@", digits, "bold", right=True),
        Column("offset", len(offset(end_us - start_us)), "green"),
        Column("at", AT_WIDTH, "green", needs=140),
    )
    cells = ((f"@{event.position}", offset(event.at_us - start_us), iso(event.at_us), *more) for event, more in rows)
    if start_us:
        yield screen.paint(f"offsets from {iso(start_us)}", "dim")
    yield from table((*when, *columns), cells, width=screen.width, paint=screen.paint)


def event_cells(asked: Asked, event: Event) -> tuple[str, str, str]:
    """Return the cells of ``EVENT_COLUMNS``."""
    names = asked.history.names
    return event.type, printable(names.agent(event.actor)), sentence(event, names)
