"""``replay wal``: a session's write-ahead log, a view of the log (ENV-5)."""

from __future__ import annotations

from collections.abc import Iterator

import click

from events.event import Event
from events.sessions import EnvelopePosted
from events.values.envelope import EV_TEXT, Envelope
from events.values.times import iso
from replay.cli import offers
from replay.cli.common import Asked, asks
from replay.cli.rows import AT_WIDTH
from replay.names import Names
from replay.render.sentences import said, sentence
from replay.render.table import Column, table
from replay.render.text import offset, printable

PEOPLE = (Column("from", 10, "magenta"), Column("to", 16, "magenta"), Column("what"))


@click.command("wal", short_help="A session's envelopes, in order.")
@click.argument("session", shell_complete=offers.sessions)
@click.option("--since", type=click.IntRange(min=0), default=0, metavar="N", help="Leave out the first N envelopes.")
@click.option("--until", type=click.IntRange(min=0), metavar="N", help="Up to the N-th envelope.")
@asks
def command(asked: Asked, session: str, since: int, until: int | None) -> None:
    """List the envelopes of SESSION in the order they were accepted, the hub's own among them."""
    history, screen = asked.history, asked.screen
    session_id = history.session_id(session)
    entries = history.wal(session_id, since, until)
    if screen.as_json:
        for event, envelope in entries:
            screen.json({"position": event.position} | envelope.to_dict())
    else:
        screen.show(_lines(asked, session_id, entries), history.evidence)


def _lines(asked: Asked, session_id: str, entries: Iterator[tuple[Event, Envelope]]) -> Iterator[str]:
    history, screen = asked.history, asked.screen
    created = history.event(session_id)
    yield screen.paint(f"{history.names.session(session_id)}, {session_id}", "bold")
    yield screen.paint(f"offsets from {iso(created.at_us)}", "dim")
    columns = (
        Column("#", 4, "bold", right=True),
        Column("@", len(str(history.head)) + 1, right=True, needs=100),
        Column("offset", len(offset(history.end_us() - created.at_us)), "green"),
        Column("at", AT_WIDTH, "green", needs=160),
        *PEOPLE,
    )
    rows = (_row(asked, event, envelope, created.at_us) for event, envelope in entries)
    yield from table(columns, rows, width=screen.width, paint=screen.paint, wrapped=True)


def _row(asked: Asked, event: Event, envelope: Envelope, start_us: int) -> tuple[str, ...]:
    names = asked.history.names
    to = "everyone" if envelope.audience is None else names.agents(tuple(envelope.audience))
    return (
        str(envelope.sequence),
        f"@{event.position}",
        offset(event.at_us - start_us),
        iso(event.at_us),
        printable(names.agent(envelope.sender_id)),
        printable(to),
        _what(event, envelope, names),
    )


def _what(event: Event, envelope: Envelope, names: Names) -> str:
    """Say what was said; of what the hub reports in the session's log, its kind and the event's sentence."""
    if isinstance(event.body, EnvelopePosted):
        kind = "" if envelope.event_type == EV_TEXT else f"{envelope.event_type} "
        return kind + said(envelope.event_data)
    return f"{envelope.event_type}  {sentence(event, names).removeprefix(f'{names.session(envelope.session_id)}: ')}"
