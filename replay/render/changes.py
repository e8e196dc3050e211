"""Changes for people: each event, and under it what it changed, before → after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from events.event import Event
from events.values.identity import AGENT_ID
from replay.differences import ABSENT, Difference
from replay.history import History
from replay.names import Names
from replay.render.sentences import sentence
from replay.render.table import GAP, Paint
from replay.render.text import compact, offset, printable, quoted, shortened, wrapped_lines

VALUE_LENGTH_MAX = 400
"""A longer value is cut; ``--json`` has all of it."""
TEXT_WIDTH_MIN = 20
INDENT = "    "


def event_lines(history: History, event: Event, *, width: int | None, paint: Paint) -> Iterator[str]:
    """Give the lines of an event: where it is, when it was, what it says."""
    start_us = history.start_us()
    position = f"@{event.position}".rjust(len(str(history.head)) + 1)
    when = offset(event.at_us - start_us).ljust(len(offset(history.end_us() - start_us)))
    left = len(position) + len(when) + 2 * len(GAP)
    room = None if width is None else max(width - left, TEXT_WIDTH_MIN)
    first, *more = wrapped_lines(sentence(event, history.names), room)
    yield GAP.join((paint(position, "bold"), paint(when, "green"), first))
    yield from (" " * left + line for line in more)


def change_lines(
    root: str, changes: Iterable[tuple[Difference, int]], *, names: Names, width: int | None, paint: Paint
) -> Iterator[str]:
    """Give a line for each change of a thing and how often its path changed; those that wrap have several."""
    room = None if width is None else max(width - len(INDENT), TEXT_WIDTH_MIN)
    for difference, times in changes:
        text = change_text(root, difference, names) + (f" ({times:,} changes)" if times > 1 else "")
        style = "green" if difference.before is ABSENT else "red" if difference.after is ABSENT else "cyan"
        yield from (INDENT + paint(line, style) for line in wrapped_lines(text, room))


def change_text(root: str, difference: Difference, names: Names) -> str:
    """Say a change: the path below its root, before → after; of a whole thing that it came, or went."""
    path, before, after = difference
    if path == root:
        return "+ it came" if before is ABSENT else "- it went"
    where = printable(path.removeprefix(f"{root}/"))
    if isinstance(before, list) and isinstance(after, list) and len(before) + len(after) > 2:
        return f"{where}: {_moved(before, after, names)}"
    return f"{where}: {value_text(before, names)} → {value_text(after, names)}"


def _moved(before: list[Any], after: list[Any], names: Names) -> str:
    """Say what came into a list and what left it; the whole of both where that is not all of it."""
    came, went = [each for each in after if each not in before], [each for each in before if each not in after]
    kept = [each for each in before if each not in went]
    if not (came or went) or kept + came != after:
        return f"{value_text(before, names)} → {value_text(after, names)}"
    parts = [f"{sign}{value_text(part, names)}" for sign, part in (("+", came), ("-", went)) if part]
    return " ".join(parts)


def value_text(value: Any, names: Names) -> str:
    """Return a value on one line, ids as names; ``nothing`` for what is absent."""
    if value is ABSENT:
        return "nothing"
    if isinstance(value, str):
        return named(value, names) if AGENT_ID.fullmatch(value) else quoted(value) if value else '""'
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return shortened(f"[{', '.join(named(each, names) for each in value)}]", VALUE_LENGTH_MAX)
    return shortened(compact(value), VALUE_LENGTH_MAX)


def named(text: str, names: Names) -> str:
    """Return the name of an id, any other text as it is."""
    return printable(names.anyone(text) if AGENT_ID.fullmatch(text) else text)


def root_text(root: str, names: Names) -> str:
    """Return what a thing is called: a session by its type and where it began."""
    collection, _, key = root.partition("/")
    return printable(f"{collection}/{key}" if collection != "sessions" else f"{root} ({names.session(key)})")
