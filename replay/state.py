"""What the hub knew, as people ask for it: ``agents/bob/rule``, ``sessions/7be2``, ``inboxes/bob``.

A path is a collection, then a name, id or beginning of an id in it, then fields, each split by ``/`` or ``.``. Live
things come from the state at the point asked for; what had ended by then, and texts, which no projection keeps, are
read from the log up to that point.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from events.log import tagged
from events.tasks import TERMINAL, TaskProgressed, TaskStarted
from events.values.frozen import thaw
from events.values.times import iso
from projections.archive import fold_session, task_snapshot
from projections.inboxes import Pending
from projections.sessions import SessionRecord
from projections.state import HubState
from replay.errors import QuestionError
from replay.history import History


def look(history: History, state: HubState, path: str = "") -> Any:
    """Return what stands at a path in a state, as JSON data; the overview for an empty path.

    Cost: O(what is returned); an ended session or task costs its events.

    Raises:
        QuestionError: nothing stood there at that point.
    """
    collection, *rest = path.strip("/").split("/")
    if not collection:
        return overview(state)
    if collection not in COLLECTIONS:
        close = get_close_matches(collection, COLLECTIONS, 1)
        hint = f"did you mean {close[0]}?" if close else f"paths begin with {', '.join(COLLECTIONS)}"
        raise QuestionError(f"there is no {collection!r} in a hub's state: {hint}")
    every, one = COLLECTIONS[collection]
    if not rest:
        return every(state)
    return _descend(one(history, state, rest[0]), rest[1:], f"{collection}/{rest[0]}")


def overview(state: HubState) -> dict[str, Any]:
    """Return how much of everything there is."""
    return {
        "agents": len(state.registry.agents),
        "sessions": len(state.sessions.live),
        "tasks": len(state.tasks.open),
        "pending envelopes": sum(map(state.inboxes.depth, state.registry.agents)),
    }


def _descend(value: Any, fields: Sequence[str], where: str) -> Any:
    for field in fields:
        if isinstance(value, Mapping) and field not in value and "." in field:
            value = _descend(value, field.split("."), where)
        elif isinstance(value, Mapping) and field in value:
            value = value[field]
        elif isinstance(value, list) and field.isdigit() and int(field) < len(value):
            value = value[int(field)]
        else:
            raise QuestionError(f"there is no {field!r} in {where}: {_choices(value)}")
        where = f"{where}/{field}"
    return value


def _choices(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"it has {', '.join(value)}" if value else "it is empty"
    return f"give a number below {len(value)}" if isinstance(value, list) and value else "it has nothing below it"


# Agents.


def _agents(state: HubState) -> dict[str, Any]:
    return {
        record.passport.name: {
            "agent_id": agent_id,
            "owner": record.passport.owner,
            "capabilities": list(record.capabilities),
            "pending": state.inboxes.depth(agent_id),
            "sessions": sum(1 for _ in state.sessions.of_agent(agent_id)),
        }
        for agent_id, record in state.registry.agents.items()
    }


def _agent(history: History, state: HubState, key: str) -> dict[str, Any]:
    agent_id = history.agent_at(state, key)
    record = state.registry.agents[agent_id]
    resume = _body(history, record.resume_position)
    skill = _body(history, record.skill_position) if record.skill_position is not None else None
    return {
        "passport": record.passport.to_dict(),
        "rule": record.rule.to_dict(),
        "resume": {
            "claimed_capabilities": list(record.capabilities),
            "domains": list(record.domains),
            "summary": resume.summary,
            "examples": thaw(resume.examples),
            "version": record.resume_version,
            "last_updated": iso(record.resume_updated_us),
        },
        "observed": _stats(state, agent_id),
        "skill": getattr(skill, "skill", "") or getattr(skill, "markdown", None),
        "pending": state.inboxes.depth(agent_id),
        "sessions": [each.session_id for each in state.sessions.of_agent(agent_id)],
    }


def _body(history: History, position: int) -> Any:
    return history.event(position).body


def _stats(state: HubState, agent_id: str) -> dict[str, Any]:
    return {capability: stat.to_dict() for capability, stat in state.observed.of(agent_id).items()}


def _observed(state: HubState) -> dict[str, Any]:
    return {record.passport.name: _stats(state, agent_id) for agent_id, record in state.registry.agents.items()}


def _observed_of(history: History, state: HubState, key: str) -> dict[str, Any]:
    return _stats(state, history.agent_at(state, key))


# Sessions.


def _sessions(state: HubState) -> dict[str, Any]:
    return {
        session_id: {
            "type": record.manifest.type,
            "state": record.state.value,
            "participants": list(record.participants),
            "envelopes": record.sequence,
            "expected_next": state.sessions.expected_next(record),
        }
        for session_id, record in state.sessions.live.items()
    }


def _session(history: History, state: HubState, key: str) -> dict[str, Any]:
    session_id = history.session_id(key)
    record = state.sessions.live.get(session_id)
    if record is None:
        record = fold_session(history.log, session_id, history.catalogue, until=state.position)
    if record is None:
        created = history.event(session_id).position
        raise QuestionError(f"the session {key!r} did not exist at @{state.position}: it was created by @{created}")
    return _session_record(state, record)


def _session_record(state: HubState, record: SessionRecord) -> dict[str, Any]:
    adapter = state.sessions.adapter(record)
    dormant = adapter is None or record.adapter_state is None
    turn = record.turn
    return record.metadata.to_dict() | {
        "left": sorted(record.left),
        "depth": record.depth,
        "envelopes": record.sequence,
        "expected_next": state.sessions.expected_next(record),
        "turn_since": iso(turn.since.at_us) if turn else None,
        "owed_a_reply_by": {agent_id: iso(since.at_us) for agent_id, since in record.owed.items()},
        "dormant": dormant,
        "adapter_state": None if adapter is None or dormant else thaw(adapter.dump_state(record.adapter_state)),
    }


# Inboxes, rates, tasks, refusals.


def _inboxes(state: HubState) -> dict[str, Any]:
    return {record.passport.name: state.inboxes.depth(agent_id) for agent_id, record in state.registry.agents.items()}


def _inbox(history: History, state: HubState, key: str) -> dict[str, Any]:
    agent_id = history.agent_at(state, key)
    inbox = state.inboxes.inboxes[agent_id]
    return {
        "depth": len(inbox.pending),
        "pending": _places(inbox.pending),
        "released": _places(inbox.released),
        "attempts": dict(inbox.attempts),
    }


def _places(places: Mapping[str, Pending]) -> list[dict[str, Any]]:
    return [
        {"envelope_id": key, "session_id": each.session_id, "position": each.position} for key, each in places.items()
    ]


def _rates(state: HubState) -> dict[str, Any]:
    windows = state.rates.dump()
    return {
        record.passport.name: [iso(at_us) for at_us in windows.get(agent_id, (0, ()))[1]]
        for agent_id, record in state.registry.agents.items()
    }


def _rate(history: History, state: HubState, key: str) -> Any:
    return _rates(state)[state.registry.agents[history.agent_at(state, key)].passport.name]


def _tasks(state: HubState) -> dict[str, Any]:
    return {
        task.task_id: {
            "owner_id": task.owner_id,
            "session_id": task.session_id,
            "capability": task.capability,
            "started_at": iso(task.started_us),
        }
        for task in state.tasks.open.values()
    }


def _task(history: History, state: HubState, key: str) -> dict[str, Any]:
    found = {
        kind: event
        for event in history.log.read(tagged(f"task:{key}"), until=state.position)
        for kind in (TaskStarted, TaskProgressed, TERMINAL)
        if isinstance(event.body, kind)
    }
    if TaskStarted not in found:
        raise QuestionError(
            f"there was no task {key!r} at @{state.position}: replay log --type task.started lists them"
        )
    return task_snapshot(found[TaskStarted], found.get(TaskProgressed), found.get(TERMINAL)).to_dict()


def _denials(state: HubState) -> dict[str, Any]:
    return {
        str(number): {"subject": subject, "action": action, "target": target, "error": error, "at": iso(at_us)}
        for number, (subject, action, target, error, at_us) in enumerate(state.denials.dump())
    }


def _denial(history: History, state: HubState, key: str) -> Any:
    return _descend(_denials(state), [key], "denials")


Every = Callable[[HubState], dict[str, Any]]
One = Callable[[History, HubState, str], Any]
COLLECTIONS: dict[str, tuple[Every, One]] = {
    "agents": (_agents, _agent),
    "sessions": (_sessions, _session),
    "inboxes": (_inboxes, _inbox),
    "observed": (_observed, _observed_of),
    "rates": (_rates, _rate),
    "tasks": (_tasks, _task),
    "denials": (_denials, _denial),
}
"""Collection to what lists it and what shows one of it."""
