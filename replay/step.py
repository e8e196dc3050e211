"""A walk through a log, or one session of it, forwards and backwards (REPLAY, step)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from events.event import Event
from events.log import tagged
from projections.state import HubState
from replay.effects import Effects
from replay.errors import QuestionError
from replay.expressions import Expression
from replay.history import History, Progress
from replay.query import PROGRESS_EVENTS
from replay.reasons import reason

EFFECTS_READ_MAX = 10_000
"""Effects are looked for among so many events that follow."""
FOLDED_ON_MAX = 10_000
"""A state that is farther ahead than this many events is rebuilt from the nearest projection checkpoint instead."""


class Broke(NamedTuple):
    """Where a run stopped, and the expression that became true there."""

    event: Event
    expression: Expression


class Walk:
    """Where one stands in a log, and where one can go.

    ``next`` and ``previous`` keep to the session, if there is one; ``go``, ``cause`` and the breaks do not.

    Args:
        history: the log.
        session: a session to keep to: its id, the beginning of it, or ``@N`` of an event in it.
        point: where to begin; default: the session's creation, or the log's first event.

    Attributes:
        event: where one stands.
        came_from: the position of the stop before this one, or of this one when it is the first.
        breaks: expressions; a run stops where one of them becomes true.

    Raises:
        QuestionError: there is no such session or point, or the log has no events.
    """

    def __init__(self, history: History, session: str | None = None, point: str | int | None = None) -> None:
        self.history = history
        self.session_id = history.session_id(session) if session is not None else None
        self._query = tagged(f"session:{self.session_id}") if self.session_id is not None else None
        if not history.head:
            raise QuestionError(f"the log {history.path} has no events yet: try again later")
        first: str | int = 1 if self.session_id is None else self.session_id
        self.event = history.event(first if point is None else point)
        self.came_from = self.event.position
        self.breaks: list[Expression] = []
        self._state = HubState(history.catalogue)

    @property
    def position(self) -> int:
        """Where one stands."""
        return self.event.position

    def _stand(self, event: Event) -> Event:
        self.came_from, self.event = self.position, event
        return event

    def next(self, count: int = 1) -> Event:
        """Go on by so many events, or to the last one if there are fewer; a log that has grown meanwhile is read on.

        Raises:
            QuestionError: one stands at the end.
        """
        after, log = self.position, self.history.log
        found = list(log.read(self._query, after=after, until=self.history.refresh(), limit=count))
        if not found:
            raise QuestionError(f"@{after} is the last event {self._where()}: p goes back, g @1 to the beginning")
        return self._stand(found[-1])

    def previous(self, count: int = 1) -> Event:
        """Go back by so many events, or to the first one if there are fewer.

        Raises:
            QuestionError: one stands at the beginning.
        """
        before, log = self.position, self.history.log
        found = list(log.read(self._query, until=before - 1, limit=count, backwards=True)) if before > 1 else []
        if not found:
            raise QuestionError(f"@{before} is the first event {self._where()}: n goes on")
        return self._stand(found[-1])

    def _where(self) -> str:
        return "of the log" if self._query is None else "of the session"

    def go(self, point: str | int) -> Event:
        """Go to a point; raises QuestionError when the log has none such."""
        self.history.refresh()
        return self._stand(self.history.event(point))

    def cause(self) -> Event:
        """Go to what led to the event, whether it names it or not; raises QuestionError where nothing did."""
        found = reason(self.history, self.event)
        if found.cause is None:
            raise QuestionError(f"@{self.position} has no cause: {found.why}")
        return self._stand(found.cause)

    def effects(self) -> tuple[list[Event], bool]:
        """Return the events that name this one as their cause, and whether all that follow were looked at."""
        effects = Effects(self.history, self.event, EFFECTS_READ_MAX, direct=True)
        return [effect.event for effect in effects], effects.complete

    def around(self, count: int) -> Iterator[Event]:
        """Give so many events before this one, this one, and as many after it."""
        log, here = self.history.log, self.position
        before = islice(log.read(self._query, until=here - 1, backwards=True), count) if here > 1 else ()
        yield from reversed(list(before))
        yield self.event
        yield from log.read(self._query, after=here, until=self.history.head, limit=count)

    def state(self, progress: Progress | None = None) -> HubState:
        """Return what the hub knew here; O(events since the stop before), going back O(those since a checkpoint).

        It is folded on by the next call: look at it, do not keep it.
        """
        state = self._taken()
        if 0 <= self.position - state.position <= FOLDED_ON_MAX:
            events = self.history.log.read(after=state.position, until=self.position, content=False)
            self.history.fold(state, events)
        else:
            state = self.history.rebuild(self.position, progress).state
        self._state = state
        return state

    def _taken(self) -> HubState:
        """Take the state away while it is folded: a fold that is cut off leaves nothing half done behind."""
        state, self._state = self._state, HubState(self.history.catalogue)
        return state

    def run(self, progress: Progress | None = None) -> Broke | None:
        """Go on to the next event after which a break's expression is true and was not before it.

        Returns:
            Where it stopped; None when that never happens up to the log's end: one stays where one was.

        Raises:
            QuestionError: there are no breaks, or an expression has no value in some state.

        Cost: O(events), each expression asked after each.
        """
        self.state(progress)
        state = self._taken()
        found = next(self._edges(state, self.history.refresh(), progress), None)
        if found is not None:
            self._state = state
        return self._broke(found)

    def run_back(self, progress: Progress | None = None) -> Broke | None:
        """Go back to the last event before this one after which a break's expression became true.

        As ``run``, but O(events from the log's beginning up to here).
        """
        edges = self._edges(HubState(self.history.catalogue), self.position - 1, progress)
        latest = deque(edges, maxlen=1)
        return self._broke(latest[0] if latest else None)

    def _broke(self, found: tuple[int, Expression] | None) -> Broke | None:
        return None if found is None else Broke(self._stand(self.history.event(found[0])), found[1])

    def _edges(self, state: HubState, until: int, progress: Progress | None) -> Iterator[tuple[int, Expression]]:
        """Give each position after which an expression became true, folding the state up to it."""
        if not self.breaks:
            raise QuestionError('there is nothing to break on: give an expression, such as b inbox("bob") > 50')
        held = self._held(state)
        for event in self.history.log.read(after=state.position, until=until, content=False):
            self.history.fold(state, (event,))
            if progress is not None and event.position % PROGRESS_EVENTS == 0:
                progress(event.position)
            before, held = held, self._held(state)
            yield from (
                (event.position, self.breaks[index]) for index in range(len(held)) if held[index] and not before[index]
            )

    def _held(self, state: HubState) -> Sequence[bool]:
        return [bool(expression(self.history, state)) for expression in self.breaks]
