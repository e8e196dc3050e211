"""The same network on the hub of ag2 (``ag2.network``), whose sessions are called channels."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from ag2.agent import Agent  # type: ignore[import-not-found, unused-ignore]
from ag2.knowledge import (  # type: ignore[import-not-found, unused-ignore]
    DiskKnowledgeStore,
    MemoryKnowledgeStore,
    SqliteKnowledgeStore,
)
from ag2.network import Envelope, Hub, HubClient, LocalLink, Passport  # type: ignore[import-not-found, unused-ignore]
from ag2.network.rule import InboxBlock, LimitsBlock, Rule  # type: ignore[import-not-found, unused-ignore]

from benchmarks.harness import TEXT
from benchmarks.network import Pair

POLL_INTERVAL_S = 0.0005

__all__ = ["Ag2Network", "disk_store", "memory_store", "sqlite_store"]


def disk_store(folder: Path) -> Any:
    """Files that are never synced."""
    return DiskKnowledgeStore(folder)


def sqlite_store(folder: Path) -> Any:
    """SQLite with its own defaults: a synced commit per write."""
    return SqliteKnowledgeStore(folder / "store.sqlite")


def memory_store() -> Any:
    return MemoryKnowledgeStore()


class Ag2Network:
    """As ``benchmarks.network.Network``: pairs of agents, a channel each, handlers that do nothing but count."""

    def __init__(self, hub: Any) -> None:
        self.hub = hub
        self.client = HubClient(LocalLink(hub), hub=hub)
        self.pairs: list[Pair] = []
        self.handled = 0

    @classmethod
    async def open(cls, store: Any, pairs: int) -> Ag2Network:
        hub = await Hub.open(store, ttl_sweep_interval=0, expectation_sweep_interval=0)
        network = cls(hub)
        for number in range(pairs):
            await network._add_pair(f"sender-{number}", f"recipient-{number}")
        return network

    async def _add_pair(self, sender: str, recipient: str) -> None:
        rule = Rule(limits=LimitsBlock(inbox=InboxBlock(max_pending=0)))
        first, second = [
            await self.client.register(Agent(name), Passport(name=name), rule=rule, attach_plugin=False)
            for name in (sender, recipient)
        ]
        channel = await first.open(type="conversation", target=recipient)
        for client in (first, second):  # until now the default handler answered the invite
            client.on_envelope(self._count)
        self.pairs.append(Pair(channel.channel_id, first.agent_id, second.agent_id))

    async def _count(self, _: Any) -> None:
        self.handled += 1

    async def post(self, each: int) -> float:
        """As ``Network.post``: seconds until all is accepted, handled, and acknowledged in the hub's cursors."""
        before, started = self.handled, time.perf_counter()
        last = await asyncio.gather(*(self._send(pair, each) for pair in self.pairs))
        for pair, envelope_id in zip(self.pairs, last, strict=True):
            while self.hub.inbox_cursor(pair.recipient_id, pair.session_id) != envelope_id:  # noqa: ASYNC110  (no event)
                await asyncio.sleep(POLL_INTERVAL_S)
        seconds = time.perf_counter() - started
        assert self.handled - before >= each * len(self.pairs), "not every envelope was handled"
        return seconds

    async def _send(self, pair: Pair, count: int) -> str:
        envelope_id = ""
        for _ in range(count):
            envelope_id = await self.hub.post_envelope(
                Envelope(pair.session_id, pair.sender_id, [pair.recipient_id], "ag2.msg.text", {"text": TEXT})
            )
        return envelope_id

    async def close(self) -> None:
        await self.client.close()
        await self.hub.close()
