"""The simulator finds what it is there to find: bugs planted from outside, within a bounded number of seeds."""

from __future__ import annotations

import re

import pytest

from tests.simulation import canary
from tests.simulation.__main__ import main
from tests.simulation.run import play

SEEDS_MOST = 120


@pytest.mark.parametrize("name", canary.BUGS)
def test_a_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the rule that it breaks, not by an accident of the planting."""
    bug = canary.BUGS[name]
    bug.plant(monkeypatch)
    failures = (play(seed).failure for seed in range(SEEDS_MOST))
    assert any(failure is not None and failure.rule in bug.rules for failure in failures), f"{name} lives on"


def test_there_are_enough_of_them() -> None:
    assert len(canary.BUGS) >= 12


def test_a_failing_run_is_shrunk_and_says_how_to_repeat_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    canary.double_close(monkeypatch)
    assert main(["--seed", "0", "--runs", "60"]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("seed 0: steps=")
    assert told[-2] in told[:-2], "the options are told first, and again at the end"
    repeated, steps = re.fullmatch(r"repeat it: make sim SEED=(\d+) RUNS=1 ARGS='(.+)'", told[-1]), told[-3]
    assert repeated is not None
    assert int(steps.split()[0]) < int(steps.split()[-1])
    assert main(["--seed", repeated[1], *repeated[2].split()]) == 1
    again = capsys.readouterr().out.splitlines()
    assert told[-4] in again
