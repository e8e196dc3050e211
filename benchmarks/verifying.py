"""P12: checking a whole log against itself."""

from __future__ import annotations

import time
from hashlib import sha256
from pathlib import Path

import lmdb

from benchmarks.harness import Bench, Figure, Goal, Outcome, rate
from benchmarks.history import long_log
from benchmarks.peers.raw_lmdb import copy_of
from events.stores import DiskKnowledgeStore


async def whole_log(bench: Bench) -> Outcome:
    """P12: positions, leaf hashes, tree and indexes of every event, against one hash over the same bytes."""
    live = bench.size(full=10_000, quick=200, tiny=3)
    folder = await long_log(bench, bench.size(full=1_000_000, quick=20_000, tiny=200), live)
    plain = bench.folder("raw")
    events = copy_of(folder, plain)

    async def ours() -> float:
        return _checked(folder)

    async def peer() -> float:
        return _read(plain)

    compared = await bench.compare(ours, peer)
    figure = Figure(
        "P12",
        f"verify {events:,} events: positions, leaves, tree, indexes",
        "raw LMDB, a row a record: read, and SHA-256 of each",
        compared.speedups,
        Goal(0.3),
        ours=rate(compared.ours, events, "events"),
        peer=rate(compared.peer, events, "events"),
        notes="the store's own check; it does not fold",
    )
    return Outcome((figure,))


def _checked(folder: Path) -> float:
    store = DiskKnowledgeStore(folder)
    store.open(readonly=True)
    started = time.perf_counter()
    problems = list(store.check_indexes())
    seconds = time.perf_counter() - started
    store.close()
    assert not problems, problems[:3]
    return seconds


def _read(plain: Path) -> float:
    """Seconds to read and hash every row."""
    with lmdb.open(str(plain), readonly=True, max_dbs=1) as env:
        events = env.open_db(b"events", create=False)
        started = time.perf_counter()
        with env.begin() as txn:
            for _, value in txn.cursor(events):
                sha256(value).digest()
        return time.perf_counter() - started
