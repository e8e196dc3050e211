"""A log as CloudEvents 1.0 (https://github.com/cloudevents/spec), structured mode in JSON, an event a line.

===================  ===============================================================================================
attribute            what it holds
===================  ===============================================================================================
``specversion``      ``1.0``
``id``               the event's id; with ``source`` it is unique
``source``           ``urn:ledgerhub:ORIGIN``, the identity of the log
``type``             the event's type behind ``ledgerhub.``: ``ledgerhub.envelope.posted``
``subject``          what it is about: ``session:ID``, else ``task:ID``, ``agent:ID`` or ``name:NAME``; left out when
                     it is about the hub itself
``time``             when, RFC 3339 with ``Z``
``datacontenttype``  ``application/json``
``data``             ``version``, ``actor``, ``tags``, ``facts``, ``content`` as in ``replay log --json``
===================  ===============================================================================================

Extension attributes: ``sequence``, the position as text of twenty digits, which sorts as text (the Sequence extension);
``causationid``, the id of the event that caused it, left out where there is none (the Correlation extension);
``leafhash``, the leaf hash in hex, by which an event of another system's table is still provable against the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

from events.values.frozen import thaw
from events.values.times import iso
from replay.exports.selected import Export, Taken, write_lines

SPEC_VERSION = "1.0"
POSITION_DIGITS = 20
_SUBJECTS = ("session:", "task:", "agent:", "name:")


def write(export: Export, file: BinaryIO) -> int:
    """Write the lines; return how many events they have."""
    source = f"urn:ledgerhub:{export.history.log.recorder.origin}"
    return write_lines(file, (cloud_event(taken, source) for taken in export.taken()))


def cloud_event(taken: Taken, source: str) -> dict[str, Any]:
    """Return one event as a CloudEvent."""
    event = taken.event
    optional = {"subject": subject(event.tags), "causationid": event.cause}
    return {
        "specversion": SPEC_VERSION,
        "id": event.id,
        "source": source,
        "type": f"ledgerhub.{event.type}",
        "time": iso(event.at_us),
        "sequence": f"{event.position:0{POSITION_DIGITS}}",
        "leafhash": taken.leaf.hex(),
        "datacontenttype": "application/json",
        **{name: value for name, value in optional.items() if value},
        "data": {
            "version": event.version,
            "actor": event.actor,
            "tags": list(event.tags),
            "facts": thaw(event.facts),
            "content": thaw(event.content),
        },
    }


def subject(tags: Sequence[str]) -> str | None:
    """Return the tag that says best what an event is about, or None."""
    return next((tag for kind in _SUBJECTS for tag in tags if tag.startswith(kind)), None)
