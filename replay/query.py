"""Which events are asked for: a ``Query`` as people write it, and the ``Selection`` that it means in one log.

What the indexes know (type, agent, session, tag) costs the matches only; ``actors`` and ``grep`` look at each event
that the rest of the query leaves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import islice, product

from eventsourcing.dcb.api import DCBQuery, DCBQueryItem

from events.event import BODIES, HUB, OPERATOR, Event
from events.log import EventLog
from replay.errors import QuestionError
from replay.names import Names
from replay.points import find_agents, find_session, first_position, last_position, parse_point
from replay.render.sentences import sentence

PROGRESS_EVENTS = 1024
"""Progress is told every so many events."""

Keep = Callable[[Event], bool]
"""Whether an event is wanted."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question about a log's events; the defaults ask for all of them, oldest first.

    Several values of one field are alternatives; different fields must all hold.

    Attributes:
        types: event types, globs such as ``session.*`` among them.
        agents: names or ids; events that concern the agent.
        sessions: ids, beginnings of ids, or ``@N`` of an event in it.
        tags: as they stand in the log, such as ``task:t1``.
        actors: names or ids of agents, ``hub`` or ``operator``; who did it.
        since: a point; its first event is included.
        until: a point; its last event is included.
        grep: a regular expression, looked for in the event's sentence, facts and content.
        limit: at most so many; of the newest when ``reverse``.
        reverse: newest first.
    """

    types: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    grep: str | None = None
    limit: int | None = None
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """A query made out against a log: what its index is asked, between which positions, what is kept of that."""

    index: DCBQuery | None
    after: int
    until: int
    keeps: tuple[Keep, ...]

    def read(
        self,
        log: EventLog,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Iterator[Event]:
        """Give the events, lazily; ``after`` and ``until`` narrow or, for a log that grew, move its window."""
        found = log.read(
            self.index,
            after=max(self.after, after),
            until=self.until if until is None else until,
            limit=None if self.keeps else limit,
            backwards=reverse,
        )
        return islice((event for event in found if all(keep(event) for keep in self.keeps)), limit)

    def count(self, log: EventLog, limit: int | None = None, progress: Callable[[int], None] | None = None) -> int:
        """Return how many events there are, at most ``limit``; nothing is decoded that need not be looked at.

        O(1) for all events between two positions; ``progress`` is told the position reached now and then.
        """
        if self.index is None and not self.keeps:
            found = max(self.until - self.after, 0)
            return found if limit is None else min(found, limit)
        found = 0
        positions: Iterator[int] = (event.position for event in self.read(log, limit=limit))
        if not self.keeps:
            stored = log.recorder.scan(self.index, after=self.after, until=self.until, limit=limit)
            positions = (each.position for each in stored)
        for found, position in enumerate(positions, 1):
            if progress is not None and found % PROGRESS_EVENTS == 0:
                progress(position)
        return found


def select(log: EventLog, head: int, names: Names, query: Query) -> Selection:
    """Make out a query; O(log² n) for each agent, session and point in it.

    Raises:
        QuestionError: a type, agent, session, point or expression that is not one.
    """
    types = sorted({name for pattern in query.types for name in _types(pattern)})
    agents = [f"agent:{agent_id}" for name in query.agents for agent_id in find_agents(log, name)]
    sessions = [f"session:{find_session(log, head, each).id}" for each in query.sessions]
    alternatives = [tags for tags in (agents, sessions, [*query.tags]) if tags]
    items = [DCBQueryItem(types=types, tags=list(tags)) for tags in product(*alternatives)]
    since, until = (None if each is None else parse_point(log, head, each) for each in (query.since, query.until))
    after = 0 if since is None else first_position(log, head, since) - 1
    last = head if until is None else last_position(log, head, until)
    if after > last:
        raise QuestionError(f"{query.since!r} is behind {query.until!r}: give the earlier point with since")
    return Selection(
        DCBQuery(items) if types or alternatives else None,
        after,
        last,
        tuple(_keeps(log, names, query)),
    )


def _types(pattern: str) -> list[str]:
    found = [name for name in BODIES if fnmatchcase(name, pattern)]
    if not found:
        close = get_close_matches(pattern, BODIES, 3, 0.4)
        hint = f"did you mean {', '.join(close)}?" if close else f"the types are {', '.join(sorted(BODIES))}"
        raise QuestionError(f"there is no event type {pattern!r}: {hint}")
    return found


def _keeps(log: EventLog, names: Names, query: Query) -> Iterator[Keep]:
    if query.actors:
        actors = {actor for name in query.actors for actor in _actors(log, name)}
        yield lambda event: event.actor in actors
    if query.grep is not None:
        try:
            search = re.compile(query.grep).search
        except re.error as error:
            raise QuestionError(f"{query.grep!r} is not a regular expression ({error}): escape it") from None
        yield lambda event: search(searched_text(event, names)) is not None


def _actors(log: EventLog, name: str) -> tuple[str, ...]:
    return (name,) if name in (HUB, OPERATOR) else find_agents(log, name)


def searched_text(event: Event, names: Names) -> str:
    """Return what ``grep`` looks at: the event's sentence, then its facts and content as JSON."""
    data = json.dumps(event.facts | event.content, ensure_ascii=False, sort_keys=True)
    return f"{event.type} {sentence(event, names)}\n{data}"
