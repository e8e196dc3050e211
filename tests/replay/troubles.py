"""A log of things that went wrong, made by a hub on a mock clock: what ``replay why`` and ``story`` are asked about."""

from __future__ import annotations

import os
from collections.abc import Awaitable

from events.errors import NetworkError
from events.values import AccessBlock, InboxBlock, RateBlock, Rule, TaskSpec
from hub.client.session import Session
from hub.testing import settle
from tests.replay.scenario import Network

CROWD = ("carol", "dave", "erin", "frank", "grace")


async def troubles(path: str | os.PathLike[str]) -> None:
    """Write the scenario; its sessions are, in order: back and forth, delegated, declined, flooded, crowded, timed."""
    net = await Network.open(path)
    await _enter(net)
    await _back_and_forth(net)
    await _declined(net)
    await _flooded(net)
    await _crowded(net)
    await _timed(net)
    await net.close()


async def refused(what: Awaitable[object]) -> None:
    try:
        await what
    except NetworkError:
        return
    raise AssertionError("it was let in")


async def _enter(net: Network) -> None:
    async def delegate(message: str) -> str:
        await net.agents["bob"].open(type="consulting", target="carol", intent="a second opinion")
        return "I asked carol."

    await net.enter("alice", "And then?", "I see.")
    await net.enter("bob", RuntimeError("no such table\nrefunds"), "Let me look.", delegate)
    for name in CROWD:
        await net.enter(name, rule=Rule(inbox=InboxBlock(max_pending=2)) if name == "dave" else None)
    access = AccessBlock(outbound_to=["dave", "erin"])
    await net.enter("mallory", rule=Rule(access=access, rate=RateBlock(envelopes_per_minute=4)))


async def _open(net: Network, name: str, session_type: str, *targets: str, ttl: int | None = None) -> Session:
    session = await net.agents[name].open(type=session_type, target=list(targets), intent="refunds", ttl=ttl)
    await settle(net.hub)
    return session


async def _back_and_forth(net: Network) -> None:
    """bob fails once, answers, is answered, asks carol while he answers; alice closes."""
    session = await _open(net, "alice", "conversation", "bob")
    net.clock.advance(1)
    await session.send("Who refunded it twice?")
    await settle(net.hub)
    net.clock.advance(1.5)
    await session.close("enough")


async def _declined(net: Network) -> None:
    net.agents["erin"].accept_invite = lambda invite: False
    await refused(net.agents["mallory"].open(type="conversation", target="erin"))
    await settle(net.hub)


async def _flooded(net: Network) -> None:
    """dave's inbox is full, mallory's rate used up, and alice out of reach, now and under a new rule."""
    session = await _open(net, "mallory", "conversation", "dave")
    await net.agents["dave"].close()
    for number in range(2):
        await session.send(f"Refund me ({number})")
    await refused(session.send("Refund me (2)"))
    await net.hub.set_rule(net.agents["dave"].agent_id, Rule())
    for number in range(2, 4):
        await session.send(f"Refund me ({number})")
    await refused(session.send("Refund me (4)"))
    await refused(net.agents["mallory"].open(type="conversation", target=["alice"]))
    await net.hub.set_rule(net.agents["mallory"].agent_id, Rule(access=AccessBlock(outbound_to=["nobody"])))
    await refused(net.agents["mallory"].open(type="conversation", target=["dave"]))
    await net.hub.close_session(session.session_id, "operator_cleanup")


async def _crowded(net: Network) -> None:
    """Six discuss; the only one who could go on unregisters."""
    net.agents["erin"].accept_invite = lambda invite: True
    await net.agents["mallory"].unregister()
    session = await _open(net, "alice", "discussion", "bob", "carol", "erin", "frank", "grace")
    await session.send("Six of us, and nobody knows who did it?")
    await settle(net.hub)
    await net.agents["frank"].unregister()


async def _timed(net: Network) -> None:
    """A task outlives its TTL, another one its session; time ends the session."""
    session = await _open(net, "alice", "conversation", "grace", ttl=1200)
    owner = net.agents["grace"].agent_id
    await net.hub.observe_task(session.session_id, owner, TaskSpec(title="count", ttl=60), task_id="count")
    await net.hub.observe_task(session.session_id, owner, TaskSpec(title="search", ttl="2h"), task_id="search")
    net.clock.advance(60)
    await net.hub.expire_due()
    net.clock.advance(1140)
    await net.hub.expire_due()
