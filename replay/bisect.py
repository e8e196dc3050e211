"""The first event after which something holds (REPLAY, bisect).

There are three ways, and the cheapest that is certain is taken:

=========  =========================================================================================================
way        when; what it costs
=========  =========================================================================================================
alone      the expression looks at one thing only: the events that can change it are folded alone (``replay.lives``)
binary     it is proven that it stays true once it is (``replay.expressions.lasting``): the projection checkpoints are
           halved, then the events between two of them are folded; O(log checkpoints · live + events between two)
scan       neither: one fold of the log from its start. What was true in between and is so no more is found, too
=========  =========================================================================================================

The expression is asked again only after events that can touch what it names.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from events.event import Event
from hub.loading import checkpoint_folder, restored
from projections.snapshots import positions
from projections.state import HubState
from replay.expressions import Expression
from replay.expressions.lasting import lasts
from replay.history import History, Progress
from replay.lives import ENDS, life_of
from replay.query import PROGRESS_EVENTS


class Way(StrEnum):
    """How it was looked for."""

    ALONE = "alone"
    BINARY = "binary"
    SCAN = "scan"


@dataclass(slots=True)
class Search:
    """What was looked for, how, what it cost, and what was found.

    Attributes:
        way: how.
        thing: the path of the one thing that was folded, of the way ``alone``.
        event: the first event after which the expression holds, None when it never does.
        last: the position up to which it was looked for.
        checkpoints: how many projection checkpoints were loaded.
        folded: how many events were folded.
        asked: in how many states the expression was worked out.
    """

    way: Way
    last: int
    thing: str = ""
    event: Event | None = None
    checkpoints: int = 0
    folded: int = 0
    asked: int = 0


def bisect(
    history: History, expression: Expression, until: str | int = "head", progress: Progress | None = None
) -> Search:
    """Find the first event after which an expression holds.

    Args:
        history: the log to ask.
        expression: as ``replay.expressions.compile`` gives it; it holds where its value is true in Python's sense.
        until: up to this point.
        progress: told the position reached now and then.

    Raises:
        QuestionError: the expression names what the log never had, or has no value in some state.
        StoreError, CorruptLogError: the log cannot be read.
    """
    last = history.position(until)
    search = Search(Way.SCAN, last)
    if (thing := _only_thing(expression)) is not None:
        _alone(history, expression, thing, search)
    elif lasts(expression):
        search.way = Way.BINARY
        _binary(history, expression, search, progress)
    else:
        _fold(history, expression, HubState(history.catalogue), last, search, progress)
    return search


def _only_thing(expression: Expression) -> str | None:
    """Return the path of the one thing that is looked at, if its own events are all that can change what is asked."""
    if expression.things is None or len(expression.things) != 1:
        return None
    ((collection, key),) = expression.things
    of_others = collection == "agents" and any(map(_may_be_of_others, ast.walk(expression.tree)))
    return None if "/" in key or of_others else f"{collection}/{key}"


def _may_be_of_others(node: ast.AST) -> bool:
    """Whether a node names, or works out, a field of an agent that events change which are not the agent's own."""
    if isinstance(node, ast.Subscript):
        return not isinstance(node.slice, ast.Constant) or node.slice.value in _OF_OTHERS
    return isinstance(node, ast.comprehension) or (isinstance(node, ast.Attribute) and node.attr in _OF_OTHERS)


_OF_OTHERS = frozenset({"pending", "sessions"})


def _holds(history: History, expression: Expression, state: HubState, search: Search) -> bool:
    search.asked += 1
    return bool(expression(history, state))


def _alone(history: History, expression: Expression, thing: str, search: Search) -> None:
    life = life_of(history, thing)
    state = life.begin()
    search.way, search.thing = Way.ALONE, life.path
    without = search.last > 0 and _holds(history, expression, state, search)
    for event in life.walk(state, search.last):
        if without and event.position > 1:
            break
        without = False
        search.folded += 1
        if _holds(history, expression, state, search):
            search.event = history.event(event.position)
            return
    if without:
        search.event = history.event(1)  # it holds of what is not there yet


def _binary(history: History, expression: Expression, search: Search, progress: Progress | None) -> None:
    low, high = HubState(history.catalogue), search.last
    places = _checkpoints(history, search.last)
    while places:
        middle = len(places) // 2
        state = _restored(history, places[middle])
        if state.position != places[middle]:
            del places[middle]  # of other code, of another log, or garbled
            continue
        search.checkpoints += 1
        if _holds(history, expression, state, search):
            high, places = state.position, places[:middle]
        else:
            low, places = state, places[middle + 1 :]
    _fold(history, expression, low, high, search, progress)


def _checkpoints(history: History, until: int) -> list[int]:
    folder = checkpoint_folder(history.log)
    return [] if folder is None else [position for position in positions(folder) if position <= until]


def _restored(history: History, position: int) -> HubState:
    state, folder = HubState(history.catalogue), checkpoint_folder(history.log)
    if folder is None or not restored(state, folder, history.log, history.catalogue, position):
        return HubState(history.catalogue)
    return state


def _fold(
    history: History,
    expression: Expression,
    state: HubState,
    until: int,
    search: Search,
    progress: Progress | None,
) -> None:
    touches = _touching(history, expression)
    begin = state.position

    def asked(events: Iterator[Event]) -> Iterator[Event]:
        """Give events to the fold, and ask when it comes back for the next: then the last one is in the state."""
        for event in events:
            yield event
            state.position, state.at_us, state.last_id = event.position, event.at_us, event.id
            search.folded += 1
            if progress is not None and search.folded % PROGRESS_EVENTS == 0:
                progress(event.position)
            if (event.position == 1 or touches(event)) and _holds(history, expression, state, search):
                search.event = event
                return

    history.fold(state, asked(history.log.read(after=begin, until=until, content=False)))
    if search.event is not None:
        search.event = history.event(search.event.position)


def _touching(history: History, expression: Expression) -> Callable[[Event], bool]:
    """Return whether an event can change what an expression looks at."""
    if expression.things is None:
        return lambda event: True
    tags: set[str] = set()
    for collection, key in expression.things:
        if collection == "sessions":
            tags.add(f"session:{history.session_id(key)}")
        elif collection == "tasks":
            tags.add(f"task:{key}")
        elif collection == "denials":
            return lambda event: True
        else:
            tags |= {f"agent:{agent_id}" for agent_id in history.agent_ids(key)}
    ends = ENDS if any(collection in ("agents", "inboxes") for collection, _ in expression.things) else ()
    return lambda event: isinstance(event.body, ends) or not tags.isdisjoint(event.tags)
