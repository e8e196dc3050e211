"""Every thing that was ever in a log, and what stood at its path at each position: the slow and certain way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from events.agents import AgentRegistered
from events.log import tagged
from events.sessions import SessionCreated
from events.tasks import TaskStarted
from replay import History, Query, QuestionError, look
from replay.differences import ABSENT


def things(history: History) -> Iterator[str]:
    """Paths of all agents, inboxes, windows, statistics, sessions and tasks, and of what others change of agents."""
    for event in history.log.read(tagged(types=(AgentRegistered,))):
        name = event.body.name
        yield from (f"{collection}/{name}" for collection in ("inboxes", "rates", "observed"))
        yield from (f"agents/{name}/{field}" for field in ("passport", "rule", "resume", "skill", "observed"))
        yield from (f"agents/{name}/{field}" for field in ("pending", "sessions"))
    for event in history.log.read(tagged(types=(SessionCreated,))):
        yield f"sessions/{event.body.session_id}"
    for event in history.log.read(tagged(types=(TaskStarted,))):
        yield f"tasks/{event.body.task_id}"
    if any(True for _ in history.events(Query(types=("access.denied",), limit=1))):
        yield "denials/0"


def standing(history: History, state: Any, path: str) -> Any:
    """What stands at a path in a state, or ``ABSENT``."""
    try:
        return look(history, state, path)
    except QuestionError:
        return ABSENT


def told(history: History) -> dict[str, list[Any]]:
    """Path to what stood there at each position, from 0."""
    states = [history.at(position) for position in range(history.head + 1)]
    return {path: [standing(history, state, path) for state in states] for path in things(history)}
