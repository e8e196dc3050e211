"""A log as a flat Parquet table, for questions asked in SQL or a data frame; a row an event.

Columns: ``position``, ``at`` (microseconds, UTC), ``type``, ``id``, ``actor`` and ``actor_name``, ``cause``;
``session_id``, ``agent_id`` and ``agent_name`` (whom it is about: sender, owner, participant), ``task_id``;
what many questions are about (``COMMON``, null where an event has none); ``text`` (what an envelope said); ``facts``
and ``content`` whole, as JSON; ``leaf``, the leaf hash. The file's metadata say ``origin``, ``head``, ``root`` and
``partial``. Rows go out in groups of ``GROUP_EVENTS``: memory is O(one group).
"""

from __future__ import annotations

import json
from importlib import import_module
from itertools import islice
from typing import Any, BinaryIO

from events.event import Event
from events.sessions import EnvelopePosted
from events.values.frozen import thaw
from replay.errors import QuestionError
from replay.exports.selected import Export, Taken
from replay.names import Names

GROUP_EVENTS = 16_384
COMMON = ("event_type", "sequence", "depth", "reason", "error", "capability", "expectation", "latency_us")
"""Fields of events that are columns of their own."""
_NUMBERS = ("sequence", "depth", "latency_us")
_SUBJECTS = ("sender_id", "agent_id", "invitee_id", "owner_id", "creator_id", "subject")


def write(export: Export, file: BinaryIO) -> int:
    """Write the table; return how many rows it has.

    Raises:
        QuestionError: pyarrow is not installed.
    """
    arrow, parquet = _arrow()
    schema, names, count = _schema(arrow, export), export.history.names, 0
    rows = (_row(taken, names) for taken in export.taken())
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while group := list(islice(rows, GROUP_EVENTS)):
            writer.write_table(arrow.Table.from_pylist(group, schema))
            count += len(group)
    return count


def _arrow() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise QuestionError("Parquet needs pyarrow: pip install 'ledgerhub[parquet]'") from None


def _schema(arrow: Any, export: Export) -> Any:
    text, number, word = arrow.string(), arrow.int64(), arrow.dictionary(arrow.int32(), arrow.string())
    when = arrow.timestamp("us", tz="UTC")
    columns = [("position", number), ("at", when), ("type", word), ("id", text), ("actor", text), ("actor_name", word)]
    columns += [("cause", text), ("session_id", text), ("agent_id", text), ("agent_name", word), ("task_id", text)]
    columns += [(name, number if name in _NUMBERS else word) for name in COMMON]
    columns += [("text", text), ("facts", text), ("content", text), ("leaf", arrow.binary(32))]
    evidence = export.history.evidence()
    about = {"origin": evidence.origin, "head": str(evidence.head), "root": evidence.root or ""}
    return arrow.schema(columns, metadata=about | {"partial": "" if export.whole else json.dumps(export.asked)})


def _row(taken: Taken, names: Names) -> dict[str, Any]:
    event, body = taken.event, taken.event.body
    agent_id = next((getattr(body, name) for name in _SUBJECTS if hasattr(body, name)), None)
    row: dict[str, Any] = {
        "position": event.position,
        "at": event.at_us,
        "type": event.type,
        "id": event.id,
        "actor": event.actor,
        "actor_name": names.agent(event.actor),
        "cause": event.cause,
        "session_id": getattr(body, "session_id", None),
        "agent_id": agent_id,
        "agent_name": names.agent(agent_id) if agent_id else None,
        "task_id": getattr(body, "task_id", None),
        "text": _text(event),
        "facts": _json(event.facts),
        "content": _json(event.content),
        "leaf": taken.leaf,
    }
    return row | {name: getattr(body, name, None) for name in COMMON}


def _text(event: Event) -> str | None:
    if not isinstance(event.body, EnvelopePosted):
        return None
    data = {**event.body.data, **event.body.rest}
    text = data.get("text", data.get("body"))
    return text if isinstance(text, str) else None


def _json(fields: Any) -> str:
    return json.dumps(thaw(fields), ensure_ascii=False, sort_keys=True)
