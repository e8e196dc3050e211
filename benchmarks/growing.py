"""P6 and the growth charts: what posting costs as the log, the registry and a session's circle grow."""

from __future__ import annotations

import time
from functools import partial
from itertools import cycle, islice
from statistics import median

from benchmarks.harness import TEXT, Bench, Curve, Figure, Goal, Outcome, rate
from benchmarks.history import Stamp, Tape, long_log, write
from benchmarks.network import NO_CAP, Network
from events.stores import DiskKnowledgeStore, MemoryKnowledgeStore
from hub import EV_TEXT, Envelope, Passport
from hub.testing import settle


async def log_length(bench: Bench) -> Outcome:
    """P6 and a chart: durable posts into ever longer logs, each under its own open hub."""
    lengths = {
        "full": (1_000, 10_000, 100_000, 1_000_000),
        "quick": (1_000, 10_000, 20_000),
        "tiny": (50, 100, 200),
    }[bench.scale]
    senders, each = bench.size(64, 64, 2), bench.size(full=50, quick=10, tiny=2)
    networks = []
    for length in lengths:
        store = DiskKnowledgeStore(await long_log(bench, length, 0))
        networks.append(await Network.open(store, senders, "new-"))
    costs = await bench.alternate(*(partial(network.post, each) for network in networks))
    for network in networks:
        await network.close()
    posts = senders * each
    short, long = costs[1], costs[-1]
    figure = Figure(
        "P6",
        f"post, durable, {senders} senders, into a log of {lengths[-1]:,} events",
        f"the same hub at {lengths[1]:,} events",
        tuple(before / after for before, after in zip(short, long, strict=True)),
        Goal(0.9),
        ours=rate(long, posts, "posts"),
        peer=rate(short, posts, "posts"),
        notes="fsync",
    )
    points = tuple((length, posts / median(cost)) for length, cost in zip(lengths, costs, strict=True))
    return Outcome((figure,), (Curve("Throughput against log length", "events", "posts/s", points),))


async def registry(bench: Bench) -> Outcome:
    """A chart: posts of the same few agents in memory, beside ever more who are registered."""
    counts = {"full": (10, 100, 1_000, 10_000, 100_000), "quick": (10, 1_000, 10_000), "tiny": (10, 20)}[bench.scale]
    each = bench.size(full=400, quick=100, tiny=2)
    tape, networks = await Tape.record(posts=0), []
    for count in counts:
        store = MemoryKnowledgeStore()
        write(store, Stamp(tape, pairs=count // 2 - 4).past(closed=0, live=0))
        networks.append(await Network.open(store, 4, "new-"))
    costs = await bench.alternate(*(partial(network.post, each) for network in networks))
    for network in networks:
        await network.close()
    return _growth("agents", "G2", counts, costs, 4 * each)


def _growth(what: str, code: str, sizes: tuple[int, ...], costs: list[tuple[float, ...]], posts: int) -> Outcome:
    figure = Figure(
        code,
        f"post in memory with {sizes[-1]:,} {what}",
        f"the same with {sizes[0]:,}",
        tuple(small / large for small, large in zip(costs[0], costs[-1], strict=True)),
        Goal(0.9),
        ours=rate(costs[-1], posts, "posts"),
        peer=rate(costs[0], posts, "posts"),
    )
    points = tuple((size, posts / median(cost)) for size, cost in zip(sizes, costs, strict=True))
    return Outcome((figure,), (Curve(f"Throughput against {what}", what, "posts/s", points),))


async def participants(bench: Bench) -> Outcome:
    """A chart: deliveries a second in discussions of ever more participants; flat is linear in recipients."""
    sizes = {"full": (2, 5, 10, 20, 50, 100), "quick": (2, 10, 50), "tiny": (2, 3)}[bench.scale]
    deliveries = bench.size(full=3_000, quick=600, tiny=6)
    circles = [await _Circle.open(size) for size in sizes]
    costs = await bench.alternate(*(partial(circle.post, deliveries) for circle in circles))
    for circle in circles:
        await circle.network.close()
    done = [max(1, deliveries // (size - 1)) * (size - 1) for size in sizes]
    rates = [[count / cost for cost in each] for count, each in zip(done, costs, strict=True)]
    figure = Figure(
        "G3",
        f"deliveries a second in memory, {sizes[-1]} participants",
        f"the same with {sizes[0]}",
        tuple(large / small for small, large in zip(rates[0], rates[-1], strict=True)),
        Goal(0.9),
        ours=f"{median(rates[-1]):,.0f} deliveries/s",
        peer=f"{median(rates[0]):,.0f} deliveries/s",
        notes="a discussion; every envelope goes to all the others",
    )
    points = tuple((size, median(each)) for size, each in zip(sizes, rates, strict=True))
    return Outcome((figure,), (Curve("Deliveries against participants", "participants", "deliveries/s", points),))


class _Circle:
    """A discussion that speaks in turn, to everybody."""

    def __init__(self, network: Network, session_id: str, agent_ids: list[str]) -> None:
        self.network = network
        self._session_id, self._size, self._speakers = session_id, len(agent_ids), cycle(agent_ids)

    @classmethod
    async def open(cls, size: int) -> _Circle:
        network = await Network.open(MemoryKnowledgeStore(), 0)
        clients = [
            await network.client.register(None, Passport(name=f"member-{n}"), rule=NO_CAP, handler=network.count)
            for n in range(size)
        ]
        members = [client.agent_id for client in clients]
        session = await clients[0].open(type="discussion", target=members[1:])
        await settle(network.hub)
        return cls(network, session.session_id, members)

    async def post(self, deliveries: int) -> float:
        """Post until about so many were delivered; returns the seconds until all is acknowledged."""
        started = time.perf_counter()
        for speaker in islice(self._speakers, max(1, deliveries // (self._size - 1))):
            await self.network.hub.post_envelope(
                Envelope(self._session_id, speaker, event_type=EV_TEXT, event_data={"text": TEXT})
            )
        await settle(self.network.hub)
        return time.perf_counter() - started
