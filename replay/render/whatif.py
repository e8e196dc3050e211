"""What asking again brought, for people: what differs first, how much of it, which caps, endings and paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from events.event import Event
from events.values.times import iso
from replay.history import History
from replay.render.sentences import sentence
from replay.render.table import GAP, Column, Paint, table
from replay.render.text import compact, offset, printable, shortened, wrapped_lines
from replay.whatif import Cap, Difference, Kind, Report
from replay.whatif.alike import changed_fields, twins

SHOWN_MAX = 10
"""How many things of a kind are shown unless every one is asked for."""
TEXT_WIDTH_MIN = 20
ARROW = "→ "
TITLES = {
    Kind.REFUSED: "would be refused",
    Kind.LET_IN: "would not be refused",
    Kind.CHANGED: "would lead to something else",
    Kind.MOOT: "would not be asked: what it rested on does not happen",
    Kind.UNDUE: "would find nothing to do",
    Kind.NEW: "would happen by time",
}
SAID_BY_TITLE = {Kind.REFUSED, Kind.LET_IN, Kind.UNDUE}
VERBS = {
    "Post": "post",
    "CreateSession": "open a session",
    "AnswerInvite": "answer an invite",
    "CloseSession": "close a session",
    "ObserveTask": "start a task",
    "UpdateTask": "report on a task",
    "Register": "register",
    "RecordDenial": "be refused",
}
STYLES = {Kind.REFUSED: "red", Kind.LET_IN: "green", Kind.NEW: "yellow", Kind.CHANGED: "yellow"}
_TIMES = {"at", "expires", "invite_due"}
_SESSION = re.compile(r"^sessions/([0-9a-f]{32})")


class Lines:
    """The lines of a report on a screen of a width (None: unlimited)."""

    def __init__(self, history: History, *, width: int | None, paint: Paint) -> None:
        self.history, self.width, self.paint = history, width, paint
        self._start_us = history.start_us()
        self._columns = len(str(history.head)) + 1, len(offset(history.end_us() - self._start_us))

    def report(self, report: Report, *, listed: bool = True) -> Iterator[str]:
        """Give the lines of a report; ``listed`` False leaves out the differences, which were told already."""
        yield from self._asked(report)
        if report.first is not None:
            yield from ("", self.paint("first difference", "bold"), *self.difference(report.first))
        yield from self._section("caps", map(self._cap, report.caps), len(report.caps))
        yield from self._section("sessions that end otherwise", self._endings(report), report.ended)
        for kind in TITLES if listed else ():
            yield from self._kind(report, kind)
        yield from self._section(f"state at @{report.head}", self._paths(report), report.changed)
        reasons = (f"{count:,} × {why}" for why, count in report.taken_over.most_common())
        yield from self._section("taken as recorded, because it cannot be asked again", reasons, len(report.taken_over))

    def _asked(self, report: Report) -> Iterator[str]:
        for path, was, now in report.settings:
            yield from self._wrapped(f"{printable(path)}  {compact(was)} {ARROW}{compact(now)}", "bold")
        if not report.settings:
            yield self.paint("nothing is changed", "bold")
        said = f"{_count(report.asked, 'command')} behind @{report.point} up to @{report.head} decided again: "
        if not report.diverges:
            exact = not (report.renumbered or report.taken_over or report.settings)
            said += "everything comes out the same" + (", to the byte" if exact else "")
        else:
            otherwise = report.counts.total() - report.counts[Kind.NEW]
            said += f"{report.again:,} come out the same, {otherwise:,} otherwise"
            said += f", {report.counts[Kind.NEW]:,} more by time" if report.counts[Kind.NEW] else ""
        yield from self._wrapped(said, "")

    def _kind(self, report: Report, kind: Kind) -> Iterator[str]:
        count = report.counts[kind]
        if not count:
            return
        yield ""
        yield from self._wrapped(f"{TITLES[kind]}: {count:,}", "bold")
        for (who, command, error), (number, first, last) in report.refused.items() if kind is Kind.REFUSED else ():
            name, what = printable(self.history.names.anyone(who)), VERBS.get(command, command)
            place = f"@{first}" if first == last else f"@{first} to @{last}"
            yield from self._wrapped(f"{number:,} × {name}, {what}, {error}: {place}", STYLES[kind])
        shown = (each for each in report.differences if each.kind is kind)
        for each in islice(shown, SHOWN_MAX):
            yield from self.difference(each, brief=True)
        if count > SHOWN_MAX:
            yield self.paint(f"… {count - SHOWN_MAX:,} more: see --all", "dim")

    def difference(self, difference: Difference, *, brief: bool = False) -> Iterator[str]:
        """Give the lines of one difference: what was recorded, and under it what would be.

        ``brief``: a line each, and only what a title over it does not say.
        """
        position = f"@{difference.position}" if difference.position else "new"
        when = offset(difference.at_us - self._start_us)
        cells = self.paint(position.rjust(self._columns[0]), "bold"), self.paint(when.ljust(self._columns[1]), "green")
        left = sum(self._columns) + 2 * len(GAP)
        room = None if self.width is None else max(self.width - left, TEXT_WIDTH_MIN)
        told = [] if brief and difference.kind in SAID_BY_TITLE else list(self._now(difference))
        first = sentence(difference.event, self.history.names) if difference.position else told.pop(0)
        head, *rest = [shortened(first, room)] if brief else wrapped_lines(first, room)
        yield GAP.join([*cells, head])
        yield from (" " * left + line for line in rest)
        room = None if room is None else room - len(ARROW)
        for text in told:
            for number, line in enumerate([shortened(text, room)] if brief else wrapped_lines(text, room)):
                mark = " " * len(ARROW) if number else ARROW
                yield " " * left + self.paint(mark + line, STYLES.get(difference.kind, "cyan"))

    def _now(self, difference: Difference) -> Iterator[str]:
        names = self.history.names
        if difference.kind is Kind.REFUSED:
            yield f"{difference.error}: {printable(difference.message)}"
        elif difference.kind is Kind.LET_IN:
            yield "would be accepted; the log does not keep what was asked, so nothing follows from it"
        elif difference.kind is Kind.MOOT:
            yield f"rested on @{difference.because}, which does not happen"
        elif difference.kind is Kind.UNDUE:
            yield "nothing to do"
        elif difference.kind is Kind.NEW:
            yield from (sentence(event, names) for event in difference.now)
        else:
            yield from self._changed(difference.recorded, difference.now)

    def _changed(self, recorded: Sequence[Event], now: Sequence[Event]) -> Iterator[str]:
        left = list(recorded)
        for event, twin in zip(now, twins(now, recorded), strict=True):
            if twin is None:
                yield f"and {sentence(event, self.history.names)}"
                continue
            left.remove(twin)
            for name, (was, is_now) in changed_fields(event, twin).items():
                if name == "message" and twin.body.error != event.body.error:
                    continue  # it says the same in more words
                label = name.removesuffix("_us")
                shown = _time if label in _TIMES else self._value
                yield f"{event.type} {label}: {shown(was)} {ARROW}{shown(is_now)}"
        yield from (f"without {sentence(event, self.history.names)}" for event in left)

    def _value(self, value: Any) -> str:
        if isinstance(value, tuple):
            return self.history.names.agents(value) if all(isinstance(each, str) for each in value) else str(value)
        return printable(self.history.names.anyone(value)) if isinstance(value, str) else compact(value)

    def _cap(self, cap: Cap) -> str:
        who = printable(self.history.names.agent(cap.agent_id))
        was, now = (
            _level(cap.kind, *each)
            for each in ((cap.was, cap.high_was, cap.cap_was), (cap.now, cap.high_now, cap.cap_now))
        )
        return f"{cap.kind} of {who}: {was} {ARROW}{now}"

    def _endings(self, report: Report) -> Iterator[str]:
        if report.ended > SHOWN_MAX:
            yield from (
                f"{count:,} × {_end(was)} {ARROW}{_end(now)}" for (was, now), count in report.reasons.most_common()
            )
        for ending in report.endings:
            yield f"{self.history.names.session(ending.session_id)}: {_end(ending.was)} {ARROW}{_end(ending.now)}"

    def _paths(self, report: Report) -> Iterator[str]:
        for path, was, now in report.paths:
            shown = _SESSION.sub(lambda found: f"sessions/{self._place(found[1])}", path)
            if isinstance(now if was is None else was, Mapping) and None in (was, now):
                yield f"{printable(shown)}  {'came' if was is None else 'went'}"
            else:
                yield f"{printable(shown)}  {self._plain(was)} {ARROW}{self._plain(now)}"

    def _place(self, session_id: str) -> str:
        return self.history.names.session(session_id).rpartition(" ")[2]

    def _plain(self, value: Any) -> str:
        if value is None:
            return "nothing"
        if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
            return ", ".join(printable(self.history.names.anyone(each)) for each in value)
        return self._value(value)

    def _section(self, title: str, lines: Iterable[str], count: int) -> Iterator[str]:
        if not count:
            return
        yield ""
        yield self.paint(title, "bold")
        for line in islice(lines, SHOWN_MAX):
            yield from self._wrapped(line, "")
        if count > SHOWN_MAX:
            yield self.paint(f"… {count - SHOWN_MAX:,} more: see --json", "dim")

    def _wrapped(self, text: str, style: str) -> Iterator[str]:
        return (self.paint(line, style) for line in wrapped_lines(text, self.width))


def _level(kind: str, reached: int, high: int, cap: int) -> str:
    if not cap:
        return "no cap"
    filled = f" at @{reached}" if reached else ""
    if kind == "rate":
        return f"{cap} a minute used up{filled}" if reached else f"{cap} a minute never used up"
    return f"full{filled}, {high} of {cap}" if reached else f"never full, at most {high} of {cap}"


def _time(at_us: int | None) -> str:
    return "never" if at_us is None else iso(at_us)


def _end(reason: str | None) -> str:
    return "no end" if reason is None else printable(reason)


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


SWEEP_COLUMNS = (
    Column("refused", 7, "red", right=True),
    Column("let in", 6, "green", right=True),
    Column("other", 5, right=True),
    Column("moot", 5, right=True),
    Column("time", 5, "yellow", right=True),
    Column("ends", 5, right=True),
    Column("state", 5, right=True, needs=100),
    Column("first", 7, "bold", right=True),
    Column("variant"),
)


def sweep_lines(rows: Iterable[tuple[str, Report]], *, width: int | None, paint: Paint) -> Iterator[str]:
    """Give a table of variants, a row as soon as it is known."""
    return table(SWEEP_COLUMNS, (_row(name, report) for name, report in rows), width=width, paint=paint, wrapped=True)


def _row(name: str, report: Report) -> tuple[str, ...]:
    counts, first = report.counts, report.first
    numbers = (
        counts[Kind.REFUSED],
        counts[Kind.LET_IN],
        counts[Kind.CHANGED],
        counts[Kind.MOOT],
        counts[Kind.NEW] + counts[Kind.UNDUE],
        report.ended,
        report.changed,
    )
    place = "none" if first is None else f"@{first.position}" if first.position else "new"
    return (*(f"{number:,}" for number in numbers), place, printable(name))
