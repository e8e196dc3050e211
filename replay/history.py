"""A log to ask: its events, and what the hub knew at any point of it (REPLAY, time travel as a library)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from events.agents import AgentRegistered
from events.errors import CorruptLogError, NetworkError
from events.event import Event
from events.log import EventLog, tagged
from events.notes import VerifierKey
from events.stores import DiskKnowledgeStore, LogRecorder
from events.stores.subscription import POLL_INTERVAL_S
from events.values.envelope import Envelope
from hub.catalogue import Catalogue
from hub.loading import checkpoint_folder, restored
from hub.protocols import default_adapters
from hub.protocols.base import SessionAdapter
from projections.archive import fold_session
from projections.audit import AuditRecord, audit_record, query_for
from projections.sessions import SessionRecord
from projections.state import HubState
from projections.wal import wal_envelope
from replay.checkpoint import Standing, newest, standing
from replay.errors import AbsentError, QuestionError
from replay.names import REMEMBERED, Names
from replay.points import find_agents, find_session, last_position, parse_point
from replay.query import PROGRESS_EVENTS, Query, Selection, select

if TYPE_CHECKING:
    from hub.hub import Hub
    from replay.commands import Recorded

ENDED_REMEMBERED = 8
"""Ended sessions kept folded."""
Progress = Callable[[int], None]
"""Told how many events were read so far."""


class Evidence(NamedTuple):
    """What a screen is pinned to: the log's identity, its last position, its Merkle root there in hex.

    ``root`` is None when the tree cannot be read, ``checkpoint`` the position of the newest signed checkpoint or None,
    ``standing`` what is known of that.
    """

    origin: str
    head: int
    root: str | None
    checkpoint: int | None = None
    standing: Standing = Standing.UNSIGNED


class Rebuilt(NamedTuple):
    """A state, the position of the projection checkpoint under it (0: none), and the events folded on that."""

    state: HubState
    checkpoint: int
    folded: int


class History:
    """A log as it stood when it was opened; a hub may go on writing it. Use it as a context manager, or ``close`` it.

    Args:
        recorder: an open store; closed with the history.
        adapters: the session types to fold with. A session of any other type is dormant: it is listed and readable,
            and nobody's turn (SESS-9).
        key: whose signed checkpoints count as evidence; None: anybody's, unchecked.
    """

    def __init__(
        self,
        recorder: LogRecorder,
        adapters: Iterable[SessionAdapter] | None = None,
        key: VerifierKey | None = None,
    ) -> None:
        self.log = EventLog(recorder)
        self.key = key
        self.names = Names(self.log)
        self.catalogue = Catalogue()
        for adapter in default_adapters() if adapters is None else adapters:
            self.catalogue.register_adapter(adapter)
        self.head = self.log.head
        # What was found up to a head stays so: a fold that looks at it at each event finds it once.
        self._session_id = lru_cache(REMEMBERED)(lambda head, session: find_session(self.log, head, session).id)
        self._agent_ids = lru_cache(REMEMBERED)(lambda head, agent: find_agents(self.log, agent))
        self._ended = lru_cache(ENDED_REMEMBERED)(self._fold_ended)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        adapters: Iterable[SessionAdapter] | None = None,
        key: VerifierKey | None = None,
    ) -> History:
        """Open a log for reading; nothing in it is changed, and a hub may be writing it.

        Raises:
            StoreError: there is no log, it is something else, or a newer library wrote it.
            CorruptLogError: it is damaged.
        """
        recorder = DiskKnowledgeStore(path)
        recorder.open(readonly=True)
        try:
            return cls(recorder, adapters, key)
        except BaseException:
            recorder.close()
            raise

    def close(self) -> None:
        """Close the log; a second call changes nothing."""
        self.log.recorder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def path(self) -> str:
        """Where the log is."""
        return self.log.recorder.path

    def refresh(self) -> int:
        """Move ``head`` to what the log has now, and return it."""
        self.head = self.log.head
        return self.head

    def evidence(self) -> Evidence:
        """Return what pins down what is said of this log; O(log n), and a look at the names of signed checkpoints.

        Raises:
            MissingLibraryError: there is a key, and the package ``cryptography`` is missing.
        """
        recorder = self.log.recorder
        try:
            root = recorder.root(self.head).hex()
        except CorruptLogError:
            root = None
        kept = newest(self.log, self.head, self.key)
        if kept is None:
            return Evidence(recorder.origin, self.head, root)
        known = standing(self.log, kept, self.key)
        return Evidence(recorder.origin, self.head, root, kept.checkpoint.size, known)

    # Where, who, which.

    def position(self, point: str | int) -> int:
        """Return the last position at or before a point; see ``replay.points`` for how one is written.

        Raises:
            QuestionError: it is not a point of this log.
        """
        text = f"@{point}" if isinstance(point, int) else point
        return last_position(self.log, self.head, parse_point(self.log, self.head, text))

    def event(self, point: str | int) -> Event:
        """Return the event at a point.

        Raises:
            QuestionError: it is not a point of this log, or before its first event.
        """
        position = self.position(point)
        event = self.log.get(position) if position else None
        if event is None:
            raise QuestionError(f"{point!r} is before the log's first event: give @1 or later")
        return event

    def session_id(self, session: str) -> str:
        """Return the id of the session meant by a beginning of it or ``@N``; QuestionError for none, or several."""
        return self._session_id(self.head, session)

    def start_us(self) -> int:
        """Return the time of the first event in microseconds since 1970, 0 for an empty log; O(log n)."""
        event = self.log.get(1, content=False)
        return 0 if event is None else event.at_us

    def end_us(self) -> int:
        """Return the time of the last event in microseconds since 1970, 0 for an empty log; O(log n)."""
        event = self.log.get(self.head, content=False) if self.head else None
        return 0 if event is None else event.at_us

    # Events and views.

    def select(self, query: Query) -> Selection:
        """Make out a query in this log; raises QuestionError when it names what is not there."""
        return select(self.log, self.head, self.names, query)

    def events(self, query: Query | None = None) -> Iterator[Event]:
        """Give the events that match, lazily, up to the head; O(matches) for what is indexed."""
        query = query or Query()
        return self.select(query).read(self.log, limit=query.limit, reverse=query.reverse)

    def follow(
        self, query: Query | None = None, after: int = 0, idle: Callable[[], None] | None = None
    ) -> Iterator[Event]:
        """Give the events after a position that match, and then each new one, for ever.

        Args:
            query: which; its ``until``, ``limit`` and ``reverse`` do not count.
            after: the position to start behind.
            idle: called each time everything there was has been given; what it raises ends the following.
        """
        selection, waiting = self.select(query or Query()), threading.Event()
        while True:
            head = self.refresh()
            yield from selection.read(self.log, after=after, until=head)
            after = head
            if idle is not None:
                idle()
            waiting.wait(POLL_INTERVAL_S)

    def causes(self, point: str | int) -> Iterator[Event]:
        """Give what led to the event at a point, nearest first: the events that are named as causes; O(log² n) each.

        ``replay.why`` goes on where an event names none.
        """
        event = self.event(point)
        while event.cause is not None and (cause := self.log.find(event.cause)) is not None:
            if cause.position >= event.position:
                return  # what claims to be caused by the future is not followed
            yield cause
            event = cause

    def effects(self, point: str | int) -> Iterator[Event]:
        """Give the events that name the one at a point as their cause, oldest first.

        They are looked for among those that share a session or an agent with it: O(what follows under its tags).
        ``replay.impact`` gives all that depends on it.
        """
        from replay.effects import Effects  # noqa: PLC0415  (it reads histories)

        return (effect.event for effect in Effects(self, self.event(point), direct=True))

    def wal(self, session: str, since: int = 0, until: int | None = None) -> Iterator[tuple[Event, Envelope]]:
        """Give the slice ``[since:until]`` of a session's write-ahead log with the events behind it (ENV-5, ENV-6)."""
        query = tagged(f"session:{self.session_id(session)}")
        start = self.log.bisect(query, _sequence, since + 1) if since > 0 else 1
        if start is None:
            return
        for event in self.log.read(query, after=start - 1, until=self.head):
            envelope = wal_envelope(event)
            if envelope is not None and until is not None and envelope.sequence > until:
                return
            if envelope is not None:
                yield event, envelope

    def audit(self, query: Query | None = None, kind: str | None = None) -> Iterator[tuple[Event, AuditRecord]]:
        """Give the audit records that match, with the events behind them (GOV-7); ``kind`` is one of the audit kinds.

        Raises:
            QuestionError: no such kind, agent, session or point.
        """
        query = query or Query()
        try:
            types = tuple(query_for(kind).items[0].types)
        except ValueError as error:
            raise QuestionError(str(error)) from None
        wanted = Query(types, query.agents, query.sessions, since=query.since, until=query.until)
        found = self.select(wanted).read(self.log, limit=query.limit, reverse=query.reverse)
        return ((event, record) for event in found if (record := audit_record(event)) is not None)

    # State.

    def at(self, point: str | int = "head") -> HubState:
        """Return what the hub knew at a point; O(events since the nearest projection checkpoint)."""
        return self.rebuild(point).state

    def rebuild(self, point: str | int = "head", progress: Progress | None = None) -> Rebuilt:
        """Return the state at a point and what it was rebuilt from; ``progress`` is told the events folded so far.

        Raises:
            QuestionError: it is not a point of this log.
            StoreError: an event that this library does not know.
            CorruptLogError: the log is damaged.
        """
        position = self.position(point)
        state, folder = HubState(self.catalogue), checkpoint_folder(self.log)
        if folder is not None and not restored(state, folder, self.log, self.catalogue, position):
            state = HubState(self.catalogue)
        checkpoint = state.position
        events = self.log.read(after=checkpoint, until=position, content=False)
        self.fold(state, _told(events, progress) if progress else events)
        if state.position != position:
            missing = state.position + 1
            message = f"the log {self.path} has no event at position {missing}: run replay verify"
            raise CorruptLogError(message, position=missing, path=self.path)
        return Rebuilt(state, checkpoint, position - checkpoint)

    def commands(self, session: str | None = None) -> Iterator[Recorded]:
        """Give the commands that the events imply, for deciding them again; see ``replay.commands``.

        Args:
            session: only those that its events tell of, acknowledgements of its envelopes among them; default: all.

        Cost: O(events from the session's first to its last) and the state before it; lazy.

        Raises:
            QuestionError: there is no such session.
        """
        from replay.going_on import commands_of  # noqa: PLC0415  (it is built on this)

        return commands_of(self, session)

    async def fork(self, point: str | int = "head", **options: Any) -> Hub:
        """Open a hub in memory that goes on from a point; the log is only read, and has to stay open as long.

        Reads of what was before fall through to the log. Time stands at the point until it is told to pass:
        ``hub.clock.advance(seconds)``; sweepers run with it. The fork begins with a ``hub.opened`` of its own.

        Args:
            point: where to go on; one in the middle of an append is moved to its end.
            **options: as of ``Hub.open``: ``clock``, ``ids``, ``auth``, ``arbiter``, ``listeners``, sweeps.

        Raises:
            QuestionError: it is not a point of this log.
            StoreError, CorruptLogError: the log cannot be read.

        Cost: the state at the point, from the nearest projection checkpoint; memory O(live + what happens in it).
        """
        from replay.going_on import fork  # noqa: PLC0415  (it is built on this)

        return await fork(self, point, **options)

    def fold(self, state: HubState, events: Iterable[Event]) -> None:
        """Fold events of this log into a state, in order.

        Raises:
            StoreError: an event that this library does not know.
            CorruptLogError: an event that does not follow on the state, or cannot be folded.
        """
        try:
            state.replay(events)
        except NetworkError:
            raise
        except Exception as error:
            raise self._unfoldable(state.position + 1, error) from error

    def _unfoldable(self, position: int, error: Exception) -> CorruptLogError:
        what = f"{type(error).__name__}: {error}"
        message = f"the event at position {position} of {self.path} cannot be folded ({what}): run replay verify"
        return CorruptLogError(message, position=position, path=self.path)

    def ended_session(self, session_id: str) -> SessionRecord | None:
        """Return an ended session as the archive folds it, or None; O(its events), once for the latest ones asked."""
        return self._ended(self.head, session_id)

    def _fold_ended(self, head: int, session_id: str) -> SessionRecord | None:
        return fold_session(self.log, session_id, self.catalogue, until=head)

    def agent_ids(self, agent: str) -> tuple[str, ...]:
        """Return the ids of all agents, live or gone, with this id or ever with this name; QuestionError for none."""
        return self._agent_ids(self.head, agent)

    def agent_at(self, state: HubState, agent: str) -> str:
        """Return the id of the agent that an id or name stood for in a state.

        Raises:
            AbsentError: nobody of that name or id was registered then.
            QuestionError: nobody ever was.
        """
        agent_id = state.registry.resolve(agent)
        if agent_id is None:
            ids = self.agent_ids(agent)
            when = "; ".join(self._life(agent_id) for agent_id in ids[-3:])
            raise AbsentError(f"{agent!r} was not registered at @{state.position}: {when}")
        return agent_id

    def _life(self, agent_id: str) -> str:
        first = next(self.log.read(tagged(f"agent:{agent_id}", types=(AgentRegistered,)), limit=1))
        gone = self.log.last(tagged(f"agent:{agent_id}", f"name:{first.body.name}"), content=False)
        left = "" if gone is None or gone.position == first.position else f" to @{gone.position}"
        return f"it was from @{first.position}{left}"


def _sequence(event: Event) -> int | None:
    return getattr(event.body, "sequence", None) or None


def _told(events: Iterable[Event], progress: Progress) -> Iterator[Event]:
    for count, event in enumerate(events, 1):
        yield event
        if count % PROGRESS_EVENTS == 0:
            progress(count)
