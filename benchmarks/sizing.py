"""P14: what an envelope takes on disk."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from benchmarks.harness import Bench, Figure, Goal, Outcome
from benchmarks.network import Network
from benchmarks.peers.ag2_hub import Ag2Network, disk_store
from hub import DiskKnowledgeStore


async def bytes_on_disk(bench: Bench) -> Outcome:
    """P14: all of the log, with its index, its tree and the acknowledgements, against the peer's JSON lines alone."""
    senders, each = bench.size(64, 64, 2), bench.size(full=100, quick=10, tiny=20)
    peer_folder = bench.folder("ag2")
    peer = await Ag2Network.open(disk_store(peer_folder), senders)
    posts = senders * each

    async def ours() -> float:
        return (await _closed(bench, senders, each) - await _closed(bench, senders, 0)) / posts

    async def theirs() -> float:
        before = _lines(peer_folder)
        await peer.post(each)
        return (_lines(peer_folder) - before) / posts

    compared = await bench.compare(ours, theirs)
    await peer.close()
    figure = Figure(
        "P14",
        "bytes on disk per envelope: records, index, tree, acknowledgements",
        "ag2 hub on DiskKnowledgeStore: its JSON lines",
        compared.shares,
        Goal(1.0, at_most=True),
        ours=f"{median(compared.ours):,.0f} B",
        peer=f"{median(compared.peer):,.0f} B",
        notes=f"a closed log with {posts:,} envelopes less one with none; the peer's cursors are not counted",
    )
    return Outcome((figure,))


async def _closed(bench: Bench, senders: int, each: int) -> int:
    """The size of a log when it is closed, which is when all of its index is written."""
    folder = bench.folder("ours")
    network = await Network.open(DiskKnowledgeStore(folder), senders)
    await network.post(each)
    await network.close()
    size = (folder / "data.mdb").stat().st_size
    bench.discard(folder)
    return size


def _lines(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("wal*.jsonl"))
