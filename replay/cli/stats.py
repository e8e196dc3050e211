"""``replay stats``: what a log comes to."""

from __future__ import annotations

from typing import Any

import click

from events.values.times import iso
from replay.cli.common import Asked, asks
from replay.cli.filters import WHERE, filtered
from replay.files import written
from replay.query import Query
from replay.render.chart import chart
from replay.render.counts import stats_lines
from replay.render.screen import footer
from replay.stats import By, Stats, Tally, stats


@click.command("stats", short_help="Counts, rates, latencies, refusals, violations.")
@click.option("--by", type=click.Choice([by.value for by in By]), help="Tell apart agents, session types or hours.")
@click.option("--svg", type=click.Path(dir_okay=False), metavar="FILE", help="Charts, too, as an SVG file.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@filtered(WHERE)
@asks
def command(asked: Asked, by: str | None, svg: str | None, force: bool, **wanted: object) -> None:
    """Count the log: envelopes, sessions, tasks, refusals, violations, and how long answers took.

    Percentiles are by nearest rank, and exact up to 16,384 values; of more they are at most 0.8 % too high. A reply is
    an envelope that names one which its sender got as its cause; an ack is an acknowledgement of its own. One pass over
    the events; memory does not grow with their number.
    """
    history, screen = asked.history, asked.screen
    query = Query(**wanted)  # type: ignore[arg-type]
    with screen.progress("counting", history.head) as told:
        found = stats(history, query, None if by is None else By(by), told)
    if svg is not None:
        with written(svg, force=force) as file:
            file.write(chart(found, footer(history.evidence())).encode())
    if screen.as_json:
        _json(asked, found)
    else:
        screen.show(stats_lines(found, width=screen.width, paint=screen.paint), history.evidence)


def _json(asked: Asked, found: Stats) -> None:
    span = {"from": iso(found.first_us), "to": iso(found.last_us)} if found.total.events else {"from": None, "to": None}
    minute_us, count = found.busiest
    busiest = {"at": iso(minute_us), "envelopes": count} if count else None
    about = {"kind": "stats", **span, "span_us": found.span_us, "busiest_minute": busiest}
    asked.screen.json(about | {"by": found.by, "acks_counted": found.acknowledged} | _tally(found.total))
    for key, tally in found.groups.items():
        asked.screen.json({"kind": "group", "by": found.by, "key": key} | _tally(tally))


def _tally(tally: Tally) -> dict[str, Any]:
    latencies = {name: each.summary() for name, each in tally.latencies.items()}
    return {
        "events": tally.events,
        "envelopes": tally.envelopes,
        "sessions": tally.sessions,
        "ended": dict(tally.ended),
        "tasks": dict(tally.tasks),
        "refusals": dict(tally.refused),
        "violations": dict(tally.violated),
        "failed_turns": tally.failed_turns,
        "latencies": {name: None if each is None else each._asdict() for name, each in latencies.items()},
    }
