"""Tasks: a start, the latest progress, an end. ag2 keeps a task's last state, and no event in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from events.governance import TurnFailed
from events.tasks import TaskCancelled, TaskCompleted, TaskExpired, TaskFailed, TaskProgressed, TaskStarted
from events.values.times import parse_iso
from replay.imports.ag2.items import TASK, Item, Stream
from replay.imports.ag2.making import Made, Making
from replay.imports.ag2.report import Report
from replay.imports.ag2.source import Json, Line, Source

_ENDS = ("completed", "failed", "expired", "cancelled")
_REASONS = {"channel_closed": "session_closed"}


def task_items(source: Source, audit: Sequence[Line], report: Report) -> list[list[Item]]:
    """Return a stream for each task."""
    names = source.ids("tasks")
    for line in audit:
        if line.data.get("kind") == "task_terminated" and line.data.get("task_id") not in names:
            report.note("task_without_metadata", line.where)
    return [items for name in names if (items := _task(source, name, report))]


def _task(source: Source, name: str, report: Report) -> list[Item]:
    where = f"tasks/{name}/metadata.json"
    data = source.object(where, needed=True)
    if data is None:
        return []
    data = {**data, "task_id": data.get("task_id") or name}
    if not data.get("channel_id"):
        report.note("task_without_session", where)
        return []
    stream = Stream(report)
    stream.add(data.get("started_at") or data.get("created_at"), TASK, "", "started", data, where)
    if data.get("last_progress_at"):
        stream.add(data["last_progress_at"], TASK, "", "progressed", data, where)
    if data.get("state") in _ENDS:
        stream.add(data.get("completed_at"), TASK, "", "finished", data, where)
    return stream.items


def started(making: Making, item: Item) -> Made | None:
    """Start a task, in a session that there is."""
    data, where = item.data, item.where
    session_id = making.ref(data["channel_id"], where)
    if session_id not in making.sessions:
        making.report.note("task_without_session", where)
        return None
    spec: Json = data.get("spec") or {}
    if spec.get("description"):
        making.report.note("task_field", f"{where}: description")
    owner = making.ref(data.get("owner_id"), where)
    making.started[data["task_id"]] = (making.event_id, item.at_us)
    body = TaskStarted(
        data["task_id"],
        session_id,
        owner,
        making.sequence(session_id),
        spec.get("capability"),
        _time_us(data.get("expires_at")),
        str(spec.get("title") or ""),
        making.content(spec.get("payload"), where),
    )
    return Made(body, owner)


def _time_us(text: object) -> int | None:
    try:
        return parse_iso(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _place(making: Making, item: Item) -> tuple[str, str, str, int]:
    session_id, owner = (making.ref(item.data[key], item.where) for key in ("channel_id", "owner_id"))
    return item.data["task_id"], session_id, owner, making.sequence(session_id)


def progressed(making: Making, item: Item) -> Made | None:
    """Say how far a task is."""
    begun = making.started.get(item.data["task_id"])
    if begun is None:
        return None
    place = _place(making, item)
    return Made(TaskProgressed(*place, making.content(item.data.get("progress"), item.where)), place[2], begun[0])


def finished(making: Making, item: Item) -> Made | None:
    """End a task as it ended."""
    data, begun = item.data, making.started.get(item.data["task_id"])
    if begun is None:
        return None
    place, capability = _place(making, item), (data.get("spec") or {}).get("capability")
    latency_us, error, outcome = item.at_us - begun[1], str(data.get("error") or ""), str(data["state"])
    if capability:
        key = (place[2], str(capability), outcome)
        making.ended.setdefault(key, []).append((place[0], making.event_id, latency_us))
    body: Any
    if outcome == "completed":
        body = TaskCompleted(*place, latency_us, capability, making.content(data.get("result"), item.where))
    elif outcome == "expired":
        body = TaskExpired(*place, latency_us, capability, _REASONS.get(error, error or "ttl_expired"))
    else:
        body = (TaskFailed if outcome == "failed" else TaskCancelled)(*place, latency_us, capability, error)
    return Made(body, "hub" if outcome == "expired" else place[2], begun[0])


def turn_failed(making: Making, item: Item) -> Made | None:
    """Fail a turn, as the audit says; ag2 neither counts attempts nor gives up."""
    data, where = item.data, item.where
    named = (data.get("agent_id"), data.get("channel_id"), data.get("envelope_id"))
    agent_id, session_id, envelope_id = (making.ref(own, where) for own in named)
    if session_id not in making.sessions:
        making.report.note("unusable_audit", f"{where}: turn_failed")
        return None
    attempt = making.attempts[agent_id, envelope_id] = making.attempts.get((agent_id, envelope_id), 0) + 1
    error = f"{data.get('exc_type')}: {data.get('exc_message')}"
    return Made(TurnFailed(agent_id, session_id, envelope_id, attempt, error=error), agent_id, envelope_id)
