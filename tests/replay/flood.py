"""A log of a night in which an agent flooded another, made by a hub on a mock clock: what ``whatif`` is asked about."""

from __future__ import annotations

import os

from events.errors import InboxFull
from events.values import InboxBlock, Rule
from hub.testing import settle
from tests.replay.scenario import Network

FLOOD, ROOM = 30, 20
"""How often mallory writes, and how many envelopes dave's inbox holds."""


async def flood(path: str | os.PathLike[str], answer: str = "No") -> None:
    """mallory floods dave, who is away; alice does not get through to him. bob answers mallory each time he is asked.

    Three others discuss meanwhile, and one of them falls silent.
    """
    net = await Network.open(path)
    await net.enter("alice")
    await net.enter("bob", *(f"{answer} ({number})." for number in range(FLOOD)))
    await net.enter("carol")
    await net.enter("dave", rule=Rule(inbox=InboxBlock(max_pending=ROOM)))
    await net.enter("mallory")
    await _write(net)
    await _discuss(net)
    net.clock.advance(86400)
    await net.hub.expire_due()
    await net.close()


async def _write(net: Network) -> None:
    urgent = await net.agents["alice"].open(type="conversation", target="dave", intent="refund 4711")
    asking = await net.agents["mallory"].open(type="conversation", target="bob")
    flooding = await net.agents["mallory"].open(type="conversation", target="dave", ttl="1h")
    await settle(net.hub)
    await net.agents["dave"].close()
    for number in range(FLOOD):
        net.clock.advance(1)
        if number % 10 == 9:
            await asking.send(f"Are you there? ({number})")
            await settle(net.hub)
        try:
            await flooding.send(f"Refund me ({number})")
        except InboxFull:
            await settle(net.hub)
    try:
        await urgent.send("Do not refund it twice!")
    except InboxFull:
        await settle(net.hub)


async def _discuss(net: Network) -> None:
    session = await net.agents["alice"].open(type="discussion", target=["carol", "bob"])
    await settle(net.hub)
    await net.said(session.session_id, "alice", "Who pays?")
    net.clock.advance(90)
    await net.said(session.session_id, "carol", "Not me.")
    net.clock.advance(5)
    await net.said(session.session_id, "alice", "Nor me.")
    net.clock.advance(130)
    await net.hub._expectation_tick()
    await settle(net.hub)
