"""What changed between two points, each changed path with the event that changed it last (REPLAY, diff)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from events.event import Event
from events.log import tagged
from events.sessions import SessionCreated
from events.tasks import TaskStarted
from projections.state import HubState
from replay.differences import ABSENT, Difference, differences
from replay.errors import QuestionError
from replay.history import History, Progress
from replay.lives import Base, Life, life_of
from replay.state import look


class PathChange(NamedTuple):
    """A path that differs.

    ``event`` is the last one, between the two points, that changed it; ``times`` how many did.
    """

    root: str
    difference: Difference
    event: Event
    times: int


def diff(
    history: History, begin: str | int, end: str | int, path: str = "", progress: Progress | None = None
) -> Iterator[PathChange]:
    """Give what differs between the states at two points, thing by thing, lazily once the two states are there.

    A thing that came is one change, what changed in it since then further ones; one that went is one change. Without a
    path: agents, the depths of their inboxes, sessions and tasks; what moves by itself (rates, refusals of the last
    minute) only when it is asked for.

    Args:
        history: the log to ask.
        begin: the earlier point.
        end: the later point.
        path: as ``replay state`` takes it, to look at one thing or a field of it.
        progress: told the events folded so far.

    Raises:
        QuestionError: a point or path that is not there, or the points are in the wrong order.

    Cost: with a path O(the thing's own events). Without: two states, and the events of each thing that differs; an
    agent's from ``begin`` on, a session's from its own beginning.
    """
    first, last = history.position(begin), history.position(end)
    if first > last:
        raise QuestionError(f"@{first} comes after @{last}: give the earlier point first")
    return _of_path(history, first, last, path) if path else _of_all(history, first, last, progress)


def _of_path(history: History, first: int, last: int, path: str) -> Iterator[PathChange]:
    life = life_of(history, path)
    found = list(_changes(life, life.begin(), first, last))  # at once, so that a slip is told before an answer begins
    if not found:
        state = life.begin()
        for _ in life.walk(state, last):
            pass
        state.position = last
        look(history, state, life.path)  # says why nothing stands there
    return iter(found)


def _of_all(history: History, first: int, last: int, progress: Progress | None) -> Iterator[PathChange]:
    before, after = history.rebuild(first, progress).state, history.rebuild(last, progress).state
    base = Base(before)
    lives = (life_of(history, path) for path in _differing(history, before, after))
    return (change for life in lives for change in _changes(life, life.begin(base), first, last))


def _changes(life: Life, state: HubState, first: int, last: int) -> Iterator[PathChange]:
    """Compare a thing at two points, and say of each of its paths which event changed it last."""
    for _ in life.walk(state, first):
        pass
    before = start = value = life.value(state)
    changed: dict[str, tuple[Event, int]] = {}
    for event in life.walk(state, last):
        was, value = value, life.value(state)
        if was is ABSENT:
            start, changed = value, {}
        for each in differences(was, value, life.path):
            changed[each.path] = event, changed.get(each.path, (event, 0))[1] + 1
    found = [*differences(before, value, life.path)]
    if before is ABSENT and value is not ABSENT:
        found = [Difference(life.path, ABSENT, start), *differences(start, value, life.path)]
    whole: dict[int, Event] = {}  # with its texts, which no fold reads
    for each in found:
        event, times = _latest(changed, each.path)
        if event.position not in whole:
            whole[event.position] = life.history.log.get(event.position) or event
        yield PathChange(life.root, each, whole[event.position], times)


def _latest(changed: dict[str, tuple[Event, int]], path: str) -> tuple[Event, int]:
    """Return what changed a path, or something above it: a thing that went and came again changed as a whole."""
    parts = path.split("/")
    above = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
    return max((changed[each] for each in above if each in changed), key=lambda found: found[0].position)


def _differing(history: History, before: HubState, after: HubState) -> Iterator[str]:
    """Give the paths of the things that may differ: what lived at the first point and is not the same, what came."""
    log, since, until = history.log, before.position, after.position
    yield from _agents(before, after)
    for session_id, record in before.sessions.live.items():
        other = after.sessions.live.get(session_id)
        record.touch()  # what it shows is worked out when it is asked for, and is no part of it
        if other is not None:
            other.touch()
        if record != other:
            yield f"sessions/{session_id}"
    for event in log.read(tagged(types=(SessionCreated,)), after=since, until=until, content=False):
        yield f"sessions/{event.body.session_id}"
    for task_id in before.tasks.open:
        yield f"tasks/{task_id}"
    for event in log.read(tagged(types=(TaskStarted,)), after=since, until=until, content=False):
        yield f"tasks/{event.body.task_id}"


def _agents(before: HubState, after: HubState) -> Iterator[str]:
    old, new = before.registry, after.registry
    for name in dict.fromkeys((*old.names, *new.names)):
        was, now = old.names.get(name, ""), new.names.get(name, "")
        key = name if "/" not in name else was or now
        if old.get(was) != new.get(now) or before.observed.of(was) != after.observed.of(now):
            yield f"agents/{key}"
        if before.inboxes.depth(was) != after.inboxes.depth(now):
            yield f"inboxes/{key}/depth"
