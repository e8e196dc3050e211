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
from typing import Any, NamedTuple, Protocol

from eventsourcing.dcb.api import DCBEvent

from events.codec import encode
from events.errors import InboxFull, ProtocolError, StoreError
from events.event import HUB, OPERATOR, Event
from events.log import EventLog
from events.stores.base import Batch, Completed
from events.values.envelope import Envelope
from hub.activity import Activity
from hub.arbiter import Arbiter
from hub.catalogue import Catalogue
from hub.clock import yield_once
from hub.decisions import Decision, decide
from projections.archive import fold_session
from projections.state import HubState


class Routed(NamedTuple):
    """A recorded event and whom it goes to, as permitted at its position.

    ``envelope`` is what a post was stamped as; others are built from their event when somebody wants them.
    """

    event: Event
    recipients: tuple[str, ...]
    envelope: Envelope | None = None


class Port(NamedTuple):
    """What the committer is given: time, ids, permission, and what happens next."""

    now_us: Callable[[], int]
    new_id: Callable[[], str]
    arbiter: Arbiter
    catalogue: Catalogue
    route: Callable[[HubState, Event], tuple[str, ...]]
    """Called just before an event is applied."""
    publish: Callable[[Sequence[Routed]], None]
    """Called with events once they are durable, in order of position, whole decisions; must not raise."""
    rebuild: Callable[[], HubState]
    """Folds the state anew from the log."""


class _Flight:
    """What one turn of the event loop decided, on its way to the store as one append, and who waits for it."""

    __slots__ = ("batch", "encoded", "error", "routed", "waiting")

    def __init__(self, completed: Completed, follows: int) -> None:
        self.encoded: list[DCBEvent] = []
        self.batch = Batch(self.encoded, completed=completed, follows=follows)
        self.error: BaseException | None = None
        self.routed: list[Routed] = []
        self.waiting: list[asyncio.Future[None]] = []


class Errands(Protocol):
    """What the hub has to say by itself, and gathers so that it shares the commits of others."""

    due: bool
    """Whether it should go with the next command."""

    def take(self) -> Any | None:
        """Return the command that says it all, or None."""
        ...

    def put_back(self, command: Any) -> None:
        """Keep it for later: the store failed."""
        ...

    def landed(self) -> None:
        """Hear that something has come to the disk, or failed to."""
        ...


class NoErrands:
    """Nothing to say."""

    due = False

    def take(self) -> Any | None:
        """Return None."""

    def put_back(self, command: Any) -> None:
        """Never called."""

    def landed(self) -> None:
        """Do nothing."""


class Committer:
    """Runs commands against one log, of which it is the only writer.

    The commands of one turn of the event loop share one append, which is handed over at the turn's end; to a store that
    commits while it is handed something (``commits_at_once``) each goes by itself.

    Args:
        log: where events go.
        state: the fold of all of them.
        port: the rest of the hub.
        activity: told of commits in flight.

    Attributes:
        errands: what the hub has to say by itself.
    """

    def __init__(self, log: EventLog, state: HubState, port: Port, activity: Activity) -> None:
        self.state = state
        self.log, self.port, self._activity = log, port, activity
        self.errands: Errands = NoErrands()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._at_once = log.recorder.commits_at_once
        self._in_flight: dict[Batch, _Flight] = {}
        self._gathering: _Flight | None = None
        self._submitting = False
        self._done_already: list[Batch] = []
        self._failed = False
        self._lost: list[tuple[asyncio.Future[None], BaseException]] = []
        self._drained = asyncio.Event()
        self._drained.set()
        self._paranoid = os.environ.get("LEDGERHUB_PARANOID", "") not in ("", "0")

    async def run(self, command: Any, actor: str = OPERATOR) -> Any:
        """Decide a command, and return its result once its events are on disk; others get a turn meanwhile.

        Raises:
            NetworkError: the command is refused; nothing happened.
            StoreError: the store failed; nothing of the command is visible.
        """
        if self._failed:
            await self.recover()
        if self.errands.due:
            self.run_errands()
        try:
            result, flight = self._decide(command, actor)
        except InboxFull:
            if not self.run_errands():
                raise
            result, flight = self._decide(command, actor)  # what fills the inbox may be handled, and not on record yet
        if flight is None:
            await yield_once()
        else:
            await self._landing(flight)
        return result

    def _landing(self, flight: _Flight) -> asyncio.Future[None]:
        """Return a future of the caller's own: who gives up must not take the others along."""
        done: asyncio.Future[None] = self._loop.create_future()
        flight.waiting.append(done)
        return done

    def run_errands(self) -> bool:
        """Decide what has gathered for the hub itself to say; returns whether there was anything.

        Nobody waits for it. While the store fails it is left where it is, and when the store fails it, it is put back.
        """
        if self._failed or (errand := self.errands.take()) is None:
            return False
        try:
            _, flight = self._decide(errand, HUB)
        except StoreError:
            self.errands.put_back(errand)
            return False
        if flight is not None:
            self._landing(flight).add_done_callback(
                lambda done: self.errands.put_back(errand) if done.exception() else None
            )
        return True

    @property
    def busy(self) -> bool:
        """Whether anything is on its way to the disk."""
        return bool(self._in_flight)

    def event_at(self, position: int) -> Event | None:
        """Return an event, durable or still on its way there, or None; O(log n + in flight)."""
        for flight in self._in_flight.values():
            first = flight.routed[0].event.position
            if first <= position < first + len(flight.routed):
                return flight.routed[position - first].event
        return self.log.get(position)

    def revive(self, session_ids: Sequence[str]) -> None:
        """Fold dormant sessions anew, now that their type is loaded (SESS-9): all or none; O(their events)."""
        undurable = self.undurable()
        records = [fold_session(self.log, one, self.port.catalogue, undurable) for one in session_ids]
        for session_id, record in zip(session_ids, records, strict=True):
            self.state.sessions.revive(record)
            self.state.plan(session_id)

    def undurable(self) -> list[Event]:
        """Return the events that are applied and not on disk yet, in order."""
        return [routed.event for flight in self._in_flight.values() for routed in flight.routed]

    async def drain(self) -> None:
        """Wait until nothing is in flight."""
        await self._drained.wait()

    async def caught_up(self) -> None:
        """Wait until all that is decided by now is on disk; StoreError when it will not be."""
        if (newest := self._newest()) is not None:
            await self._landing(newest)

    def _newest(self) -> _Flight | None:
        return next(reversed(self._in_flight.values()), None)

    def _decide(self, command: Any, actor: str) -> tuple[Any, _Flight | None]:
        """Decide, apply and hand over; returns the result and what it waits for: None when it is on disk already.

        A decision without events (a retry of something that is still on its way to the disk, say) waits for the
        newest append, so that nothing is acknowledged that a crash could take back.
        """
        state, port = self.state, self.port
        now_us, before = port.now_us(), state.position
        decision = decide(
            state,
            command,
            arbiter=port.arbiter,
            catalogue=port.catalogue,
            at_us=now_us if now_us > state.at_us else state.at_us,
            new_id=port.new_id,
            actor=actor,
        )
        if not decision.events:
            return decision.result, self._newest()
        encoded = _encoded(decision.events)
        routed = self._apply(decision)
        flight = self._gathering or self._gather(before)
        flight.encoded += encoded
        flight.routed += routed
        if self._at_once:
            self._hand_over()
            if flight.error is not None:
                raise flight.error
        return decision.result, flight if flight.batch in self._in_flight else None

    def _gather(self, follows: int) -> _Flight:
        """Begin an append that takes what this turn of the event loop decides."""
        flight = _Flight(self._completed, follows)
        self._in_flight[flight.batch] = self._gathering = flight
        self._activity.begin()
        self._drained.clear()
        if not self._at_once:
            self._loop.call_soon(self._hand_over)
        return flight

    def _apply(self, decision: Decision) -> list[Routed]:
        posted, state, route = decision.draft.posted, self.state, self.port.route
        routed = []
        try:
            for event in decision.events:
                envelope = posted if posted is not None and posted.envelope_id == event.id else None
                routed.append(Routed(event, route(state, event), envelope))
                state.apply(event)
        except Exception as error:  # a fold is at fault: nothing was written, the log is still right
            self._failed = True
            if not self._in_flight:
                self._rebuild()
            raise ProtocolError(f"a fold failed with {type(error).__name__}: {error}; nothing was written") from error
        return routed

    def _hand_over(self) -> None:
        """Give the store what was gathered: it wakes up once, and commits it all."""
        flight, self._gathering = self._gathering, None
        assert flight is not None, "whoever begins to gather hands over once"
        batch, self._submitting = flight.batch, True
        try:
            self.log.recorder.submit(batch)
        except Exception as error:
            batch.error = error if isinstance(error, StoreError) else StoreError(f"the store refused to write: {error}")
            self._done_already.append(batch)
        finally:
            self._submitting = False
        self._finish_already()

    def _completed(self, batches: Sequence[Batch]) -> None:
        """Called by the store, once per commit: by its writer on its own thread, or while it is handed something."""
        if threading.get_ident() != self._thread:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._finish, batches)
        else:
            self._done_already += batches
            if not self._submitting:
                self._loop.call_soon(self._finish_already)

    def _finish_already(self) -> None:
        """Finish what this thread has completed, in order: what was completed before a hand-over goes before it."""
        if self._done_already:
            done, self._done_already = self._done_already, []
            self._finish(done)

    def _finish(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            flight = self._in_flight.pop(batch, None)
            if flight is None:
                continue
            self._activity.end()
            flight.error = batch.error
            if batch.error is not None:
                self._failed = True
                self._lost += [(done, batch.error) for done in flight.waiting]
                continue
            self.port.publish(flight.routed)
            if self._paranoid and not (self._in_flight or self._failed):
                flight.error = self._difference()
            for done in flight.waiting:
                _settle(done, flight.error)
        if not self._in_flight:
            self._rebuild()
            self._drained.set()
        self.errands.landed()

    async def recover(self) -> None:
        """After a failure, go on only once the state is that of the log again, and say what has gathered meanwhile.

        Raises:
            StoreError: the log cannot be read.
        """
        while self._failed:
            await self._drained.wait()
            if (error := self._rebuild()) is not None:
                raise error
        if self.errands.due:
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
