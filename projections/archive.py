"""What left memory, folded from the log on demand: ended sessions and tasks, names of the gone (LOG-9)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from events.agents import AgentRegistered
from events.event import Event
from events.log import EventLog, tagged
from events.sessions import SessionClosed, SessionExpired
from events.tasks import TERMINAL, TaskProgressed, TaskStarted
from events.values.session import SessionState
from events.values.task import TaskMetadata, TaskSpec, TaskState
from events.values.times import iso, maybe_iso
from projections.sessions import Catalogue, SessionRecord, Sessions


def fold_session(
    log: EventLog, session_id: str, catalogue: Catalogue, more: Sequence[Event] = (), until: int | None = None
) -> SessionRecord | None:
    """Fold one session from its events, with the fold that the live table uses; O(its events).

    Args:
        log: where its events are.
        session_id: which session.
        catalogue: its type.
        more: events that are on their way to the log, in order; those that have arrived are not folded twice.
        until: up to this position; default: all.

    Returns:
        The record, or None when the log has no such session.
    """
    sessions = Sessions(catalogue, keep_ended=True)
    head = log.head if until is None else until
    recorded = log.read(tagged(f"session:{session_id}"), until=head, content=False)
    for event in chain(recorded, (event for event in more if event.position > head)):
        fold = sessions.FOLDS.get(type(event.body))
        if fold is not None and getattr(event.body, "session_id", None) == session_id:
            fold(sessions, event)
    return sessions.live.get(session_id)


def session_outcome(log: EventLog, session_id: str) -> tuple[SessionState, str] | None:
    """Return the state and reason with which a session ended, or None when it never did; O(log n)."""
    event = log.last(tagged(f"session:{session_id}", types=(SessionClosed, SessionExpired)), content=False)
    if event is None:
        return None
    ended = SessionState.CLOSED if isinstance(event.body, SessionClosed) else SessionState.EXPIRED
    return ended, event.body.reason


def find_registration(log: EventLog, agent_id: str) -> Event | None:
    """Return the event that registered an agent, live or gone, or None; O(log n)."""
    query = tagged(f"agent:{agent_id}", types=(AgentRegistered,))
    return next(log.read(query, limit=1), None)


def fold_task(log: EventLog, task_id: str) -> TaskMetadata | None:
    """Return a task as its events tell it, or None; O(its events)."""
    started: Event | None = None
    progressed: Event | None = None
    ended: Event | None = None
    for event in log.read(tagged(f"task:{task_id}")):
        if isinstance(event.body, TaskStarted):
            started = event
        elif isinstance(event.body, TaskProgressed):
            progressed = event
        elif isinstance(event.body, TERMINAL):
            ended = event
    return task_snapshot(started, progressed, ended) if started is not None else None


def task_snapshot(started: Event, progressed: Event | None, ended: Event | None) -> TaskMetadata:
    """Build the snapshot of a task from its first, latest progress and last event."""
    body: TaskStarted = started.body
    state = TaskState.CREATED if progressed is None else TaskState.RUNNING
    if ended is not None:
        state = TaskState(ended.type.removeprefix("task."))
    last = ended.body if ended is not None else None
    return TaskMetadata(
        task_id=body.task_id,
        owner_id=body.owner_id,
        session_id=body.session_id,
        spec=TaskSpec(title=body.title, capability=body.capability, payload=body.payload),
        state=state,
        started_at=iso(started.at_us),
        expires_at=maybe_iso(body.expires_us),
        ended_at=iso(ended.at_us) if ended is not None else None,
        latency_ms=last.latency_us / 1000 if last is not None else None,
        error=getattr(last, "error", "") or getattr(last, "reason", ""),
        result=getattr(last, "result", {}),
        progress=progressed.body.progress if progressed is not None else {},
    )
