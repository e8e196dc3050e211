"""A folder as a hub of the real ag2 package leaves it: every kind of file that it writes, and what ends badly."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

agent: Any = import_module("ag2.agent")
knowledge: Any = import_module("ag2.knowledge")
network: Any = import_module("ag2.network")
rules: Any = import_module("ag2.network.rule")
tasks: Any = import_module("ag2.task")
START = datetime.fromisoformat("2026-03-01T10:00:00+00:00")
SETTLED_TURNS = 50
"""So many turns of the loop let every frame of this hub arrive; nothing in it waits for time."""


class Clock:
    """The hub's time: a millisecond a look."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> str:
        self.now += timedelta(milliseconds=1)
        return self.now.isoformat().replace("+00:00", "Z")

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Network:
    """An ag2 hub on files, and its agents by name."""

    def __init__(self, hub: Any, clock: Clock) -> None:
        self.hub, self.clock = hub, clock
        self.client = network.HubClient(network.LocalLink(hub), hub=hub)
        self.agents: dict[str, Any] = {}

    @classmethod
    async def open(cls, folder: Path) -> Network:
        clock = Clock()
        store = knowledge.DiskKnowledgeStore(folder)
        hub = await network.Hub.open(store, clock=clock, ttl_sweep_interval=0, expectation_sweep_interval=0)
        return cls(hub, clock)

    async def enter(self, name: str, **more: Any) -> str:
        resume = more.pop("resume", None) or network.Resume()
        passport = network.Passport(name=name, owner="acme", **more.pop("passport", {}))
        client = await self.client.register(agent.Agent(name), passport, resume, attach_plugin=False, **more)
        self.agents[name] = client
        return str(client.agent_id)

    async def channel(self, name: str, kind: str, *targets: str, **more: Any) -> str:
        channel = await self.agents[name].open(type=kind, target=list(targets), **more)
        return str(channel.channel_id)

    async def post(self, channel_id: str, name: str, text: str, **more: Any) -> str:
        self.clock.advance(1)
        audience = more.pop("audience", None)
        data = more.pop("data", {"text": text})
        event_type = more.pop("event_type", "ag2.msg.text")
        envelope = network.Envelope(channel_id, self.agents[name].agent_id, audience, event_type, data, **more)
        envelope_id = str(await self.hub.post_envelope(envelope))
        await settled()
        return envelope_id

    def mute(self) -> None:
        """From now on nobody's default handler asks a model."""
        for client in self.agents.values():
            client.on_envelope(_ignore)

    async def close(self) -> None:
        await settled()
        await self.client.close()
        await self.hub.close()


async def _ignore(_: Any) -> None:
    return None


async def settled() -> None:
    for _ in range(SETTLED_TURNS):
        await asyncio.sleep(0)


async def everything(folder: Path) -> dict[str, str]:
    """Write the folder; returns the ids of what is in it by name."""
    net = await Network.open(folder)
    resume = network.Resume(
        claimed_capabilities=["policy"],
        summary="Senior policy analyst.",
        examples=[network.ResumeExample(title="Q3", outcome="completed", note="on time")],
    )
    ids = {"alice": await net.enter("alice", resume=resume, skill_md="---\nname: policy\n---\nAsk me.")}
    limits = rules.LimitsBlock(delegation_depth=3, rate=rules.RateBlock(per_minute=7, burst=2))
    access = rules.AccessBlock(channel_types=rules.ChannelTypeAccess(initiate=["conversation"]))
    ids["bob"] = await net.enter("bob", rule=rules.Rule(limits=limits, access=access))
    ids["carol"] = await net.enter("carol", passport={"model": "any"})
    ids["dave"] = await net.enter("dave")
    ids["consulting"] = await net.channel("alice", "consulting", "bob", intent="refunds")
    ids["discussion"] = await net.channel("alice", "discussion", "bob", "carol", ttl=600)
    ids["conversation"] = await net.channel("bob", "conversation", "alice")
    ids["open"] = await net.channel("carol", "discussion", "alice", "bob")
    net.mute()
    await _talk(net, ids)
    await _rejected(net, ids)
    await _work(net, ids)
    await _end(net, ids)
    await net.close()
    return ids


async def _talk(net: Network, ids: dict[str, str]) -> None:
    question = await net.post(ids["consulting"], "alice", "Who refunded it twice?", audience=[ids["bob"]])
    ids["question"] = question
    await net.post(ids["discussion"], "alice", "Who knows?", causation_id=question, depth=1)
    ids["answer"] = await net.post(ids["consulting"], "bob", "It was me.", causation_id=question, priority="urgent")
    await net.post(ids["conversation"], "bob", "", event_type="acme.note", data={"seen": True})
    net.clock.advance(4000)
    await net.hub._expectation_tick()
    error = RuntimeError("no such table")
    await net.hub.report_turn_failure(
        channel_id=ids["conversation"], agent_id=ids["alice"], envelope_id=ids["answer"], exc=error
    )


async def _rejected(net: Network, ids: dict[str, str]) -> None:
    async def reject(envelope: Any) -> None:
        if envelope.event_type == "ag2.channel.invite":
            data = {"reason": "busy"}
            await net.post(envelope.channel_id, "dave", "", event_type="ag2.channel.invite.reject", data=data)

    net.agents["dave"].on_envelope(reject)
    try:
        await net.channel("carol", "conversation", "dave")
    except network.ProtocolError:
        return
    raise AssertionError("dave said yes")


async def _work(net: Network, ids: dict[str, str]) -> None:
    hub = net.hub
    for task_id, outcome in (("t1", "completed"), ("t2", "failed"), ("t3", None)):
        spec = tasks.TaskSpec(title=f"look {task_id}", capability="search", payload={"n": 1})
        now = net.clock()
        await hub.observe_task(
            tasks.TaskMetadata(
                task_id, ids["alice"], spec, tasks.TaskState.RUNNING, now, now, channel_id=ids["conversation"]
            )
        )
        net.clock.advance(2)
        await hub.update_task(task_id, progress={"pages": 3})
        if outcome:
            state = tasks.TaskState(outcome)
            result, error = ({"rows": 3}, None) if outcome == "completed" else (None, "no rows")
            await hub.update_task(task_id, state=state, result=result, error=error)
            owner = ids["alice"]
            await hub.record_observation(
                owner_id=owner, capability="search", outcome=state, latency_ms=2000, task_id=task_id
            )
    lonely = tasks.TaskMetadata("t4", ids["bob"], tasks.TaskSpec(title="alone"), tasks.TaskState.RUNNING, net.clock())
    await hub.observe_task(lonely)


async def _end(net: Network, ids: dict[str, str]) -> None:
    hub = net.hub
    await hub.set_rule(ids["alice"], rules.Rule(limits=rules.LimitsBlock(inbox=rules.InboxBlock(max_pending=5))))
    await hub.set_resume(ids["alice"], network.Resume(claimed_capabilities=["policy", "law"], summary="Lawyer."))
    await hub.set_skill(ids["bob"], "I refund.")
    await net.hub.expire_due()
    await hub.unregister(ids["dave"])
    await hub.close_channel(ids["conversation"], reason="enough")
    await net.post(ids["open"], "carol", "Still there?")


async def workflow(folder: Path) -> str:
    """Write a folder with one channel, a workflow of two steps; returns its id."""
    net = await Network.open(folder)
    first, second = await net.enter("alice"), await net.enter("bob")
    graph = import_module("ag2.network.transitions").TransitionGraph.sequence([first, second])
    channel_id = await net.channel("alice", "workflow", "bob", knobs={"graph": graph.to_dict()})
    net.mute()
    await net.post(channel_id, "alice", "Draft it.")
    await net.post(channel_id, "bob", "Drafted.")
    await net.close()
    return channel_id
