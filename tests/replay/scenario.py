"""A log that has a little of everything, made by a hub on a mock clock; also run as a program, which a test drives.

As a program (``python -m tests.replay.scenario PATH``) it says the hub's position, then posts each line that it is
given as a text of alice to bob, and says the position again, until its input ends.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from events.errors import NetworkError
from events.values import AccessBlock, Envelope, Passport, RateBlock, Resume, ResumeExample, Rule, TaskSpec
from hub import DiskKnowledgeStore, Hub, HubClient, LocalLink
from hub.client.agent_client import AgentClient
from hub.testing import MockClock, ScriptedAgent, SequentialIds, settle

ORIGIN = "5eed" * 8
NASTY = "two\nlines, \x1b[31mred\x1b[0m, \u202eevil, 東京"
QUIET = 1e9


class Network:
    """The hub of a scenario, its clock, and its agents by name."""

    def __init__(self, hub: Hub, clock: MockClock) -> None:
        self.hub, self.clock = hub, clock
        self.link = HubClient(LocalLink(hub), hub=hub)
        self.agents: dict[str, AgentClient] = {}

    @classmethod
    async def open(cls, path: str | os.PathLike[str]) -> Network:
        clock = MockClock()
        store = DiskKnowledgeStore(path, "os", new_origin=lambda: ORIGIN)
        quiet: dict[str, Any] = {"ttl_sweep_interval": QUIET, "expectation_sweep_interval": QUIET}
        return cls(await Hub.open(store, clock=clock, ids=SequentialIds(), **quiet), clock)

    async def close(self) -> None:
        await settle(self.hub)
        await self.link.close()
        await self.hub.close()

    async def enter(self, name: str, *lines: Any, resume: Resume | None = None, rule: Rule | None = None) -> str:
        agent = ScriptedAgent(*lines) if lines else None
        self.agents[name] = await self.link.register(agent, Passport(name=name, owner="acme"), resume, rule=rule)
        return self.agents[name].agent_id

    async def refused(self, name: str, target: str) -> None:
        try:
            await self.agents[name].open(type="consulting", target=target)
        except NetworkError:
            return
        raise AssertionError(f"{name} was let in")

    async def said(self, session_id: str, name: str, text: str) -> None:
        await self.hub.post_envelope(Envelope(session_id, self.agents[name].agent_id, event_data={"text": text}))
        await settle(self.hub)


async def everything(path: str | os.PathLike[str]) -> None:
    """Write the scenario: two agents consult, one is refused, three discuss, one falls silent and one leaves."""
    net = await Network.open(path)
    await net.enter("alice", resume=Resume(claimed_capabilities=["policy"], summary="Senior policy analyst."))
    examples = [ResumeExample(title="Q3 risk brief", note="on time")]
    await net.enter("bob", "It depends.", resume=Resume(claimed_capabilities=["analysis"], examples=examples))
    await net.enter("carol")
    await net.enter(
        "mallory", rule=Rule(access=AccessBlock(outbound_to=["bob"]), rate=RateBlock(envelopes_per_minute=1))
    )
    net.clock.advance(12.5)
    await _consult(net)
    net.clock.advance(60)
    await net.refused("mallory", "alice")
    await _discuss(net)
    await net.hub.set_rule(net.agents["mallory"].agent_id, Rule(rate=RateBlock(envelopes_per_minute=2)))
    net.clock.advance(86400)
    await net.hub.expire_due()
    await net.agents["carol"].unregister()
    await net.close()


async def _consult(net: Network) -> None:
    session = await net.agents["alice"].open(type="consulting", target="bob", intent="the brief")
    await settle(net.hub)
    task = await net.hub.observe_task(
        session.session_id, net.agents["bob"].agent_id, TaskSpec(title="read the numbers", capability="analysis")
    )
    net.clock.advance(2)
    await net.hub.update_task(task.task_id, "completed", result={"rows": 3})
    await session.send("What matters most?")
    await settle(net.hub)


async def _discuss(net: Network) -> None:
    session = await net.agents["alice"].open(type="discussion", target=["carol", "mallory"], ttl="1h")
    await settle(net.hub)
    await net.said(session.session_id, "alice", NASTY)
    net.clock.advance(120)
    await net.hub._expectation_tick()
    net.clock.advance(480)
    await net.hub._expectation_tick()
    await settle(net.hub)


async def chat(path: str | os.PathLike[str], envelopes: int) -> None:
    """Write a long conversation of alice and bob, a second between envelopes."""
    net = await Network.open(path)
    session_id = await _conversation(net)
    for number in range(envelopes):
        net.clock.advance(1)
        await net.said(session_id, ("alice", "bob")[number % 2], f"line {number}")
    await net.close()


async def _conversation(net: Network) -> str:
    await net.enter("alice")
    await net.enter("bob")
    session = await net.agents["alice"].open(type="conversation", target="bob", ttl=0)
    await settle(net.hub)
    return session.session_id


async def _serve(path: str) -> None:
    net = await Network.open(path)
    session_id = await _conversation(net)
    print(net.hub.position, flush=True)
    for line in sys.stdin:
        net.clock.advance(1)
        await net.said(session_id, "alice", line.strip())
        print(net.hub.position, flush=True)
    await net.close()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
