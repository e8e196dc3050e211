"""P8: what a sweep over expectations costs when nothing is due."""

from __future__ import annotations

import time
from statistics import median

from benchmarks.harness import Bench, Figure, Goal, Outcome, lasted
from benchmarks.history import Stamp, Tape, write
from benchmarks.peers.ag2_hub import Ag2Network, memory_store
from hub import Hub, MemoryKnowledgeStore

TICKS = 100


async def idle_tick(bench: Bench) -> Outcome:
    """P8: one tick over ever so many active sessions, against a tick over a hundred of the peer's."""
    sessions = bench.size(full=10_000, quick=2_000, tiny=20)
    channels, each = bench.size(100, 100, 2), bench.size(100, 100, 2)
    store = MemoryKnowledgeStore()
    write(store, Stamp(await Tape.record(posts=1), pairs=min(100, sessions)).past(closed=0, live=sessions))
    hub = await Hub.open(store, ttl_sweep_interval=0, expectation_sweep_interval=0)
    assert hub.health()["live_sessions"] == sessions
    network = await Ag2Network.open(memory_store(), channels)
    await network.post(each)

    async def ours() -> float:
        started = time.perf_counter()
        for _ in range(TICKS):
            await hub._expectation_tick()
        return (time.perf_counter() - started) / TICKS

    async def peer() -> float:
        started = time.perf_counter()
        await network.hub._expectation_tick()
        return time.perf_counter() - started

    compared = await bench.compare(ours, peer)
    await hub.close()
    await network.close()
    against = f"ag2 hub's tick, {channels:,} sessions of {each:,} envelopes"
    work = f"expectation tick, {sessions:,} active sessions, nothing due"
    times = {"ours": lasted(median(compared.ours)), "peer": lasted(median(compared.peer))}
    milliseconds = tuple(seconds * 1e3 for seconds in compared.ours)
    return Outcome(
        (
            Figure("P8", work, against, compared.speedups, Goal(1), notes="both in memory", **times),
            Figure("P8", "the same, by the clock", "1 ms", milliseconds, Goal(1, at_most=True), "ms"),
        )
    )
