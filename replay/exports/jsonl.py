"""A log as JSON lines that lose nothing.

The first line says what follows, the others are events; every one is a JSON object in UTF-8:

============  ======================================================================================================
first line    meaning; what an unknown or a wrong one does to an import
============  ======================================================================================================
``v``         1, as in all JSON of ``replay``
``kind``      ``log``; anything else: it is no export of a log
``format``    1; another number: ``StoreError`` that names it
``library``   the version of ledgerhub that wrote it
``origin``    the log's identity, which the imported log keeps
``head``      the last position of the log that it is of
``events``    how many lines follow, null in a part; another number of them: ``CorruptLogError``
``root``      the log's Merkle root, 64 hex; another one of the imported log: ``CorruptLogError``
``partial``   null, or the filters that chose the events; such a file is for reading and cannot become a log
============  ======================================================================================================

An event has the fields of ``replay log --json``, which are for the reader, and

============  ======================================================================================================
``leaf``      its leaf hash, 64 hex, as the log's tree has it
``record``    the bytes of its record in base64, as in ``events.codec``: what an import takes, whatever versions of
              events came after. An import refuses a line whose readable fields say something else.
============  ======================================================================================================
"""

from __future__ import annotations

import base64
from typing import Any, BinaryIO

from hub.catalogue import library_version
from replay.exports.selected import Export, Taken, write_lines
from replay.render.objects import event_json
from replay.render.screen import JSON_VERSION

KIND = "log"
FORMAT = 1


def write(export: Export, file: BinaryIO) -> int:
    """Write the lines; return how many events they have."""
    lines = map(_line, export.taken())  # first: a query that asks for what is not there writes nothing
    write_lines(file, [_first(export)])
    return write_lines(file, lines)


def _first(export: Export) -> dict[str, Any]:
    history = export.history
    evidence = history.evidence()
    first: dict[str, Any] = {"v": JSON_VERSION, "kind": KIND, "format": FORMAT, "library": library_version()}
    first |= {"origin": evidence.origin, "head": evidence.head, "root": evidence.root}
    if export.whole:
        return first | {"events": evidence.head, "partial": None}
    return first | {"events": None, "partial": export.asked}


def _line(taken: Taken) -> dict[str, Any]:
    record = base64.b64encode(taken.record).decode()
    return {"v": JSON_VERSION} | event_json(taken.event) | {"leaf": taken.leaf.hex(), "record": record}
