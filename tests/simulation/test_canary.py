"""The simulator finds what it is there to find: bugs planted from outside, within a bounded number of seeds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.simulation import canary
from tests.simulation.__main__ import main
from tests.simulation.run import play

SEEDS_MOST = 60


@pytest.mark.parametrize("bug", canary.BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found(bug: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)
    assert any(play(seed).failure is not None for seed in range(SEEDS_MOST)), f"{bug.__name__} lives on"


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
    repeated, steps = told[-1].removeprefix("repeat it: python -m tests.simulation "), told[-3]
    assert int(steps.split()[0]) < int(steps.split()[-1])
    assert main(repeated.split()) == 1
    again = capsys.readouterr().out.splitlines()
    assert told[-4] in again
