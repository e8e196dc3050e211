"""What can be done with a history beside reading it: decide its commands again, or go on from a point of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from events.event import Event
from events.sessions import EnvelopePosted, InboxAcknowledged, SessionClosed, SessionExpired
from events.stores import ForkRecorder
from events.tasks import TaskExpired
from events.values.times import iso
from hub.hub import Hub
from hub.testing import MockClock
from replay.commands import Recorded, commands
from replay.history import History
from replay.implied import COMMANDS
from replay.points import find_session


def commands_of(history: History, session: str | None = None) -> Iterator[Recorded]:
    """Give the commands that a history's events imply; see ``History.commands``."""
    if session is None:
        yield from commands(history.log.read(until=history.head))
        return
    created = find_session(history.log, history.head, session)
    before = history.at(created.position - 1)
    limits = {agent_id: record.rule.limits for agent_id, record in before.registry.agents.items()}
    envelopes: set[str] = set()
    for recorded in commands(history.log.read(after=before.position, until=history.head), limits):
        events = [event for event in recorded.events if _concerns(event, created.id, envelopes)]
        if events:
            yield recorded
        envelopes.update(event.id for event in events if isinstance(event.body, EnvelopePosted))
        if any(isinstance(event.body, SessionClosed | SessionExpired) for event in events):
            return


def _concerns(event: Event, session_id: str, envelopes: set[str]) -> bool:
    if isinstance(event.body, InboxAcknowledged):
        return not envelopes.isdisjoint(event.body.envelope_ids)
    return getattr(event.body, "session_id", None) == session_id


def end_of_append(history: History, point: str | int) -> int:
    """Return the last position of the append that a point is in; O(its events).

    What is decided as one happens as one: a session whose last reply is there and whose end is not is no state that
    a hub was ever in (trap 3).
    """
    position = history.position(point)
    for event in history.log.read(after=position, until=history.head if position else 0):
        ahead_of_end = isinstance(event.body, TaskExpired) and event.cause is None
        if ahead_of_end or COMMANDS[type(event.body)](event, {}) is not None:
            break
        position = event.position
    return position


async def fork(history: History, point: str | int = "head", **options: Any) -> Hub:
    """Open a hub in memory that goes on from a point; see ``History.fork``."""
    position = end_of_append(history, point)
    if "clock" not in options and position:
        options["clock"] = MockClock(iso(history.event(position).at_us))
    hub = Hub(ForkRecorder(history.log.recorder, position), register_default_adapters=False, **options)
    for adapter in history.catalogue.adapters.values():
        hub.register_adapter(adapter)
    return await hub.start()
