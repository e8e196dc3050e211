"""``replay export``: a log in other forms."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from replay.cli.common import CLEAN, Asked, asks
from replay.cli.filters import filtered
from replay.exports import FORMS, export, form_of
from replay.files import written
from replay.query import Query


@click.command("export", short_help="A log as JSON lines, CloudEvents, Parquet, Mermaid.")
@click.option(
    "--form",
    type=click.Choice(list(FORMS)),
    help="jsonl (default), cloudevents, parquet or mermaid; -o FILE.parquet and FILE.mmd say it, too.",
)
@click.option("-o", "--output", type=click.Path(dir_okay=False), metavar="FILE", help="Default: standard output.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@filtered()
@asks
def command(asked: Asked, form: str | None, output: str | None, force: bool, **wanted: object) -> int:
    """Write the log in another form, event by event.

    JSON lines without filters are the whole log: replay import makes the same one of them, to the byte. With filters
    they say that they are a part. A Mermaid diagram is of one --session. Only then, with -o, is anything else printed.
    """
    query, form = Query(**wanted), form or form_of(output)  # type: ignore[arg-type]
    if output is None:
        if form == "parquet" and sys.stdout.isatty():
            raise click.UsageError("Parquet is not for a terminal: give -o FILE, or a pipe")
        sys.stdout.flush()
        export(asked.history, sys.stdout.buffer, form, query)
        sys.stdout.buffer.flush()
        return CLEAN
    return _to_file(asked, output, form, query, force=force)


def _to_file(asked: Asked, output: str, form: str, query: Query, *, force: bool) -> int:
    history, screen = asked.history, asked.screen
    with written(output, force=force) as file, screen.progress("exporting", history.head) as told:
        count = export(history, file, form, query, told)
    size, partial = Path(output).stat().st_size, query != Query()
    if screen.as_json:
        screen.json({"file": output, "form": form, "events": count, "bytes": size, "partial": partial})
        return CLEAN
    unit = "steps" if form == "mermaid" else "events"
    part = ", a part of the log" if partial and form == "jsonl" else ""
    screen.show([f"{output}: {count:,} {unit} as {form}, {size:,} bytes{part}"], history.evidence)
    return CLEAN
