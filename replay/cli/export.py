"""``replay export``: a log in other forms."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from replay.cli.common import CLEAN, Asked, asks
from replay.cli.filters import filtered
from replay.errors import QuestionError
from replay.exports import FORMS, export, form_of
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
    if Path(output).exists() and not force:
        raise QuestionError(f"{output} is there already: give another name, or --force")
    return _to_file(asked, output, form, query)


def _to_file(asked: Asked, output: str, form: str, query: Query) -> int:
    history, screen = asked.history, asked.screen
    with _replacing(output) as file, screen.progress("exporting", history.head) as told:
        count = export(history, file, form, query, told)
    size, partial = Path(output).stat().st_size, query != Query()
    if screen.as_json:
        screen.json({"file": output, "form": form, "events": count, "bytes": size, "partial": partial})
        return CLEAN
    unit = "steps" if form == "mermaid" else "events"
    part = ", a part of the log" if partial and form == "jsonl" else ""
    screen.show([f"{output}: {count:,} {unit} as {form}, {size:,} bytes{part}"], history.evidence)
    return CLEAN


@contextmanager
def _replacing(output: str) -> Iterator[BinaryIO]:
    """Give a file that takes the place of ``output`` when the block ends well, and is gone when it does not."""
    part = Path(f"{output}.part")
    try:
        with part.open("wb") as file:
            yield file
        os.replace(part, output)
    finally:
        part.unlink(missing_ok=True)
