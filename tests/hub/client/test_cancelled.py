"""A handler that ends in a cancellation of its own making has failed like any other (CLI-3, trap 52)."""

from __future__ import annotations

import asyncio

from events.values import Envelope
from tests.hub.client.network import Network


async def test_trap_52_a_handler_whose_own_work_was_cancelled_is_a_failed_turn(net: Network) -> None:
    """Its lane lives on: the envelope is tried again, recorded and let go, and those behind it are delivered."""
    heard: list[str] = []

    async def handler(envelope: Envelope) -> None:
        heard.append(envelope.text)
        if envelope.text == "bad":
            never = asyncio.ensure_future(asyncio.Event().wait())
            never.cancel()
            await never

    alice, bob = await net.agent("alice"), await net.custom("bob", None, handler)
    session = await alice.open(type="conversation", target="bob")
    for text in ("good", "bad", "after"):
        await session.send(text)
    await net.settle()
    assert heard[1:] == ["good", "bad", "bad", "bad", "after"]
    assert [record["final"] for record in await net.kinds("turn_failed")] == [False, False, True]
    assert net.hub.inbox_depth(bob.agent_id) == 0
