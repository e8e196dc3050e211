"""What can be asked on a walk through a log, and how it is answered: a table from word to method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import Any, NamedTuple

from events.errors import NetworkError
from events.event import Event
from events.values.frozen import thaw
from events.values.times import iso
from replay.cli.common import Asked
from replay.cli.rows import event_json
from replay.diff import PathChange, diff
from replay.differences import kind, value_json
from replay.errors import QuestionError
from replay.expressions import compile as compiled
from replay.reasons import reason
from replay.render.chain import chain_lines
from replay.render.changes import change_lines, event_lines, root_text
from replay.render.sentences import sentence
from replay.render.text import offset, padded, printable, wrapped_lines
from replay.render.values import INDENT, value_lines
from replay.state import look
from replay.step import Broke, Walk
from replay.why import why

LINKS = 10
"""How many links of a causal chain are shown at each end."""
AROUND = 5
HELP_WIDTH = 11
HERE = "> "
"""What stands before the line of the event where one stands."""


class Ask(NamedTuple):
    """One thing to ask: what stands behind its word, what it does, and the method that answers."""

    takes: str
    says: str
    answers: Callable[[Guide, str], None]


class Guide:
    """Answers what is asked on a walk, on a person's screen or as JSON, one object a line.

    Args:
        asked: the log, and where answers go.
        walk: where one stands.
    """

    def __init__(self, asked: Asked, walk: Walk) -> None:
        self.asked, self.walk = asked, walk
        self._names = asked.history.names
        self._start_us = asked.history.start_us()
        self._again = "n"

    @property
    def prompt(self) -> str:
        """What stands before what is typed: where one stands."""
        return f"@{self.walk.position}> "

    def begin(self) -> None:
        """Say where the walk begins."""
        if not self.asked.screen.as_json:
            session_id = self.walk.session_id
            what = f"{printable(self._names.session(session_id))}, {session_id}" if session_id else "the whole log"
            self._print(self._paint(f"{what}; h says what can be asked, q quits", "dim"))
        self._stop(self.walk.event)

    def answer(self, line: str) -> None:
        """Answer one line; an empty one asks for the last movement again.

        Raises:
            QuestionError: it is not one of the words, or cannot be answered.
        """
        word, _, rest = (line or self._again).partition(" ")
        if word.startswith("@"):
            word, rest = "g", line
        ask = ASKS.get(word) or ASKS.get(_LONG.get(word, ""))
        if ask is None:
            raise QuestionError(f"{printable(word)!r} is nothing that can be asked here: h lists what is")
        if word in _MOVES:
            self._again = line or self._again
        ask.answers(self, rest.strip())

    def refuse(self, error: NetworkError) -> None:
        """Tell what could not be answered."""
        if self.asked.screen.as_json:
            self.asked.screen.json({"kind": "error", "code": error.code, "message": error.message})
        else:
            self._print(self._paint(f"? {error.message}", "yellow"))

    def interrupt(self) -> None:
        """Say that an answer was cut off; where one stands has not changed."""
        self._print(f"stopped; still at @{self.walk.position}")

    # Movements.

    def _next(self, rest: str) -> None:
        self._stop(self.walk.next(_count(rest, 1)))

    def _previous(self, rest: str) -> None:
        self._stop(self.walk.previous(_count(rest, 1)))

    def _go(self, rest: str) -> None:
        if not rest:
            raise QuestionError("g needs a point: @123, an id, a time, -15m or head")
        self._stop(self.walk.go(rest))

    def _cause(self, rest: str) -> None:
        self._stop(self.walk.cause())

    def _effects(self, rest: str) -> None:
        found, complete = self.walk.effects()
        if rest:
            number = _count(rest, 1)
            if number > len(found):
                raise QuestionError(f"@{self.walk.position} has {len(found)} effects: e lists them")
            self._stop(self.walk.go(found[number - 1].position))
        elif self.asked.screen.as_json:
            effects = [{"position": each.position, "type": each.type, "id": each.id} for each in found]
            self._json("effects", {"effects": effects, "complete": complete})
        else:
            for number, each in enumerate(found, 1):
                self._print(f"{number:>4}  @{each.position} {sentence(each, self._names)}")
            more = "" if complete else "; perhaps more, further on in the log"
            self._print(f"e {len(found)} goes to the last of them{more}" if found else f"no effects{more}")

    def _run(self, rest: str) -> None:
        with self._progress() as told:
            broke = self.walk.run(told)
        self._ran(broke, f"up to the log's end at @{self.asked.history.head}")

    def _run_back(self, rest: str) -> None:
        with self._progress() as told:
            broke = self.walk.run_back(told)
        self._ran(broke, "before here")

    def _ran(self, broke: Broke | None, where: str) -> None:
        if broke is not None:
            self._stop(broke.event, broke.expression.text)
        elif self.asked.screen.as_json:
            self._json("ran", {"break": None})
        else:
            self._print(f"no break becomes true {where}; still at @{self.walk.position}")

    # Looking.

    def _why(self, rest: str) -> None:
        history, screen, event = self.asked.history, self.asked.screen, self.walk.event
        chain = why(history, event, LINKS)
        if screen.as_json:
            links = [{"position": each.event.position, "why": each.why, "cause": each.cause} for each in chain.links]
            self._json("why", {"length": chain.length, "began": chain.began.position, "links": links})
        else:
            self._print_all(chain_lines(history, chain, width=screen.width, paint=screen.paint))

    def _view(self, rest: str) -> None:
        event = self.walk.event
        if self.asked.screen.as_json:
            self._json("event", event_json(event))
            return
        fields = {"at": iso(event.at_us), "id": event.id, "actor": event.actor, "tags": list(event.tags)}
        self._print_all(value_lines(fields, self._names))
        for title, part in (("facts", thaw(event.facts)), ("content", thaw(event.content))):
            if part:
                self._print(self._paint(title, "bold"))
                self._print_all(value_lines(part, self._names, INDENT))

    def _list(self, rest: str) -> None:
        events = self.walk.around(_count(rest, AROUND))
        if self.asked.screen.as_json:
            rows = [{"position": each.position, "type": each.type, "id": each.id} for each in events]
            self._json("around", {"events": rows})
            return
        width = None if self.asked.screen.width is None else self.asked.screen.width - len(INDENT)
        for event in events:
            here = event.position == self.walk.position
            lines = event_lines(self.asked.history, event, width=width, paint=self._paint)
            self._print_all((HERE if here and not number else INDENT) + line for number, line in enumerate(lines))

    def _state(self, rest: str) -> None:
        with self._progress() as told:
            value = look(self.asked.history, self.walk.state(told), rest)
        if self.asked.screen.as_json:
            self._json("state", {"path": rest, "value": value})
        else:
            self._print_all(value_lines(value, self._names))

    def _diff(self, rest: str) -> None:
        first, last = sorted((self.walk.came_from, self.walk.position))
        with self._progress() as told:
            changes = list(diff(self.asked.history, first, last, rest, told))
        if self.asked.screen.as_json:
            self._json("diff", {"from": first, "to": last, "changes": [_change_json(each) for each in changes]})
            return
        self._print(self._paint(f"from @{first} to @{last}" + ("" if changes else ": nothing differs"), "bold"))
        for root, group in groupby(changes, lambda change: change.root):
            self._print(self._paint(root_text(root, self._names), "bold magenta"))
            pairs = [(change.difference, change.times) for change in group]
            width = self.asked.screen.width
            self._print_all(change_lines(root, pairs, names=self._names, width=width, paint=self._paint))

    def _break(self, rest: str) -> None:
        breaks = self.walk.breaks
        if rest.startswith("-"):
            number = _count(rest[1:], 0)
            if not 0 < number <= len(breaks):
                raise QuestionError(f"there is no break {number}: b lists them")
            del breaks[number - 1]
        elif rest:
            expression = compiled(rest)
            expression(self.asked.history, self.walk.state())  # a slip is told now, and not in the middle of a run
            breaks.append(expression)
        if self.asked.screen.as_json:
            self._json("breaks", {"breaks": [each.text for each in breaks]})
        else:
            for number, each in enumerate(breaks, 1):
                self._print(f"{number:>4}  {printable(each.text)}")
            self._print("r runs to where one becomes true, b -1 removes the first" if breaks else "no breaks")

    def _help(self, rest: str) -> None:
        if self.asked.screen.as_json:
            self._json("help", {"asks": {word: ask.says for word, ask in ASKS.items()}})
            return
        width = self.asked.screen.width
        room = None if width is None else max(width - HELP_WIDTH, HELP_WIDTH)
        for word, says in (
            *((f"{word} {ask.takes}", ask.says) for word, ask in ASKS.items()),
            ("q", "quit, as Ctrl-D"),
        ):
            first, *more = wrapped_lines(says, room)
            self._print(padded(word, HELP_WIDTH) + first)
            self._print_all(" " * HELP_WIDTH + line for line in more)

    # Showing.

    def _stop(self, event: Event, broke: str | None = None) -> None:
        found = reason(self.asked.history, event)
        if self.asked.screen.as_json:
            cause = found.cause.position if found.cause is not None else None
            more = {"sentence": sentence(event, self._names), "why": found.why, "cause_position": cause, "break": broke}
            self._json("stop", event_json(event) | more)
            return
        if broke is not None:
            self._print(self._paint(f"now true: {printable(broke)}", "bold yellow"))
        when = f"{iso(event.at_us)} ({offset(event.at_us - self._start_us)})"
        self._print(self._paint(f"@{event.position} {event.type}, {when}", "bold"))
        width = self.asked.screen.width
        room = None if width is None else width - len(INDENT)
        self._print_all(INDENT + line for line in wrapped_lines(sentence(event, self._names), room))
        lines = wrapped_lines(f"← {found.why}", room)
        self._print_all(INDENT + self._paint(line, "cyan" if found.recorded else "yellow") for line in lines)

    def _paint(self, text: str, style: str) -> str:
        return self.asked.screen.paint(text, style)

    def _print(self, line: str) -> None:
        self.asked.screen.line(line)

    def _print_all(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._print(line)

    def _json(self, kind: str, value: Mapping[str, Any]) -> None:
        self.asked.screen.json({"kind": kind, "here": self.walk.position} | dict(value))

    def _progress(self) -> Any:
        return self.asked.screen.progress("folding", self.asked.history.head)


def _count(text: str, default: int) -> int:
    if not text:
        return default
    if not text.isdecimal() or not 0 < int(text) < 10**9:
        raise QuestionError(f"{printable(text)!r} is not a number of events: give one such as 10")
    return int(text)


def _change_json(change: PathChange) -> dict[str, Any]:
    difference = change.difference
    return {
        "kind": kind(difference),
        "path": difference.path,
        "before": value_json(difference.before),
        "after": value_json(difference.after),
        "position": change.event.position,
    }


ASKS: dict[str, Ask] = {
    "n": Ask("[N]", "the next event, or N on; Enter alone repeats the last movement", Guide._next),
    "p": Ask("[N]", "the previous event, or N back", Guide._previous),
    "g": Ask("POINT", "go to @123, an id or its beginning, a time, -15m, head", Guide._go),
    "c": Ask("", "go to what led to it", Guide._cause),
    "e": Ask("[K]", "what it led to; e 2 goes to the second of them", Guide._effects),
    "w": Ask("", "why: its causes, back to where it began", Guide._why),
    "v": Ask("", "view the event in full", Guide._view),
    "l": Ask("[N]", f"the N events before and after it, {AROUND} by default", Guide._list),
    "s": Ask("[PATH]", "the state here: s, s agents/bob/rule, s sessions/@6, s inboxes/bob", Guide._state),
    "d": Ask("[PATH]", "what changed between the last stop and here", Guide._diff),
    "b": Ask(
        "[EXPR]", 'break where it becomes true: b inbox("bob") > 50; b lists them, b -1 removes one', Guide._break
    ),
    "r": Ask("", "run on to the next break", Guide._run),
    "rb": Ask("", "run back to the break before", Guide._run_back),
    "h": Ask("", "this", Guide._help),
}
"""Word to what it asks."""
_LONG = {
    **{"next": "n", "previous": "p", "prev": "p", "go": "g", "goto": "g", "cause": "c", "effects": "e", "why": "w"},
    **{
        "view": "v",
        "show": "v",
        "list": "l",
        "state": "s",
        "diff": "d",
        "break": "b",
        "run": "r",
        "?": "h",
        "help": "h",
    },
}
_MOVES = {"n", "next", "p", "previous", "prev", "c", "cause", "r", "run", "rb"}
