"""P7: reading a session's write-ahead log, whole and its end."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

from benchmarks.harness import Bench, Comparison, Cost, Figure, Goal, Outcome, lasted
from benchmarks.network import Network
from benchmarks.peers.ag2_hub import Ag2Network, disk_store
from hub import DiskKnowledgeStore

LAST = 50


async def wal(bench: Bench) -> Outcome:
    """P7: ``read_wal`` of a long session on disk, from first to last and of the last 50."""
    envelopes, often = bench.size(full=16_000, quick=2_000, tiny=60), bench.size(full=20, quick=10, tiny=1)
    ours = await Network.open(DiskKnowledgeStore(bench.folder("ours"), durability="os"), 1)
    peer = await Ag2Network.open(disk_store(bench.folder("ag2")), 1)
    for network in (ours, peer):
        await network.post(envelopes)
    our_wal, peer_wal = (_reader(network) for network in (ours, peer))
    length = len(await our_wal(0))
    assert len(await peer_wal(0)) == length, "both sessions began with the same handshake"
    whole = await bench.compare(_timed(our_wal, 0, 1), _timed(peer_wal, 0, 1))
    end = await bench.compare(_timed(our_wal, length - LAST, often), _timed(peer_wal, length - LAST, 1))
    await ours.close()
    await peer.close()
    return Outcome(
        (
            _figure(f"read_wal of {length:,} envelopes", whole, Goal(3)),
            _figure(f"read_wal of its last {LAST}", end, Goal(200)),
        )
    )


def _figure(work: str, compared: Comparison, goal: Goal) -> Figure:
    return Figure(
        "P7",
        work,
        "ag2 hub's read_wal on DiskKnowledgeStore",
        compared.speedups,
        goal,
        ours=lasted(median(compared.ours)),
        peer=lasted(median(compared.peer)),
        notes="both logs in the page cache",
    )


def _reader(network: Network | Ag2Network) -> Callable[[int], Awaitable[list[Any]]]:
    session_id = network.pairs[0].session_id

    async def read(since: int) -> list[Any]:
        found: list[Any] = await network.hub.read_wal(session_id, since=since)
        return found

    return read


def _timed(read: Callable[[int], Awaitable[list[Any]]], since: int, times: int) -> Cost:
    """The seconds of one read, as the mean of several in a row."""

    async def cost() -> float:
        started = time.perf_counter()
        for _ in range(times):
            await read(since)
        return (time.perf_counter() - started) / times

    return cost
