"""``replay show``: one event in full."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from events.event import Event
from events.values.frozen import thaw
from events.values.times import iso
from replay.cli.common import Asked, PointCommand, asks
from replay.cli.rows import event_json
from replay.render.sentences import sentence
from replay.render.text import offset, printable, wrapped_lines
from replay.render.values import INDENT, value_lines
from replay.show import Detail, detail

BYTES_A_LINE = 32


@click.command("show", cls=PointCommand, short_help="One event in full, with its proof.")
@click.argument("point")
@click.option("--raw", is_flag=True, help="The stored bytes, too, in hex.")
@asks
def command(asked: Asked, point: str, raw: bool) -> None:
    """Show the event at POINT: facts, content, cause, effects, leaf hash and proof."""
    history, screen = asked.history, asked.screen
    found = detail(history, point)
    if screen.as_json:
        screen.json(_json(found) | ({"raw": found.stored.data.hex()} if raw else {}))
    else:
        screen.show(_lines(asked, found, raw), history.evidence)


def _json(found: Detail) -> dict[str, Any]:
    return event_json(found.event) | {
        "stored_version": found.stored_version,
        "upcasts": list(found.upcasts),
        "cause_position": found.cause.position if found.cause else None,
        "effects": [{"position": each.position, "type": each.type, "id": each.id} for each in found.effects],
        "effects_complete": found.effects_complete,
        "leaf_hash": found.leaf.hex(),
        "leaf_holds": found.leaf_holds,
        "proof": {"size": found.size, "path": [each.hex() for each in found.proof], "holds": found.proven},
        "checkpoint": found.evidence.checkpoint if found.covered else None,
        "checkpoint_standing": found.evidence.standing.value if found.covered else None,
    }


def _lines(asked: Asked, found: Detail, raw: bool) -> Iterator[str]:
    history, screen, event = asked.history, asked.screen, found.event
    paint, names = screen.paint, history.names
    when = f"{iso(event.at_us)} ({offset(event.at_us - history.start_us())})"
    yield paint(f"@{event.position} {event.type}, {when}", "bold")
    yield from wrapped_lines(sentence(event, names), screen.width)
    fields = {"id": event.id, "version": _version(found), "actor": event.actor, "tags": list(event.tags)}
    yield from value_lines(fields, names)
    for line in _around(asked, found):
        yield from wrapped_lines(line, screen.width)
    for title, fields in (("facts", thaw(event.facts)), ("content", thaw(event.content))):
        if fields:
            yield paint(title, "bold")
            yield from value_lines(fields, names, INDENT)
    yield paint("proof", "bold")
    for line in _proof(found):
        yield from (INDENT + part for part in wrapped_lines(line, screen.width and screen.width - len(INDENT)))
    if raw:
        yield paint(f"raw, {len(found.stored.data)} bytes", "bold")
        data = found.stored.data
        yield from (INDENT + data[i : i + BYTES_A_LINE].hex() for i in range(0, len(data), BYTES_A_LINE))


def _version(found: Detail) -> str:
    return f"{found.stored_version}" + "".join(f", upcast to {version}" for version in found.upcasts)


def _around(asked: Asked, found: Detail) -> Iterator[str]:
    def named(event: Event) -> str:
        return printable(f"@{event.position} {sentence(event, asked.history.names)}")

    if found.cause is not None:
        yield f"cause: {named(found.cause)}"
    else:
        yield f"cause: {found.event.cause} is not in this log" if found.event.cause else "cause: none"
    for effect in found.effects:
        yield f"effect: {named(effect)}"
    if not found.effects_complete:
        yield "effects: perhaps more, further on in the log"


def _proof(found: Detail) -> Iterator[str]:
    yield f"leaf {found.leaf.hex()}"
    yield "its record gives it" if found.leaf_holds else "its record DOES NOT GIVE IT: run replay verify"
    path = f"by a path of {len(found.proof)} hashes"
    yield f"it {'is' if found.proven else 'IS NOT'} in the tree of {found.size:,} events, {path}"
    if found.covered:
        yield f"the checkpoint of @{found.evidence.checkpoint}, {found.evidence.standing}, is of a tree with it"
    else:
        yield "no signed checkpoint is of a tree with it"
