"""A session's story as a static picture: SVG that stands alone and embeds anywhere, light or dark as its reader is.

Nothing in it is fetched or run. Widths of words are estimated, because a picture cannot measure; a halo keeps what is
longer than thought readable. The story is read twice, first for the height: memory O(1) beside the longest event.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import NamedTuple

from replay.history import Evidence
from replay.render.lanes import tally_line
from replay.render.page.drawing import TROUBLE, Drawn, Tone, columns, drawn, lead, names, title
from replay.render.screen import footer
from replay.render.text import offset, shortened, wrapped_lines
from replay.story import Story, Tally

MARGIN = 24
GUTTER = 196
CHAR = 7.2
"""The mean width of a character of 13 px, generously."""
LINE = 17
LINES_MAX = 3
ARROW = 13
"""The room under the words for an arrow; all lengths are in pixels."""
STYLE = """
text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Arial,sans-serif;fill:#1c1e22}
.paper{fill:#fdfdfc}.halo{paint-order:stroke;stroke:#fdfdfc;stroke-width:5px;stroke-linejoin:round}
.title{font-size:20px;font-weight:600}.name{font-weight:600;text-anchor:middle}
.place,.time{font:11.5px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.time,.quiet,.whole,.role,.evidence{fill:#5d626b}.role{font-size:11.5px;text-anchor:middle}.evidence{font-size:11.5px}
.middle{text-anchor:middle}.right{text-anchor:end}.bad,.from.bad{fill:#b3241c}.odd{fill:#835400}
line,.head{stroke:#6b7079;stroke-width:1.25;fill:none}.from{fill:#6b7079}line.life{stroke:#d2d1cb}line.rule{stroke:#dddcd7}
line.inner{stroke:none}line.bad,.head.bad{stroke:#b3241c}line.bad{stroke-dasharray:4 3}.busy{fill:#2b56c4;opacity:.35}
@media(prefers-color-scheme:dark){text{fill:#e5e6e9}.paper{fill:#15171b}.halo{stroke:#15171b}
.time,.quiet,.whole,.role,.evidence{fill:#9ba1ab}.bad,.from.bad{fill:#ff958b}.odd{fill:#e4b35a}line,.head{stroke:#8a919c}
.from{fill:#8a919c}line.life{stroke:#363b44}line.rule{stroke:#2c3038}line.inner{stroke:none}
line.bad,.head.bad{stroke:#ff958b}.busy{fill:#8fb2ff}}
"""
HEADS = """<defs>
<marker id="ok" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto" \
markerUnits="userSpaceOnUse"><path class="head" d="M.5 .5 7 4 .5 7.5"/></marker>
<marker id="no" viewBox="0 0 8 8" refX="4" refY="4" markerWidth="8" markerHeight="8" orient="auto" \
markerUnits="userSpaceOnUse"><path class="head bad" d="M1 1 7 7M7 1 1 7"/></marker>
</defs>
"""


class _Sheet(NamedTuple):
    """Where things are: how many lanes, and how wide each is."""

    lanes: int
    lane: int

    @property
    def width(self) -> int:
        return GUTTER + self.lanes * self.lane + MARGIN

    def x(self, halves: float) -> float:
        """Return where a half lane begins; a lane's middle is at ``2 * lane + 1``."""
        return GUTTER + halves * self.lane / 2


class _Row(NamedTuple):
    """A step, its words in lines, how they are aligned at which x, and its height."""

    step: Drawn
    lines: list[str]
    x: float
    align: str
    height: int


def picture(story: Story, evidence: Evidence) -> Iterator[str]:
    """Give the parts of a picture, lazily.

    Args:
        story: what it tells.
        evidence: what its last line pins it to.
    """
    people, tally = names(story), Tally()
    sheet = _Sheet(len(people), min(max(760 // len(people), 140), 320))
    told = _wrapped(lead(story), sheet.width - 2 * MARGIN)
    top = MARGIN + 30 + LINE * len(told) + 56
    bottom = top + sum(_row(sheet, step).height for step in drawn(story)) + 8
    yield from _opening(story, sheet, bottom + 56)
    yield f'<text class="title" x="{MARGIN}" y="{MARGIN + 18}">{escape(title(story))}, {story.state}</text>\n'
    yield _text(told, MARGIN, MARGIN + 44, "")
    for lane, (name, role) in enumerate(zip(people, story.roles.values(), strict=True)):
        x, room = sheet.x(2 * lane + 1), int(sheet.lane / CHAR)
        yield f'<text class="name" x="{x:g}" y="{top - 26}">{escape(shortened(name, room))}</text>'
        yield f'<text class="role" x="{x:g}" y="{top - 10}">{role}</text>'
        yield f'<line class="life" x1="{x:g}" x2="{x:g}" y1="{top}" y2="{bottom}"/>\n'
    yield f'<line class="rule" x1="{MARGIN}" x2="{sheet.width - MARGIN}" y1="{top}" y2="{top}"/>\n'
    y = top + 4
    for step in drawn(story, tally):
        row = _row(sheet, step)
        yield from _shown(story, sheet, row, y)
        y += row.height
    yield f'<text x="{MARGIN}" y="{bottom + 22}">{escape(tally_line(tally))}</text>'
    yield f'<text class="evidence" x="{MARGIN}" y="{bottom + 42}">{escape(footer(evidence))}</text>\n</svg>\n'


def _opening(story: Story, sheet: _Sheet, height: int) -> Iterator[str]:
    size = f'width="{sheet.width}" height="{height}" viewBox="0 0 {sheet.width} {height}"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n'
    yield f"<title>{escape(title(story))}, {story.state}</title>\n<desc>{escape(lead(story))}</desc>\n"
    yield f'<style>{STYLE}</style>\n{HEADS}<rect class="paper" width="100%" height="100%"/>\n'


def _wrapped(text: str, width: float) -> list[str]:
    return wrapped_lines(text, max(int(width / CHAR), 8))


def _row(sheet: _Sheet, step: Drawn) -> _Row:
    first, last, align = columns(step, sheet.lanes)
    left, right = sheet.x(first), sheet.x(last + 1)
    said = " ".join(
        filter(None, (step.mark, step.who if step.lane is None and step.tone in TROUBLE else "", step.text))
    )
    lines = _wrapped(said, right - left if align != "short" else sheet.width)
    if len(lines) > LINES_MAX:
        lines = [*lines[: LINES_MAX - 1], lines[LINES_MAX - 1].rstrip() + " …"]
    at = {"left": left + 6, "right": right - 6}.get(align, (left + right) / 2)
    arrows = step.lane is not None and (step.to or step.tone is Tone.SAID)
    height = 10 + LINE * len(lines) + (ARROW if arrows else 4)
    return _Row(step, lines, at, "middle" if align == "short" else align, height)


def _shown(story: Story, sheet: _Sheet, row: _Row, y: int) -> Iterator[str]:
    step, base = row.step, y + 5 + LINE - 4
    when = offset(step.event.at_us - story.created.at_us)
    yield from _bars(story, sheet, row, y)
    if step.tone is Tone.WHOLE:
        yield f'<line class="rule" x1="{GUTTER}" x2="{sheet.width - MARGIN}" y1="{base - 4}" y2="{base - 4}"/>'
    yield f'<text class="place" x="{MARGIN}" y="{base}">@{step.event.position}</text>'
    yield f'<text class="time" x="{MARGIN + 46}" y="{base}">{when}</text>'
    if step.turn:
        yield f'<text class="time right" x="{GUTTER - 14}" y="{base}">{step.turn}</text>'
    yield from _arrows(sheet, step, y + row.height - 7)
    yield _text(row.lines, row.x, base, f"halo {step.tone} {row.align}")


def _text(lines: list[str], x: float, y: int, style: str) -> str:
    spans = (f'<tspan x="{x:g}" y="{y + LINE * number}">{escape(line)}</tspan>' for number, line in enumerate(lines))
    return f'<text class="{style}">{"".join(spans)}</text>\n'


def _arrows(sheet: _Sheet, step: Drawn, y: int) -> Iterator[str]:
    if step.lane is None or not (step.to or step.tone is Tone.SAID):
        return
    here, style = sheet.x(2 * step.lane + 1), "bad" if step.stopped else ""
    for lane in step.to:
        passed = " inner" if step.passes(lane) else ""
        there, head = sheet.x(2 * lane + 1), "no" if step.stopped else "ok"
        ends = f'x1="{here:g}" x2="{there:g}" y1="{y}" y2="{y}"'
        yield f'<line class="{style}{passed}" {ends} marker-end="url(#{head})"/>'
    yield f'<circle class="from {style}" cx="{here:g}" cy="{y}" r="2.5"/>'


def _bars(story: Story, sheet: _Sheet, row: _Row, y: int) -> Iterator[str]:
    for lane in range(sheet.lanes):
        was, runs = row.step.works(story, lane)
        if was or runs:
            top, end = (y if was else y + row.height / 2), (y + row.height if runs else y + row.height / 2)
            x = sheet.x(2 * lane + 1) - 3
            yield f'<rect class="busy" x="{x:g}" y="{top:g}" width="6" height="{end - top:g}"/>'
