"""Ending a session: its open tasks first, then the session, in one append (SESS-5, SESS-6, GOV-5)."""

from __future__ import annotations

from typing import NamedTuple

from events.agents import AgentObserved, AgentResumeSet, AgentUnregistered
from events.event import HUB
from events.sessions import SessionClosed, SessionExpired
from events.tasks import TaskExpired
from hub.decisions.draft import Draft, guarded
from projections.sessions import SessionRecord
from projections.tasks import TaskRecord

REASON_LENGTH_MAX = 512


class CloseSession(NamedTuple):
    """A participant or the operator ends a session; an empty reason is ``explicit_close``."""

    session_id: str
    reason: str = ""


def close_session(draft: Draft, command: CloseSession) -> None:
    """Close a live session."""
    record = draft.session(command.session_id)
    draft.depends_on(f"session:{command.session_id}")
    draft.authorised(*record.participants, what=f"close session {record.session_id}: it does not take part")
    close(draft, record, str(command.reason)[:REASON_LENGTH_MAX] or "explicit_close", actor=draft.actor)


def close(draft: Draft, record: SessionRecord, reason: str, cause: str | None = None, actor: str = HUB) -> None:
    """Add what ends a session: every open task expires with ``session_closed``, then the session closes."""
    _expire_tasks(draft, record, cause)
    draft.add(SessionClosed(record.session_id, reason, draft.sequence(record)), cause=cause, actor=actor)


def expire(draft: Draft, record: SessionRecord) -> None:
    """Add what ends a session that outlived its TTL."""
    _expire_tasks(draft, record, None)
    draft.add(SessionExpired(record.session_id, draft.sequence(record)))


def check_departure(draft: Draft, record: SessionRecord, agent_id: str) -> None:
    """Let the session type pass a turn on where nobody sees it (trap 1); raises ProtocolError when it cannot."""
    adapter = draft.catalogue.adapter(record.manifest.type, record.manifest.version)
    if adapter is None or record.adapter_state is None:
        return
    what = f"session type {record.manifest.type!r}"
    after = guarded(f"fold_departure of {what}", adapter.fold_departure, agent_id, record.adapter_state)
    guarded(f"expected_next of {what}", adapter.expected_next, record.metadata, after)


def _expire_tasks(draft: Draft, record: SessionRecord, cause: str | None) -> None:
    for task in draft.state.tasks.in_session(record.session_id):
        expire_task(draft, task, record, "session_closed", cause)


def expire_task(
    draft: Draft, task: TaskRecord, record: SessionRecord | None, reason: str, cause: str | None = None
) -> None:
    """Add the expiry of a task and, with a capability, what was observed of it."""
    latency_us = draft.at_us - task.started_us
    sequence = draft.sequence(record) if record is not None else 0
    ended = draft.add(
        TaskExpired(task.task_id, task.session_id, task.owner_id, sequence, latency_us, task.capability, reason),
        cause=cause,
        actor=HUB,
    )
    observe_task_end(draft, task, "expired", latency_us, ended.id)


def observe_task_end(draft: Draft, task: TaskRecord, outcome: str, latency_us: int, cause: str) -> None:
    """Add the observation of a task's capability, when it has one and its owner is still there (TASK-3)."""
    owner = draft.state.registry.get(task.owner_id)
    draft.depends_on(f"agent:{task.owner_id}", types=(AgentUnregistered, AgentResumeSet, AgentObserved))
    if task.capability is None or owner is None:
        return
    seen = sum(1 for e in draft.events if isinstance(e.body, AgentObserved) and e.body.agent_id == task.owner_id)
    version = owner.resume_version + 1 + seen
    draft.add(AgentObserved(task.owner_id, task.capability, outcome, version, latency_us, task.task_id), cause=cause)
