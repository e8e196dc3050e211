"""What a run gives to read: lines on the terminal, ``RESULTS.md`` with its charts, lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.charts import curve, progress
from benchmarks.harness import Curve, Figure, Goal

HOME = Path(__file__).resolve().parent

_HEAD = """\
# Measured

Written by `make bench`; do not edit. BENCH.md says what is measured and why.

Every figure is the median of the ratios of at least five rounds, in which both sides ran alternately in one process run
(`least`–`most` are the rounds' extremes), so that noise of other work on the machine hits both
sides of a round. Durable means `fsync`: acknowledged is on disk. All envelopes are 96 characters
of text to one named recipient whose handler does nothing, and a round of posts ends when every envelope was accepted,
handled and acknowledged, on both sides. Inbox caps and sweepers are off on both sides.
"""


def line(figure: Figure) -> str:
    """One figure for the terminal."""
    mark = {True: "reached", False: "missed", None: ""}[figure.reached]
    goal = f"goal {bound(figure)}  {mark}" if figure.goal else ""
    sides = f"{figure.ours} against {figure.peer}" if figure.ours else ""
    return "  ".join(filter(None, [f"{figure.code:<4}{value(figure):>10}", goal, figure.work, sides]))


def value(figure: Figure) -> str:
    return number(figure.value, figure.unit)


def number(amount: float, unit: str) -> str:
    """Three digits that matter, and the unit."""
    digits = 0 if amount >= 100 else 1 if amount >= 10 else 2 if amount >= 0.1 else 4
    return f"{amount:,.{digits}f}{'×' if unit == 'x' else f' {unit}'}"


def bound(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    sign = "≤" if figure.goal.at_most else "≥"
    return f"{sign} {figure.goal.bound:,g}{'×' if figure.unit == 'x' else f' {figure.unit}'}"


def as_json(result: Figure | Curve | Mapping[str, str]) -> str:
    """A figure, a curve or the machine as a line of JSON, versioned."""
    if isinstance(result, Figure):
        fields = {"kind": "figure", "value": result.value, "reached": result.reached, **asdict(result)}
    elif isinstance(result, Curve):
        fields = {"kind": "curve", **asdict(result)}
    else:
        fields = {"kind": "machine", **result}
    return json.dumps({"v": 1} | fields, ensure_ascii=False)


def read_json(path: Path) -> tuple[dict[str, str], list[Figure], list[Curve]]:
    """Return machine, figures and curves of an earlier run from its lines of JSON."""
    machine: dict[str, str] = {}
    figures: list[Figure] = []
    curves: list[Curve] = []
    for text in path.read_text(encoding="utf-8").splitlines():
        fields = json.loads(text)
        kind, _ = fields.pop("kind"), fields.pop("v")
        if kind == "figure":
            del fields["value"], fields["reached"]
            goal = fields.pop("goal")
            samples = tuple(fields.pop("samples"))
            figures.append(Figure(**fields, samples=samples, goal=goal and Goal(**goal)))
        elif kind == "curve":
            points = tuple((x, y) for x, y in fields.pop("points"))
            curves.append(Curve(**fields, points=points))
        else:
            machine = fields
    return machine, figures, curves


def write_results(
    machine: Mapping[str, str],
    figures: Sequence[Figure],
    curves: Sequence[Curve],
    failures: Mapping[str, str],
    folder: Path = HOME,
) -> Path:
    """Write ``RESULTS.md`` and the charts it shows; returns its path."""
    charts = folder / "charts"
    charts.mkdir(exist_ok=True)
    drawn = {"progress.svg": progress(figures)}
    drawn |= {f"{data.x_name}.svg": curve(data) for data in curves}
    for name, svg in drawn.items():
        (charts / name).write_text(svg, encoding="utf-8")
    pictures = "\n\n".join(f"![{name.removesuffix('.svg')}](charts/{name})" for name in drawn)
    sections = [_HEAD, _machine(machine), _table(figures), _notes(figures), _failed(failures), pictures]
    path = folder / "RESULTS.md"
    path.write_text("\n\n".join(section.strip() for section in sections if section) + "\n", encoding="utf-8")
    return path


def _machine(machine: Mapping[str, str]) -> str:
    rows = "\n".join(f"| {name} | {text} |" for name, text in machine.items())
    return f"| Machine | |\n|---|---|\n{rows}"


def _table(figures: Sequence[Figure]) -> str:
    names = ("#", "Work", "Against", "Figure", "least–most", "Goal", "", "ledgerhub", "peer")
    head = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    return "\n".join([*head, *map(_row, figures)])


def _row(figure: Figure) -> str:
    mark = {True: "reached", False: "**missed**", None: ""}[figure.reached]
    spread = f"{number(min(figure.samples), figure.unit)}–{number(max(figure.samples), figure.unit)}"
    cells = (figure.code, figure.work, figure.against, value(figure), spread, bound(figure), mark)
    return f"| {' | '.join((*cells, figure.ours, figure.peer))} |"


def _notes(figures: Sequence[Figure]) -> str:
    return "\n".join(f"- {figure.code}: {figure.notes}." for figure in figures if figure.notes)


def _failed(failures: Mapping[str, str]) -> str:
    return "\n".join(f"- {code} did not run: {why}" for code, why in failures.items())
