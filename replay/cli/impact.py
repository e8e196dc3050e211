"""``replay impact``: everything downstream of an event."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import click

from events.event import Event
from events.values.times import iso
from replay.cli.common import CLEAN, Asked, PointCommand, asks
from replay.effects import Effect
from replay.impact import READ_EVENTS_MAX, Impact, impact
from replay.render.sentences import sentence
from replay.render.text import printable, wrapped_lines
from replay.render.tree import tree_lines

SHOWN_EVENTS = 200
"""How many effects a person is shown when nothing else is said; the totals count all."""
NAMED_MAX = 6


@click.command("impact", cls=PointCommand, short_help="Everything that depends on an event.")
@click.argument("point")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    help=f"Show at most N of the events; the totals count all. Default {SHOWN_EVENTS}, with --json all.",
)
@click.option("--all", "every", is_flag=True, help=f"Look at every event after it, not only at {READ_EVENTS_MAX:,}.")
@asks
def command(asked: Asked, point: str, limit: int | None, every: bool) -> int:
    """Show what depends on the event at POINT: what it led to, what that led to, and so on, and what it comes to.

    It is replay why the other way round: each event here has the one at POINT in its chain of causes. A line that does
    not follow from the one above it names its cause.
    """
    history, screen = asked.history, asked.screen
    event = history.event(point)
    tally = Impact(event)
    shown: list[Effect] = []
    with screen.progress("following effects", history.head) as told:
        effects = impact(history, event, tally, None if every else READ_EVENTS_MAX, told)
        if screen.as_json:
            for number, effect in enumerate(effects):
                if limit is None or number < limit:
                    screen.json(_json(asked, effect))
            screen.json({"kind": "impact"} | _tally_json(tally))
        else:
            shown = list(islice(effects, SHOWN_EVENTS if limit is None else limit))
            for _ in effects:
                pass  # they count
    if not screen.as_json:
        screen.show(_lines(asked, event, shown, tally), history.evidence)
    return CLEAN


def _json(asked: Asked, effect: Effect) -> dict[str, Any]:
    event = effect.event
    return {
        "kind": "effect",
        "position": event.position,
        "type": event.type,
        "id": event.id,
        "at": iso(event.at_us),
        "actor": event.actor,
        "sentence": sentence(event, asked.history.names),
        "cause": effect.cause,
        "recorded": effect.recorded,
        "depth": effect.depth,
    }


def _tally_json(tally: Impact) -> dict[str, Any]:
    return {
        "position": tally.start.position,
        "events": tally.events,
        "recorded": tally.recorded,
        "envelopes": tally.envelopes,
        "sessions": sorted(tally.sessions),
        "agents": sorted(tally.agents),
        "tasks": sorted(tally.tasks),
        "types": dict(sorted(tally.types.items())),
        "depth": tally.depth,
        "last": tally.last,
        "looked_at": tally.read,
        "complete": tally.complete,
    }


def _lines(asked: Asked, event: Event, shown: list[Effect], tally: Impact) -> Iterator[str]:
    history, screen = asked.history, asked.screen
    yield screen.paint(f"offsets from {iso(history.start_us())}", "dim")
    yield from tree_lines(history, event, shown, width=screen.width, paint=screen.paint)
    if tally.events > len(shown):
        yield screen.paint(f"… {tally.events - len(shown):,} events more: see --limit", "dim")
    for text in _totals(asked, tally):
        yield from (screen.paint(line, "bold") for line in wrapped_lines(text, screen.width))


def _totals(asked: Asked, tally: Impact) -> Iterator[str]:
    names = asked.history.names
    if not tally.events:
        yield "nothing depends on it"
    else:
        chain = f"in chains of up to {_count(tally.depth, 'step')}, the last at @{tally.last}"
        causes = f"{tally.recorded:,} named by the events, {tally.events - tally.recorded:,} derived from the facts"
        yield f"{_count(tally.events, 'event')} depend{'s' * (tally.events == 1)} on it {chain}; causes: {causes}"
        yield _named("envelope", tally.envelopes, ())
        yield _named("session", len(tally.sessions), map(names.session, sorted(tally.sessions)[:NAMED_MAX]))
        yield _named("agent", len(tally.agents), map(names.agent, sorted(tally.agents)[:NAMED_MAX]))
        yield _named("task", len(tally.tasks), map(names.task, sorted(tally.tasks)[:NAMED_MAX]))
    if not tally.complete:
        yield f"perhaps more: only {tally.read:,} events after it were looked at, see --all"


def _named(what: str, count: int, found: Any) -> str:
    some = ", ".join(map(printable, found))
    more = f" and {count - NAMED_MAX:,} more" if some and count > NAMED_MAX else ""
    return _count(count, what) + (f": {some}{more}" if some else "")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
