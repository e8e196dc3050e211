"""The benchmarks, by code, in the order they run. A module is imported when its benchmark runs: peers are optional."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import cast

from benchmarks.harness import Bench, Outcome

Benchmark = Callable[[Bench], Awaitable[Outcome]]

BENCHMARKS = {
    "P1": "benchmarks.posting:on_disk",
    "P2": "benchmarks.posting:on_sqlite",
    "P3": "benchmarks.raw:concurrent",
    "P4": "benchmarks.raw:sequential",
    "P5": "benchmarks.posting:in_memory",
    "P6": "benchmarks.growing:log_length",
    "P7": "benchmarks.reading:wal",
    "P8": "benchmarks.ticking:idle_tick",
    "P9": "benchmarks.opening:from_checkpoint",
    "P10": "benchmarks.opening:replay",
    "P11": "benchmarks.appending:conditional",
    "P12": "benchmarks.verifying:whole_log",
    "P13": "benchmarks.footprint:memory",
    "P14": "benchmarks.sizing:bytes_on_disk",
    "P15": "benchmarks.raw:latency",
    "G2": "benchmarks.growing:registry",
    "G3": "benchmarks.growing:participants",
}
"""Growth against log length is drawn by P6."""


def load(code: str) -> Benchmark:
    """Return a benchmark.

    Raises:
        KeyError: there is none of that code.
        ImportError: its peer is not installed.
    """
    module, name = BENCHMARKS[code].split(":")
    return cast("Benchmark", getattr(import_module(module), name))
