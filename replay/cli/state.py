"""``replay state``: what the hub knew at any point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from events.values.times import iso
from replay.cli import offers
from replay.cli.common import Asked, asks
from replay.history import Rebuilt
from replay.render.screen import HEX_SHOWN
from replay.render.text import offset
from replay.render.values import value_lines
from replay.state import look


@click.command("state", short_help="What the hub knew at any point.")
@click.argument("path", default="", shell_complete=offers.paths)
@click.option("--at", "point", default="head", metavar="POINT", help="As of this point; default head.")
@asks
def command(asked: Asked, path: str, point: str) -> None:
    """Show what the hub knew at a point: all of it, or what stands at PATH.

    Paths: agents/bob/rule, sessions/7be2, inboxes/bob, observed/bob/research, rates/bob, tasks/t1, denials.
    """
    history, screen = asked.history, asked.screen
    with screen.progress("folding", history.position(point)) as told:
        rebuilt = history.rebuild(point, told)
    value = look(history, rebuilt.state, path)
    if screen.as_json:
        screen.json(_origin(rebuilt) | {"path": path, "value": value})
    else:
        screen.show(_lines(asked, rebuilt, path, value), history.evidence)


def _origin(rebuilt: Rebuilt) -> dict[str, Any]:
    state = rebuilt.state
    return {
        "position": state.position,
        "at": iso(state.at_us) if state.position else None,
        "checkpoint": rebuilt.checkpoint or None,
        "folded": rebuilt.folded,
        "digest": state.digest(),
        "digests": state.digests(),
    }


def _lines(asked: Asked, rebuilt: Rebuilt, path: str, value: Any) -> Iterator[str]:
    history, paint = asked.history, asked.screen.paint
    position, at_us = rebuilt.state.position, rebuilt.state.at_us
    when = f"{iso(at_us)} ({offset(at_us - history.start_us())})" if position else "before all events"
    yield paint(f"{path or 'state'} at @{position}, {when}", "bold")
    yield from value_lines(value, history.names)
    base = f"the projection checkpoint at @{rebuilt.checkpoint}" if rebuilt.checkpoint else "nothing"
    yield paint(
        f"rebuilt from {base} and {rebuilt.folded:,} events, digest {rebuilt.state.digest()[:HEX_SHOWN]}", "dim"
    )
