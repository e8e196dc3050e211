"""P11: the store alone, as a DCB event store: conditional appends by many callers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from eventsourcing.dcb.api import DCBAppendCondition, DCBEvent, DCBQuery, DCBQueryItem

from benchmarks.harness import TEXT, Bench, Cost, Figure, Goal, Outcome, rate
from benchmarks.peers.umadb_server import UmaServer
from events.stores.lmdb import LmdbRecorder

Append = Callable[[DCBEvent, str, int | None], int]


async def conditional(bench: Bench) -> Outcome:
    """P11: each caller appends to a stream of its own, on condition that nobody else has since its last append."""
    callers, each = bench.size(64, 64, 3), bench.size(full=100, quick=30, tiny=2)
    store = LmdbRecorder(bench.folder("ours"))
    server = UmaServer(bench.folder("umadb"))

    def append(event: DCBEvent, tag: str, after: int | None) -> int:
        query = DCBQuery([DCBQueryItem(tags=[tag])])
        return store.append([event], DCBAppendCondition(query, after))

    try:
        compared = await bench.compare(_callers(append, callers, each), _callers(server.append, callers, each))
    finally:
        server.close()
        store.close()
    appends = callers * each
    figure = Figure(
        "P11",
        f"conditional append, {callers} callers, durable",
        "UmaDB server on loopback, its Python client",
        compared.speedups,
        Goal(2),
        ours=rate(compared.ours, appends, "appends"),
        peer=rate(compared.peer, appends, "appends"),
        notes="both synced; a thread per caller, ledgerhub's store in process, UmaDB's beyond a socket",
    )
    return Outcome((figure,))


def _callers(append: Append, callers: int, each: int) -> Cost:
    """Run so many threads; each appends ``each`` events one after the other, under a tag that is new every round."""
    rounds = count()

    def call(stream: str) -> None:
        tag, after = f"stream:{stream}", None
        for _ in range(each):
            after = append(DCBEvent("noted", TEXT.encode(), [tag]), tag, after)

    async def cost() -> float:
        number = next(rounds)
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(callers) as pool:
            started = time.perf_counter()
            await asyncio.gather(*(loop.run_in_executor(pool, call, f"{number}-{who}") for who in range(callers)))
            return time.perf_counter() - started

    return cost
