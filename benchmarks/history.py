"""Long pasts, made quickly: the life of one real session, stamped again and again with fresh ids.

What is stamped was recorded by a real hub, so a made log holds what a hub that lived through it would have written,
with the same causes and order; only the deadlines are those of the one life that was recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from eventsourcing.dcb.api import DCBEvent

from benchmarks.harness import Bench
from benchmarks.network import Network
from events.agents import AgentRegistered
from events.codec import encode
from events.event import SCHEMAS, Event
from events.governance import HubOpened
from events.log import EventLog
from events.sessions import SessionClosed
from events.stores import DiskKnowledgeStore, MemoryKnowledgeStore
from events.stores.base import LogRecorder
from hub import Hub, Passport, ProtocolError
from hub.ids import SystemIds
from hub.testing import settle

BATCH_EVENTS = 4096
_ID_SLOTS = {
    body: [(spec.slot, spec.kind == "ids") for spec in schema.facts if spec.kind in ("id", "ids")]
    for body, schema in SCHEMAS.items()
}
"""The places of a body's ids, and whether many stand there."""


@dataclass(frozen=True, slots=True)
class Tape:
    """One life as it was recorded: the two agents, their session, its end."""

    agents: tuple[Event, ...]
    session: tuple[Event, ...]
    closing: tuple[Event, ...]

    @classmethod
    async def record(cls, posts: int) -> Tape:
        """Live once: register two agents, open a conversation, post and acknowledge so many envelopes, close."""
        store = MemoryKnowledgeStore()
        network = await Network.open(store, 1)
        for _ in range(posts):
            await network.post(1)
        await network.hub.close_session(network.pairs[0].session_id)
        await network.close()
        return cls._of(store)

    @classmethod
    async def record_unanswered(cls) -> Tape:
        """The shortest life: a session that is closed while its invite waits for an answer."""
        store = MemoryKnowledgeStore()
        async with await Hub.open(store, ttl_sweep_interval=0, expectation_sweep_interval=0) as hub:
            caller, silent = [await hub.register_identity(Passport(name=name)) for name in ("caller", "silent")]
            opening = asyncio.create_task(
                hub.create_session(type="conversation", creator_id=caller.agent_id, target=silent.agent_id)
            )
            await settle(hub)
            (session,) = await hub.list_sessions()
            await hub.close_session(session.session_id)
            with suppress(ProtocolError):
                await opening
        return cls._of(store)

    @classmethod
    def _of(cls, store: MemoryKnowledgeStore) -> Tape:
        events = [event for event in EventLog(store).read() if not isinstance(event.body, HubOpened)]
        agents = tuple(event for event in events if isinstance(event.body, AgentRegistered))
        ending = next(event for event in events if isinstance(event.body, SessionClosed))
        closing = tuple(event for event in events if event.position >= ending.position)
        session = tuple(event for event in events if event not in agents and event not in closing)
        return cls(agents, session, closing)


class Stamp:
    """Writes a tape's events anew, each with an id of its own and at a time of its own.

    Args:
        tape: what is stamped.
        pairs: how many pairs of agents the sessions are shared out to.
    """

    def __init__(self, tape: Tape, pairs: int) -> None:
        self._tape, self._pairs = tape, pairs
        self._new_id: Callable[[], str] = SystemIds()
        self._at_us = max(event.at_us for event in (*tape.agents, *tape.session, *tape.closing))
        self._people: list[dict[str, str]] = []

    def past(self, closed: int, live: int) -> Iterator[DCBEvent]:
        """Give the agents, then so many sessions that still live, then so many that were closed."""
        for number in range(self._pairs):
            known: dict[str, str] = {}
            self._people.append(known)
            for event in self._tape.agents:
                named = event._replace(body=event.body._replace(name=f"past-{number}-{event.body.name}"))
                yield self._stamped(named, known)
        for number in range(live + closed):
            known = dict(self._people[number % self._pairs])
            for event in self._tape.session if number < live else (*self._tape.session, *self._tape.closing):
                yield self._stamped(event, known)

    def _stamped(self, event: Event, known: dict[str, str]) -> DCBEvent:
        """Put the ids that are known in place of the recorded ones; the event's own is known from now on."""
        body, event_id, _, actor, cause, _ = event
        known[event_id] = fresh = self._new_id()
        values = list(body)
        for slot, many in _ID_SLOTS[type(body)]:
            value = values[slot]
            if value is not None:
                values[slot] = tuple([known.get(each, each) for each in value]) if many else known.get(value, value)
        self._at_us += 1
        return encode(
            Event(type(body)(*values), fresh, self._at_us, known.get(actor, actor), known.get(cause or "", cause))
        )


def write(store: LogRecorder, events: Iterable[DCBEvent]) -> None:
    """Append events to a store in large commits, and close it."""
    source = iter(events)
    while batch := list(islice(source, BATCH_EVENTS)):
        store.append(batch)
    store.close()


async def long_log(bench: Bench, events: int, live: int) -> Path:
    """Return the folder of a log of about so many events, ``live`` sessions among them still open.

    Made once per run for each pair of arguments. Sessions have one envelope, and a hundred pairs of agents hold them.
    """
    key = (events, live)
    if key not in bench.logs:
        tape = await Tape.record(posts=1)
        pairs = min(100, max(1, events // 100))
        left = events - 2 * pairs - live * len(tape.session)
        closed = max(0, left) // (len(tape.session) + len(tape.closing))
        folder = bench.folder(f"past-{events}-{live}")
        write(DiskKnowledgeStore(folder, durability="os"), Stamp(tape, pairs).past(closed, live))
        bench.logs[key] = folder
    return bench.logs[key]
