"""Events as JSON objects: what a program reads of one, everywhere the same."""

from __future__ import annotations

from typing import Any

from events.event import Event
from events.values.frozen import thaw
from events.values.times import iso


def event_json(event: Event) -> dict[str, Any]:
    """Return an event as a program reads it; ``position`` first, the ids whole."""
    return {
        "position": event.position,
        "type": event.type,
        "version": event.version,
        "id": event.id,
        "at": iso(event.at_us),
        "actor": event.actor,
        "cause": event.cause,
        "tags": list(event.tags),
        "facts": thaw(event.facts),
        "content": thaw(event.content),
    }
