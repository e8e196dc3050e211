"""P13: resident memory of a hub; run as a program, it opens one and says how much that took.

Each measurement is a process of its own: what another benchmark left in the allocator does not count.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from pathlib import Path
from statistics import median

from benchmarks.harness import Bench, Figure, Goal, Outcome
from benchmarks.history import Stamp, Tape, write
from events.stores import DiskKnowledgeStore
from hub import Hub

PROJECT = Path(__file__).resolve().parent.parent


async def memory(bench: Bench) -> Outcome:
    """P13: a hub with ever so many closed sessions behind it, opened from its checkpoint, against a new one."""
    sessions = bench.size(full=1_000_000, quick=1_000, tiny=20)
    old, new = bench.folder("old"), bench.folder("new")
    tape = await Tape.record_unanswered()
    for folder, closed in ((old, sessions), (new, 1)):
        write(DiskKnowledgeStore(folder, durability="os"), Stamp(tape, pairs=1).past(closed, live=0))
        _resident(folder)

    async def ours() -> float:
        return _resident(old)

    async def peer() -> float:
        return _resident(new)

    compared = await bench.compare(ours, peer)
    bench.discard(old)
    figure = Figure(
        "P13",
        f"resident memory, {sessions:,} closed sessions behind it",
        "the same hub new",
        compared.shares,
        Goal(1.3, at_most=True),
        ours=f"{median(compared.ours) / 1e6:.1f} MB",
        peer=f"{median(compared.peer) / 1e6:.1f} MB",
        notes="a process each, after Hub.open from the checkpoint; pages of the map that were touched count",
    )
    return Outcome((figure,))


def _resident(folder: Path) -> float:
    command = [sys.executable, "-m", "benchmarks.footprint", str(folder)]
    return float(subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout)


async def _open(folder: str) -> int:
    """Open a hub, return the resident bytes of this process, and close it, which writes a checkpoint."""
    hub = await Hub.open(DiskKnowledgeStore(folder))
    gc.collect()
    resident = resident_bytes()
    await hub.close()
    return resident


def resident_bytes() -> int:
    """Return how much memory this process holds, as Linux tells it."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


if __name__ == "__main__":
    print(asyncio.run(_open(sys.argv[1])))
