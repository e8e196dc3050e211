"""The hub: the face of the library, wiring only (SPEC §1).

Commands become values and go through ``hub.commit``; questions are in ``hub.reads``; what is decided is in
``hub.decisions``; what is remembered is in ``projections``.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from events.codec import FORMAT
from events.errors import NetworkError, ProtocolError, StoreLockedError
from events.event import HUB, Event
from events.log import EventLog
from events.sessions import EnvelopePosted
from events.stores.base import LogRecorder
from events.values import Passport, Resume, Rule
from hub.activity import QUIET_ROUNDS, Activity
from hub.arbiter import Arbiter, RuleBasedArbiter
from hub.auth import AuthRegistry
from hub.catalogue import Catalogue, library_version
from hub.checkpointing import Checkpointer
from hub.clock import Clock, Timers, now_us, system_clock, timers_of, yield_once
from hub.commands import Commands
from hub.commit import Committer, Port, Routed
from hub.decisions import RecordOpening, sweeping
from hub.decisions.draft import guarded
from hub.delivery import Delivery, route
from hub.expectations import Evaluator, ViolationHandler
from hub.handshake import Handshakes
from hub.ids import AscendingIds, Ids, SystemIds
from hub.listeners import HubListener, Listeners
from hub.loading import load_linked
from hub.protocols import default_adapters
from hub.protocols.base import SessionAdapter
from hub.publishing import Publisher
from hub.refusals import Refusals
from hub.sweepers import Sweepers, Tick
from projections.audit import AuditLog
from projections.state import HubState
from projections.wal import read_wal

if TYPE_CHECKING:
    from hub.client.agent_client import AgentClient
    from hub.links.connection import Connection

CAUSES_KEPT = 4096
"""Envelopes that are at hand as causes without a look into the log."""
_TAKEN: WeakSet[LogRecorder] = WeakSet()
"""The stores that hubs of this process write (LOG-4)."""


class Hub(Commands):
    """A hub over one log. Make it with ``await Hub.open(store)``; use it on one event loop.

    The holder of this object is the operator (SESS-7): commands called on it are recorded with the actor
    ``operator``. Agents come through links and act as themselves.
    """

    def __init__(
        self,
        store: LogRecorder,
        *,
        auth: AuthRegistry | None = None,
        clock: Clock | None = None,
        ids: Ids | None = None,
        ttl_sweep_interval: float = 30.0,
        expectation_sweep_interval: float = 10.0,
        invite_ack_timeout: float = 30.0,
        register_default_adapters: bool = True,
        listeners: Iterable[HubListener] = (),
        arbiter: Arbiter | None = None,
    ) -> None:
        self.store = store
        self.auth = auth or AuthRegistry.default()
        self.clock = clock or system_clock
        self._ids = AscendingIds(ids if ids is not None else SystemIds())
        self._intervals_s = {"ttl": ttl_sweep_interval, "expectations": expectation_sweep_interval}
        self._invite_ack_timeout_s = invite_ack_timeout
        self._arbiter = arbiter or RuleBasedArbiter()
        self._catalogue = Catalogue()
        self._adapters: Sequence[SessionAdapter] = default_adapters() if register_default_adapters else ()
        self._wanted_listeners = tuple(listeners)
        self._causes: OrderedDict[str, Event] = OrderedDict()
        self.timers: Timers = timers_of(self.clock)
        self.connections: WeakSet[Connection] = WeakSet()
        self._opened = self._closed = False

    @classmethod
    async def open(
        cls,
        store: LogRecorder,
        *,
        auth: AuthRegistry | None = None,
        clock: Clock | None = None,
        ids: Ids | None = None,
        ttl_sweep_interval: float = 30.0,
        expectation_sweep_interval: float = 10.0,
        invite_ack_timeout: float = 30.0,
        register_default_adapters: bool = True,
        listeners: Iterable[HubListener] = (),
        arbiter: Arbiter | None = None,
    ) -> Hub:
        """Open a hub on a store: replay its log, start the sweepers.

        Args:
            store: ``MemoryKnowledgeStore()``, ``DiskKnowledgeStore(path)`` or another recorder of this kind.
            auth: who is let in; None: whoever shows nothing.
            clock: says the time (DET-0); None: the machine's.
            ids: gives ids (DET-0); None: time-ordered ones.
            ttl_sweep_interval: seconds between looks at what is due; 0: never by itself.
            expectation_sweep_interval: seconds between looks at expectations; 0: never by itself.
            invite_ack_timeout: seconds in which invites have to be answered (SESS-3).
            register_default_adapters: False: no session type but those that are registered.
            listeners: told of what happens from the first event on.
            arbiter: who permits (RULE-13); None: the agents' rules.

        Raises:
            StoreLockedError: another process writes this log.
            StoreError: the log cannot be opened, or was written by a newer library.
            CorruptLogError: the log's bytes are not what was written.
            ValueError: the store is none, or the clock or the ids are not usable (DET-0).

        Cost: O(events since the last projection checkpoint).
        """
        hub = cls(
            store,
            auth=auth,
            clock=clock,
            ids=ids,
            ttl_sweep_interval=ttl_sweep_interval,
            expectation_sweep_interval=expectation_sweep_interval,
            invite_ack_timeout=invite_ack_timeout,
            register_default_adapters=register_default_adapters,
            listeners=listeners,
            arbiter=arbiter,
        )
        return await hub.start()

    async def start(self) -> Hub:
        """Open a hub that was constructed; ``open`` does both."""
        if not isinstance(self.store, LogRecorder):
            raise ValueError("a hub needs a store: give MemoryKnowledgeStore() or DiskKnowledgeStore(path)")
        if self._opened:
            raise ProtocolError("this hub was opened already; open another one on the same store after closing it")
        self._now_us()
        for adapter in self._adapters:
            self._catalogue.register_adapter(adapter)
        if self.store in _TAKEN:
            raise StoreLockedError(
                f"the log {self.store.path} is written by another hub of this process: close that one first",
                pid=os.getpid(),
                path=self.store.path,
            )
        _TAKEN.add(self.store)
        try:
            await asyncio.to_thread(self.store.open)
            await self._take_up()
        except BaseException:
            self.store.close()
            _TAKEN.discard(self.store)
            raise
        return self

    async def _take_up(self) -> None:
        self._log = EventLog(self.store)
        state, link = await asyncio.to_thread(load_linked, self._log, self._catalogue)
        self._ids.floor(state.last_id)
        self.activity = Activity()
        self.listeners = Listeners()
        for listener in self._wanted_listeners:
            self.listeners.register(listener)
        self._publisher = Publisher(self.listeners)
        port = Port(self._now_us, self._ids, self._arbiter, self._catalogue, self._route, self._publish, self._rebuild)
        self._committer = Committer(self._log, state, port, self.activity)
        self._checkpointer = Checkpointer(self._log, self._catalogue, lambda: self._state, self.listeners.on_error)
        self._checkpointer.restart(state, link)
        self._refusals = Refusals(self._committer, self.listeners)
        self._handshakes = Handshakes(self.name_for)
        self.delivery = Delivery(self._committer, self._now_us, self.listeners, self.activity)
        self.audit_log = self._audit_log = AuditLog(self._log, self._follow, self._publisher.audit_subscribers)
        self._sweepers = Sweepers(self.timers, self.listeners, self.activity)
        self._opened = True
        await self._committer.run(RecordOpening(library_version(), FORMAT, self._catalogue.names()), HUB)
        self._sweepers.register("ttl", self._intervals_s["ttl"], self._ttl_tick)
        self._sweepers.register("expectations", self._intervals_s["expectations"], self._expectation_tick)

    async def close(self) -> None:
        """Stop the sweepers, drain what was accepted, write a projection checkpoint, close the store; idempotent."""
        if self._closed or not self._opened:
            self._closed = True
            return
        self._closed = True
        await self._sweepers.close()
        await self.delivery.close()
        await self._committer.drain()
        for _ in range(QUIET_ROUNDS):  # who asked for what was drained reads its outcome before the log is closed
            await yield_once()
        self._handshakes.close()
        for connection in tuple(self.connections):
            connection.close()
        await self._checkpointer.close(self._log.head)
        self._publisher.close()
        await yield_once()  # so that followers who wait read to the end
        self._log.close()
        await asyncio.to_thread(self.store.close)
        _TAKEN.discard(self.store)
        self.listeners.on_close()

    async def __aenter__(self) -> Hub:
        return self if self._opened else await self.start()

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def register(
        self,
        agent: object,
        passport: Passport,
        resume: Resume | None = None,
        *,
        rule: Rule | None = None,
        skill: str | None = None,
    ) -> AgentClient:
        """Register an agent on a connection of its own; closing the client closes the connection."""
        from hub.client.hub_client import HubClient  # noqa: PLC0415  (the client is built on the hub)
        from hub.links.local import LocalLink  # noqa: PLC0415

        return await HubClient(LocalLink(self), hub=self).register(agent, passport, resume, rule=rule, skill=skill)

    # Registries.

    def register_adapter(self, adapter: SessionAdapter) -> None:
        """Add a session type; its dormant sessions come back to life (SESS-9). O(envelopes of those).

        Raises:
            ProtocolError: it names an evaluator or handler that is not registered (trap 18), or cannot fold a session
                that is there: it is not added then, and its sessions stay dormant (trap 9).
        """
        key = (adapter.manifest.type, adapter.manifest.version)
        before = self._catalogue.adapters.get(key)
        self._catalogue.register_adapter(adapter)
        if not self._opened:
            return
        dormant = [
            record.session_id
            for record in self._state.sessions.live.values()
            if (record.manifest.type, record.manifest.version) == key and record.adapter_state is None
        ]
        try:
            guarded(f"folding the sessions of type {key[0]!r}", self._committer.revive, dormant)
        except NetworkError:
            self._catalogue.restore(key, before)
            raise

    def register_expectation_evaluator(self, evaluator: Evaluator) -> None:
        """Add or replace an expectation evaluator, by its ``name``."""
        self._catalogue.evaluators[evaluator.name] = evaluator

    def register_violation_handler(self, handler: ViolationHandler) -> None:
        """Add or replace a violation handler, by its ``name``."""
        self._catalogue.handlers[handler.name] = handler

    def register_listener(self, listener: HubListener) -> Callable[[], None]:
        """Tell a listener what happens from now on; returns what ends it."""
        return self.listeners.register(listener)

    def register_sweeper(self, name: str, interval_s: float, tick: Tick) -> Callable[[], None]:
        """Run a coroutine function every so many seconds of the hub's clock; returns what ends it."""
        return self._sweepers.register(name, interval_s, tick)

    def health(self) -> dict[str, Any]:
        """Return a handful of numbers for a dashboard; O(agents)."""
        state = self._state
        return {
            "status": "closed" if self._closed else "ok",
            "position": self.position,
            "registered_agents": len(state.registry.agents),
            "connected_agents": sum(1 for agent_id in state.registry.agents if self.delivery.is_bound(agent_id)),
            "live_sessions": len(state.sessions.live),
            "open_tasks": len(state.tasks.open),
            "pending_inbox_total": sum(state.inboxes.depth(agent_id) for agent_id in state.registry.agents),
            "adapters": list(self._catalogue.names()),
        }

    # Time.

    async def expire_due(self) -> None:
        """End every session, handshake and task whose time is up (GOV-5); O(what is due)."""
        await self._committer.recover()
        due = self._state.lapses.due(self._now_us())
        await _each(due, lambda one: self._run_sweep(sweeping.Lapse(one)), self._plan)
        due = self._state.tasks.deadlines.due(self._now_us())
        await _each(due, lambda one: self._run_sweep(sweeping.LapseTask(one)), self._plan_task)

    async def _ttl_tick(self) -> None:
        await self.expire_due()

    async def _expectation_tick(self) -> None:
        """Look at every session with an expectation that is due (GOV-4); O(what is due)."""
        await self._committer.recover()
        due = self._state.expectations.due(self._now_us())
        await _each(due, self._check_expectations, self._plan)

    async def _check_expectations(self, session_id: str) -> None:
        command = sweeping.CheckExpectations(
            session_id, partial(read_wal, self._log, session_id), self.listeners.on_error
        )
        try:
            await self._run_sweep(command)
        except Exception as error:
            self.listeners.on_error(f"expectations of session {session_id}", error)

    def _plan(self, session_id: str) -> None:
        self._state.plan(session_id)

    def _plan_task(self, task_id: str) -> None:
        self._state.tasks.plan(task_id)

    async def _run_sweep(self, command: Any) -> None:
        await self._committer.run(command, HUB)

    # Inside.

    def _now_us(self) -> int:
        return now_us(self.clock)

    def _route(self, state: HubState, event: Event) -> tuple[str, ...]:
        recipients = route(state, event)
        if isinstance(event.body, EnvelopePosted):
            self._publisher.weigh(state, event)
        return recipients

    def _rebuild(self) -> HubState:
        self._publisher.forget()
        state, link = load_linked(self._log, self._catalogue)
        self._checkpointer.restart(state, link)
        return state

    def _publish(self, routed: Sequence[Routed]) -> None:
        causes = self._causes
        for event, _, _ in routed:
            body = event.body
            if body.__class__ is EnvelopePosted:
                causes[event.id] = event
                if len(causes) > CAUSES_KEPT:
                    causes.popitem(last=False)
            else:
                self._handshakes.hear(event)
            self._publisher.publish(event)
        self.delivery.publish(routed)
        self._checkpointer.reached(routed[-1].event.position)

    def _follow(self, after: int) -> AsyncIterator[Event]:
        return self._publisher.follow(self._log, after)


async def _each(due: Sequence[str], act: Callable[[str], Awaitable[None]], plan: Callable[[str], None]) -> None:
    """Act on each key that is due, then plan it anew: what a tick that is cut short leaves is due at the next one."""
    for place, key in enumerate(due):
        try:
            await act(key)
        except BaseException:
            for left in due[place:]:
                plan(left)
            raise
        plan(key)
