"""P9, P10: opening a long log, from a checkpoint and by folding all of it."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from statistics import median

import lmdb
import msgpack

from benchmarks.harness import Bench, Figure, Goal, Outcome, lasted, rate
from benchmarks.history import long_log
from benchmarks.peers.raw_lmdb import copy_of
from events.log import EventLog
from events.merkle import HASH_SIZE_BYTES
from events.stores import DiskKnowledgeStore
from hub import Hub
from hub.catalogue import Catalogue
from hub.loading import checkpoint_folder
from hub.protocols import default_adapters
from projections.state import HubState

HEAD_SIZE_AT, HEAD_AT = HASH_SIZE_BYTES + 2, HASH_SIZE_BYTES + 6
"""Where an event's row has the size of its head, and its head: the table in ``events.codec``."""


async def _past(bench: Bench) -> tuple[Path, int]:
    live = bench.size(full=10_000, quick=200, tiny=3)
    return await long_log(bench, bench.size(full=1_000_000, quick=20_000, tiny=200), live), live


async def from_checkpoint(bench: Bench) -> Outcome:
    """P9: open, against an open that finds no checkpoint; each close writes one again."""
    folder, live = await _past(bench)
    checkpoints = checkpoint_folder(EventLog(DiskKnowledgeStore(folder)))
    assert checkpoints is not None
    await _opened(folder)

    async def ours() -> float:
        return await _opened(folder)

    async def peer() -> float:
        shutil.rmtree(checkpoints)
        return await _opened(folder)

    compared = await bench.compare(ours, peer)
    events = _length(folder)
    against = "opening it without one: a replay of the whole log"
    work = f"open a log of {events:,} events, {live:,} live sessions, from a checkpoint"
    times = {"ours": lasted(median(compared.ours)), "peer": lasted(median(compared.peer))}
    return Outcome(
        (
            Figure("P9", work, against, compared.speedups, Goal(20), **times),
            Figure("P9", "the same, by the clock", "1 s", compared.ours, Goal(1, at_most=True), "s"),
        )
    )


async def _opened(folder: Path) -> float:
    """Open a hub and close it; returns the seconds that opening took."""
    started = time.perf_counter()
    hub = await Hub.open(DiskKnowledgeStore(folder), ttl_sweep_interval=0, expectation_sweep_interval=0)
    seconds = time.perf_counter() - started
    await hub.close()
    return seconds


async def replay(bench: Bench) -> Outcome:
    """P10: fold every event, against reading every record and unpacking what folds read of it."""
    folder, _ = await _past(bench)
    plain = bench.folder("raw")
    events = copy_of(folder, plain)

    async def ours() -> float:
        return _folded(folder)

    async def peer() -> float:
        return _unpacked(plain)

    compared = await bench.compare(ours, peer)
    figure = Figure(
        "P10",
        f"full replay of {events:,} events",
        "raw LMDB cursor and msgpack: a row a record, their heads unpacked",
        compared.speedups,
        Goal(0.3),
        ours=rate(compared.ours, events, "events"),
        peer=rate(compared.peer, events, "events"),
    )
    return Outcome((figure,))


def _folded(folder: Path) -> float:
    store = DiskKnowledgeStore(folder)
    store.open(readonly=True)
    catalogue = Catalogue()
    for adapter in default_adapters():
        catalogue.register_adapter(adapter)
    started = time.perf_counter()
    HubState(catalogue).replay(EventLog(store).read(content=False))
    seconds = time.perf_counter() - started
    store.close()
    return seconds


def _unpacked(folder: Path) -> float:
    with lmdb.open(str(folder), readonly=True, max_dbs=4) as env:
        events = env.open_db(b"events", create=False)
        started = time.perf_counter()
        with env.begin() as txn:
            for _, value in txn.cursor(events):
                head_size = int.from_bytes(value[HEAD_SIZE_AT:HEAD_AT], "big")
                msgpack.unpackb(value[HEAD_AT : HEAD_AT + head_size])
        return time.perf_counter() - started


def _length(folder: Path) -> int:
    store = DiskKnowledgeStore(folder)
    store.open(readonly=True)
    head = store.head
    store.close()
    return head
