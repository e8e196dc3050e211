"""``replay import``: a log from an export, or from the folder of another hub."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from replay.cli.common import CLEAN
from replay.errors import QuestionError
from replay.history import History
from replay.imports.jsonl import Imported, import_lines
from replay.render.screen import Screen


@click.command("import", short_help="A log from an export, or from an ag2 hub's folder.")
@click.argument("source", type=click.Path(allow_dash=True))
@click.argument("target", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object a line.")
@click.option("--no-color", is_flag=True, help="No colours; NO_COLOR in the environment does the same.")
@click.option("--debug", is_flag=True, help="Show where in the program an error came from.")
def command(source: str, target: str, as_json: bool, no_color: bool, debug: bool) -> int:
    """Make the new log TARGET of SOURCE: JSON lines of replay export, or - for standard input.

    TARGET must not be there yet; it appears when it is whole, and not at all when anything is wrong with SOURCE.
    """
    click.get_current_context().find_root().obj = debug
    screen = Screen(as_json=as_json, no_color=no_color, no_pager=True)
    path = Path(source)
    if source != "-" and not path.exists():
        raise QuestionError(f"there is no {source}: give an export's file, or - for standard input")
    _tell_lines(screen, _lines(screen, source, target), target)
    return CLEAN


def _lines(screen: Screen, source: str, target: str) -> Imported:
    with screen.progress("importing", 0) as told:
        if source == "-":
            return import_lines(sys.stdin.buffer, target, "standard input", told)
        with Path(source).open("rb") as file:
            return import_lines(file, target, source, told)


def _tell_lines(screen: Screen, imported: Imported, target: str) -> None:
    if screen.as_json:
        screen.json({"kind": "imported", "from": "jsonl", "log": target} | imported._asdict())
        return
    screen.line(f"{target}: {imported.events:,} events; records, leaf hashes, root and identity are the export's")
    with History.open(target) as history:
        screen.sign(history.evidence)
