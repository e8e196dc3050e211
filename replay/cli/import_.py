"""``replay import``: a log from an export, or from the folder of another hub."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from replay.cli.common import CLEAN
from replay.errors import QuestionError
from replay.history import History
from replay.imports.ag2 import Ag2Imported, Note, import_folder
from replay.imports.jsonl import Imported, import_lines
from replay.render.screen import Screen
from replay.render.text import printable, shortened, wrapped_lines

COUNT_WIDTH = 6
TEXT_WIDTH_MIN = 20


@click.command("import", short_help="A log from an export, or from an ag2 hub's folder.")
@click.argument("source", type=click.Path(allow_dash=True))
@click.argument("target", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object a line.")
@click.option("--no-color", is_flag=True, help="No colours; NO_COLOR in the environment does the same.")
@click.option("--debug", is_flag=True, help="Show where in the program an error came from.")
def command(source: str, target: str, as_json: bool, no_color: bool, debug: bool) -> int:
    """Make the new log TARGET of SOURCE.

    SOURCE is a file (or -, standard input) that replay export wrote of a whole log as JSON lines: TARGET is the same
    log, to the byte. Or it is the folder of an ag2 hub's DiskKnowledgeStore: its agents, channels, envelopes, tasks
    and audit become events with their own times and ids, and what could not be mapped is listed.

    TARGET must not be there yet; it appears when it is whole, and not at all when anything is wrong.
    """
    click.get_current_context().find_root().obj = debug
    screen = Screen(as_json=as_json, no_color=no_color, no_pager=True)
    if source != "-" and not Path(source).exists():
        raise QuestionError(
            f"there is no {source}: give an export's file, an ag2 hub's folder, or - for standard input"
        )
    if (Path(source) / "data.mdb").exists():
        raise QuestionError(f"{source} is a log already: copy its folder, or give an export of it")
    if Path(source).is_dir():
        with screen.progress("importing", None) as told:
            imported = import_folder(source, target, progress=told)
        _tell_folder(screen, imported, source, target)
    else:
        _tell_lines(screen, _lines(screen, source, target), target)
    return CLEAN


def _lines(screen: Screen, source: str, target: str) -> Imported:
    with screen.progress("importing", None) as told:
        if source == "-":
            return import_lines(sys.stdin.buffer, target, "standard input", told)
        with Path(source).open("rb") as file:
            return import_lines(file, target, source, told)


def _tell_lines(screen: Screen, imported: Imported, target: str) -> None:
    if screen.as_json:
        screen.json({"kind": "imported", "from": "jsonl", "log": target} | imported._asdict())
        return
    screen.line(f"{target}: {imported.events:,} events; records, leaf hashes, root and identity are the export's")
    _sign(screen, target)


def _tell_folder(screen: Screen, imported: Ag2Imported, source: str, target: str) -> None:
    notes = imported.notes
    if screen.as_json:
        fields = {key: value for key, value in imported._asdict().items() if key != "notes"}
        screen.json({"kind": "imported", "from": "ag2", "log": target} | fields)
        for note in notes:
            said = {"code": note.code, "count": note.number, "sentence": note.sentence}
            screen.json({"kind": "note"} | said | {"examples": list(note.examples)})
        return
    what = f"{imported.events:,} events of {imported.agents:,} agents and {imported.sessions:,} sessions"
    screen.line(f"{target}: {what}, from the ag2 hub in {source}")
    screen.line("what was not there, has no place in a log, or had to be decided:" if notes else "all of it was mapped")
    for note in notes:
        for line in _note(note, screen):
            screen.line(line)
    _sign(screen, target)


def _note(note: Note, screen: Screen) -> Iterator[str]:
    left = f"{note.number:>{COUNT_WIDTH},}  "
    room = None if screen.width is None else max(screen.width - len(left), TEXT_WIDTH_MIN)
    for number, line in enumerate(wrapped_lines(f"{note.code}: {note.sentence}", room)):
        yield (left if number == 0 else " " * len(left)) + line
    for example in note.examples:
        yield " " * len(left) + screen.paint(shortened(f"· {printable(example)}", room), "dim")


def _sign(screen: Screen, target: str) -> None:
    with History.open(target) as history:
        screen.sign(history.evidence)
