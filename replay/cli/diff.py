"""``replay diff``: what changed between two points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import click

from events.values.times import iso
from replay.cli import offers
from replay.cli.common import CLEAN, FOUND, Asked, PointCommand, asks
from replay.diff import PathChange, diff
from replay.differences import kind, value_json
from replay.render.changes import change_lines, event_lines, root_text
from replay.render.text import offset


@dataclass(slots=True)
class _Tally:
    paths: int = 0
    things: int = 0
    events: set[int] = field(default_factory=set)


@click.command("diff", cls=PointCommand, short_help="What changed between two points.")
@click.argument("begin", metavar="A")
@click.argument("end", metavar="B")
@click.argument("path", default="", shell_complete=offers.paths)
@asks
def command(asked: Asked, begin: str, end: str, path: str) -> int:
    """Compare what the hub knew at point A and at point B: each changed path, with the event that changed it last.

    Without PATH: agents, the depths of inboxes, sessions, tasks. PATH, as replay state takes it, names one thing or a
    field of it: agents/bob/rule, sessions/7be2, inboxes/bob, observed/bob/research, rates/bob, tasks/t1. Exit code 1
    says that something differs.
    """
    history, screen = asked.history, asked.screen
    first, last = history.position(begin), history.position(end)
    with screen.progress("folding", last) as told:
        changes, tally = diff(history, first, last, path, told), _Tally()
    if screen.as_json:
        for change in _counted(changes, tally):
            screen.json(_json(change))
        span = {"from": first, "to": last, "events_between": last - first}
        screen.json({"kind": "diff"} | span | _tally_json(tally))
    else:
        screen.show(_lines(asked, first, last, _counted(changes, tally), tally), history.evidence)
    return FOUND if tally.paths else CLEAN


def _counted(changes: Iterator[PathChange], tally: _Tally) -> Iterator[PathChange]:
    root = ""
    for change in changes:
        tally.paths += 1
        tally.things += change.root != root
        tally.events.add(change.event.position)
        root = change.root
        yield change


def _json(change: PathChange) -> dict[str, Any]:
    event, difference = change.event, change.difference
    return {
        "kind": kind(difference),
        "path": difference.path,
        "before": value_json(difference.before),
        "after": value_json(difference.after),
        "position": event.position,
        "type": event.type,
        "id": event.id,
        "at": iso(event.at_us),
        "actor": event.actor,
        "times": change.times,
    }


def _tally_json(tally: _Tally) -> dict[str, int]:
    return {"paths": tally.paths, "things": tally.things, "events": len(tally.events)}


def _lines(asked: Asked, first: int, last: int, changes: Iterator[PathChange], tally: _Tally) -> Iterator[str]:
    history, screen = asked.history, asked.screen
    paint, width, names = screen.paint, screen.width, history.names
    yield paint(f"from {_point(asked, first)} to {_point(asked, last)}, {_count(last - first, 'event')}", "bold")
    if start_us := history.start_us():
        yield paint(f"offsets from {iso(start_us)}", "dim")
    for root, group in groupby(changes, lambda change: change.root):
        yield paint(root_text(root, names), "bold magenta")
        ordered = sorted(group, key=lambda change: change.event.position)
        for _, together in groupby(ordered, lambda change: change.event.position):
            of_event = list(together)
            yield from event_lines(history, of_event[0].event, width=width, paint=paint)
            pairs = [(change.difference, change.times) for change in of_event]
            yield from change_lines(root, pairs, names=names, width=width, paint=paint)
    things, events = _count(tally.things, "thing"), _count(len(tally.events), "event")
    differ = f"{_count(tally.paths, 'path')} of {things} differ, last changed by {events}"
    yield paint(differ if tally.paths else "nothing differs", "bold")


def _point(asked: Asked, position: int) -> str:
    event = asked.history.log.get(position, content=False) if position else None
    return f"@{position}" + (f" {offset(event.at_us - asked.history.start_us())}" if event is not None else "")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
