"""``replay blame``: who set it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import click

from events.values.times import iso
from replay.blame import Setting, blame
from replay.cli import offers
from replay.cli.common import CLEAN, Asked, asks
from replay.differences import kind, value_json
from replay.lives import life_of
from replay.render.changes import change_lines, event_lines, root_text
from replay.render.text import printable


@click.command("blame", short_help="Who last set this, and everyone who ever did.")
@click.argument("path", shell_complete=offers.paths)
@click.option("--at", "point", default="head", metavar="POINT", help="Up to this point; default head.")
@asks
def command(asked: Asked, path: str, point: str) -> int:
    """List every event that changed what stands at PATH, oldest first; the last line says who set what stands there.

    PATH, as replay state takes it, names one thing or a field of it: agents/bob/rule, sessions/7be2/state, inboxes/bob,
    observed/bob/research, rates/bob, tasks/t1.
    """
    history, screen = asked.history, asked.screen
    settings = blame(history, path, point)
    settings = chain(list(islice(settings, 1)), settings)  # what is refused prints nothing
    if screen.as_json:
        _json(asked, path, settings)
    else:
        screen.show(_lines(asked, path, settings), history.evidence)
    return CLEAN


def _json(asked: Asked, path: str, settings: Iterator[Setting]) -> None:
    last, count = None, 0
    for setting in settings:
        last, count = setting.event, count + 1
        changes = [
            {
                "kind": kind(each),
                "path": each.path,
                "before": value_json(each.before),
                "after": value_json(each.after),
            }
            for each in setting.changes
        ]
        asked.screen.json({"kind": "setting"} | _event(setting) | {"changes": changes})
    assert last is not None  # where nothing was ever set, the question was refused
    total = {"path": life_of(asked.history, path).path, "settings": count, "last": last.position, "actor": last.actor}
    asked.screen.json({"kind": "blame"} | total)


def _event(setting: Setting) -> dict[str, Any]:
    event = setting.event
    return {
        "position": event.position,
        "type": event.type,
        "id": event.id,
        "at": iso(event.at_us),
        "actor": event.actor,
    }


def _lines(asked: Asked, path: str, settings: Iterator[Setting]) -> Iterator[str]:
    history, screen = asked.history, asked.screen
    life, last, count = life_of(history, path), None, 0
    actors: set[str] = set()
    fields = "".join(f"/{printable(field)}" for field in life.fields)
    yield screen.paint(f"{root_text(life.root, history.names)}{fields}", "bold")
    yield screen.paint(f"offsets from {iso(history.start_us())}", "dim")
    for setting in settings:
        last, count = setting.event, count + 1
        actors.add(last.actor)
        yield from event_lines(history, last, width=screen.width, paint=screen.paint)
        pairs = [(each, 1) for each in setting.changes]
        yield from change_lines(life.root, pairs, names=history.names, width=screen.width, paint=screen.paint)
    assert last is not None  # where nothing was ever set, the question was refused
    who = printable(history.names.agent(last.actor))
    plural = "" if count == 1 else "s"
    people = f"{len(actors):,} actor{'' if len(actors) == 1 else 's'}"
    yield screen.paint(f"last set at @{last.position} by {who}; set {count:,} time{plural}, by {people}", "bold")
