"""A log from its export as JSON lines: the same records, the same leaf hashes, the same root, the same identity."""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, NoReturn

from events.codec import decode, event_of, leaf_bytes
from events.errors import CorruptLogError, NetworkError, StoreError
from events.event import Event
from events.merkle import leaf_hash
from events.values.identity import AGENT_ID
from replay.errors import QuestionError
from replay.exports.jsonl import FORMAT, KIND
from replay.imports.building import Building, building
from replay.query import PROGRESS_EVENTS
from replay.render.objects import event_json


class Imported(NamedTuple):
    """What was imported: how many events, the log's identity, its root, and the digest of the state they fold to."""

    events: int
    origin: str
    root: str
    digest: str


def import_lines(
    lines: Iterable[bytes],
    path: str | os.PathLike[str],
    name: str = "the export",
    progress: Callable[[int], None] | None = None,
) -> Imported:
    """Make a log of the lines that ``replay.exports`` wrote of a whole one.

    Args:
        lines: of the file, in bytes.
        path: the new log's folder; nothing may be there.
        name: what the lines are called in errors.
        progress: told the number of events read, now and then.

    Raises:
        QuestionError: something is at the path already, or the export is a part of a log.
        StoreError: a format or an event that this library does not know.
        CorruptLogError: a line is not what was written, or is missing; the message says which.

    Cost: O(bytes) and the fold of every event; memory O(what is live in the log).
    """
    numbered = enumerate(lines, 1)
    first = _object(next(numbered, (1, b""))[1], name, 1)
    _check(first, name)
    with building(path, first["origin"]) as made:
        for number, line in numbered:
            _add(made, _object(line, name, number), name, number)
            if progress is not None and number % PROGRESS_EVENTS == 0:
                progress(number)
        events, root = made.state.position, made.root()
        if events != first["events"]:
            message = f"{name} has {events:,} events, not the {first['events']:,} that it says: export the log again"
            raise CorruptLogError(message, position=events)
        if root != first["root"]:
            raise CorruptLogError(f"the events of {name} do not give the root that it says: export the log again")
        return Imported(events, first["origin"], root, made.state.digest())


def _check(first: dict[str, Any], name: str) -> None:
    if first.get("kind") != KIND:
        raise QuestionError(f"{name} is no export of a log: its first line does not say so; see replay export")
    if first.get("format") != FORMAT:
        raise StoreError(
            f"{name} is in export format {first.get('format')!r}; this ledgerhub reads {FORMAT}: use a newer one",
            format=first.get("format"),
        )
    if first.get("partial") is not None:
        said = json.dumps(first["partial"], ensure_ascii=False)
        raise QuestionError(f"{name} is a part of a log ({said}), not a log: export it without filters")
    if not (isinstance(first.get("events"), int) and AGENT_ID.fullmatch(str(first.get("origin")))):
        raise CorruptLogError(f"line 1 of {name} lacks how many events there are, or of which log: export it again")


def _add(made: Building, said: dict[str, Any], name: str, number: int) -> None:
    expected = made.state.position + 1
    if said.get("position") != expected:
        _refuse(f"line {number} of {name} has position {said.get('position')}, not {expected}", expected)
    try:
        record = base64.b64decode(said["record"], validate=True)
        stored = event_of(record, expected, name)
        event = decode(stored, expected)
    except (KeyError, TypeError, binascii.Error):
        _refuse(f"line {number} of {name} has no record", expected)
    except NetworkError as error:
        raise type(error)(f"line {number} of {name}: {error.message}", **error.facts) from None
    if leaf_hash(leaf_bytes(record)).hex() != said.get("leaf"):
        _refuse(f"line {number} of {name} has a record whose leaf hash is not the one it says", expected)
    if different := _differing(said, event):
        _refuse(f"line {number} of {name} says another {different} than its record", expected)
    try:
        made.add(stored, event)
    except CorruptLogError as error:
        raise CorruptLogError(f"line {number} of {name}: {error.message}", **error.facts) from None


def _differing(said: dict[str, Any], event: Event) -> str | None:
    """Return a field that is not as the record has it; where versions differ, the record alone counts."""
    if said.get("version") != event.version:
        return None
    return next((key for key, value in event_json(event).items() if said.get(key) != value), None)


def _object(line: bytes, name: str, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        _refuse(f"line {number} of {name} is not a JSON object, or is cut off", number)
    return value


def _refuse(message: str, position: int) -> NoReturn:
    raise CorruptLogError(f"{message}: export the log again", position=position)
