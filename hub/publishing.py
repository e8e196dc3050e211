"""Telling listeners, audit subscribers and followers what was recorded; a failure there is theirs alone."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator

from events.errors import StoreError
from events.event import Event
from events.log import EventLog
from events.sessions import EnvelopePosted
from events.values.envelope import is_protocol_event
from events.values.rule import InboxBlock
from hub.listeners import HubListener
from projections.audit import AuditRecord, Subscriber, audit_record
from projections.state import HubState

HIGH_WATER_SHARE = 0.8
"""Of max_pending, when a rule names no high_water (RULE-9)."""


def high_water(inbox: InboxBlock) -> int:
    """Return the depth at which an inbox is under pressure; 0 for never."""
    return round(inbox.max_pending * HIGH_WATER_SHARE) if inbox.high_water is None else inbox.high_water


class Publisher:
    """Fans recorded events out."""

    def __init__(self, listeners: HubListener) -> None:
        self.audit_subscribers: list[Subscriber] = []
        self._listeners = listeners
        self._pressure: dict[int, list[tuple[str, int]]] = {}
        self._more = asyncio.Event()
        self._tasks: set[asyncio.Future[None]] = set()
        self._closed = False

    def weigh(self, state: HubState, event: Event) -> None:
        """Before an envelope is applied, note whose inbox it lifts to its high-water mark."""
        body: EnvelopePosted = event.body
        agents, depth = state.registry.agents, state.inboxes.depth
        for agent_id in body.recipients:
            record = agents.get(agent_id)
            if record is None or not (mark := high_water(record.rule.inbox)) or depth(agent_id) + 1 != mark:
                continue
            if not is_protocol_event(body.event_type):
                self._pressure.setdefault(event.position, []).append((agent_id, mark))

    def forget(self) -> None:
        """Drop what was noted of envelopes that did not make it into the log."""
        self._pressure.clear()

    def publish(self, event: Event) -> None:
        """Tell everybody of a recorded event."""
        self._listeners.on_event(event)
        for agent_id, mark in self._pressure.pop(event.position, ()) if self._pressure else ():
            self._listeners.on_inbox_pressure(agent_id, mark, mark)
        if self.audit_subscribers and (record := audit_record(event)) is not None:
            for subscriber in tuple(self.audit_subscribers):
                self._tell(subscriber, record)
        self._more.set()

    def close(self) -> None:
        """End every follower once it has read what there is."""
        self._closed = True
        self._more.set()

    async def follow(self, log: EventLog, after: int) -> AsyncIterator[Event]:
        """Give the events after a position, then each new one, until the hub closes.

        Whoever waits for the next one gets all there were; whoever is slower than the closing gets no more.
        """
        while True:
            try:
                for event in log.read(after=after):
                    after = event.position
                    yield event
            except StoreError:
                if not self._closed:
                    raise
            if self._closed:
                return
            if log.head == after:  # else there is more; followers share one event, so clear only to wait
                self._more.clear()
                await self._more.wait()

    def _tell(self, subscriber: Subscriber, record: AuditRecord) -> None:
        try:
            told = subscriber(dict(record))
            if inspect.isawaitable(told):
                task = asyncio.ensure_future(told)
                self._tasks.add(task)
                task.add_done_callback(self._told)
        except Exception as error:
            self._listeners.on_error("an audit subscriber", error)

    def _told(self, task: asyncio.Future[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._listeners.on_error("an audit subscriber", error)
