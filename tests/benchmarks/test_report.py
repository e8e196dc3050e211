"""What a run leaves to read."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import report
from benchmarks.charts import curve, progress
from benchmarks.harness import Curve, Figure, Goal

REACHED = Figure("P1", "post", "ag2 <hub>", (7.0, 8.0, 9.0), Goal(6), ours="8,000 posts/s", peer="1,000 posts/s")
MISSED = Figure("P14", "bytes", "lines", (1.25,), Goal(1.0, at_most=True), notes="all of it")
CURVE = Curve("Throughput against log length", "events", "posts/s", ((10.0, 900.0), (1000.0, 850.0)))


def test_a_line_says_figure_goal_and_whether_it_is_reached() -> None:
    assert report.line(REACHED) == "P1       8.00×  goal ≥ 6×  reached  post  8,000 posts/s against 1,000 posts/s"
    assert "1.25×  goal ≤ 1×  missed" in report.line(MISSED)


def test_json_lines_are_versioned_and_hold_every_round() -> None:
    read = json.loads(report.as_json(REACHED))
    assert (read["v"], read["kind"], read["value"], read["reached"]) == (1, "figure", 8.0, True)
    assert read["samples"] == [7.0, 8.0, 9.0]


def test_what_is_written_as_json_is_read_back(tmp_path: Path) -> None:
    machine, without_goal = {"cpu": "two cores"}, Figure("G9", "work", "a peer", (1.0,), None)
    lines = tmp_path / "run.json"
    results = (machine, REACHED, MISSED, without_goal, CURVE)
    lines.write_text("".join(f"{report.as_json(result)}\n" for result in results), encoding="utf-8")
    assert report.read_json(lines) == (machine, [REACHED, MISSED, without_goal], [CURVE])


@pytest.mark.parametrize(
    ("amount", "text"), [(1234.5, "1,234 ms"), (12.34, "12.3 ms"), (1.234, "1.23 ms"), (0.0123, "0.0123 ms")]
)
def test_numbers_show_the_digits_that_matter(amount: float, text: str) -> None:
    assert report.number(amount, "ms") == text


def test_results_hold_machine_figures_misses_notes_failures_and_charts(tmp_path: Path) -> None:
    path = report.write_results(
        {"cpu": "two cores"}, [REACHED, MISSED], [CURVE], {"P11": "ImportError: no umadb"}, tmp_path
    )
    text = path.read_text(encoding="utf-8")
    assert "| cpu | two cores |" in text
    assert "| P1 | post | ag2 <hub> | 8.00× | 7.00×–9.00× | ≥ 6× | reached | 8,000 posts/s | 1,000 posts/s |" in text
    assert "**missed**" in text
    assert "- P14: all of it." in text
    assert "- P11 did not run: ImportError: no umadb" in text
    charts = sorted(chart.name for chart in (tmp_path / "charts").iterdir())
    assert charts == ["events.svg", "progress.svg"]
    assert all(f"](charts/{name})" in text for name in charts)


@pytest.mark.parametrize("svg", [curve(CURVE), progress([REACHED, MISSED]), progress([])])
def test_charts_are_well_formed(svg: str) -> None:
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"


def test_a_curve_places_every_point_and_is_flat_where_the_values_are() -> None:
    flat = ElementTree.fromstring(curve(Curve("t", "x", "y", ((1.0, 5.0), (10.0, 5.0), (100.0, 5.0)))))
    dots = flat.findall("{http://www.w3.org/2000/svg}circle")
    assert len({dot.get("cy") for dot in dots}) == 1
    xs = [float(dot.get("cx", "")) for dot in dots]
    assert xs[1] - xs[0] == xs[2] - xs[1] > 0


def test_the_progress_chart_colours_what_is_missed() -> None:
    bars = ElementTree.fromstring(progress([REACHED, MISSED])).findall("{http://www.w3.org/2000/svg}rect")[1:]
    assert len({bar.get("fill") for bar in bars}) == 2
