"""``python -m benchmarks [--quick] [--json FILE] [--folder FOLDER] [P1 P4 …]``.

A full run of everything writes ``RESULTS.md``; any other run only prints.
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

from benchmarks.catalogue import BENCHMARKS, load
from benchmarks.harness import Bench, Curve, Figure, Scale
from benchmarks.machine import describe
from benchmarks.report import as_json, line, write_results


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmarks that were asked for; 1 when one of them did not run."""
    options = _parser().parse_args(argv)
    unknown = [code for code in options.codes if code not in BENCHMARKS]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ledgerhub-bench-", dir=options.folder)))
        sink = stack.enter_context(open(options.json, "w", encoding="utf-8")) if options.json else None
        machine = describe(root)
        print("\n".join(f"{name:<14} {text}" for name, text in machine.items()), flush=True)
        run = _Run(root, "quick" if options.quick else "full")
        for code in options.codes or BENCHMARKS:
            for figure in run.one(code):
                if sink is not None:
                    print(as_json(figure), file=sink, flush=True)
        if not options.codes and not options.quick:
            print(f"written: {write_results(machine, run.figures, run.curves, run.failures)}")
        return 1 if run.failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks", description="ledgerhub beside its peers; see BENCH.md")
    parser.add_argument("codes", nargs="*", metavar="CODE", help="P1 P4 …; all when none is named")
    parser.add_argument("--quick", action="store_true", help="smaller, in under two minutes; writes no RESULTS.md")
    parser.add_argument("--json", metavar="FILE", help="write each figure as a line of JSON")
    parser.add_argument("--folder", help="the disk to measure; default: the system's temporary folder")
    return parser


class _Run:
    """Runs benchmarks one after the other, prints each figure, and goes on where one fails."""

    def __init__(self, root: Path, scale: Scale) -> None:
        self._bench = Bench(root, scale)
        self.figures: list[Figure] = []
        self.curves: list[Curve] = []
        self.failures: dict[str, str] = {}

    def one(self, code: str) -> tuple[Figure, ...]:
        started = time.perf_counter()
        try:
            outcome = asyncio.run(self._once(code))
        except Exception as error:
            self.failures[code] = f"{type(error).__name__}: {error}"
            print(f"{code:<4} did not run: {self.failures[code]}", flush=True)
            return ()
        for figure in outcome:
            print(line(figure), flush=True)
        print(f"    {time.perf_counter() - started:.0f} s", flush=True)
        return outcome

    async def _once(self, code: str) -> tuple[Figure, ...]:
        outcome = await load(code)(self._bench)
        self.figures += outcome.figures
        self.curves += outcome.curves
        return outcome.figures


if __name__ == "__main__":
    sys.exit(main())
