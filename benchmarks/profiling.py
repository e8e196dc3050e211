"""Where the time of P1 goes on ledgerhub's side: ``python -m benchmarks.profiling [envelopes per sender]``.

First without a profiler: seconds by the clock, and CPU seconds of the event loop's thread and of the others (the log's
writer). Then under cProfile, which sees the event loop's thread alone and makes small functions look dearer than they
are: what counts there is the order. Last the bytecode instructions by file, which are the same on every run.
"""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.instructions import count_instructions
from benchmarks.network import Network
from hub import DiskKnowledgeStore

SENDERS, EACH = 64, 50
COUNTED_EACH = 5
SHOWN = 40
PROJECT = Path(__file__).resolve().parent.parent


class Spent(NamedTuple):
    """What a function, or a module, cost over a whole profile."""

    name: str
    calls: int
    own_s: float
    all_s: float


class Profile(NamedTuple):
    """What ``posts`` posts cost: seconds unprofiled, and per function profiled."""

    posts: int
    clock_s: float
    loop_s: float
    others_s: float
    functions: tuple[Spent, ...]
    instructions: dict[str, float]
    """Bytecode instructions per post, by file."""


async def profile(folder: Path, each: int) -> Profile:
    """Post on a fresh durable hub: once to warm up, once by the clock, once under the profiler."""
    network = await Network.open(DiskKnowledgeStore(folder), SENDERS)
    await network.post(each)
    started = time.thread_time(), time.process_time()
    clock_s = await network.post(each)
    loop_s, process_s = time.thread_time() - started[0], time.process_time() - started[1]
    profiler = cProfile.Profile()
    profiler.enable()
    await network.post(each)
    profiler.disable()
    ran = await count_instructions(network, COUNTED_EACH)
    await network.close()
    files: dict[str, float] = {}
    for code, count in ran.items():
        name = short(code.co_filename)
        files[name] = files.get(name, 0.0) + count / (COUNTED_EACH * SENDERS)
    functions = tuple(_functions(pstats.Stats(profiler)))
    return Profile(each * SENDERS, clock_s, loop_s, process_s - loop_s, functions, files)


def _functions(stats: pstats.Stats) -> Iterator[Spent]:
    measured = stats.stats  # type: ignore[attr-defined]
    for (path, line, name), (_, calls, own_s, all_s, _) in measured.items():
        yield Spent(f"{short(path)}:{line} {name}" if line else name, calls, own_s, all_s)


def short(path: str) -> str:
    """A path from the project on; of a library, the file and its folder. No folder of the machine's."""
    parts = Path(path)
    return str(parts.relative_to(PROJECT)) if parts.is_relative_to(PROJECT) else str(Path(*parts.parts[-2:]))


def by_module(functions: Iterable[Spent]) -> list[Spent]:
    """Add up own times by file; what has none is built in. The time with callees has no meaning here and is 0."""
    totals: dict[str, Spent] = {}
    for each in functions:
        name = each.name.rpartition(":")[0] or "built-in"
        before = totals.get(name, Spent(name, 0, 0.0, 0.0))
        totals[name] = Spent(name, before.calls + each.calls, before.own_s + each.own_s, 0.0)
    return list(totals.values())


def table(spent: Iterable[Spent], posts: int) -> str:
    """The dearest by own time, per post, as a markdown table."""
    lines = ["| own µs | with callees µs | calls | where |", "|---:|---:|---:|---|"]
    for each in sorted(spent, key=lambda each: -each.own_s)[:SHOWN]:
        own, whole = each.own_s / posts * 1e6, each.all_s / posts * 1e6
        lines.append(f"| {own:.1f} | {whole or own:.1f} | {each.calls / posts:.2f} | `{each.name}` |")
    return "\n".join(lines)


def instruction_table(files: dict[str, float]) -> str:
    """Instructions per post by file, most first, as a markdown table."""
    rows = sorted(files.items(), key=lambda row: -row[1])
    lines = ["| instructions | where |", "|---:|---|", f"| {sum(files.values()):,.0f} | all |"]
    return "\n".join(lines + [f"| {count:,.0f} | `{name}` |" for name, count in rows[:SHOWN] if count >= 1])


def main(each: int) -> None:
    """Print the profile as markdown."""
    with tempfile.TemporaryDirectory(prefix="ledgerhub-profile-") as folder:
        found = asyncio.run(profile(Path(folder), each))
    clock, loop, others = (s / found.posts * 1e6 for s in (found.clock_s, found.loop_s, found.others_s))
    print(f"{found.posts:,} posts of {SENDERS} senders, durable: {1e6 / clock:,.0f} posts/s unprofiled.")
    print(f"Per post: {clock:.0f} µs by the clock; CPU {loop:.0f} µs on the event loop, {others:.0f} µs beside it.")
    print(f"\n{table(found.functions, found.posts)}\n\n{table(by_module(found.functions), found.posts)}")
    print(f"\n{instruction_table(found.instructions)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else EACH)
