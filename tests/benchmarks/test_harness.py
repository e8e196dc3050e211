"""The arithmetic of the benchmarks: rounds, ratios, medians, goals."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.harness import (
    ROUNDS,
    TEXT,
    Bench,
    Comparison,
    Cost,
    Figure,
    Goal,
    lasted,
    percentile,
    rate,
)


def figure(*samples: float, goal: Goal | None = None) -> Figure:
    return Figure("P0", "work", "a peer", samples, goal)


def test_the_payload_is_96_characters() -> None:
    assert len(TEXT) == 96


def test_a_speedup_is_how_many_times_less_ours_cost_in_the_same_round() -> None:
    compared = Comparison(ours=(1.0, 2.0, 4.0), peer=(6.0, 6.0, 6.0))
    assert compared.speedups == (6.0, 3.0, 1.5)
    assert compared.shares == (1 / 6, 2 / 6, 4 / 6)


def test_rounds_that_do_not_pair_are_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        _ = Comparison(ours=(1.0, 2.0), peer=(1.0,)).speedups


def test_a_figure_is_the_median_of_its_rounds_so_one_bad_round_changes_little() -> None:
    assert figure(5.9, 6.1, 0.1, 6.0, 60.0).value == 6.0


@pytest.mark.parametrize(
    ("goal", "value", "reached", "progress"),
    [
        (Goal(6), 6.0, True, 1.0),
        (Goal(6), 3.0, False, 0.5),
        (Goal(1.3, at_most=True), 1.3, True, 1.0),
        (Goal(1.5, at_most=True), 3.0, False, 0.5),
        (Goal(1, at_most=True), 0.25, True, 4.0),
    ],
)
def test_a_goal_is_a_bound_from_below_or_above(goal: Goal, value: float, reached: bool, progress: float) -> None:
    assert figure(value, goal=goal).reached is reached
    assert goal.progress(value) == progress


def test_without_a_goal_nothing_is_reached_or_missed() -> None:
    assert figure(1.0).reached is None


async def test_sides_run_alternately_and_take_turns_at_going_first(tmp_path: Path) -> None:
    ran: list[str] = []

    def side(name: str, cost: float) -> Cost:
        async def run() -> float:
            ran.append(name)
            return cost * len(ran)

        return run

    costs = await Bench(tmp_path).alternate(side("a", 1.0), side("b", 100.0))
    assert "".join(ran) == ("abba" * ROUNDS)[: 2 * ROUNDS]
    assert costs[0] == tuple(float(at) for at, name in enumerate(ran, 1) if name == "a")
    assert costs[1] == tuple(100.0 * at for at, name in enumerate(ran, 1) if name == "b")
    assert ROUNDS >= 5


async def test_compare_keeps_each_side_with_its_own_costs(tmp_path: Path) -> None:
    async def ours() -> float:
        return 2.0

    async def peer() -> float:
        return 3.0

    compared = await Bench(tmp_path, "tiny").compare(ours, peer)
    assert compared == Comparison((2.0,), (3.0,))


def test_a_bench_gives_fresh_folders_and_takes_them_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    first, second = bench.folder("log"), bench.folder("log")
    assert first != second
    bench.discard(first)
    assert not first.exists()
    assert second.is_dir()


def test_sizes_follow_the_scale(tmp_path: Path) -> None:
    sizes = [Bench(tmp_path, scale).size(full=3, quick=2, tiny=1) for scale in ("full", "quick", "tiny")]
    assert sizes == [3, 2, 1]


@pytest.mark.parametrize(
    ("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)], ids=["p50", "p99", "most", "least"]
)
def test_a_percentile_is_the_nearest_rank(share: float, value: float) -> None:
    assert percentile([float(each) for each in range(100, 0, -1)], share) == value


def test_a_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.0], 0.99) == 7.0


def test_absolute_figures_read_well() -> None:
    assert rate((2.0, 1.0, 4.0), 10_000, "posts") == "5,000 posts/s"
    assert [lasted(seconds) for seconds in (2.5, 0.0125, 0.0000075)] == ["2.50 s", "12.50 ms", "7.5 µs"]
