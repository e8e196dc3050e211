"""P14: what an envelope takes on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.harness import Bench, Cost, Figure, Goal, Outcome
from benchmarks.network import Network
from benchmarks.peers.ag2_hub import Ag2Network, disk_store
from hub import DiskKnowledgeStore


async def bytes_on_disk(bench: Bench) -> Outcome:
    """P14: all of the log, with its index, its tree and the acknowledgements, against the peer's JSON lines alone."""
    senders, each = bench.size(64, 64, 2), bench.size(full=100, quick=10, tiny=20)
    our_folder, peer_folder = bench.folder("ours"), bench.folder("ag2")
    ours = await Network.open(DiskKnowledgeStore(our_folder), senders)
    peer = await Ag2Network.open(disk_store(peer_folder), senders)
    compared = await bench.compare(
        _growth(ours, each, lambda: (our_folder / "data.mdb").stat().st_size),
        _growth(peer, each, lambda: _lines(peer_folder)),
    )
    await ours.close()
    await peer.close()
    figure = Figure(
        "P14",
        "bytes on disk per envelope: records, index, tree, acknowledgements",
        "ag2 hub on DiskKnowledgeStore: its JSON lines",
        compared.shares,
        Goal(1.0, at_most=True),
        ours=f"{median(compared.ours):,.0f} B",
        peer=f"{median(compared.peer):,.0f} B",
        notes=f"growth of the files over {senders * each:,} envelopes a round; the peer's cursors are not counted",
    )
    return Outcome((figure,))


def _lines(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("wal*.jsonl"))


def _growth(network: Network | Ag2Network, each: int, size: Callable[[], int]) -> Cost:
    async def cost() -> float:
        before = size()
        await network.post(each)
        return (size() - before) / (each * len(network.pairs))

    return cost
