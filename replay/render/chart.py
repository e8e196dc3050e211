"""Charts of a log as SVG text, by hand: no dependency, no script, and a difference can be read.

Colours are apart for people who do not tell red from green, and each has its name in the legend. The page follows the
reader's light or dark scheme.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from math import floor, log10
from typing import NamedTuple

from events.values.times import iso
from replay.render.text import duration, printable, shortened
from replay.stats import Stats, Tally

WIDTH, MARGIN = 820, 56
TIME_HEIGHT, BAR_HEIGHT, LABEL_WIDTH = 160, 20, 190
BARS_MAX = 40
"""So many groups get a bar, those with the most envelopes; the rest is said to be left out."""
COLORS = {"envelopes": "#4477aa", "refusals": "#cc3311", "violations": "#ee9922"}
_LATENCY = "#4477aa"
_STYLE = (
    "<style>text{font:12px sans-serif;fill:#222}.dim{fill:#777}.axis{stroke:#999;fill:none}.page{fill:#fff}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.dim{fill:#999}.page{fill:#181818}}</style>"
)


class Part(NamedTuple):
    """A chart and how high it is."""

    height: int
    lines: list[str]


def chart(stats: Stats, title: str) -> str:
    """Return a page of charts: over time, latencies, and a bar for each group; O(groups)."""
    parts = [Part(40, [_text(MARGIN, 26, title, more="font-weight='bold'")]), _over_time(stats), _latencies(stats)]
    if stats.groups:
        parts.append(_groups(stats))
    body, y = list[str](), 0
    for part in parts:
        body += [f"<g transform='translate(0 {y})'>", *part.lines, "</g>"]
        y += part.height
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {y}' width='{WIDTH}' height='{y}' role='img'>"
    name = f"<title>{escape(printable(title))}</title>"
    page = f"<rect class='page' width='{WIDTH}' height='{y}'/>"
    return "\n".join([head, name, _STYLE, page, *body, "</svg>"]) + "\n"


def _over_time(stats: Stats) -> Part:
    """Stacked bars over time, on an axis that begins at 0."""
    top = _round_up(max((sum(slot[1:]) for slot in stats.slots), default=0))
    left, right, bottom = MARGIN, WIDTH - MARGIN / 2, TIME_HEIGHT - 32
    step = (right - left) / len(stats.slots)
    lines = [*_legend(left), f"<path class='axis' d='M{left} 24V{bottom}H{right}'/>"]
    lines += [_text(left - 6, bottom - share * (bottom - 28) + 4, f"{top * share:,.0f}", "end") for share in (0, 1)]
    for place, slot in enumerate(stats.slots):
        x, y = left + place * step, float(bottom)
        for count, color in zip(slot[1:], COLORS.values(), strict=True):
            height = count / top * (bottom - 28)
            y -= height
            if count:
                lines.append(_rect(x + 0.5, y, max(step - 1, 0.5), height, color, f"{iso(slot.at_us)}: {count:,}"))
    if stats.total.events:
        lines.append(_text(left, bottom + 18, iso(stats.first_us), more="class='dim'"))
        lines.append(_text(right, bottom + 18, iso(stats.last_us), "end", "class='dim'"))
    return Part(TIME_HEIGHT, lines)


def _legend(x: float) -> Iterator[str]:
    for name, color in COLORS.items():
        yield _rect(x, 2, 10, 10, color, name)
        yield _text(x + 14, 12, name)
        x += 110


def _latencies(stats: Stats) -> Part:
    """From the median to the 99th percentile, on one logarithmic axis."""
    found = {name: each.summary() for name, each in stats.total.latencies.items()}
    known = {name: each for name, each in found.items() if each is not None}
    longest = max((each.p99_us for each in known.values()), default=0)
    lines = [_text(MARGIN, 14, "latencies: p50 ▸ p95 ▸ p99, logarithmic", more="class='dim'")]
    for row, (name, each) in enumerate(known.items()):
        y = 24 + row * BAR_HEIGHT
        lines.append(_text(LABEL_WIDTH - 8, y + 13, f"{name} ({each.n:,})", "end"))
        points = each.p50_us, each.p95_us, each.p99_us
        xs = [LABEL_WIDTH + _log_share(us, longest) * (WIDTH - LABEL_WIDTH - 210) for us in points]
        lines.append(_rect(LABEL_WIDTH, y + 4, max(xs[0] - LABEL_WIDTH, 1), 10, _LATENCY, f"p50 {duration(points[0])}"))
        lines.append(_rect(xs[0], y + 7, max(xs[2] - xs[0], 1), 4, _LATENCY, f"p99 {duration(points[2])}"))
        lines.append(_text(xs[2] + 8, y + 13, " ▸ ".join(map(duration, points))))
    return Part(36 + BAR_HEIGHT * len(known), lines)


def _groups(stats: Stats) -> Part:
    """A bar for each of the groups with the most envelopes, refusals and violations behind it."""
    most = sorted(stats.groups.items(), key=lambda item: -_weight(item[1]))[:BARS_MAX]
    kept = [item for item in stats.groups.items() if item[0] in dict(most)]
    longest = max((_weight(tally) for _, tally in kept), default=1) or 1
    left_out = len(stats.groups) - len(kept)
    more = f", the {BARS_MAX} with the most of {len(stats.groups):,}" if left_out else ""
    lines = [_text(MARGIN, 14, f"by {stats.by}{more}", more="class='dim'")]
    for row, (key, tally) in enumerate(kept):
        y, x = 24 + row * BAR_HEIGHT, float(LABEL_WIDTH)
        lines.append(_text(LABEL_WIDTH - 8, y + 13, shortened(printable(key), 26), "end"))
        for count, (name, color) in zip(_three(tally), COLORS.items(), strict=True):
            width = count / longest * (WIDTH - LABEL_WIDTH - 110)
            if count:
                lines.append(_rect(x, y + 3, width, 13, color, f"{name} {count:,}"))
            x += width
        lines.append(_text(x + 6, y + 13, f"{_weight(tally):,}"))
    return Part(36 + BAR_HEIGHT * len(kept), lines)


def _three(tally: Tally) -> tuple[int, int, int]:
    return tally.envelopes, tally.refused.total(), tally.violated.total()


def _weight(tally: Tally) -> int:
    return sum(_three(tally))


def _log_share(us: int, longest_us: int) -> float:
    """Return where a time stands between nothing and the longest, by its logarithm."""
    return log10(1 + us) / log10(1 + longest_us) if longest_us else 0.0


def _round_up(value: int) -> int:
    """Return the next 1, 2 or 5 times a power of ten, at least 1."""
    power: int = 10 ** floor(log10(max(value, 1)))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= value)


def _rect(x: float, y: float, width: float, height: float, color: str, says: str) -> str:
    place = f"x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{height:.1f}'"
    return f"<rect {place} fill='{color}'><title>{escape(printable(says))}</title></rect>"


def _text(x: float, y: float, text: str, anchor: str = "start", more: str = "") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' {more}>{escape(printable(text))}</text>"
