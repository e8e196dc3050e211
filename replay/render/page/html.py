"""A session's story as one page that needs nothing else: no network, no build, no third party's script.

What agents wrote comes into the page in two ways only: as escaped text, and as JSON in data blocks in which ``<``,
``>`` and ``&`` are character escapes, which the page's script turns into text nodes, never into markup. Were both to
fail, the page's Content-Security-Policy still lets no script and no style run but the two whose hashes it names, and
nothing be fetched.

The page is written step by step: memory O(1) beside the longest event and a mark for each trouble. Rows that are out
of sight are not laid out by the browser (``content-visibility``), and none of their data is parsed before it is asked
for, so that thousands of them stay light.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from events.event import Event
from events.log import tagged
from events.sessions import EnvelopePosted, SessionCreated
from events.values.frozen import thaw
from events.values.times import iso
from replay.history import Evidence
from replay.names import Names
from replay.reasons import reason
from replay.render.lanes import header_fields, tally_line
from replay.render.page.drawing import TROUBLE, Drawn, Tone, columns, drawn, lead, names, title
from replay.render.screen import footer
from replay.render.sentences import sentence
from replay.render.text import duration, offset, printable, shortened
from replay.render.values import plain, value_lines
from replay.story import Story, Tally

TEXT_WIDTH = 600
"""A row shows so many cells of its text; the event, when it is chosen, all of it."""
CAUSE_WIDTH = 160
ELSEWHERE_READ_MAX = 10_000
"""Of each participant so many sessions that it took part in since are looked at for what this one led to."""
GAP_US = 60_000_000
"""Silence of this length between two steps is told."""
GROUP = 100
"""So many rows are laid out together when they come into sight.

A row on its own would be lighter still, but a browser that looks for what can be focused makes each group ready in
turn: with 2,000 groups of one that took seconds.
"""
_JSON_CODES = {ord(char): f"\\u{ord(char):04x}" for char in "<>&"}


def page(story: Story, evidence: Evidence) -> Iterator[str]:
    """Give the parts of a page, lazily.

    Args:
        story: what it tells.
        evidence: what its footer pins it to.

    Cost: O(the session's events · log² n), for the cause of each.
    """
    head, foot = _piece("page.html").split("$rows")
    people, tally = names(story), Tally()
    style, script = _piece("page.css") + _lane_rules(len(people)), _piece("page.js")
    policy = f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; base-uri 'none'"
    yield Template(head).substitute(
        policy=f"{policy}; form-action 'none'",
        style=style,
        title=escape(title(story)),
        state=story.state,
        lead=escape(lead(story)),
        fields="".join(f"<dt>{escape(label)}</dt><dd>{escape(text)}</dd>" for label, text in _fields(story)),
        lanes="".join(_lane(name, role) for name, role in zip(people, story.roles.values(), strict=True)),
        life="".join(f'<line x1="{x}" x2="{x}" y1="0" y2="100%"/>' for x in _xs(len(people))),
        markers="".join(map(_marker, ("said", "bad"))),
    )
    troubles, last, elsewhere = [], 0, _asked_elsewhere(story)
    for last, step in enumerate(drawn(story, tally)):
        if step.tone in TROUBLE:
            troubles.append((last, step.tone))
        if last and last % GROUP == 0:
            yield '</ol>\n<ol class="steps">\n'
        yield _row(story, step, len(people), elsewhere.get(step.event.id, ()))
    yield Template(foot).substitute(
        outcome=escape(f"{tally_line(tally)}. {lead(story)}"),
        ticks="".join(_tick(place / max(last, 1), tone) for place, tone in troubles),
        last=last,
        untroubled="" if troubles else "hidden",
        evidence=escape(footer(evidence)),
        script=script,
    )


@cache
def _piece(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return what a Content-Security-Policy calls an inline script or style by (CSP 3, hash-source)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _fields(story: Story) -> Iterator[tuple[str, str]]:
    """Give what stands under the title; how it ended is said above."""
    return (field for field in header_fields(story) if field[0] not in ("ended", "live"))


def _lane_rules(count: int) -> str:
    """Return where each lane's words begin and end: a rule a lane, because the policy forbids styles in the markup."""
    columns = "{{grid-template-columns:repeat({},minmax(0,1fr))}}"
    rules = [".lanes ol" + columns.format(count), ".stage" + columns.format(2 * count)]
    halves = range(1, 2 * count + 1)
    rules += [f".f{half - 1}{{grid-column-start:{half}}}.t{half - 1}{{grid-column-end:{half + 1}}}" for half in halves]
    return "".join(rules)


def _lane(name: str, role: str) -> str:
    return f'<li title="{escape(name)}, {role}"><b>{escape(name)}</b><i>{role}</i></li>'


def _xs(count: int) -> list[str]:
    return [_x(lane, count) for lane in range(count)]


def _x(lane: int, count: int) -> str:
    return f"{(lane + 0.5) / count * 100:.4g}%"


def _marker(tone: str) -> str:
    head = (
        '<path d="M0.5 0.5 7 4 0.5 7.5" fill="none"/>' if tone == "said" else '<path d="M1 1 7 7M7 1 1 7" fill="none"/>'
    )
    box = f'viewBox="0 0 8 8" refX="{7 if tone == "said" else 4}" refY="4" markerWidth="8" markerHeight="8"'
    return f'<marker id="{tone}" class="head {tone}" {box} orient="auto" markerUnits="userSpaceOnUse">{head}</marker>'


def _tick(place: float, tone: Tone) -> str:
    x = f"{place * 100:.4g}%"
    return f'<line class="{tone}" x1="{x}" x2="{x}" y1="0" y2="100%"/>'


def data_block(value: Mapping[str, Any]) -> str:
    """Return a value as JSON in which nothing can end the script element around it."""
    return json.dumps(value).translate(_JSON_CODES)


# A row.


def _row(story: Story, step: Drawn, count: int, elsewhere: Sequence[Event]) -> str:
    event = step.event
    classes = " ".join(["step", step.tone, *(["turn"] if step.turn else []), *_envelope(event)])
    after = f'<p class="gap"><span>{duration(step.later_us)} later</span></p>' if step.later_us >= GAP_US else ""
    began = f'<span class="number" title="turn {step.turn}">{step.turn}</span>' if step.turn else ""
    when = offset(event.at_us - story.created.at_us)
    return (
        f'<li id="e{event.position}" class="{classes}">{after}<a href="#e{event.position}">'
        f'<span class="place"><b>@{event.position}</b> <time>{when}</time>{began}</span>'
        f'<span class="stage">{_wire(story, step, count)}{_words(step, count)}</span></a>'
        f'<script type="application/json">{data_block(_data(story, step, elsewhere))}</script></li>\n'
    )


def _envelope(event: Event) -> list[str]:
    return ["envelope"] if isinstance(event.body, EnvelopePosted) else []


def _words(step: Drawn, count: int) -> str:
    first, last, align = columns(step, count)
    text = escape(shortened(step.text, TEXT_WIDTH))
    mark = f'<span class="mark" aria-hidden="true">{step.mark}</span> ' if step.mark else ""
    outsider = " outsider" if step.lane is None and step.tone is not Tone.WHOLE else ""
    who = f'<span class="who{outsider}">{escape(step.who)}</span> ' if step.who else ""
    return f'<span class="words f{first} t{last} {align}">{who}<span class="text">{mark}{text}</span></span>'


def _wire(story: Story, step: Drawn, count: int) -> str:
    """Draw the arrows of a step and the tasks that run beside it; percentages, so that it fits every width."""
    lines = "".join(_bars(story, step, count))
    if step.lane is not None and (step.to or step.tone is Tone.SAID):
        lines += "".join(_arrow(step, step.lane, lane, count) for lane in step.to)
        lines += f'<circle class="from" cx="{_x(step.lane, count)}" cy="100%" r="2.5"/>'
    return f'<svg class="wire" aria-hidden="true">{lines}</svg>'


def _arrow(step: Drawn, here: int, there: int, count: int) -> str:
    """Draw an arrow; of one that a longer one passes over, the head alone."""
    head, style = Tone.BAD if step.stopped else Tone.SAID, "arrow inner" if step.passes(there) else "arrow"
    ends = f'x1="{_x(here, count)}" x2="{_x(there, count)}" y1="100%" y2="100%"'
    return f'<line class="{style}" {ends} marker-end="url(#{head})"/>'


def _bars(story: Story, step: Drawn, count: int) -> Iterator[str]:
    for lane in range(count):
        was, runs = step.works(story, lane)
        if was or runs:
            top, height = ("0", "100%" if runs else "50%") if was else ("50%", "50%")
            yield f'<rect class="busy" x="{_x(lane, count)}" y="{top}" width="6" height="{height}"/>'


# What the page knows of a step.


def _asked_elsewhere(story: Story) -> Mapping[str, Sequence[Event]]:
    """Return, by the id of what led to them, the sessions that its participants asked for since it was created."""
    found: dict[str, dict[int, Event]] = {}
    log, since, head = story.history.log, story.created.position, story.history.head
    for agent_id in story.roles:
        query = tagged(f"agent:{agent_id}", types=(SessionCreated,))
        for event in log.read(query, after=since, until=head, limit=ELSEWHERE_READ_MAX):
            if event.cause is not None:
                found.setdefault(event.cause, {})[event.position] = event
    return {cause: [events[position] for position in sorted(events)] for cause, events in found.items()}


def _data(story: Story, step: Drawn, elsewhere: Sequence[Event]) -> Mapping[str, Any]:
    event, known = step.event, story.history.names
    found = reason(story.history, event)
    return {
        "at": event.position,
        "type": event.type,
        "id": event.id,
        "time": iso(event.at_us),
        "offset": offset(event.at_us - story.created.at_us),
        "actor": plain(event.actor, known),
        "sentence": shortened(sentence(event, known), TEXT_WIDTH),
        "why": found.why,
        "cause": None if found.cause is None else _told(found.cause, known),
        "recorded": found.recorded,
        "evidence": list(found.evidence),
        "elsewhere": [_told(each, known) for each in elsewhere],
        "tags": [printable(tag) for tag in event.tags],
        "facts": list(value_lines(thaw(event.facts), known)),
        "content": list(value_lines(thaw(event.content), known)) if event.content else [],
        "stood": _stood(step, known),
    }


def _told(event: Event, known: Names) -> list[Any]:
    return [event.position, shortened(sentence(event, known), CAUSE_WIDTH)]


def _stood(step: Drawn, known: Names) -> dict[str, Any]:
    stood, busy = step.stood, tuple(dict.fromkeys(step.stood.busy))
    return {
        "state": stood.state,
        "waits": printable(stood.waits),
        "busy": printable(known.agents(busy)) if busy else "",
        "gone": printable(known.agents(tuple(sorted(stood.gone)))) if stood.gone else "",
    }
