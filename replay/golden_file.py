"""Golden histories as files: a whole log in a text that a repository keeps well and whose changes can be read.

By bytes, all of it UTF-8, every line ended by a line feed:

======================== =======================================================================================
lines                    meaning; what an unknown or a wrong one does
======================== =======================================================================================
``ledgerhub golden 1``   the file's format; another number: ``StoreError`` that names it
``NAME: VALUE``          each of these once, in any order; one that is missing or unknown: ``CorruptLogError``
  ``about``              one line for people, may be empty
  ``library``            the version of ledgerhub that captured it
  ``origin``             the log's identity, 32 hex characters
  ``events``             how many records follow
  ``root``               Merkle root over them, 64 hex: other records than were captured are a ``CorruptLogError``
  ``expect``             ``holds``; or ``read @N``, ``fold @N``, ``decision @N``: what must fail, at which position
  ``digest``             digest of the state, as far as it folds, 64 hex
  ``projections``        ``NAME=HEX`` of each projection's own, the first 12 hex, to say which one differs
an empty line            the header ends
``N TYPE BASE64``        a record: its position from 1, its event type for the reader, its bytes as in
                         ``events.codec``
======================== =======================================================================================

A golden is made to be small, and is read into memory: O(its size).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from events.codec import event_of, record_of
from events.errors import CorruptLogError, StoreError
from events.stores import LogRecorder, MemoryKnowledgeStore
from replay.errors import QuestionError

SUFFIX = ".hublog"
_FIRST = "ledgerhub golden"
FORMAT = 1
_FIELDS = ("about", "library", "origin", "events", "root", "expect", "digest", "projections")


class Golden(NamedTuple):
    """A golden file: what its header says, and its records in order."""

    path: str
    about: str
    library: str
    origin: str
    root: str
    expect: str
    digest: str
    projections: Mapping[str, str]
    records: tuple[bytes, ...]


def read(path: str | Path) -> Golden:
    """Return a golden file's header and records.

    Raises:
        StoreError: it cannot be read, or is in a format that this library does not know.
        CorruptLogError: it is not a golden, or damaged.
    """
    try:
        head, _, body = Path(path).read_text(encoding="utf-8").partition("\n\n")
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}", path=str(path)) from None
    except UnicodeDecodeError:
        raise CorruptLogError(f"{path} is not a golden history: it is not text: capture one") from None
    first, *lines = head.split("\n")
    name, _, number = first.rpartition(" ")
    if name != _FIRST:
        raise CorruptLogError(f"{path} is not a golden history: it does not begin with “{_FIRST}”: capture one")
    if number != str(FORMAT):
        raise StoreError(
            f"{path} is in golden format {number}; this ledgerhub reads {FORMAT}: use a newer ledgerhub", format=number
        )
    fields = dict(line.partition(": ")[::2] for line in lines)
    if wrong := set(fields) ^ set(_FIELDS):
        raise CorruptLogError(f"the header of {path} lacks or does not know {', '.join(sorted(wrong))}")
    records = tuple(_records(path, body))
    if fields["events"] != str(len(records)):
        raise CorruptLogError(f"{path} has {len(records)} records, not as many as its header says: restore the file")
    about, library, origin, _, root, expect, digest, projections = (fields[name] for name in _FIELDS)
    parts = dict(part.partition("=")[::2] for part in projections.split())
    return Golden(str(path), about, library, origin, root, expect, digest, parts, records)


def _records(path: str | Path, body: str) -> Iterator[bytes]:
    for position, line in enumerate(body.splitlines(), 1):
        number, _, rest = line.partition(" ")
        try:
            record = base64.b64decode(rest.rpartition(" ")[2], validate=True)
        except binascii.Error:
            number = ""
            record = b""
        if number != str(position):
            raise CorruptLogError(f"record {position} of {path} is not one: restore the file", position=position)
        yield record


def write(golden: Golden, recorder: LogRecorder) -> None:
    """Write a golden with the records of a log, whatever ``golden.records`` are; O(the log), a record at a time.

    Raises:
        OSError: the file cannot be written.
    """
    parts = " ".join(f"{name}={part}" for name, part in golden.projections.items())
    about = " ".join(golden.about.split())
    head = recorder.head
    values = (about, golden.library, golden.origin, head, golden.root, golden.expect, golden.digest, parts)
    with Path(golden.path).open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{_FIRST} {FORMAT}\n")
        file.writelines(f"{name}: {value}\n" for name, value in zip(_FIELDS, values, strict=True))
        file.write("\n")
        for stored in recorder.scan(until=head):
            record = base64.b64encode(record_of(stored.event)).decode()
            file.write(f"{stored.position} {stored.event.type} {record}\n")


def open_golden(path: str | Path) -> LogRecorder:
    """Return the log of a golden, in memory, open.

    Raises:
        StoreError, CorruptLogError: as ``read``, or a record cannot be read.
    """
    golden = read(path)
    store = MemoryKnowledgeStore(new_origin=lambda: golden.origin)
    fill(store, golden.records)
    return store


def fill(store: LogRecorder, records: Iterable[bytes]) -> None:
    """Append records as they are; raises StoreError or CorruptLogError at the first that cannot be read."""
    for position, record in enumerate(records, 1):
        store.append([event_of(record, position, store.path)])


def find(path: str | Path) -> list[Path]:
    """Return the goldens that a path means: itself, or all ``*.hublog`` in a folder or below it, sorted.

    Raises:
        QuestionError: there is none.
    """
    path = Path(path)
    found = sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [path] if path.is_file() else []
    if not found:
        raise QuestionError(f"there is no golden history at {path}: capture one with replay golden capture")
    return found
