"""The network that is measured: pairs of agents, each with a session of its own, on a ledgerhub hub."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.harness import TEXT
from events.stores.base import LogRecorder
from hub import EV_TEXT, Envelope, Hub, HubClient, InboxBlock, LocalLink, Passport, Rule
from hub.testing import settle

NO_CAP = Rule(inbox=InboxBlock(max_pending=0))
"""Nobody's inbox is ever full: the peer takes a reply, not a return of the handler, for an acknowledgement."""


class Pair(NamedTuple):
    """Who sends to whom, in which session."""

    session_id: str
    sender_id: str
    recipient_id: str


def text_to(pair: Pair) -> Envelope:
    """One envelope of the payload, from the pair's sender to its recipient."""
    return Envelope(pair.session_id, pair.sender_id, [pair.recipient_id], EV_TEXT, {"text": TEXT})


def _nothing(_: Envelope) -> None:
    """What a handler does."""


class Network:
    """A hub with pairs of agents whose handlers do nothing but count. The sweepers are off, as the peer's are."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.client = HubClient(LocalLink(hub), hub=hub)
        self.pairs: list[Pair] = []
        self.handled = 0
        self.on_handled: Callable[[Envelope], None] = _nothing

    @classmethod
    async def open(cls, store: LogRecorder, pairs: int, prefix: str = "") -> Network:
        """Open a hub on a store, register ``2 * pairs`` agents, and open a conversation for each pair."""
        network = cls(await Hub.open(store, ttl_sweep_interval=0, expectation_sweep_interval=0))
        for number in range(pairs):
            await network.add_pair(f"{prefix}sender-{number}", f"{prefix}recipient-{number}")
        await settle(network.hub)
        return network

    async def add_pair(self, sender: str, recipient: str) -> Pair:
        """Register two agents and open a conversation between them."""
        first, second = [
            await self.client.register(None, Passport(name=name), rule=NO_CAP, handler=self.count)
            for name in (sender, recipient)
        ]
        session = await first.open(type="conversation", target=recipient)
        self.pairs.append(Pair(session.session_id, first.agent_id, second.agent_id))
        return self.pairs[-1]

    def count(self, envelope: Envelope) -> None:
        self.handled += 1
        self.on_handled(envelope)

    async def post(self, each: int, pairs: Sequence[Pair] | None = None) -> float:
        """Let every pair's sender post ``each`` envelopes, all senders at once, each waiting for its last post.

        Returns:
            Seconds until every envelope was accepted, handled, and its acknowledgement recorded.
        """
        pairs = self.pairs if pairs is None else pairs
        before, started = self.handled, time.perf_counter()
        await asyncio.gather(*(self._send(pair, each) for pair in pairs))
        await settle(self.hub)
        seconds = time.perf_counter() - started
        assert self.handled - before == each * len(pairs), "not every envelope was handled"
        return seconds

    async def _send(self, pair: Pair, count: int) -> None:
        for _ in range(count):
            await self.hub.post_envelope(text_to(pair))

    async def close(self) -> None:
        await self.client.close()
        await self.hub.close()
