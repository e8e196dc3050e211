"""What happens again: events of two worlds compared by what they say, whatever the numbers that a hub counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from events.event import Event
from replay.commands import first_difference

COUNTED = frozenset({"sequence", "version", "anchors"})
"""Fields that move when something before them went missing, and mean the same."""
_SUBJECTS = ("session_id", "invitee_id", "agent_id", "task_id", "ordinal")
_RESTS_ON = ("session_id", "sender_id", "agent_id", "owner_id", "creator_id", "envelope_id", "subject")


def identical(decided: Sequence[Event], recorded: Sequence[Event]) -> bool:
    """Say whether events are the same to the byte; O(bytes)."""
    return first_difference(decided, recorded) is None


def alike(decided: Sequence[Event], recorded: Sequence[Event], but: frozenset[str] = frozenset()) -> bool:
    """Say whether events say the same, the numbers that a hub counts and the fields ``but`` aside; O(fields)."""
    left_out = COUNTED | but
    return len(decided) == len(recorded) and all(
        _said(ours, left_out) == _said(theirs, left_out) for ours, theirs in zip(decided, recorded, strict=True)
    )


def _said(event: Event, left_out: frozenset[str]) -> tuple[Any, ...]:
    body = event.body
    facts = tuple(value for name, value in zip(body._fields, body, strict=True) if name not in left_out)
    return type(body), event.id, event.at_us, event.actor, event.cause, facts


def changed_fields(decided: Event, recorded: Event) -> dict[str, tuple[Any, Any]]:
    """Return what differs between an event and what it is now, as ``(was, now)`` by field; what is counted aside."""
    names = ("at_us", "actor", "cause")
    pairs = [(name, getattr(recorded, name), getattr(decided, name)) for name in names]
    pairs += zip(recorded.body._fields, recorded.body, decided.body, strict=True)
    return {name: (was, now) for name, was, now in pairs if was != now and name not in COUNTED}


def rests_on(event: Event) -> Iterator[str]:
    """Give the ids of the events that a recorded one would not be there without, as far as it names them."""
    if event.cause is not None:
        yield event.cause
    for name in _RESTS_ON:
        if isinstance(found := getattr(event.body, name, None), str):
            yield found
    yield from getattr(event.body, "participants", ())


def in_order(decided: Sequence[Event], recorded: Sequence[Event]) -> bool:
    """Say whether events are about the same things in the same order, so that each has the id of its twin."""
    return [*map(_subject, decided)] == [*map(_subject, recorded[: len(decided)])]


def twins(decided: Sequence[Event], recorded: Sequence[Event]) -> list[Event | None]:
    """Return for each decided event the recorded one that it is again, or None; O(n²) in one append's events."""
    left = list(recorded)
    found: list[Event | None] = []
    for event in decided:
        twin = next((other for other in left if _subject(other) == _subject(event)), None)
        if twin is not None:
            left.remove(twin)
        found.append(twin)
    return found


def _subject(event: Event) -> tuple[Any, ...]:
    return (type(event.body), *(getattr(event.body, name, None) for name in _SUBJECTS))
