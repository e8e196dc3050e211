"""``replay step``: an interactive walk through a log."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

import click

from events.errors import NetworkError
from replay.cli import offers
from replay.cli.common import CLEAN, USAGE, Asked, PointCommand, asks, code_of
from replay.cli.walking import Guide
from replay.render.text import printable
from replay.step import Walk

FAREWELLS = ("q", "quit", "exit")


@click.command("step", cls=PointCommand, short_help="An interactive walk, both ways.")
@click.argument("session", required=False, shell_complete=offers.sessions)
@click.option("--at", "point", metavar="POINT", help="Where to begin; default the first event.")
@asks
def command(asked: Asked, session: str | None, point: str | None) -> int:
    """Walk through the log, or SESSION alone, event by event, forwards and backwards.

    At the prompt h lists what can be asked: the next and the previous event, its cause and effects, the state there,
    what changed since the last stop, a break where an expression becomes true. Commands may come through a pipe, too,
    one a line; the exit code then says whether one of them could not be answered.
    """
    screen, interactive = asked.screen, sys.stdin.isatty()
    guide, code = Guide(asked, Walk(asked.history, session, point)), CLEAN
    guide.begin()
    for line in _typed(guide) if interactive else _piped(guide, screen.line if not screen.as_json else None):
        if line.strip() in FAREWELLS:
            break
        try:
            guide.answer(line.strip())
        except NetworkError as error:
            guide.refuse(error)
            worst = code_of(error)
            code = max(code, CLEAN if interactive and worst == USAGE else worst)
        except KeyboardInterrupt:
            guide.interrupt()
        screen.idle()
    screen.sign(asked.history.evidence)
    return code


def _typed(guide: Guide) -> Iterator[str]:
    """Give what a person types, until Ctrl-D or Ctrl-C."""
    with suppress(ImportError):
        importlib.import_module("readline")  # lets lines be edited, and those before be had again
    while True:
        try:
            yield input(guide.prompt)
        except (EOFError, KeyboardInterrupt):
            guide.asked.screen.line("")
            return


def _piped(guide: Guide, echo: Callable[[str], None] | None) -> Iterator[str]:
    """Give the lines of a pipe; echoed, what is shown reads as if it had been typed."""
    for line in iter(sys.stdin.readline, ""):
        if echo is not None:
            echo(f"{guide.prompt}{printable(line.rstrip())}".rstrip())
        yield line
