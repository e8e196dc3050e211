"""The whole hub under a seed: whatever is drawn, what must hold holds (SPEC DET-1, DET-2, LOG-5; all traps)."""

from __future__ import annotations

import pytest

from tests.simulation import seeds
from tests.simulation.__main__ import again, head
from tests.simulation.run import play

RUNS = 200
PORTION = 5
FIRST = seeds.from_commit()


@pytest.mark.parametrize("first", range(0, RUNS, PORTION))
def test_two_hundred_seeds_find_nothing(first: int) -> None:
    """DET-2 among others. Each commit looks at seeds of its own, the first of which is its hash."""
    start = FIRST + first
    for seed in range(start, start + PORTION):
        result = play(seed)
        assert result.failure is None, f"{head(result)}\n{result.failure}\nrepeat it: {again(result)}"


def test_a_run_is_worth_its_time() -> None:
    """A simulator that refuses everything would find nothing: most of the hub's events happen, and it crashes."""
    results = [play(seed) for seed in range(7)]
    assert sum(result.events for result in results) > 1_000
    assert sum(result.crashes for result in results) > 3
    happened = {line.split(": ")[-1] for result in results for line in result.trace if line.startswith("  post")}
    assert "done" in happened


def test_a_seed_is_a_number_or_a_commit_hash() -> None:
    assert seeds.parse("17") == 17
    assert seeds.parse("cd5d7c1") == 0xCD5D7C1
    with pytest.raises(ValueError, match="is no seed"):
        seeds.parse("seventeen")


def test_the_options_come_first_and_from_the_seed_alone() -> None:
    assert seeds.options_of(5) == seeds.options_of(5)
    assert len({seeds.options_of(seed) for seed in range(20)}) == 20
