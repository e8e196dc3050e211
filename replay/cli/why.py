"""``replay why``: the causal chain of an event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from events.event import Event
from events.values.times import iso
from replay.cli.common import Asked, PointCommand, asks
from replay.render.chain import chain_lines, link_lines, total_lines
from replay.render.sentences import sentence
from replay.why import Link, causes, why

SHOWN_LINKS = 10
"""How many links a person is shown at each end of a long chain."""


@click.command("why", cls=PointCommand, short_help="What led to an event, back to where it began.")
@click.argument("point")
@click.option("--all", "every", is_flag=True, help=f"Every link, not only {SHOWN_LINKS} at each end of a long chain.")
@asks
def command(asked: Asked, point: str, every: bool) -> None:
    """Follow the event at POINT from cause to cause, back to where it began.

    Each arrow says why the event below it is the cause. Where an event does not name its cause, it is derived from the
    facts: the TTL that ran out, the rule that was in force, the session and who asked for it.
    """
    history, screen = asked.history, asked.screen
    event = history.event(point)
    if screen.as_json:
        _json(asked, event)
        return
    screen.show(_lines(asked, event, every), history.evidence)


def _lines(asked: Asked, event: Event, every: bool) -> Iterator[str]:
    history, screen = asked.history, asked.screen
    if start_us := history.start_us():
        yield screen.paint(f"offsets from {iso(start_us)}", "dim")
    if every:
        yield from link_lines(history, causes(history, event), width=screen.width, paint=screen.paint)
        yield from total_lines(why(history, event, 1), width=screen.width, paint=screen.paint)
        return
    with screen.progress("following causes", event.position) as told:
        chain = why(history, event, SHOWN_LINKS, told)
    yield from chain_lines(history, chain, width=screen.width, paint=screen.paint)


def _json(asked: Asked, event: Event) -> None:
    length = missing = began = 0
    for link in causes(asked.history, event):
        length, began, missing = length + 1, link.event.position, missing + (link.missing is not None)
        asked.screen.json({"kind": "link"} | _link_json(asked, link))
    asked.screen.json({"kind": "chain", "length": length, "began": began, "missing": missing})


def _link_json(asked: Asked, link: Link) -> dict[str, Any]:
    event = link.event
    return {
        "position": event.position,
        "type": event.type,
        "id": event.id,
        "at": iso(event.at_us),
        "actor": event.actor,
        "sentence": sentence(event, asked.history.names),
        "why": link.why,
        "cause": link.cause,
        "recorded": link.recorded,
        "missing": link.missing,
        "evidence": list(link.evidence),
    }
