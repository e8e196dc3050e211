"""Charts as SVG text, by hand: no dependency, and a diff of a chart can be read."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10

from benchmarks.harness import Curve, Figure

WIDTH, HEIGHT, MARGIN = 640, 260, 64
BAR_HEIGHT, LABEL_WIDTH = 22, 300
_STYLE = "font-family='sans-serif' font-size='12' fill='#333'"
_REACHED, _MISSED = "#2a9d5c", "#d0743c"


def curve(data: Curve) -> str:
    """A line over a logarithmic x axis; the y axis begins at 0, so flat looks flat."""
    xs, ys = [x for x, _ in data.points], [y for _, y in data.points]
    low, high = log10(min(xs)), log10(max(xs))
    top = _round_up(max(ys))

    def place(x: float, y: float) -> tuple[float, float]:
        across = (log10(x) - low) / ((high - low) or 1)
        return MARGIN + across * (WIDTH - 2 * MARGIN), HEIGHT - MARGIN - y / top * (HEIGHT - 2 * MARGIN)

    places = [place(x, y) for x, y in data.points]
    left, bottom = MARGIN, HEIGHT - MARGIN
    parts = [
        _text(WIDTH / 2, 24, data.title, anchor="middle", size=14),
        _text(WIDTH / 2, HEIGHT - 14, data.x_name, anchor="middle"),
        _text(left, MARGIN - 16, data.y_name),
        f"<path d='M{left} {MARGIN}V{bottom}H{WIDTH - MARGIN}' fill='none' stroke='#999'/>",
        *(_text(left - 8, place(10**low, y)[1] + 4, f"{y:,.0f}", anchor="end") for y in (0, top / 2, top)),
        f"<polyline points='{_points(places)}' fill='none' stroke='{_REACHED}' stroke-width='2'/>",
    ]
    for (x, y), (value, _) in zip(places, data.points, strict=True):
        parts.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3.5' fill='{_REACHED}'/>")
        parts.append(_text(x, bottom + 18, f"{value:,.0f}", anchor="middle"))
    return _svg(WIDTH, HEIGHT, parts)


def progress(figures: Sequence[Figure]) -> str:
    """A bar per figure: how much of its goal is reached, on a logarithmic scale with the goal as a line."""
    with_goal = [(figure, figure.goal.progress(figure.value)) for figure in figures if figure.goal]
    exponents = [log10(max(share, 1e-6)) for _, share in with_goal]
    low, high = floor(min([-1.0, *exponents])), ceil(max([1.0, *exponents]))
    unit = (WIDTH + 200 - LABEL_WIDTH - MARGIN) / (high - low)
    height = 48 + BAR_HEIGHT * len(with_goal) + 28
    goal_x = LABEL_WIDTH - low * unit
    parts = [_text(LABEL_WIDTH, 24, "Share of the goal reached (1 is the goal; logarithmic)", size=14)]
    for row, ((figure, share), exponent) in enumerate(zip(with_goal, exponents, strict=True)):
        y = 40 + row * BAR_HEIGHT
        parts.append(_text(LABEL_WIDTH - 8, y + 14, f"{figure.code} {_cut(figure.work)}", anchor="end"))
        start, length = min(goal_x, goal_x + exponent * unit), abs(exponent) * unit
        colour = _REACHED if figure.reached else _MISSED
        parts.append(f"<rect x='{start:.1f}' y='{y + 3}' width='{length:.1f}' height='14' fill='{colour}'/>")
        end = goal_x + exponent * unit + (4 if exponent >= 0 else -4)
        parts.append(_text(end, y + 14, f"{share:,.2f}", anchor="start" if exponent >= 0 else "end"))
    bottom = 44 + BAR_HEIGHT * len(with_goal)
    parts.append(f"<path d='M{goal_x:.1f} 36V{bottom}' stroke='#333'/>")
    parts.append(_text(goal_x, bottom + 18, "goal", anchor="middle"))
    return _svg(WIDTH + 200, height, parts)


def _cut(text: str, most: int = 40) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _round_up(value: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power: float = 10.0 ** floor(log10(value))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= value)


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' font-size='{size}'>{escape(text)}</text>"


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}'"
    body = "\n".join(parts)
    return f"{head} {_STYLE}>\n<rect width='{width}' height='{height}' fill='#fff'/>\n{body}\n</svg>\n"
