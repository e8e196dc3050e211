"""P3, P4, P15: posting, beside LMDB that is handed the same rows ready to put."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

from benchmarks.harness import Bench, Comparison, Figure, Goal, Outcome, lasted, percentile, rate
from benchmarks.network import Network, text_to
from benchmarks.peers.raw_lmdb import Rows, last_commit, rows_after, spread, write
from events.event import SCHEMAS
from events.sessions import EnvelopePosted
from hub import DiskKnowledgeStore, Envelope
from hub.testing import settle

POSTED = SCHEMAS[EnvelopePosted].name


class _Beside:
    """A durable network, and what it wrote last as rows for LMDB."""

    def __init__(self, bench: Bench, network: Network, path: str) -> None:
        self.network = network
        self._bench, self._path = bench, path
        self.rows: list[Rows] = []
        self.commits = 0

    @classmethod
    async def open(cls, bench: Bench, pairs: int, each: int) -> _Beside:
        """Open the network, and post once so that there is something to write again."""
        folder = bench.folder("ours")
        network = await Network.open(DiskKnowledgeStore(folder), pairs)
        beside = cls(bench, network, str(folder))
        await beside.post(each)
        return beside

    async def post(self, each: int) -> float:
        head, commit = self.network.hub.position, last_commit(self._path)
        seconds = await self.network.post(each)
        self.rows = rows_after(self._path, head)
        self.commits = last_commit(self._path) - commit
        return seconds

    def envelopes(self) -> list[Rows]:
        """The rows of envelopes alone."""
        found = self.network.hub.store.scan(after=self.rows[0].position - 1)
        posted = {stored.position for stored in found if stored.event.type == POSTED}
        return [row for row in self.rows if row.position in posted]

    async def write(self, commits: Callable[[], Sequence[Sequence[Rows]]]) -> float:
        """Write rows with nothing but LMDB, in a file of its own."""
        folder = self._bench.folder("raw")
        seconds = sum(write(folder, commits()))
        self._bench.discard(folder)
        return seconds


async def concurrent(bench: Bench) -> Outcome:
    """P3: all that P1 wrote, written again in as many commits."""
    senders, each = bench.size(64, 64, 2), bench.size(full=100, quick=15, tiny=2)
    beside = await _Beside.open(bench, senders, each)
    raw = partial(beside.write, lambda: spread(beside.rows, beside.commits))
    compared = await bench.compare(partial(beside.post, each), raw)
    notes = f"fsync; {len(beside.rows):,} events in {beside.commits:,} commits in the last round"
    await beside.network.close()
    work = f"post, durable, {senders} senders in {senders} sessions"
    against = "raw LMDB: same bytes and index entries, same batch size, synced"
    return Outcome((_share("P3", work, against, compared, senders * each, Goal(0.4), notes),))


async def sequential(bench: Bench) -> Outcome:
    """P4: one post after the other, against one synced commit for each envelope and none for acknowledgements."""
    posts = bench.size(full=1_000, quick=200, tiny=5)
    beside = await _Beside.open(bench, 1, posts)
    raw = partial(beside.write, lambda: [[row] for row in beside.envelopes()])
    compared = await bench.compare(partial(beside.post, posts), raw)
    notes = f"fsync; {beside.commits / posts:.2f} commits and {len(beside.rows) / posts:.2f} events an envelope"
    await beside.network.close()
    work, against = "post, durable, one sender, one after the other", "raw LMDB: one synced commit per envelope"
    return Outcome((_share("P4", work, against, compared, posts, Goal(0.8), notes),))


def _share(code: str, work: str, against: str, compared: Comparison, posts: int, goal: Goal, notes: str) -> Figure:
    ours, peer = rate(compared.ours, posts, "posts"), rate(compared.peer, posts, "posts")
    return Figure(code, work, against, compared.speedups, goal, ours=ours, peer=peer, notes=notes)


async def latency(bench: Bench) -> Outcome:
    """P15: from post to handler on an idle hub, against one commit of the same event."""
    posts = bench.size(full=300, quick=100, tiny=3)
    beside = await _Beside.open(bench, 1, posts)
    rows = beside.envelopes()
    probe = _Probe(beside.network)
    delays: list[float] = []
    synced: list[float] = []

    async def ours() -> float:
        taken = [await probe.post() for _ in range(posts)]
        delays.extend(taken)
        return percentile(taken, 0.5)

    async def peer() -> float:
        folder = bench.folder("raw")
        taken = write(folder, [[row] for row in rows])
        bench.discard(folder)
        synced.extend(taken)
        return percentile(taken, 0.5)

    compared = await bench.compare(ours, peer)
    await beside.network.close()
    figure = Figure(
        "P15",
        "delivery latency, p50, post to handler, durable, idle hub",
        "one synced LMDB commit, p50",
        compared.shares,
        Goal(1.5, at_most=True),
        ours=f"{lasted(median(delays))} (p99 {lasted(percentile(delays, 0.99))})",
        peer=f"{lasted(median(synced))} (p99 {lasted(percentile(synced, 0.99))})",
        notes=f"fsync; {posts:,} envelopes a round, each after all was quiet",
    )
    return Outcome((figure,))


class _Probe:
    """Measures one post at a time, from the call to the recipient's handler."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._arrived: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        network.on_handled = self._note

    def _note(self, _: Envelope) -> None:
        self._arrived.set_result(time.perf_counter())

    async def post(self) -> float:
        """Post one envelope on the idle hub; returns the seconds until its handler was called."""
        await settle(self._network.hub)
        self._arrived = asyncio.get_running_loop().create_future()
        started = time.perf_counter()
        await self._network.hub.post_envelope(text_to(self._network.pairs[0]))
        return await self._arrived - started
