"""P1, P2, P5: posting, beside the hub of ag2 on its own stores."""

from __future__ import annotations

from functools import partial
from statistics import median
from typing import Any

from benchmarks.harness import Bench, Comparison, Figure, Goal, Outcome, rate
from benchmarks.network import Network
from benchmarks.peers.ag2_hub import Ag2Network, disk_store, memory_store, sqlite_store
from benchmarks.peers.raw_lmdb import last_commit
from hub import DiskKnowledgeStore, MemoryKnowledgeStore

QUARTERS = 4


async def on_disk(bench: Bench) -> Outcome:
    """P1: 64 senders in 64 sessions, durable, against files that are never synced."""
    each = bench.size(full=100, quick=10, tiny=2)
    return await _concurrent(bench, "P1", each, disk_store(bench.folder("ag2")), "DiskKnowledgeStore", Goal(6))


async def on_sqlite(bench: Bench) -> Outcome:
    """P2: the same against SQLite, which rewrites a session's file with each envelope, so it gets few."""
    each = bench.size(full=10, quick=2, tiny=1)
    return await _concurrent(bench, "P2", each, sqlite_store(bench.folder("ag2")), "SqliteKnowledgeStore", Goal(100))


async def _concurrent(bench: Bench, code: str, each: int, peer_store: Any, peer_name: str, goal: Goal) -> Outcome:
    senders = bench.size(full=64, quick=64, tiny=2)
    folder = bench.folder("ours")
    ours = await Network.open(DiskKnowledgeStore(folder), senders)
    peer = await Ag2Network.open(peer_store, senders)
    events, commits = ours.hub.position, last_commit(str(folder))
    compared = await bench.compare(partial(ours.post, each), partial(peer.post, each))
    events, commits = ours.hub.position - events, last_commit(str(folder)) - commits
    await ours.close()
    await peer.close()
    posts = senders * each
    notes = (
        f"{posts:,} envelopes a round; ledgerhub fsync, {events / posts / bench.rounds:.2f} events an envelope "
        f"(acknowledgements are events), {events / commits:.1f} events a commit"
    )
    work = f"post, durable, {senders} senders in {senders} sessions"
    return Outcome((_posting(code, work, f"ag2 hub on {peer_name}", compared, posts, goal, notes),))


def _posting(
    code: str, work: str, against: str, compared: Comparison, posts: int, goal: Goal | None, notes: str
) -> Figure:
    return Figure(
        code,
        work,
        against,
        compared.speedups,
        goal,
        ours=rate(compared.ours, posts, "posts"),
        peer=rate(compared.peer, posts, "posts"),
        notes=notes,
    )


async def in_memory(bench: Bench) -> Outcome:
    """P5: one long session in memory; its last quarter must cost what its first did."""
    quarter = bench.size(full=16_000, quick=2_000, tiny=8) // QUARTERS
    flatness: list[float] = []

    async def ours() -> float:
        network = await Network.open(MemoryKnowledgeStore(), 1)
        quarters = [await network.post(quarter) for _ in range(QUARTERS)]
        await network.close()
        flatness.append(quarters[-1] / quarters[0])
        return sum(quarters)

    async def peer() -> float:
        network = await Ag2Network.open(memory_store(), 1)
        seconds = await network.post(quarter * QUARTERS)
        await network.close()
        return seconds

    compared = await bench.compare(ours, peer)
    posts = quarter * QUARTERS
    work = f"post in memory, one session of {posts:,} envelopes"
    against = "ag2 hub on MemoryKnowledgeStore"
    flat = Figure(
        "P5",
        "the same: time of the last quarter",
        "ledgerhub's first quarter",
        tuple(flatness),
        Goal(1.1, at_most=True),
        ours=rate([seconds / QUARTERS * median(flatness) for seconds in compared.ours], quarter, "posts"),
        peer=rate([seconds / QUARTERS for seconds in compared.ours], quarter, "posts"),
    )
    return Outcome((_posting("P5", work, against, compared, posts, Goal(40), "nothing durable on either side"), flat))
