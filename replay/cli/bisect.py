"""``replay bisect``: the first event after which something holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from events.values.times import iso
from replay.bisect import Search, Way, bisect
from replay.cli.common import CLEAN, FOUND, Asked, asks
from replay.expressions import compile
from replay.render.changes import event_lines
from replay.render.sentences import sentence
from replay.render.text import printable, wrapped_lines

WARNING = "not proven to stay true once it is, so every event was folded"
SINCE = "; it may have been false again since"

HELP = """Find the first event after which EXPR holds; exit code 1 says that there is one.

\b
EXPR is a comparison over what the hub knew, in the words of replay state:
  sessions["7be2"].state == "closed"
  inbox("bob") > 50 and agents["bob"].rule.rate.envelopes_per_minute == 0
  any(s.state == "pending" for s in sessions)
  observed["bob"]["research"].failed >= 3

It may have and, or, not, in, comparisons, + - * / // %, lists, len, any, all, sum, min and max; nothing in it is
executed. What is not there yet is None, which is neither above nor below anything.

What looks at one thing is answered from that thing's events. What is proven to stay true is searched for by halving
the projection checkpoints; of anything else a warning is given, and the log is folded from its start.
"""


@click.command("bisect", help=HELP, short_help="The first event after which something holds.")
@click.option("--expr", "text", required=True, metavar="EXPR", help="What is to hold, such as 'inbox(\"bob\") > 50'.")
@click.option("--until", "point", default="head", metavar="POINT", help="Look up to this point; default head.")
@asks
def command(asked: Asked, text: str, point: str) -> int:
    """Find the first event after which an expression holds; see ``HELP``."""
    history, screen = asked.history, asked.screen
    expression = compile(text)
    with screen.progress("folding", history.position(point)) as told:
        search = bisect(history, expression, point, told)
    if screen.as_json:
        screen.json(_json(asked, text, search))
    else:
        screen.show(_lines(asked, text, search), history.evidence)
    return CLEAN if search.event is None else FOUND


def _json(asked: Asked, text: str, search: Search) -> dict[str, Any]:
    event = search.event
    found = {} if event is None else {
        "position": event.position,
        "type": event.type,
        "id": event.id,
        "at": iso(event.at_us),
        "actor": event.actor,
        "sentence": sentence(event, asked.history.names),
    }  # fmt: skip
    return {
        "expression": text,
        "found": event is not None,
        "event": found or None,
        "way": search.way.value,
        "thing": search.thing or None,
        "until": search.last,
        "checkpoints": search.checkpoints,
        "folded": search.folded,
        "asked": search.asked,
        "warning": _warning(search),
    }


def _lines(asked: Asked, text: str, search: Search) -> Iterator[str]:
    history, screen = asked.history, asked.screen
    paint, width = screen.paint, screen.width
    if search.event is None:
        yield from _wrapped(f"{printable(text)} never holds up to @{search.last}", width)
    else:
        yield from (paint(each, "bold") for each in _wrapped(f"{printable(text)} holds first after", width))
        yield from event_lines(history, search.event, width=width, paint=paint)
    if warning := _warning(search):
        yield from (paint(each, "yellow") for each in _wrapped(f"! {warning}", width))
    yield from (paint(each, "dim") for each in _wrapped(_cost(search), width))


def _warning(search: Search) -> str | None:
    if search.way is not Way.SCAN:
        return None
    return WARNING if search.event is None else WARNING + SINCE


def _cost(search: Search) -> str:
    folded, asked = _count(search.folded, "event"), _count(search.asked, "state")
    if search.way is Way.ALONE:
        return f"alone: folded {folded} of {search.thing}, asked in {asked}"
    if search.way is Way.BINARY:
        tried = _count(search.checkpoints, "projection checkpoint")
        return f"binary, as it stays true once it is: tried {tried}, folded {folded}, asked in {asked}"
    return f"scan: folded {folded}, asked in {asked}"


def _wrapped(text: str, width: int | None) -> list[str]:
    return wrapped_lines(text, width)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
