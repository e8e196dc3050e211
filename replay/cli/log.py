"""``replay log``: list, filter, count and follow events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain

import click

from events.event import Event
from replay.cli.common import CLEAN, Asked, asks
from replay.cli.filters import filtered
from replay.cli.rows import EVENT_COLUMNS, event_cells, event_json, event_table
from replay.query import Query

FOLLOW_EVENTS = 10
"""How many of the latest events ``--follow`` begins with when nothing else is said."""


@click.command("log", short_help="List, filter, count and follow events.")
@filtered()
@click.option("--count", is_flag=True, help="Only say how many there are.")
@click.option(
    "--follow",
    is_flag=True,
    help=f"Go on with new events as a hub writes them; begins with the last --limit ({FOLLOW_EVENTS}), or at --since.",
)
@asks
def command(asked: Asked, count: bool, follow: bool, **wanted: object) -> int | None:
    """List events, one line each.

    Several values of one option are alternatives; different options must all hold.
    """
    query = Query(**wanted)  # type: ignore[arg-type]
    if follow:
        if count or query.reverse or query.until is not None:
            raise click.UsageError("--follow goes with neither --count, --reverse nor --until")
        return _follow(asked, query)
    if count:
        return _count(asked, query)
    _show(asked, asked.history.events(query))
    return CLEAN


def _show(asked: Asked, events: Iterator[Event]) -> None:
    if asked.screen.as_json:
        for event in events:
            asked.screen.json(event_json(event))
    else:
        rows = ((event, event_cells(asked, event)) for event in events)
        asked.screen.show(event_table(asked, rows, EVENT_COLUMNS), asked.history.evidence)


def _count(asked: Asked, query: Query) -> int:
    history, screen = asked.history, asked.screen
    with screen.progress("counting", history.head) as told:
        found = history.select(query).count(history.log, query.limit, told)
    if screen.as_json:
        screen.json({"count": found})
    else:
        screen.show([str(found)], history.evidence)
    return CLEAN


def _follow(asked: Asked, query: Query) -> int:
    history, screen = asked.history, asked.screen
    with suppress(KeyboardInterrupt):  # which is how following ends
        events = _latest_and_new(asked, query)
        if screen.as_json:
            for event in events:
                screen.json(event_json(event))
        for line in event_table(asked, ((event, event_cells(asked, event)) for event in events), EVENT_COLUMNS):
            screen.line(line)
    screen.sign(history.evidence)
    return CLEAN


def _latest_and_new(asked: Asked, query: Query) -> Iterator[Event]:
    history, head = asked.history, asked.history.head
    latest: list[Event] = []
    if query.since is None:
        limit = FOLLOW_EVENTS if query.limit is None else query.limit
        latest = list(history.events(replace(query, limit=limit, reverse=True)))[::-1]
    after = head if query.since is None else 0
    return chain(latest, history.follow(replace(query, limit=None), after, asked.screen.idle))
