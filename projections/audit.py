"""The audit log: a view of the log, each record built from one event (GOV-7).

``VIEWS`` is the table from event body to ``(kind, function)``; what is not in it has no audit record. Reading costs
O(matches), by the type, agent or session index.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from eventsourcing.dcb.api import DCBQuery, DCBQueryItem

from events.agents import (
    AgentObserved,
    AgentRegistered,
    AgentResumeSet,
    AgentRuleSet,
    AgentSkillSet,
    AgentUnregistered,
)
from events.event import SCHEMAS, Event
from events.governance import AccessDenied, ExpectationViolated, TurnFailed
from events.log import EventLog
from events.sessions import (
    SessionClosed,
    SessionCreated,
    SessionExpired,
    SessionParticipantHidden,
    SessionParticipantLeft,
)
from events.tasks import TaskCancelled, TaskCompleted, TaskExpired, TaskFailed
from events.values.frozen import thaw
from events.values.times import iso, parse_iso

AUDIT_KIND_AGENT_REGISTERED = "agent_registered"
AUDIT_KIND_AGENT_UNREGISTERED = "agent_unregistered"
AUDIT_KIND_RESUME_SET = "resume_set"
AUDIT_KIND_SKILL_SET = "skill_set"
AUDIT_KIND_RULE_SET = "rule_set"
AUDIT_KIND_SESSION_CREATED = "session_created"
AUDIT_KIND_SESSION_CLOSED = "session_closed"
AUDIT_KIND_SESSION_EXPIRED = "session_expired"
AUDIT_KIND_TASK_TERMINATED = "task_terminated"
AUDIT_KIND_EXPECTATION_VIOLATED = "expectation_violated"
AUDIT_KIND_ACCESS_DENIED = "access_denied"
AUDIT_KIND_TURN_FAILED = "turn_failed"
AUDIT_KIND_PARTICIPANT_HIDDEN = "participant_hidden"
AUDIT_KIND_PARTICIPANT_LEFT = "participant_left"

AuditRecord = dict[str, Any]
View = Callable[[Event], AuditRecord]


def _fields(*names: str) -> View:
    def view(event: Event) -> AuditRecord:
        return {name: thaw(getattr(event.body, name)) for name in names}

    return view


def _resume_set(event: Event) -> AuditRecord:
    return {"agent_id": event.body.agent_id, "version": event.body.version, "source": "tenant"}


def _observed(event: Event) -> AuditRecord:
    body: AgentObserved = event.body
    record = {"agent_id": body.agent_id, "version": body.version, "source": "observed"}
    return record | {"capability": body.capability, "outcome": body.outcome}


def _session_created(event: Event) -> AuditRecord:
    body: SessionCreated = event.body
    return {
        "session_id": body.session_id,
        "creator_id": body.creator_id,
        "manifest_type": body.manifest["type"],
        "manifest_version": body.manifest["version"],
        "participants": list(body.participants),
    }


def _denied(event: Event) -> AuditRecord:
    body: AccessDenied = event.body
    record = {"actor": body.subject, "action": body.action, "target": body.target, "session_id": body.session_id}
    return record | {"error": body.error, "message": body.message, "left_out": body.left_out}


def _task_terminated(event: Event) -> AuditRecord:
    body = event.body
    return {
        "task_id": body.task_id,
        "owner_id": body.owner_id,
        "session_id": body.session_id,
        "capability": body.capability,
        "outcome": event.type.removeprefix("task."),
        "latency_ms": body.latency_us / 1000,
        "reason": getattr(body, "error", "") or getattr(body, "reason", ""),
    }


VIEWS: dict[type, tuple[str, View]] = {
    AgentRegistered: (AUDIT_KIND_AGENT_REGISTERED, _fields("agent_id", "name", "owner")),
    AgentUnregistered: (AUDIT_KIND_AGENT_UNREGISTERED, _fields("agent_id", "name")),
    AgentResumeSet: (AUDIT_KIND_RESUME_SET, _resume_set),
    AgentObserved: (AUDIT_KIND_RESUME_SET, _observed),
    AgentSkillSet: (AUDIT_KIND_SKILL_SET, _fields("agent_id", "removed")),
    AgentRuleSet: (AUDIT_KIND_RULE_SET, _fields("agent_id", "version", "rule")),
    SessionCreated: (AUDIT_KIND_SESSION_CREATED, _session_created),
    SessionClosed: (AUDIT_KIND_SESSION_CLOSED, _fields("session_id", "reason")),
    SessionExpired: (AUDIT_KIND_SESSION_EXPIRED, _fields("session_id", "reason")),
    **dict.fromkeys(
        (TaskCompleted, TaskFailed, TaskExpired, TaskCancelled), (AUDIT_KIND_TASK_TERMINATED, _task_terminated)
    ),
    ExpectationViolated: (
        AUDIT_KIND_EXPECTATION_VIOLATED,
        _fields("session_id", "expectation", "on_violation", "params", "violators", "detail"),
    ),
    AccessDenied: (AUDIT_KIND_ACCESS_DENIED, _denied),
    TurnFailed: (
        AUDIT_KIND_TURN_FAILED,
        _fields("agent_id", "session_id", "envelope_id", "attempt", "final", "error"),
    ),
    SessionParticipantHidden: (AUDIT_KIND_PARTICIPANT_HIDDEN, _fields("session_id", "agent_id", "expectation")),
    SessionParticipantLeft: (AUDIT_KIND_PARTICIPANT_LEFT, _fields("session_id", "agent_id")),
}
KINDS: dict[str, list[type]] = {}
for _body, (_kind, _) in VIEWS.items():
    KINDS.setdefault(_kind, []).append(_body)


def audit_record(event: Event) -> AuditRecord | None:
    """Return the event's audit record, or None when it has none; O(size of the event)."""
    entry = VIEWS.get(type(event.body))
    if entry is None:
        return None
    kind, view = entry
    stamp = {"kind": kind, "at": iso(event.at_us), "position": event.position, "event_id": event.id}
    return stamp | {"actor": event.actor} | view(event)


def query_for(kind: str | None = None, session_id: str | None = None, agent_id: str | None = None) -> DCBQuery:
    """Return the index query behind a filter of audit records.

    Raises:
        ValueError: a kind that does not exist.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"there is no audit kind {kind!r}; the kinds are {', '.join(sorted(KINDS))}")
    bodies = VIEWS if kind is None else KINDS[kind]
    tags = [f"{name}:{value}" for name, value in (("session", session_id), ("agent", agent_id)) if value]
    return DCBQuery([DCBQueryItem(types=[SCHEMAS[body].name for body in bodies], tags=tags)])


def scan_audit(
    log: EventLog, query: DCBQuery, *, since_us: int | None = None, until_us: int | None = None
) -> Iterator[AuditRecord]:
    """Give the audit records of the events that match, oldest first, ``since_us`` <= at < ``until_us``."""
    after = 0
    if since_us is not None:
        start = log.bisect(None, lambda event: event.at_us, since_us)
        after = log.head if start is None else start - 1
    for event in log.read(query, after=after):
        if until_us is not None and event.at_us >= until_us:
            return
        if (record := audit_record(event)) is not None:
            yield record


Subscriber = Callable[[AuditRecord], Awaitable[None] | None]
Follow = Callable[[int], AsyncIterator[Event]]


class AuditLog:
    """Reads the audit view of a live hub's log.

    Args:
        log: the hub's log.
        follow: gives recorded events after a position, for ever.
        subscribers: the hub's list of callbacks, called with each new record after its commit.
    """

    def __init__(self, log: EventLog, follow: Follow, subscribers: list[Subscriber]) -> None:
        self._log, self._follow, self._subscribers = log, follow, subscribers

    async def read_all(self) -> list[AuditRecord]:
        """Return every audit record, oldest first; O(audit records)."""
        return list(scan_audit(self._log, query_for()))

    async def read(
        self,
        *,
        kind: str | None = None,
        session_id: str | None = None,
        agent_id: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
    ) -> list[AuditRecord]:
        """Return the records that match, oldest first; O(matches).

        Args:
            kind: one of the ``AUDIT_KIND_*``.
            session_id: only of this session.
            agent_id: only of this agent.
            since: ISO-8601, inclusive.
            until: ISO-8601, exclusive.
            limit: at most so many, after filtering (trap 55).

        Raises:
            ValueError: an unknown kind, or a time without offset.
        """
        query = query_for(kind, session_id, agent_id)
        since_us, until_us = (None if at is None else parse_iso(at) for at in (since, until))
        records = scan_audit(self._log, query, since_us=since_us, until_us=until_us)
        return [record for _, record in zip(range(limit), records, strict=False)] if limit is not None else [*records]

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Call back with every new record, after its commit; returns the function that ends it."""
        self._subscribers.append(callback)

        def unsubscribe() -> None:
            if callback in self._subscribers:
                self._subscribers.remove(callback)

        return unsubscribe

    async def follow(self, after: int = 0) -> AsyncIterator[AuditRecord]:
        """Give the records after a position, and then each new one as it is recorded."""
        async for event in self._follow(after):
            if (record := audit_record(event)) is not None:
                yield record

    def __aiter__(self) -> AsyncIterator[AuditRecord]:
        return self.follow()
