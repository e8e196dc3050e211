"""What a sequence diagram of a session shows, before it is HTML or SVG: each step's lanes, mark and words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from rich.cells import cell_len

from events.event import HUB, Event
from events.governance import AccessDenied, ExpectationViolated
from events.sessions import SessionInviteRejected
from replay.render.lanes import mark
from replay.render.sentences import sentence
from replay.render.text import duration, printable
from replay.standing import Standing, Stood
from replay.story import Kind, Step, Story, Tally

EVERYONE_FROM = 3
"""So many recipients, when they are all there are, are called everyone."""


class Tone(StrEnum):
    """How a step looks; also its class in HTML and SVG."""

    SAID = "said"
    QUIET = "quiet"
    TASK = "task"
    BAD = "bad"
    ODD = "odd"
    WHOLE = "whole"


TONES: dict[Kind, Tone] = {
    Kind.INVITED: Tone.QUIET,
    Kind.ANSWERED: Tone.QUIET,
    Kind.OPENED: Tone.WHOLE,
    Kind.SAID: Tone.SAID,
    Kind.TASK: Tone.TASK,
    Kind.REFUSED: Tone.BAD,
    Kind.VIOLATED: Tone.ODD,
    Kind.DEPARTED: Tone.ODD,
    Kind.FAILED: Tone.BAD,
    Kind.ENDED: Tone.WHOLE,
}
"""Kind of step to its tone; a test holds it complete."""
TROUBLE = (Tone.BAD, Tone.ODD)
SHORT = 18
"""Words of so many cells stand in their own lane on one line, however narrow it is."""
STAGE_WIDTH = 100
"""The lanes together have about so many cells on a desk's screen; longer words get the room of more than their own."""


class Drawn(NamedTuple):
    """One step as a diagram shows it.

    Attributes:
        event: what happened.
        tone: how it looks.
        mark: what stands before its text, or nothing.
        text: on one line, safe to print, whole.
        who: who did it, and to whom: ``alice → bob``; empty for the hub.
        lane: the place of who did it, from 0; None for the hub and for who does not take part.
        to: the places of those it reached or should have.
        stopped: it was refused on its way, or reached nobody.
        turn: the number of the turn that begins with it, else 0.
        later_us: microseconds since the step before.
        stood: the session after it.
        before: the session before it.
    """

    event: Event
    tone: Tone
    mark: str
    text: str
    who: str
    lane: int | None
    to: tuple[int, ...]
    stopped: bool
    turn: int
    later_us: int
    stood: Stood
    before: Stood

    @property
    def span(self) -> tuple[int, int]:
        """The first and last lane that it touches; of what befalls the session as a whole, none: ``(0, -1)``."""
        lanes = (*self.to, *(() if self.lane is None else (self.lane,)))
        return (min(lanes), max(lanes)) if lanes else (0, -1)

    def passes(self, there: int) -> bool:
        """Whether the arrow to a lane is a part of a longer one."""
        here = self.lane if self.lane is not None else there
        return any(here < there < lane or lane < there < here for lane in self.to)

    def works(self, story: Story, lane: int) -> tuple[bool, bool]:
        """Return whether the agent of a lane has an open task before and after the step."""
        agent_id = tuple(story.roles)[lane]
        return agent_id in self.before.busy, agent_id in self.stood.busy


def drawn(story: Story, tally: Tally | None = None) -> Iterator[Drawn]:
    """Give what a diagram of a story shows, its creation first; lazily, O(log² n) a step."""
    lanes = {agent_id: number for number, agent_id in enumerate(story.roles)}
    standing = Standing(story.history, story.created)
    yield _creation(story, lanes, standing.stood)
    last_us = story.created.at_us
    for step in story.steps(tally):
        event, before = step.event, standing.stood
        to = _aims(step, lanes)
        yield Drawn(
            event,
            Tone.BAD if isinstance(event.body, SessionInviteRejected) else TONES[step.kind],
            mark(step).strip(" ─"),
            step.text,
            _who(story, step),
            lanes.get(_whose(step)),
            to,
            step.kind is Kind.REFUSED or (step.kind is Kind.SAID and not to),
            step.turn if step.begins else 0,
            event.at_us - last_us,
            standing.after(event),
            before,
        )
        last_us = event.at_us


def names(story: Story) -> list[str]:
    """Return the names over the lanes, safe to print."""
    return [printable(story.history.names.agent(agent_id)) for agent_id in story.roles]


def title(story: Story) -> str:
    """Return what the session is called: ``consulting @6``."""
    return printable(story.history.names.session(story.session_id))


def lead(story: Story) -> str:
    """Say in a sentence how a session ended, or what it waits for."""
    ended = story.ended
    if ended is None:
        return f"Still {story.state}: it {story.why}."
    lasted = duration(ended.at_us - story.created.at_us)
    return f"Ended at @{ended.position} after {lasted}, {printable(ended.body.reason)}: {story.why}."


def columns(step: Drawn, count: int) -> tuple[int, int, str]:
    """Return where a step's words stand: first and last half lane, from 0, and how they are aligned there."""
    first, last = step.span
    width = cell_len(step.text)
    if last < 0:
        return 0, 2 * count - 1, "middle"
    if width <= SHORT:
        return 2 * first, 2 * last + 1, "short"
    need = max(width * count // STAGE_WIDTH + 1, last - first + 1)
    left, end = first + last + 1 - need, 2 * count - 1
    if left < 0:
        return 0, min(2 * need - 1, end), "left"
    right = left + 2 * need - 1
    return (left, right, "middle") if right <= end else (max(end + 1 - 2 * need, 0), end, "right")


def _creation(story: Story, lanes: dict[str, int], stood: Stood) -> Drawn:
    event, known = story.created, story.history.names
    creator = event.body.creator_id
    who = printable(known.agent(creator))
    text = sentence(event, known).removeprefix(f"{title(story)}: ").removeprefix(f"{who} ")
    return Drawn(event, Tone.QUIET, "", text, who, lanes.get(creator), (), False, 0, 0, stood, stood)


def _whose(step: Step) -> str:
    """Return whose lane a step stands in: a violation's in that of the first who did not do what was expected."""
    body = step.event.body
    return body.violators[0] if isinstance(body, ExpectationViolated) and body.violators else step.agent_id


def _aims(step: Step, lanes: dict[str, int]) -> tuple[int, ...]:
    """Return the lanes that a step goes to, or was refused to go to."""
    body = step.event.body
    targets: Sequence[str] = (body.target,) if isinstance(body, AccessDenied) else step.to
    return tuple(lanes[agent_id] for agent_id in targets if agent_id in lanes and agent_id != step.agent_id)


def _who(story: Story, step: Step) -> str:
    known = story.history.names
    who = "" if step.agent_id == HUB else printable(known.agent(step.agent_id))
    if step.kind is not Kind.SAID:
        return who
    if len(step.to) >= EVERYONE_FROM and set(step.to) == set(story.roles) - {step.agent_id}:
        return f"{who} → everyone"
    return printable(f"{who} → {known.agents(step.to)}")
