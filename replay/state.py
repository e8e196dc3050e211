"""What the hub knew, as people ask for it: ``agents/bob/rule``, ``sessions/7be2``, ``inboxes/bob``.

A path is a collection, then a name, id or beginning of an id in it, then fields, each split by ``/`` or ``.``. Live
things come from the state at the point asked for; what had ended by then, and texts, which no projection keeps, are
read from the log up to that point. The same words make up expressions (``replay.expressions``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any, NamedTuple

from events.event import Event
from events.log import tagged
from events.tasks import TERMINAL, TaskProgressed, TaskStarted
from events.values.base import plain
from events.values.frozen import thaw
from events.values.session import SessionMetadata
from events.values.times import iso
from projections.archive import task_snapshot
from projections.inboxes import Pending
from projections.registry import AgentRecord
from projections.sessions import SessionRecord
from projections.state import HubState
from replay.errors import AbsentError, QuestionError
from replay.history import History


class Fields(Mapping[str, Any]):
    """Named values, each worked out when it is asked for."""

    def __init__(self, fields: Mapping[str, Callable[[], Any]]) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> Any:
        return self._fields[name]()

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


class Keyed(dict[str, Any]):
    """A mapping whose keys come and go, as those of capabilities do."""


def whole(value: Any) -> Any:
    """Return a value with all of its fields worked out, as JSON data."""
    return {name: whole(value[name]) for name in value} if isinstance(value, Fields) else value


def look(history: History, state: HubState, path: str = "") -> Any:
    """Return what stands at a path in a state, as JSON data; the overview for an empty path.

    Cost: O(what is returned); an ended session or task costs its events.

    Raises:
        QuestionError: nothing stood there at that point.
    """
    collection, key, fields = split_path(path)
    if not collection:
        return overview(state)
    shown = COLLECTIONS[collection]
    if not key:
        return shown.every(state)
    return whole(_descend(shown.one(history, state, key), fields, f"{collection}/{key}"))


def split_path(path: str) -> tuple[str, str, list[str]]:
    """Return the collection, the key and the fields of a path; each is empty where the path ends before it.

    Raises:
        QuestionError: there is no such collection.
    """
    collection, *rest = path.strip("/").split("/")
    if not rest and "." in collection:
        collection, *rest = collection.split(".")
    if collection and collection not in COLLECTIONS:
        close = get_close_matches(collection, COLLECTIONS, 1)
        hint = f"did you mean {close[0]}?" if close else f"paths begin with {', '.join(COLLECTIONS)}"
        raise QuestionError(f"there is no {collection!r} in a hub's state: {hint}")
    return collection, rest[0] if rest else "", rest[1:]


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
            raise QuestionError(f"there is no {field!r} in {where}: {choices(value)}")
        where = f"{where}/{field}"
    return value


def choices(value: Any) -> str:
    """Say what may be asked for below a value that does not have what was asked for."""
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


def _agent(history: History, state: HubState, key: str) -> Fields:
    agent_id = history.agent_at(state, key)
    record = state.registry.agents[agent_id]
    return Fields(
        {
            "passport": record.passport.to_dict,
            "rule": record.rule.to_dict,
            "resume": lambda: _resume(history, record),
            "observed": lambda: _stats(state, agent_id),
            "skill": lambda: _skill(history, record),
            "pending": lambda: state.inboxes.depth(agent_id),
            "sessions": lambda: [each.session_id for each in state.sessions.of_agent(agent_id)],
        }
    )


def _resume(history: History, record: AgentRecord) -> Fields:
    return Fields(
        {
            "claimed_capabilities": lambda: list(record.capabilities),
            "domains": lambda: list(record.domains),
            "summary": lambda: _body(history, record.resume_position).summary,
            "examples": lambda: thaw(_body(history, record.resume_position).examples),
            "version": lambda: record.resume_version,
            "last_updated": lambda: iso(record.resume_updated_us),
        }
    )


def _skill(history: History, record: AgentRecord) -> str | None:
    if record.skill_position is None:
        return None
    body = _body(history, record.skill_position)
    return getattr(body, "skill", "") or getattr(body, "markdown", None)


def _body(history: History, position: int) -> Any:
    event = history.log.get(position)
    assert event is not None  # the state was folded from it
    return event.body


def _stats(state: HubState, agent_id: str) -> Keyed:
    return Keyed({capability: stat.to_dict() for capability, stat in state.observed.of(agent_id).items()})


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


def _session(history: History, state: HubState, key: str) -> Fields:
    session_id = key if key in state.sessions.live else history.session_id(key)
    record = state.sessions.live.get(session_id)
    if record is None and session_id <= state.last_id:  # ids ascend with positions: it was there, so it has ended
        record = history.ended_session(session_id)
    if record is None:
        created = history.event(session_id).position
        raise AbsentError(f"the session {key!r} did not exist at @{state.position}: it was created by @{created}")
    return _session_record(state, record)


def _session_record(state: HubState, record: SessionRecord) -> Fields:
    adapter = state.sessions.adapter(record)
    dormant = adapter is None or record.adapter_state is None
    turn = record.turn
    return Fields(
        {name: partial(_of, record.metadata, name) for name in SessionMetadata.__dataclass_fields__}
        | {
            "left": lambda: sorted(record.left),
            "depth": lambda: record.depth,
            "envelopes": lambda: record.sequence,
            "expected_next": lambda: state.sessions.expected_next(record),
            "turn_since": lambda: iso(turn.since.at_us) if turn else None,
            "owed_a_reply_by": lambda: {agent_id: iso(since.at_us) for agent_id, since in record.owed.items()},
            "dormant": lambda: dormant,
            "adapter_state": lambda: (
                None if adapter is None or dormant else thaw(adapter.dump_state(record.adapter_state))
            ),
        }
    )


def _of(metadata: SessionMetadata, name: str) -> Any:
    value = plain(getattr(metadata, name))
    return str(value) if isinstance(value, str) else value  # not an enum, whose repr is another


# Inboxes, rates, tasks, refusals.


def _inboxes(state: HubState) -> dict[str, Any]:
    return {record.passport.name: state.inboxes.depth(agent_id) for agent_id, record in state.registry.agents.items()}


def _inbox(history: History, state: HubState, key: str) -> Fields:
    agent_id = history.agent_at(state, key)
    inbox = state.inboxes.inboxes[agent_id]
    return Fields(
        {
            "depth": lambda: len(inbox.pending),
            "pending": lambda: _places(inbox.pending),
            "released": lambda: _places(inbox.released),
            "attempts": lambda: dict(inbox.attempts),
        }
    )


def _places(places: Mapping[str, Pending]) -> list[dict[str, Any]]:
    return [
        {"envelope_id": key, "session_id": each.session_id, "position": each.position} for key, each in places.items()
    ]


def _rates(state: HubState) -> dict[str, Any]:
    return {record.passport.name: _sent(state, agent_id) for agent_id, record in state.registry.agents.items()}


def _rate(history: History, state: HubState, key: str) -> Any:
    return _sent(state, history.agent_at(state, key))


def _sent(state: HubState, agent_id: str) -> list[str]:
    return [iso(at_us) for at_us in state.rates.times(agent_id)]


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
    def latest(*types: type) -> Event | None:
        query = tagged(f"task:{key}", types=types)
        return next(history.log.read(query, until=state.position, backwards=True, limit=1), None)

    started = latest(TaskStarted)
    if started is None:
        first = next(history.log.read(tagged(f"task:{key}"), limit=1), None)
        if first is not None:
            raise AbsentError(f"the task {key!r} was not there at @{state.position}: it started at @{first.position}")
        raise QuestionError(f"there is no task {key!r} in this log: replay log --type task.started lists them")
    return task_snapshot(started, latest(TaskProgressed), latest(*TERMINAL)).to_dict()


def _denials(state: HubState) -> dict[str, Any]:
    return {
        str(number): {"subject": subject, "action": action, "target": target, "error": error, "at": iso(at_us)}
        for number, (subject, action, target, error, at_us) in enumerate(state.denials.dump())
    }


def _denial(history: History, state: HubState, key: str) -> Any:
    found = _denials(state).get(key)
    if found is None:
        raise AbsentError(f"there was no refusal {key!r} at @{state.position}: replay state denials lists them")
    return found


class Shown(NamedTuple):
    """How a collection is shown: the keys of what is in it, all of it in short, and one thing in full."""

    keys: Callable[[HubState], Collection[str]]
    every: Callable[[HubState], dict[str, Any]]
    one: Callable[[History, HubState, str], Any]


def _names(state: HubState) -> Collection[str]:
    return state.registry.names


COLLECTIONS: dict[str, Shown] = {
    "agents": Shown(_names, _agents, _agent),
    "sessions": Shown(lambda state: state.sessions.live, _sessions, _session),
    "inboxes": Shown(_names, _inboxes, _inbox),
    "observed": Shown(_names, _observed, _observed_of),
    "rates": Shown(_names, _rates, _rate),
    "tasks": Shown(lambda state: state.tasks.open, _tasks, _task),
    "denials": Shown(_denials, _denials, _denial),
}
"""What a path begins with; of sessions and tasks the keys are those that live."""
