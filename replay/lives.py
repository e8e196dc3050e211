"""One thing's life: the events that can change it, found by its tags and folded alone.

Things do not depend on each other, so one of them can be folded from its own events, with the folds that the hub uses,
and without the rest of the log: a session from those under its tag, an agent from those that set its rule, resume and
skill, an inbox from what was delivered, acknowledged, answered or ended. That is what ``replay diff`` and
``replay blame`` cost: the thing's events, not the log's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, NamedTuple

from eventsourcing.dcb.api import DCBQuery, DCBQueryItem

from events.event import SCHEMAS, Event
from events.governance import AccessDenied, TurnFailed
from events.log import EventLog, tagged
from events.sessions import EnvelopePosted, InboxAcknowledged, SessionClosed, SessionCreated, SessionExpired
from projections.denials import Denials
from projections.inboxes import Inboxes
from projections.observed import Observed
from projections.rates import Rates
from projections.registry import Registry
from projections.sessions import Sessions
from projections.state import HubState
from replay.differences import ABSENT
from replay.errors import QuestionError
from replay.history import History
from replay.state import COLLECTIONS, look, split_path

ENDS = (SessionClosed, SessionExpired)
Read = Callable[[HubState, int, int], Iterator[Event]]
"""``(state, after, until)`` to the thing's events between the two; ``state`` is the one at ``after``."""
Fold = Callable[[HubState, Event], None]


class Base:
    """What lives of agents go on from: the agents, inboxes and windows of a state, by agent id; O(agents, pending)."""

    def __init__(self, state: HubState) -> None:
        self.position, self.at_us = state.position, state.at_us
        self._registry = {entry[0]["agent_id"]: entry for entry in state.registry.dump()}
        self._maps = {name: getattr(state, name).dump() for name in ("observed", "inboxes", "rates")}

    def copy(self, state: HubState, agent_ids: tuple[str, ...]) -> None:
        """Bring a fresh state to where this is, with these agents alone."""
        state.registry.load([self._registry[each] for each in agent_ids if each in self._registry])
        for name, dumped in self._maps.items():
            getattr(state, name).load({each: dumped[each] for each in agent_ids if each in dumped})
        state.position, state.at_us = self.position, self.at_us


@dataclass(frozen=True, slots=True)
class Life:
    """The life of what stands at a path.

    Attributes:
        root: the collection and the key: ``sessions/<id>``, ``agents/bob``.
        fields: what follows them in the path.
        agent_ids: of an agent's life, every agent who ever had the name.
    """

    history: History
    root: str
    fields: tuple[str, ...]
    agent_ids: tuple[str, ...]
    _read: Read
    _fold: Fold

    @property
    def path(self) -> str:
        """The whole path."""
        return "/".join((self.root, *self.fields))

    def begin(self, base: Base | None = None) -> HubState:
        """Return the state to walk on from: before everything, or where the base is for lives of agents."""
        state = HubState(self.history.catalogue)
        if self.agent_ids and base is not None:
            base.copy(state, self.agent_ids)
        elif not self.agent_ids:
            state.sessions = Sessions(self.history.catalogue, keep_ended=True)  # to be looked at without the archive
        return state

    def walk(self, state: HubState, until: int) -> Iterator[Event]:
        """Fold the thing's events into a state that ``begin`` gave, and give each; O(1) an event, memory O(1)."""
        for event in self._read(state, state.position, until):
            self._fold(state, event)
            state.position, state.at_us, state.last_id = event.position, event.at_us, event.id
            yield event

    def value(self, state: HubState) -> Any:
        """Return what stands at the path in a state, as JSON data, or ``ABSENT``.

        Of an agent as a whole without its pending envelopes and sessions, which have lives of their own.
        """
        if not state.position:
            return ABSENT
        try:
            value = look(self.history, state, self.path)
        except QuestionError:
            return ABSENT
        whole_agent = self.root.startswith("agents/") and not self.fields
        return {name: value[name] for name in value if name not in _OF_AGENTS} if whole_agent else value


def life_of(history: History, path: str) -> Life:
    """Return the life of what stands at a path; O(log² n).

    Raises:
        QuestionError: the path names nothing that was ever there, or a whole collection.
    """
    collection, key, fields = split_path(path)
    if not key:
        named = f"such as {collection}/…" if collection else f"in {', '.join(COLLECTIONS)}"
        raise QuestionError(f"{path!r} is not one thing: name one {named}")
    if fields and "." in fields[0]:
        fields = [*fields[0].split("."), *fields[1:]]
    what = _OF_AGENTS.get(fields[0], collection) if collection == "agents" and fields else collection
    what = _OF_AGENTS.get(fields[0], collection) if collection == "agents" and fields else collection
    key, agent_ids, read, fold = _LIVES[what](history, key)
    return Life(history, f"{collection}/{key}", tuple(fields), agent_ids, read, fold)


class _Found(NamedTuple):
    """How a thing's life is made: its key in full, whose it is, its events, their fold."""

    key: str
    agent_ids: tuple[str, ...]
    read: Read
    fold: Fold


def _session(history: History, key: str) -> _Found:
    session_id = history.session_id(key)
    return _Found(session_id, (), _reads(history.log, tagged(f"session:{session_id}")), _folds(("sessions", Sessions)))


def _task(history: History, key: str) -> _Found:
    query = tagged(f"task:{key}")
    if next(history.log.read(query, limit=1, content=False), None) is None:
        raise QuestionError(f"there is no task {key!r} in this log: replay log --type task.started lists them")
    return _Found(key, (), _reads(history.log, query), _folds())  # its view reads the log itself


def _denial(history: History, key: str) -> _Found:
    return _Found(key, (), _reads(history.log, tagged(types=(AccessDenied,))), _folds(("denials", Denials)))


def _agent(history: History, key: str) -> _Found:
    agent_ids = history.agent_ids(key)
    return _Found(key, agent_ids, _reads(history.log, _of_agents(agent_ids)), _folds(*_AGENT))


def _rate(history: History, key: str) -> _Found:
    agent_ids = history.agent_ids(key)
    query = _of_agents(agent_ids, EnvelopePosted)
    return _Found(key, agent_ids, _reads(history.log, query), _folds(*_AGENT, ("rates", Rates)))


def _inbox(history: History, key: str) -> _Found:
    agent_ids = history.agent_ids(key)
    query = _of_agents(agent_ids, EnvelopePosted, InboxAcknowledged, TurnFailed)
    folds = _folds(*_AGENT, ("inboxes", Inboxes))

    def read(state: HubState, after: int, until: int) -> Iterator[Event]:
        boxes = (state.inboxes.inboxes.get(agent_id) for agent_id in agent_ids)
        waiting = {place.session_id for box in boxes if box is not None for place in box.pending.values()}
        return _with_ends(history.log, query, after, until, waiting)

    return _Found(key, agent_ids, read, lambda state, event: folds(state, _as_seen_by(agent_ids, event)))


def _as_seen_by(agent_ids: tuple[str, ...], event: Event) -> Event:
    """Leave out the other recipients: their inboxes are not in a state that one thing is folded into."""
    if not isinstance(event.body, EnvelopePosted):
        return event
    recipients = tuple(agent_id for agent_id in event.body.recipients if agent_id in agent_ids)
    return event._replace(body=event.body._replace(recipients=recipients))


def _sessions_of(history: History, key: str) -> _Found:
    agent_ids = history.agent_ids(key)
    query = _of_agents(agent_ids, SessionCreated)

    def read(state: HubState, after: int, until: int) -> Iterator[Event]:
        return _with_ends(history.log, query, after, until, set(state.sessions.live))

    return _Found(key, agent_ids, read, _folds(*_AGENT, ("sessions", Sessions)))


_AGENT = (("registry", Registry), ("observed", Observed))
_OF_AGENTS = {"pending": "pending", "sessions": "sessions of an agent"}
"""Fields of an agent that other events change than those that set what it is."""
_LIVES: dict[str, Callable[[History, str], _Found]] = {
    "agents": _agent,
    "sessions": _session,
    "inboxes": _inbox,
    "observed": _agent,
    "rates": _rate,
    "tasks": _task,
    "denials": _denial,
    "pending": _inbox,
    "sessions of an agent": _sessions_of,
}


def _of_agents(agent_ids: tuple[str, ...], *types: type) -> DCBQuery:
    """Return the query for events of these types, and those that set what an agent is, of any of these agents."""
    names = [SCHEMAS[body].name for body in (*Registry.FOLDS, *types)]
    return DCBQuery([DCBQueryItem(names, [f"agent:{agent_id}"]) for agent_id in agent_ids])


def _folds(*projections: tuple[str, type]) -> Fold:
    """Return the fold into these projections of a state, and no others."""

    def fold(state: HubState, event: Event) -> None:
        for name, projection in projections:
            each = projection.FOLDS.get(type(event.body))  # type: ignore[attr-defined]
            if each is not None:
                each(getattr(state, name), event)

    return fold


def _reads(log: EventLog, query: DCBQuery) -> Read:
    return lambda state, after, until: log.read(query, after=after, until=until, content=False)


def _with_ends(log: EventLog, query: DCBQuery, after: int, until: int, watched: set[str]) -> Iterator[Event]:
    """Give the events of a query, and in their place the ends of the sessions that they are of.

    Ends carry no agent's tag, so each is looked up: O(log n) for each session. ``watched`` are those to begin with.
    """
    ends: list[tuple[int, Event]] = []

    def watch(session_id: str, since: int) -> None:
        ending = tagged(f"session:{session_id}", types=ENDS)
        for end in log.read(ending, after=since, until=until, limit=1, content=False):
            heappush(ends, (end.position, end))

    for each in sorted(watched):
        watch(each, after)
    for event in log.read(query, after=after, until=until, content=False):
        while ends and ends[0][0] < event.position:
            yield heappop(ends)[1]
        yield event
        session_id: str | None = getattr(event.body, "session_id", None)
        if session_id is not None and session_id not in watched:
            watched.add(session_id)
            watch(session_id, event.position)
    while ends:
        yield heappop(ends)[1]
