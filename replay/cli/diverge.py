"""``replay diverge``: two runs side by side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from replay.cli.common import CLEAN, FOUND, tells
from replay.cli.rows import event_json
from replay.diverge import Divergence, Side, diverge
from replay.golden_file import open_golden
from replay.history import History
from replay.render.screen import Screen
from replay.render.sentences import sentence
from replay.render.table import GAP
from replay.render.text import offset, wrapped_lines

TEXT_WIDTH_MIN = 20


@click.command("diverge", short_help="Where do two runs part, and why?")
@click.argument("log_a", type=click.Path())
@click.argument("log_b", type=click.Path())
@click.option("--ignore", multiple=True, metavar="TYPE", help="Event types that do not count, such as inbox.*")
@tells
def command(screen: Screen, log_a: str, log_b: str, ignore: tuple[str, ...]) -> int:
    """Compare two logs by what they say, ids and times aside, and tell the first that differs. Goldens are logs, too.

    The class of a divergence is the first of these that fits. rule: an agent's rule or a session type is not the same.
    code: the same was asked and decided otherwise. order: each comes in the other log, too, later. time: a hub looked
    at the clock, or a rate was used up. reply: an agent did something else on what it was sent. input: what came from
    outside is not the same.

    Exit code 1: they part.
    """
    with ExitStack() as stack:
        a, b = (stack.enter_context(_open(path)) for path in (log_a, log_b))
        with screen.progress("comparing", a.head) as told:
            found = diverge(a, b, ignore, told)
        if screen.as_json:
            screen.json(_json(found, a, b))
        else:
            for line in _lines(screen, found, (log_a, a), (log_b, b)):
                screen.line(line)
            for history in (a, b):
                screen.sign(history.evidence)
    return CLEAN if found.kind is None else FOUND


def _open(path: str) -> History:
    return History(open_golden(path)) if Path(path).is_file() else History.open(path)


def _lines(screen: Screen, found: Divergence, a: tuple[str, History], b: tuple[str, History]) -> Iterator[str]:
    alike = f"{found.alike:,} command{'' if found.alike == 1 else 's'}"
    if found.kind is None or found.a is None or found.b is None:
        yield f"{screen.paint('✓', 'green')} alike in all that was asked and decided: {alike}"
        return
    said = f"after {alike} alike they part by {found.kind}: {found.why}"
    yield from (screen.paint(line, "bold") for line in wrapped_lines(said, screen.width))
    for label, (path, history), side in (("A", a, found.a), ("B", b, found.b)):
        yield ""
        yield screen.paint(f"{label}  {path}", "bold")
        yield from _side(screen, history, side)


def _side(screen: Screen, history: History, side: Side) -> Iterator[str]:
    start_us, digits = history.start_us(), len(str(history.head)) + 1
    for event, style in [*((e, "dim") for e in side.evidence), *((e, "") for e in side.events)]:
        when = offset(event.at_us - start_us)
        left = f"{f'@{event.position}'.rjust(digits)}{GAP}{when}{GAP}"
        room = None if screen.width is None else max(screen.width - len(left), TEXT_WIDTH_MIN)
        for number, line in enumerate(wrapped_lines(sentence(event, history.names), room)):
            yield (" " * len(left) if number else left) + screen.paint(line, style)
    if not side.events:
        yield f"the log ends at @{side.position}"


def _json(found: Divergence, a: History, b: History) -> dict[str, Any]:
    return {
        "kind": "divergence" if found.kind else "alike",
        "alike": found.alike,
        "class": found.kind,
        "why": found.why or None,
        "a": _side_json(a, found.a),
        "b": _side_json(b, found.b),
    }


def _side_json(history: History, side: Side | None) -> dict[str, Any]:
    evidence = history.evidence()
    return {
        "log": evidence.origin,
        "head": history.head,
        "root": evidence.root,
        "position": None if side is None else side.position,
        "events": [event_json(event) for event in side.events] if side else [],
        "evidence": [event.position for event in side.evidence] if side else [],
    }
