"""Every benchmark runs, at a tiny size, so that none rots; how fast is nobody's business here."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import profiling
from benchmarks.catalogue import BENCHMARKS, load
from benchmarks.harness import Bench, Figure, Goal, Outcome
from benchmarks.report import as_json

PEERS = {
    **dict.fromkeys(("P1", "P2", "P5", "P7", "P8", "P14"), ("ag2", "watchdog")),
    "P11": ("umadb",),
}

HAS_PROC = Path("/proc/self/status").exists()


@pytest.mark.parametrize("code", BENCHMARKS)
async def test_a_benchmark_gives_figures(code: str, tmp_path: Path) -> None:
    for package in PEERS.get(code, ()):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package}, of its peer, is in the extra `bench`")
    if code == "P13" and not HAS_PROC:
        pytest.skip("resident memory is read from /proc")
    outcome = await load(code)(Bench(tmp_path, "tiny"))
    assert outcome.figures
    for figure in outcome.figures:
        assert figure.code == code
        assert figure.goal is not None
        assert len(figure.samples) == 1
        assert figure.value > 0
    for curve in outcome.curves:
        assert len(curve.points) >= 2


async def test_the_profile_names_where_the_time_goes(tmp_path: Path) -> None:
    found = await profiling.profile(tmp_path, each=1)
    assert found.posts == profiling.SENDERS
    assert any(spent.name.endswith(" post_envelope") for spent in found.functions)
    whole = sum(spent.own_s for spent in profiling.by_module(found.functions))
    assert whole == pytest.approx(sum(spent.own_s for spent in found.functions))


def test_profiled_paths_name_no_folder_of_the_machine() -> None:
    assert profiling.short(str(profiling.PROJECT / "hub" / "commit.py")) == "hub/commit.py"
    assert profiling.short("/somewhere/lib/python3.11/asyncio/tasks.py") == "asyncio/tasks.py"


def test_an_unknown_code_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["P1", "P99"]) == 2
    assert "no benchmark P99" in capsys.readouterr().err


async def _works(bench: Bench) -> Outcome:
    assert bench.root.is_dir()
    return Outcome((Figure("P1", "work", "a peer", (2.0,), Goal(1)),))


async def _fails(_: Bench) -> Outcome:
    raise ModuleNotFoundError("No module named 'ag2'")


def test_a_run_prints_every_figure_and_goes_on_past_what_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "load", {"P1": _fails, "P2": _works}.__getitem__)
    lines = tmp_path / "figures.json"
    assert command.main(["--quick", "--json", str(lines), "--folder", str(tmp_path), "P1", "P2"]) == 1
    printed = capsys.readouterr().out
    assert "P1   did not run: ModuleNotFoundError: No module named 'ag2'" in printed
    assert "2.00×  goal ≥ 1×  reached  work" in printed
    kept = [json.loads(each) for each in lines.read_text(encoding="utf-8").splitlines()]
    assert [each["kind"] for each in kept] == ["machine", "figure"]
    assert kept[1]["value"] == 2.0


def test_earlier_runs_fill_up_what_this_one_did_not_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written: list[list[Figure]] = []
    monkeypatch.setattr(command, "load", {"P1": _works}.__getitem__)
    monkeypatch.setattr(command, "write_results", lambda _, figures, *__: written.append(figures))
    earlier = tmp_path / "earlier.json"
    figures = [Figure(code, "before", "a peer", (5.0,), Goal(1)) for code in ("P1", "P10", "P9")]
    earlier.write_text("".join(f"{as_json(figure)}\n" for figure in figures), encoding="utf-8")
    assert command.main(["--folder", str(tmp_path), "--from", str(earlier), "P1"]) == 0
    assert [(figure.code, figure.value) for figure in written[0]] == [("P1", 2.0), ("P9", 5.0), ("P10", 5.0)]
    assert "written" in capsys.readouterr().out


@pytest.mark.parametrize("code", BENCHMARKS)
def test_every_code_names_a_function_that_is_there(code: str) -> None:
    module, name = BENCHMARKS[code].split(":")
    source = Path(command.__file__).parent / f"{module.removeprefix('benchmarks.')}.py"
    assert f"async def {name}(bench: Bench) -> Outcome:" in source.read_text(encoding="utf-8")
