"""A session's story for people: a lane for each agent where the screen has room, else a name before each line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rich.cells import cell_len

from events.event import HUB, Event
from events.sessions import SessionInviteRejected
from events.values.session import Expectation
from events.values.times import iso
from replay.reasons import reason
from replay.render.table import GAP, Paint
from replay.render.text import compact, duration, leaves, offset, padded, printable, quoted, shortened, wrapped_lines
from replay.story import Kind, Step, Story, Tally

LANE_WIDTH_MIN = 16
NAME_WIDTH = 12
TURN_WIDTH = 3
LABEL_WIDTH = 8
TEXT_WIDTH_MIN = 20
MARKS: dict[Kind, tuple[str, str]] = {
    Kind.INVITED: ("◦ ", "dim"),
    Kind.ANSWERED: ("✓ ", "dim"),
    Kind.OPENED: ("── ", "bold"),
    Kind.SAID: ("", ""),
    Kind.TASK: ("▸ ", "blue"),
    Kind.REFUSED: ("⊘ ", "bold red"),
    Kind.VIOLATED: ("! ", "bold yellow"),
    Kind.DEPARTED: ("← ", "yellow"),
    Kind.FAILED: ("✗ ", "red"),
    Kind.ENDED: ("── ", "bold"),
}
"""What stands before a step, and its colour; a test holds it complete."""
_COUNTED = (
    (Kind.SAID, "envelope", "envelopes"),
    (Kind.REFUSED, "refusal", "refusals"),
    (Kind.VIOLATED, "violation", "violations"),
    (Kind.FAILED, "failed turn", "failed turns"),
)


class _Layout(NamedTuple):
    """Widths in cells; ``lane`` 0 stands for names before the lines, ``room`` None for no limit."""

    position: int
    offset: int
    lane: int
    room: int | None

    @property
    def left(self) -> int:
        return self.position + self.offset + TURN_WIDTH + 3 * len(GAP)


def story_lines(story: Story, *, width: int | None, paint: Paint) -> Iterator[str]:
    """Give the lines of a story, lazily; ``width`` is the screen's in cells, None unlimited."""
    yield from _header(story, width, paint)
    layout, tally = _layout(story, width), Tally()
    yield _titles(story, layout, paint)
    for step in story.steps(tally):
        yield from _step(story, step, layout, paint)
    yield from (paint(line, "bold") for line in wrapped_lines(tally_line(tally), width))


def mark(step: Step) -> str:
    """Return what stands before a step's text."""
    return "✗ " if isinstance(step.event.body, SessionInviteRejected) else MARKS[step.kind][0]


def tally_line(tally: Tally) -> str:
    """Say what a story came to."""
    parts = [_count(tally.turns, "turn", "turns")]
    parts += [_count(tally.kinds.get(kind, 0), one, many) for kind, one, many in _COUNTED if tally.kinds.get(kind)]
    tasks = [f"{count} {outcome}" for outcome, count in tally.outcomes.items()]
    return ", ".join(parts) + (f"; tasks: {', '.join(tasks)}" if tasks else "")


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def header_fields(story: Story) -> Iterator[tuple[str, str]]:
    """Give what is said of a session before its story: label and text, each safe to print."""
    names, body = story.history.names, story.created.body
    yield "id", story.session_id
    yield "who", ", ".join(f"{printable(names.agent(who))} ({role})" for who, role in story.roles.items())
    for key in sorted(body.labels):
        yield printable(key), quoted(body.labels[key])
    if body.knobs:
        yield "knobs", compact(body.knobs)
    if story.manifest.expectations:
        yield "expects", ", ".join(map(_expected, story.manifest.expectations))
    asked = reason(story.history, story.created)
    while_handling = f": {asked.why}" if asked.recorded else ""
    yield "asked", f"@{story.created.position} {iso(story.created.at_us)}{while_handling}"
    if story.opened is not None:
        yield "opened", _when(story, story.opened)
    if story.ended is not None:
        yield "ended", f"{_when(story, story.ended)} {printable(story.ended.body.reason)}: {story.why}"
    else:
        due_us = body.expires_us
        ttl = "" if due_us is None else f"; its TTL is up at {offset(due_us - story.created.at_us)}"
        yield "live", f"{story.why}{ttl}"


def _expected(expectation: Expectation) -> str:
    return printable(f"{' '.join([expectation.name, *leaves(expectation.params, {})])} → {expectation.on_violation}")


def _when(story: Story, event: Event) -> str:
    return f"@{event.position} {offset(event.at_us - story.created.at_us)}"


def _header(story: Story, width: int | None, paint: Paint) -> Iterator[str]:
    lasted = "" if story.ended is None else f" after {duration(story.ended.at_us - story.created.at_us)}"
    yield paint(f"{printable(story.history.names.session(story.session_id))}, {story.state}{lasted}", "bold")
    room = None if width is None else max(width - LABEL_WIDTH, TEXT_WIDTH_MIN)
    for label, text in header_fields(story):
        first, *more = wrapped_lines(text, room)
        yield paint(padded(shortened(label, LABEL_WIDTH - 1), LABEL_WIDTH), "dim") + first
        yield from (" " * LABEL_WIDTH + line for line in more)


def _layout(story: Story, width: int | None) -> _Layout:
    history, count = story.history, len(story.roles)
    widths = (len(str(history.head)) + 1, len(offset(history.end_us() - story.created.at_us)))
    layout = _Layout(*widths, 0, None)
    if width is None:
        return layout
    room = max(width - layout.left, TEXT_WIDTH_MIN)
    lane = (room - len(GAP) * (count - 1)) // count
    if lane >= LANE_WIDTH_MIN:
        return layout._replace(lane=lane, room=room)
    return layout._replace(room=max(room - NAME_WIDTH - len(GAP), TEXT_WIDTH_MIN))


def _titles(story: Story, layout: _Layout, paint: Paint) -> str:
    names = [printable(story.history.names.agent(agent_id)) for agent_id in story.roles]
    heads = ["@".rjust(layout.position), "offset".ljust(layout.offset), "#".rjust(TURN_WIDTH)]
    if layout.lane:
        heads += [padded(shortened(name, layout.lane), layout.lane) for name in names]
    else:
        heads += ["who".ljust(NAME_WIDTH), "what"]
    return paint(GAP.join(heads).rstrip(), "bold")


def _step(story: Story, step: Step, layout: _Layout, paint: Paint) -> Iterator[str]:
    event = step.event
    left = GAP.join(
        (
            paint(f"@{event.position}".rjust(layout.position), "bold"),
            paint(offset(event.at_us - story.created.at_us).ljust(layout.offset), "green"),
            (str(step.turn) if step.begins else "").rjust(TURN_WIDTH),
        )
    )
    indent, width, who = _place(story, step, layout)
    style = MARKS[step.kind][1]
    for number, line in enumerate(wrapped_lines(mark(step) + _addressed(story, step) + step.text, width)):
        before = left + GAP + who if number == 0 else " " * (layout.left + cell_len(who))
        yield before + indent + paint(line, style)


def _place(story: Story, step: Step, layout: _Layout) -> tuple[str, int | None, str]:
    """Return the spaces before a step's text, its width, and the name in front of it where there are no lanes."""
    names, agents = story.history.names, list(story.roles)
    if layout.lane and step.agent_id in story.roles:
        return " " * (agents.index(step.agent_id) * (layout.lane + len(GAP))), layout.lane, ""
    name = printable(names.agent(step.agent_id))
    if layout.lane:  # the hub's, or that of somebody who does not take part
        return "", layout.room, "" if step.agent_id == HUB else f"{name} "
    return "", layout.room, padded(shortened(name, NAME_WIDTH), NAME_WIDTH) + GAP


def _addressed(story: Story, step: Step) -> str:
    """Name the recipients of an envelope that did not go to everybody else."""
    others = [agent_id for agent_id in story.roles if agent_id != step.agent_id]
    if step.kind is not Kind.SAID or set(step.to) == set(others):
        return ""
    return printable(f"→ {story.history.names.agents(step.to)}: ")
