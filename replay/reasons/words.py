"""What a reason is, and the words that all reasons share."""

from __future__ import annotations

from typing import NamedTuple

from events.event import HUB, OPERATOR, Event
from events.values.times import iso
from replay.reasons.past import Past
from replay.render.text import printable


class Reason(NamedTuple):
    """What led to an event.

    ``cause`` is None where it began. ``recorded`` says that the event itself names it; it is derived from the facts
    otherwise. ``missing`` is an id that the event names as its cause, and that no event before it has. ``evidence`` are
    the positions of further events that the sentence rests on.
    """

    cause: Event | None
    why: str
    recorded: bool = False
    missing: str | None = None
    evidence: tuple[int, ...] = ()


def at(event: Event | None) -> str:
    """Return where an event is."""
    return "an event that is not in the log" if event is None else f"@{event.position}"


def who(past: Past, event: Event) -> str:
    """Return whose act an event is."""
    return {HUB: "the hub", OPERATOR: "the operator"}.get(event.actor) or printable(past.names.agent(event.actor))


def say(why: str, *evidence: Event | None) -> Reason:
    """Return a reason whose cause is known already, with the events that the words rest on."""
    return Reason(None, why, evidence=tuple(event.position for event in evidence if event is not None))


def ttl(setter: Event | None, expires_us: int | None) -> Reason:
    """Return that the TTL which an event set was up, at ``expires_us`` microseconds since 1970."""
    due = f", up at {iso(expires_us)}" if expires_us is not None else ""
    return Reason(setter, f"expired by the TTL set at {at(setter)}{due}")
