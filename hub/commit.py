"""The one way in: decide, fold on trial, append, apply, publish (DESIGN, "The one way in").

Every change of the hub goes through ``Committer.run`` and nothing else writes. Deciding, encoding and applying happen
in one step of the event loop, so that the next decision sees this one; acknowledgement, delivery and listeners wait
for the store. An append that fails takes everything after it with it (``follows``): those commands raise StoreError,
and the state is folded anew from the log. Cost per command: O(its events).
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from eventsourcing.dcb.api import DCBEvent

from events.codec import encode
from events.errors import ProtocolError, StoreError
from events.event import HUB, OPERATOR, Event
from events.log import EventLog
from events.stores.base import Batch
from hub.activity import Activity
from hub.arbiter import Arbiter
from hub.catalogue import Catalogue
from hub.decisions import decide
from projections.archive import fold_session
from projections.state import HubState


class Routed(NamedTuple):
    """A recorded event and whom it goes to, as permitted at its position."""

    event: Event
    recipients: tuple[str, ...]


class Port(NamedTuple):
    """What the committer is given: time, ids, permission, and what happens next."""

    now_us: Callable[[], int]
    new_id: Callable[[], str]
    arbiter: Arbiter
    catalogue: Catalogue
    route: Callable[[HubState, Event], tuple[str, ...]]
    """Called just before an event is applied."""
    publish: Callable[[Sequence[Routed]], None]
    """Called with each decision's events once they are durable, in order of position; must not raise."""
    rebuild: Callable[[], HubState]
    """Folds the state anew from the log."""


class _InFlight(NamedTuple):
    routed: list[Routed]
    done: asyncio.Future[None]


class Committer:
    """Runs commands against one log, of which it is the only writer.

    Args:
        log: where events go.
        state: the fold of all of them.
        port: the rest of the hub.
        activity: told of commits in flight.
    """

    def __init__(self, log: EventLog, state: HubState, port: Port, activity: Activity) -> None:
        self.state = state
        self.log, self.port, self._activity = log, port, activity
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._in_flight: dict[Batch, _InFlight] = {}
        self._outgoing: list[Batch] = []
        self._undurable: dict[int, Event] = {}
        self._failed = False
        self._lost: list[tuple[asyncio.Future[None], BaseException]] = []
        self._drained = asyncio.Event()
        self._drained.set()
        self.errands: Callable[[], Any | None] = lambda: None
        self.errand_failed: Callable[[Any], None] = lambda errand: None
        self._paranoid = os.environ.get("LEDGERHUB_PARANOID", "") not in ("", "0")

    async def run(self, command: Any, actor: str = OPERATOR) -> Any:
        """Decide a command, and return its result once its events are on disk.

        Raises:
            NetworkError: the command is refused; nothing happened.
            StoreError: the store failed; nothing of the command is visible.
        """
        await self.recover()
        result, done = self._decide(command, actor)
        if done is not None:
            await asyncio.shield(done)
        return result

    def run_errands(self) -> None:
        """Decide what has gathered for the hub itself to say, so that the next command sees it and shares its commit.

        ``errands`` gives that command, or None. Nobody waits for it; while the store fails it is left where it is, and
        when the store fails it, ``errand_failed`` gets it back.
        """
        if not self._failed and (errand := self.errands()) is not None:
            _, done = self._decide(errand, HUB)
            if done is not None:
                done.add_done_callback(lambda done: self.errand_failed(errand) if done.exception() else None)

    def event_at(self, position: int) -> Event | None:
        """Return an event, durable or still on its way there, or None; O(log n)."""
        return self._undurable.get(position) or self.log.get(position)

    def revive(self, session_ids: Sequence[str]) -> None:
        """Fold dormant sessions anew, now that their type is loaded (SESS-9): all or none; O(their events)."""
        undurable = self.undurable()
        records = [fold_session(self.log, one, self.port.catalogue, undurable) for one in session_ids]
        for session_id, record in zip(session_ids, records, strict=True):
            self.state.sessions.revive(record)
            self.state.plan(session_id)

    def undurable(self) -> list[Event]:
        """Return the events that are applied and not on disk yet, in order."""
        return list(self._undurable.values())

    async def drain(self) -> None:
        """Wait until nothing is in flight."""
        await self._drained.wait()

    async def caught_up(self) -> None:
        """Wait until all that is decided by now is on disk; StoreError when it will not be."""
        if (done := self._newest()) is not None:
            await asyncio.shield(done)

    def _newest(self) -> asyncio.Future[None] | None:
        newest = next(reversed(self._in_flight.values()), None)
        return None if newest is None else newest.done

    def _decide(self, command: Any, actor: str) -> tuple[Any, asyncio.Future[None] | None]:
        """Decide, apply and hand over; returns the result and what it waits for.

        A decision without events (a retry of something that is still on its way to the disk, say) waits for the
        newest append, so that nothing is acknowledged that a crash could take back.
        """
        state, port = self.state, self.port
        decision = decide(
            state,
            command,
            arbiter=port.arbiter,
            catalogue=port.catalogue,
            at_us=max(port.now_us(), state.at_us),
            new_id=port.new_id,
            actor=actor,
        )
        if not decision.events:
            return decision.result, self._newest()
        batch = Batch(_encoded(decision.events), completed=self._completed, follows=state.position)
        routed = self._apply(decision.events)
        done: asyncio.Future[None] = self._loop.create_future()
        self._in_flight[batch] = _InFlight(routed, done)
        self._activity.begin()
        self._drained.clear()
        if not self._outgoing:
            self._loop.call_soon(self._hand_over)
        self._outgoing.append(batch)
        return decision.result, done

    def _apply(self, events: Sequence[Event]) -> list[Routed]:
        routed = []
        try:
            for event in events:
                routed.append(Routed(event, self.port.route(self.state, event)))
                self.state.apply(event)
                self._undurable[event.position] = event
        except Exception as error:  # a fold is at fault: nothing was written, the log is still right
            for event in events:
                self._undurable.pop(event.position, None)
            self._failed = True
            if not self._in_flight:
                self._rebuild()
            raise ProtocolError(f"a fold failed with {type(error).__name__}: {error}; nothing was written") from error
        return routed

    def _hand_over(self) -> None:
        """Give the store what one turn of the event loop has decided, at once: it wakes up once, and commits it all."""
        outgoing, self._outgoing = self._outgoing, []
        for batch in outgoing:
            self._submit(batch)

    def _submit(self, batch: Batch) -> None:
        try:
            self.log.recorder.submit(batch)
        except Exception as error:
            batch.error = error if isinstance(error, StoreError) else StoreError(f"the store refused to write: {error}")
            self._finish([batch])

    def _completed(self, batches: Sequence[Batch]) -> None:
        """Called by the store's writer, on its thread, once per commit."""
        if threading.get_ident() == self._thread:
            self._loop.call_soon(self._finish, batches)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._finish, batches)

    def _finish(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            flight = self._in_flight.pop(batch, None)
            if flight is None:
                continue
            for event, _ in flight.routed:
                self._undurable.pop(event.position, None)
            self._activity.end()
            if batch.error is not None:
                self._failed = True
                self._lost.append((flight.done, batch.error))
                continue
            self.port.publish(flight.routed)
            quiet = not (self._in_flight or self._failed)
            _settle(flight.done, self._difference() if self._paranoid and quiet else None)
        if not self._in_flight:
            self._rebuild()
            self._drained.set()

    async def recover(self) -> None:
        """After a failure, go on only once the state is that of the log again, and say what has gathered meanwhile.

        Raises:
            StoreError: the log cannot be read.
        """
        while self._failed:
            await self._drained.wait()
            if (error := self._rebuild()) is not None:
                raise error
        self.run_errands()

    def _rebuild(self) -> Exception | None:
        """Fold the log anew, so that nothing of what failed is visible, and then tell those who wait (LOG-5)."""
        if not self._failed:
            return None
        problem: Exception | None = None
        try:
            self.state = self.port.rebuild()
            self._failed = False
        except Exception as error:
            problem = error  # the next command tries again, and raises it
        lost, self._lost = self._lost, []
        for done, reason in lost:
            _settle(done, reason)
        return problem

    def _difference(self) -> AssertionError | None:
        """LEDGERHUB_PARANOID: the live state must equal a replay from zero (DET-2); returns what to raise if not."""
        fresh = HubState(self.port.catalogue).replay(self.log.read(content=False))
        live, replayed = self.state.digests(), fresh.digests()
        wrong = [name for name in live if live[name] != replayed[name]]
        if not wrong:
            return None
        return AssertionError(f"after position {self.state.position} the live {', '.join(wrong)} differ from replay")


def _encoded(events: Sequence[Event]) -> list[DCBEvent]:
    try:
        return [encode(event) for event in events]
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ProtocolError(f"the command holds what the log cannot keep: {error}; nothing was written") from error


def _settle(done: asyncio.Future[None], error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
        done.exception()  # retrieved here too: a caller that was cancelled must not leave a warning behind
