"""Tasks: first sight, progress, and their one end (SPEC §9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from events.agents import AgentRuleSet
from events.errors import NotFoundError, ProtocolError
from events.tasks import TaskCancelled, TaskCompleted, TaskFailed, TaskProgressed, TaskStarted
from events.values.frozen import FreezeError, FrozenDict, freeze
from events.values.rule import parse_duration
from events.values.session import SessionState
from events.values.task import TASK_ID, TaskSpec, TaskState
from hub.arbiter import TaskRequest
from hub.decisions.closing import observe_task_end
from hub.decisions.draft import Draft


class ObserveTask(NamedTuple):
    """A task is seen for the first time. ``known`` says that the log has it, ended or not."""

    session_id: str
    owner_id: str
    spec: TaskSpec
    task_id: str
    cause: str | None = None
    known: bool = False


class UpdateTask(NamedTuple):
    """The owner (or the operator) says how a task goes; a terminal state ends it."""

    task_id: str
    state: TaskState
    progress: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    error: str = ""


def observe_task(draft: Draft, command: ObserveTask) -> None:
    """Start a task; one that is known already is left as it is (trap 56)."""
    if not TASK_ID.fullmatch(command.task_id):
        raise ProtocolError(
            f"task id {command.task_id!r} is not valid: a letter or digit, then up to 127 of letters, digits and ._-"
        )
    owner = draft.party(command.owner_id)
    draft.authorised(command.owner_id, what=f"report tasks of {owner.name!r}")
    draft.depends_on(f"task:{command.task_id}")
    draft.depends_on(f"session:{command.session_id}")
    draft.depends_on(f"agent:{command.owner_id}", types=(AgentRuleSet, TaskStarted))
    if command.known or command.task_id in draft.state.tasks.open:
        return
    record = draft.session(command.session_id)
    if record.state is not SessionState.ACTIVE or command.owner_id not in record.participants:
        raise ProtocolError(
            f"task {command.task_id!r} cannot start: session {record.session_id} is {record.state.value}, or "
            f"{owner.name!r} does not take part in it",
            session_id=record.session_id,
        )
    open_tasks = draft.state.tasks.open_of.get(command.owner_id, 0)
    draft.permit(draft.arbiter.authorize_task(TaskRequest(owner, open_tasks)))
    ttl = command.spec.ttl if command.spec.ttl is not None else owner.rule.limits.task_ttl_default
    ttl_s = parse_duration(ttl)
    draft.add(
        TaskStarted(
            command.task_id,
            command.session_id,
            command.owner_id,
            draft.sequence(record),
            command.spec.capability,
            draft.at_us + ttl_s * 1_000_000 if ttl_s else None,
            command.spec.title,
            FrozenDict(command.spec.payload),
        ),
        cause=command.cause,
    )


def update_task(draft: Draft, command: UpdateTask) -> None:
    """Record progress, or the end of a task and what it shows of the owner's capability, in one append (TASK-3).

    Raises:
        NotFoundError: the task is not open; whoever called looks whether it ended, which is no error (TASK-4).
    """
    task = draft.state.tasks.open.get(command.task_id)
    if task is None:
        raise NotFoundError(f"no task {command.task_id!r}", task_id=command.task_id)
    draft.authorised(task.owner_id, what=f"report on task {command.task_id!r}")
    draft.depends_on(f"task:{command.task_id}")
    draft.depends_on(f"session:{task.session_id}")
    record = draft.session(task.session_id)
    place = draft.sequence(record)
    cause = task.event_id
    if not command.state.terminal:
        body = TaskProgressed(task.task_id, task.session_id, task.owner_id, place, _json(command.progress, "progress"))
        draft.add(body, cause=cause)
        return
    latency_us = draft.at_us - task.started_us
    common = (task.task_id, task.session_id, task.owner_id, place, latency_us, task.capability)
    if command.state is TaskState.COMPLETED:
        ended = draft.add(TaskCompleted(*common, _json(command.result, "result")), cause=cause)
    elif command.state is TaskState.FAILED:
        ended = draft.add(TaskFailed(*common, command.error[:2000]), cause=cause)
    elif command.state is TaskState.CANCELLED:
        ended = draft.add(TaskCancelled(*common, command.error[:2000]), cause=cause)
    else:
        raise ProtocolError(f"only the hub lets a task end as {command.state.value!r}")
    observe_task_end(draft, task, command.state.value, latency_us, ended.id)


def _json(value: Mapping[str, Any] | None, where: str) -> FrozenDict:
    try:
        frozen = freeze(value or {}, where)
    except FreezeError as error:
        raise ProtocolError(str(error)) from None
    if not isinstance(frozen, FrozenDict):
        raise ProtocolError(f"{where} is a {type(value).__name__}; send a mapping")
    return frozen
