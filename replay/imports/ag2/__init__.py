"""The folder of an ag2 hub as a log, so that networks that run on it can be investigated.

ag2 (https://github.com/ag2ai/ag2) keeps the state of its hub in files, and beside them a write-ahead log per channel
and an audit. Here identities, channels (sessions), envelopes, tasks, violations and failed turns become events with the
times and ids that they had, in one order (``replay.imports.ag2.items``); they are encoded and folded as a hub's own.
What a folder does not keep is not made up: the report says what is missing, with examples. Two things are
inferred. A session's end that ag2 brings about at once, by an answer, a rejection or a violation, has that as its
cause; and what was acknowledged is acknowledged at the end of the log, because a folder has no time of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from events.codec import StoredEvent, decode, encode
from events.event import Event
from events.sessions import InboxAcknowledged
from replay.imports.ag2 import agents, channels, tasks
from replay.imports.ag2.items import AGENT, AUDIT, Item, Stream, assigned, merged
from replay.imports.ag2.making import Made, Making
from replay.imports.ag2.report import Note, Report
from replay.imports.ag2.source import Json, Line, Source
from replay.imports.building import Building, building
from replay.query import PROGRESS_EVENTS

__all__ = ["Ag2Imported", "Note", "import_folder"]

ACKNOWLEDGED_MAX = 256
"""So many envelopes are acknowledged by one event."""

MAKERS: dict[str, Callable[[Making, Item], Made | None]] = {
    "registered": agents.registered,
    "agent_unregistered": agents.unregistered,
    "rule_set": agents.rule_set,
    "resume_set": agents.resume_set,
    "skill_set": agents.skill_set,
    "observed": agents.observed,
    "created": channels.created,
    "invited": channels.invited,
    "accepted": channels.accepted,
    "rejected": channels.rejected,
    "opened": channels.opened,
    "posted": channels.posted,
    "violated": channels.violated,
    "ended": channels.ended,
    "started": tasks.started,
    "progressed": tasks.progressed,
    "finished": tasks.finished,
    "turn_failed": tasks.turn_failed,
}
"""Kind of item to the function that makes its event, or None and a note."""
_ELSEWHERE = ("agent_registered", "channel_created", "channel_closed", "channel_expired", "task_terminated")
"""Audit records of what other files say."""


class Ag2Imported(NamedTuple):
    """What was imported: how many events, of what, and what could not be mapped."""

    events: int
    agents: int
    sessions: int
    origin: str
    root: str
    digest: str
    notes: tuple[Note, ...]


def import_folder(
    folder: str | os.PathLike[str],
    path: str | os.PathLike[str],
    origin: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Ag2Imported:
    """Make a log of the folder of an ag2 hub's DiskKnowledgeStore; the folder is only read.

    Args:
        folder: where the hub kept its files; it should not be running.
        path: the new log's folder; nothing may be there.
        origin: the new log's identity, 32 hex; a fresh one when None.
        progress: told the number of events made, now and then.

    Raises:
        QuestionError: the folder is not an ag2 hub's, or something is at the path already.
        CorruptLogError: what was made does not fold, which is a fault of the import; nothing is left of it.

    Cost: O(n log n) time and O(n) memory in the folder's records, as ag2's own start.
    """
    report = Report()
    source = Source(Path(folder), report)
    items = list(merged(_collected(source, report)))
    ids = assigned(items, report)
    with building(path, origin) as made:
        making = Making(made.state, report, {item.own: new for item, new in zip(items, ids, strict=True) if item.own})
        for count, (item, event_id) in enumerate(zip(items, ids, strict=True), 1):
            making.event_id, making.at_us = event_id, item.at_us
            found = making.attempt(partial(MAKERS[item.kind], making, item), item.where)
            if found is not None:
                _add(made, found)
            if progress is not None and count % PROGRESS_EVENTS == 0:
                progress(count)
        _acknowledge(made, making, source)
        people = sum(item.kind == "registered" for item in items)
        state, root = made.state, made.root()
        return Ag2Imported(
            state.position, people, len(making.sessions), made.origin, root, state.digest(), report.notes()
        )


def _add(made: Building, stored: StoredEvent) -> None:
    """Add an event as its bytes say it: that is what a hub will fold."""
    made.add(stored, decode(stored, made.state.position + 1))


def _collected(source: Source, report: Report) -> list[Sequence[Item]]:
    source.spans()
    audit = list(source.lines("audit/audit.jsonl", needed=True))
    registrations, behind = agents.agent_items(source, audit, report)
    sessions = channels.channel_items(source, audit, report)
    work = tasks.task_items(source, audit, report)
    told = _told(sessions)
    streams = [*registrations, *sessions, *work, _audit(audit, behind, told, report)]
    return [*streams, *_strangers(streams, report)]


def _told(sessions: Sequence[Sequence[Item]]) -> dict[tuple[str, str], list[Json]]:
    """Return the violations that participants were told of, by channel and expectation: the audit says more of them."""
    told: dict[tuple[str, str], list[Json]] = {}
    for item in (item for items in sessions for item in items if item.kind == "violated"):
        name = str((item.data.get("event_data") or {}).get("expectation"))
        told.setdefault((str(item.data["channel_id"]), name), []).append(item.data)
    return told


def _audit(
    audit: Sequence[Line], behind: dict[str, Json], told: dict[tuple[str, str], list[Json]], report: Report
) -> list[Item]:
    stream, violations = Stream(report), set[str]()
    for data, where in audit:
        kind = str(data.get("kind"))
        if kind in _ELSEWHERE:
            continue
        if kind == "resume_set" and data.get("source") == "observed":
            kind = "observed"
        elif kind == "expectation_violated":
            kind = "violated"
            envelopes = told.get((str(data.get("channel_id")), str(data.get("expectation"))))
            if envelopes:
                envelopes.pop(0).update({key: data.get(key) for key in ("on_violation", "params")})
                continue
            same = str(sorted((key, str(value)) for key, value in data.items() if key != "at"))
            if len(data.get("violators") or ()) > 1 and same in violations:
                report.note("repeated_violation", where)
                continue
            violations.add(same)
        elif kind not in MAKERS:
            report.note("strange_audit", f"{where}: {kind}")
            continue
        stream.add(data.get("at"), AUDIT, "", kind, {**data, **behind.get(where, {})}, where)
    return stream.items


def _strangers(streams: Sequence[Sequence[Item]], report: Report) -> Iterator[list[Item]]:
    """Give registrations of agents that act and of whom nothing else is left, just before they first do."""
    known = {item.own for items in streams for item in items if item.kind == "registered"}
    first: dict[str, Item] = {}
    for item in (item for items in streams for item in items):
        for agent_id in _actors(item):
            if agent_id not in known and (agent_id not in first or item.at_us < first[agent_id].at_us):
                first[agent_id] = item
    for agent_id, item in first.items():
        report.note("unknown_agent", f"{agent_id}, at {item.where}")
        data = {"passport": {"name": f"unknown {agent_id[-12:]}"}, "rule": None, "resume": None, "skill": None}
        yield [Item(item.at_us, AGENT, agent_id, "registered", data | {"line": {}}, item.where)]


def _actors(item: Item) -> list[str]:
    data = item.data.get("metadata") or item.data
    found = [data.get("creator_id"), data.get("sender_id"), data.get("owner_id")]
    found += [each.get("agent_id") for each in data.get("participants") or () if isinstance(each, dict)]
    return [str(each) for each in found if each]


def _acknowledge(made: Building, making: Making, source: Source) -> None:
    """Acknowledge, at the end, what the agents' cursors say they were done with."""
    done: list[tuple[str, str]] = []
    for name in source.ids("agents"):
        cursors = source.object(f"agents/{name}/inbox.cursors.json") or {}
        up_to = {making.ref(channel, name): making.ref(envelope, name) for channel, envelope in cursors.items()}
        agent_id = making.ref(name, name)
        waiting = made.state.inboxes.outstanding(agent_id)
        done += [(agent_id, key) for key, place in waiting if key <= up_to.get(place.session_id, "")]
    for start in range(0, len(done), ACKNOWLEDGED_MAX):
        some = done[start : start + ACKNOWLEDGED_MAX]
        making.report.note("acknowledged_late", f"by {some[0][0]}: {some[0][1]}", len(some))
        body = InboxAcknowledged(tuple(agent for agent, _ in some), tuple(envelope for _, envelope in some))
        event_id = f"{int(made.state.last_id, 16) + 1:032x}"
        _add(made, encode(Event(body, event_id, made.state.at_us)))
