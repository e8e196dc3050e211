"""``python -m benchmarks [--quick] [--json FILE] [--folder FOLDER] [--from FILE] [P1 P4 …]``.

A full run of everything writes ``RESULTS.md``. So does a run that is given the JSON of earlier ones for what it does
not run itself: a run of hours can be done in parts. Any other run only prints.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from benchmarks.catalogue import BENCHMARKS, load
from benchmarks.harness import Bench, Curve, Figure, Outcome
from benchmarks.machine import describe
from benchmarks.report import as_json, line, read_json, write_results


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmarks that were asked for; 1 when one of them did not run, 2 when there is none of that name."""
    options = _parser().parse_args(argv)
    unknown = [code for code in options.codes if code not in BENCHMARKS]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ledgerhub-bench-", dir=options.folder)))
        sink = stack.enter_context(open(options.json, "w", encoding="utf-8")) if options.json else None
        run = _Run(Bench(root, "quick" if options.quick else "full"), sink)
        run.all(options.codes or BENCHMARKS)
        for path in options.earlier:
            run.take_over(Path(path))
        if options.earlier or not (options.codes or options.quick):
            print(f"written: {write_results(run.machine, run.figures, run.curves, run.failures)}")
        return 1 if run.failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks", description="ledgerhub beside its peers; see BENCH.md")
    parser.add_argument("codes", nargs="*", metavar="CODE", help="P1 P4 …; all when none is named")
    parser.add_argument("--quick", action="store_true", help="smaller, in under two minutes; writes no RESULTS.md")
    parser.add_argument("--json", metavar="FILE", help="write machine, figures and curves as lines of JSON")
    parser.add_argument("--folder", help="the disk to measure; default: the system's temporary folder")
    parser.add_argument(
        "--from", dest="earlier", metavar="FILE", action="append", default=[], help="add an earlier run's JSON; repeat"
    )
    return parser


class _Run:
    """Runs benchmarks one after the other, says each figure as it comes, and goes on where one fails."""

    def __init__(self, bench: Bench, sink: TextIO | None) -> None:
        self._bench, self._sink = bench, sink
        self.machine = describe(bench.root)
        self.figures: list[Figure] = []
        self.curves: list[Curve] = []
        self.failures: dict[str, str] = {}

    def all(self, codes: Sequence[str] | dict[str, str]) -> None:
        """Run the benchmarks of these codes."""
        print("\n".join(f"{name:<14} {text}" for name, text in self.machine.items()), flush=True)
        self._keep(self.machine)
        for code in codes:
            started = time.perf_counter()
            try:
                outcome = asyncio.run(self._once(code))
            except Exception as error:
                self.failures[code] = f"{type(error).__name__}: {error}"
                print(f"{code:<4} did not run: {self.failures[code]}", flush=True)
                continue
            self._keep(*outcome.figures, *outcome.curves)
            print("\n".join(map(line, outcome.figures)), flush=True)
            print(f"    {time.perf_counter() - started:.0f} s", flush=True)

    async def _once(self, code: str) -> Outcome:
        outcome = await load(code)(self._bench)
        self.figures += outcome.figures
        self.curves += outcome.curves
        return outcome

    def _keep(self, *results: Figure | Curve | dict[str, str]) -> None:
        if self._sink is not None:
            print("\n".join(map(as_json, results)), file=self._sink, flush=True)

    def take_over(self, path: Path) -> None:
        """Add what an earlier run measured and this one did not, in the order of the catalogue."""
        _, figures, curves = read_json(path)
        measured, drawn = {figure.code for figure in self.figures}, {curve.title for curve in self.curves}
        self.figures += [figure for figure in figures if figure.code not in measured]
        self.curves += [curve for curve in curves if curve.title not in drawn]
        order = list(BENCHMARKS)
        self.figures.sort(key=lambda figure: order.index(figure.code))


if __name__ == "__main__":
    sys.exit(main())
