"""Points in history, agents and sessions, as people write them.

============================  ==================================================================================
written                       the point
============================  ==================================================================================
``head``                      the last event
``@123``                      position 123; ``@0`` is before everything
``7be2``                      the event with this id, or the one whose id begins so; an envelope's id is its event's
``2026-08-21T10:00Z``         that time, a date its midnight; without an offset UTC, as all times here
``-15m``                      so long before the log's last event: s, m, h or d
============================  ==================================================================================

A time lies between events: where a point is the end of something (``--at``, ``--until``) it is the last event at or
before that time, where it is a beginning (``--since``) the first at or after it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from difflib import get_close_matches
from itertools import islice
from typing import NamedTuple

from events.agents import AgentRegistered
from events.event import Event
from events.log import EventLog, tagged
from events.sessions import SessionCreated
from events.values.identity import AGENT_ID
from events.values.rule import parse_duration
from events.values.times import parse_iso
from replay.errors import QuestionError

SHOWN_MAX = 4
"""How many candidates an error names."""
NAMES_COMPARED_MAX = 1000
"""Among how many of the latest names a close one is looked for."""

_POSITION = re.compile(r"@(\d{1,18})")
AGO = re.compile(r"-(\d{1,12}[smhd])")
"""How long before the log's last event."""
_ID = re.compile(r"[0-9a-f]{1,32}")
_FORMS = "write @123, an event's id or its beginning, a time such as 2026-08-21T10:00Z, -15m, or head"


class Point(NamedTuple):
    """A position, or a time in microseconds since 1970; one of the two is None."""

    position: int | None
    at_us: int | None = None


def parse_point(log: EventLog, head: int, text: str) -> Point:
    """Return the point that a text means; O(log² n) for an id, else O(log n).

    Args:
        log: the log it is a point of.
        head: its last position, as the asker knows it.
        text: see the table above.

    Raises:
        QuestionError: not a point, one that the log does not have, or the beginning of several ids.
    """
    if text == "head":
        return Point(head)
    if match := _POSITION.fullmatch(text):
        return Point(_within(int(match[1]), head))
    if match := AGO.fullmatch(text):
        return Point(None, _end_us(log, head) - _duration_us(match[1]))
    if _ID.fullmatch(text.lower()):
        return Point(_with_id(log, head, text.lower()).position)
    return Point(None, _time_us(text))


def last_position(log: EventLog, head: int, point: Point) -> int:
    """Return the last position at or before a point, 0 for none; O(log n)."""
    return point.position if point.position is not None else _first_at(log, head, (point.at_us or 0) + 1) - 1


def first_position(log: EventLog, head: int, point: Point) -> int:
    """Return the first position at or after a point, ``head + 1`` for none; O(log n)."""
    return max(point.position, 1) if point.position is not None else _first_at(log, head, point.at_us or 0)


def _first_at(log: EventLog, head: int, at_us: int) -> int:
    found = log.bisect(None, lambda event: event.at_us, at_us)
    return head + 1 if found is None else min(found, head + 1)


def _within(position: int, head: int) -> int:
    if position > head:
        raise QuestionError(f"@{position} is not in the log, which ends at @{head}: give a position up to that")
    return position


def _end_us(log: EventLog, head: int) -> int:
    event = log.get(head, content=False) if head else None
    if event is None:
        raise QuestionError("the log has no events yet, so there is no time before its last one: try again later")
    return event.at_us


def _duration_us(text: str) -> int:
    try:
        return (parse_duration(text) or 0) * 1_000_000
    except ValueError:
        raise QuestionError(f"-{text} is more than a century: give a shorter time, or @1") from None


def _time_us(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        return parse_iso((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat())
    except (ValueError, OverflowError):
        raise QuestionError(f"{text!r} is not a point in a log: {_FORMS}") from None


def _with_id(log: EventLog, head: int, prefix: str) -> Event:
    found = [event for event in islice(log.find_prefix(prefix), SHOWN_MAX + 1) if event.position <= head]
    return _only(found, "event", prefix)


def _only(found: list[Event], what: str, prefix: str) -> Event:
    if not found:
        raise QuestionError(f"no {what}'s id begins with {prefix!r}: check it, or name the {what} by position as @123")
    if len(found) > 1 and found[0].id != prefix:
        some = ", ".join(f"@{event.position}" for event in found[:SHOWN_MAX])
        more = " and more" if len(found) > SHOWN_MAX else ""
        raise QuestionError(
            f"{prefix!r} begins the ids of several {what}s ({some}{more}): give one of these, or more of it"
        )
    return found[0]


def find_session(log: EventLog, head: int, text: str) -> Event:
    """Return the ``session.created`` event of a session; O(log² n).

    Args:
        log: where it is.
        head: the last position that counts.
        text: the session's id, a beginning of it that no other session's id has, or ``@N`` for the session that the
            event at that position belongs to.

    Raises:
        QuestionError: there is no such session, or several.
    """
    if match := _POSITION.fullmatch(text):
        return _session_of(log, _within(int(match[1]), head))
    prefix = text.lower()
    if not _ID.fullmatch(prefix):
        raise QuestionError(
            f"{text!r} is not a session: give its id, the beginning of it, or @POSITION of an event in it"
        )
    created = tagged(types=(SessionCreated,))
    start = log.bisect(created, lambda event: event.id, prefix)
    found = [] if start is None else list(log.read(created, after=start - 1, until=head, limit=SHOWN_MAX + 1))
    return _only([event for event in found if event.id.startswith(prefix)], "session", prefix)


def _session_of(log: EventLog, position: int) -> Event:
    event = log.get(position, content=False)
    session_id = getattr(event.body, "session_id", None) if event is not None else None
    if event is None or session_id is None:
        what = event.type if event is not None else "before all events"
        raise QuestionError(f"@{position} is {what}, which is of no session: give an event of the session you mean")
    return next(log.read(tagged(f"session:{session_id}", types=(SessionCreated,)), limit=1))


def find_agents(log: EventLog, text: str) -> tuple[str, ...]:
    """Return the ids of every agent, live or gone, that has this id or ever had this name; O(log n).

    Raises:
        QuestionError: nobody ever did.
    """
    tag = f"agent:{text}" if AGENT_ID.fullmatch(text) else f"name:{text}"
    found = tuple(event.body.agent_id for event in log.read(tagged(tag, types=(AgentRegistered,)), content=False))
    if not found:
        raise QuestionError(f"no agent {text!r} was ever registered in this log: {_close_names(log, text)}")
    return found


def _close_names(log: EventLog, text: str) -> str:
    latest = log.read(tagged(types=(AgentRegistered,)), backwards=True, limit=NAMES_COMPARED_MAX, content=False)
    names = list(dict.fromkeys(event.body.name for event in latest))
    close = get_close_matches(text, names, SHOWN_MAX, 0.5)
    if close:
        return f"did you mean {', '.join(close)}?"
    shown = ", ".join(sorted(names[:8]))
    return f"give a name or an id; some are {shown}" if names else "it has no agents yet"
