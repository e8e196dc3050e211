"""A log in other forms, written as it is read: memory does not grow with the log.

========================  ==========================================================================================
form                      what it is
========================  ==========================================================================================
``jsonl``                 JSON lines with every record's bytes; of a whole log ``replay import`` makes the same log
``cloudevents``           CloudEvents 1.0, structured mode in JSON, an event a line
``parquet``               a flat table for analysis; needs the extra ``parquet``
``mermaid``               one session as the text of a sequence diagram
========================  ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from replay.exports import cloudevents, diagram, jsonl, parquet
from replay.exports.selected import Export
from replay.history import History
from replay.query import Query

__all__ = ["FORMS", "Export", "export", "form_of"]

FORMS: dict[str, Callable[[Export, BinaryIO], int]] = {
    "jsonl": jsonl.write,
    "cloudevents": cloudevents.write,
    "parquet": parquet.write,
    "mermaid": diagram.write,
}
"""Form to the function that writes it and returns how many events went in."""
_SUFFIXES = {".parquet": "parquet", ".mmd": "mermaid", ".mermaid": "mermaid", ".cloudevents": "cloudevents"}


def form_of(path: str | Path | None) -> str:
    """Return the form that a file's name stands for; JSON lines for any other name, and for none."""
    return "jsonl" if path is None else _SUFFIXES.get(Path(path).suffix, "jsonl")


def export(
    history: History,
    file: BinaryIO,
    form: str = "jsonl",
    query: Query | None = None,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write a log, or the part of it that a query selects, up to the head; return how many events went in.

    Args:
        history: the log.
        file: open for writing bytes; it need not be seekable.
        form: one of ``FORMS``.
        query: which events; None is all. A ``mermaid`` diagram needs exactly one session.
        progress: told the number of events written, now and then.

    Raises:
        QuestionError: no such form, agent, session or point, or the form needs what is not installed.
        OSError: the file cannot be written.

    Cost: O(what is read) time, O(1) memory.
    """
    return FORMS[form](Export(history, query or Query(), progress or (lambda _: None)), file)
