"""Two sides, run alternately on the same work, and what their ratio is.

A side returns what the work **cost** it: seconds, bytes; less is better. The figure of a benchmark is the median of the
ratios of its rounds, so that noise which hits both sides of a round cancels, and a round that was hit on one side only
is outvoted. The order of the sides swaps each round, so that neither always runs on the warmer machine.
"""

from __future__ import annotations

import gc
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Literal

Cost = Callable[[], Awaitable[float]]
"""Runs one side's work once and returns what it cost."""
Scale = Literal["full", "quick", "tiny"]

ROUNDS = 5
TEXT = "What matters most here, and what would you do about it before the end of the quarter? Be brief.."
"""The payload: 96 characters."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on a figure: at least, or at most."""

    bound: float
    at_most: bool = False

    def reached(self, figure: float) -> bool:
        return figure <= self.bound if self.at_most else figure >= self.bound

    def progress(self, figure: float) -> float:
        """How much of the goal is reached: 1 is just reached, 2 is twice as good."""
        better, worse = (self.bound, figure) if self.at_most else (figure, self.bound)
        return better / worse if worse else float("inf")


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the rounds cost each side, in the order they ran."""

    ours: tuple[float, ...]
    peer: tuple[float, ...]

    @property
    def speedups(self) -> tuple[float, ...]:
        """Per round, how many times less than its peer ours cost."""
        return tuple(peer / ours for ours, peer in zip(self.ours, self.peer, strict=True))

    @property
    def shares(self) -> tuple[float, ...]:
        """Per round, what ours cost as a share of its peer."""
        return tuple(ours / peer for ours, peer in zip(self.ours, self.peer, strict=True))


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the results.

    Args:
        code: the benchmark's, from BENCH.md; growth charts begin with G.
        work: what was done.
        against: what it is compared with.
        samples: the figure of each round; the benchmark's own is their median.
        unit: ``x`` for a ratio, else the unit of the samples.
        goal: None where there is nothing to reach.
        ours: what ledgerhub did, absolute.
        peer: what the peer did, absolute.
        notes: sizes and modes that the figures hang on.
    """

    code: str
    work: str
    against: str
    samples: tuple[float, ...]
    goal: Goal | None
    unit: str = "x"
    ours: str = ""
    peer: str = ""
    notes: str = ""

    @property
    def value(self) -> float:
        return median(self.samples)

    @property
    def reached(self) -> bool | None:
        return None if self.goal is None else self.goal.reached(self.value)


@dataclass(frozen=True, slots=True)
class Curve:
    """One growth chart: y over x, both positive."""

    title: str
    x_name: str
    y_name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a benchmark gives."""

    figures: tuple[Figure, ...]
    curves: tuple[Curve, ...] = ()


@dataclass
class Bench:
    """What a benchmark is given: how much to do, and where.

    Args:
        root: a folder of its own on the disk that is measured.
        scale: ``full`` for the figures, ``quick`` for a look, ``tiny`` for tests.
    """

    root: Path
    scale: Scale = "full"
    logs: dict[tuple[int, int], Path] = field(default_factory=dict, init=False)
    """Long logs that benchmarks share: see ``history.long_log``."""
    _folders: int = field(default=0, init=False)

    def size(self, full: int, quick: int, tiny: int) -> int:
        return {"full": full, "quick": quick, "tiny": tiny}[self.scale]

    @property
    def rounds(self) -> int:
        return 1 if self.scale == "tiny" else ROUNDS

    def folder(self, name: str) -> Path:
        """A fresh folder."""
        self._folders += 1
        path = self.root / f"{self._folders:03}-{name}"
        path.mkdir(parents=True)
        return path

    def discard(self, folder: Path) -> None:
        """Give the disk back what a folder takes."""
        shutil.rmtree(folder)

    async def alternate(self, *sides: Cost) -> list[tuple[float, ...]]:
        """Run every side once per round, each round in the other order; returns what each cost."""
        costs: list[list[float]] = [[] for _ in sides]
        for number in range(self.rounds):
            turns = list(enumerate(sides))
            for at, side in turns if number % 2 == 0 else reversed(turns):
                gc.collect()
                costs[at].append(await side())
        return [tuple(each) for each in costs]

    async def compare(self, ours: Cost, peer: Cost) -> Comparison:
        """Run both sides alternately."""
        return Comparison(*await self.alternate(ours, peer))


def rate(costs: Sequence[float], count: int, of: str) -> str:
    """The median rate at which so many things were done, as text."""
    return f"{count / median(costs):,.0f} {of}/s"


def lasted(seconds: float) -> str:
    """A duration as text, in a unit that fits."""
    for unit, factor in (("s", 1), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:,.2f} {unit}"
    return f"{seconds * 1e6:,.1f} µs"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * round(share * 1000) // 1000))
    return ordered[rank - 1]
