"""The process that is killed: a hub on disk under load. It says when something was acknowledged, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from multiprocessing.connection import Connection
from unittest.mock import patch

from events.errors import NotFoundError
from events.stores import Durability
from hub import Agent, DiskKnowledgeStore, Hub, HubClient, LocalLink, Passport, Resume, TaskSpec
from hub.client.agent_client import AgentClient

CHECKPOINT_EVENTS = 150
"""So few that kills come while a projection checkpoint is written, and the next process opens from one."""

Say = Callable[..., None]


def main(path: str, durability: Durability, pipe: Connection) -> None:
    """Run until killed; ``pipe`` gets a line for each thing that happened, unbuffered."""
    with patch("hub.checkpointing.CHECKPOINT_EVENTS", CHECKPOINT_EVENTS):
        asyncio.run(_run(path, durability, lambda *words: pipe.send_bytes(" ".join(map(str, words)).encode())))


async def _run(path: str, durability: Durability, say: Say) -> None:
    hub = await Hub.open(DiskKnowledgeStore(path, durability))
    say("opened", hub.position, hub.state_digest())
    client = HubClient(LocalLink(hub))
    alice = await _agent(client, "alice")
    await _agent(client, "bob", Agent("bob", lambda question: f"answer to {question}"))
    carol = await _agent(client, "carol")
    await asyncio.gather(
        _consult(alice, say),
        _consult(carol, say),
        _converse(alice, say),
        _work(hub, carol, say),
        _come_and_go(hub, say),
    )


async def _agent(client: HubClient, name: str, agent: object = None) -> AgentClient:
    try:
        return await client.attach(agent, name)
    except NotFoundError:
        return await client.register(agent, Passport(name=name))


async def _consult(asker: AgentClient, say: Say) -> None:
    async for number in _numbers():
        session = await asker.open(type="consulting", target="bob")
        say("event", session.session_id)
        say("event", await session.send(f"question {number}", idempotency_key="q"))
        await session.wait_closed()
        say("closed", session.session_id)


async def _converse(speaker: AgentClient, say: Say) -> None:
    session = await speaker.open(type="conversation", target="carol")
    async for number in _numbers():
        for sent in await asyncio.gather(*(session.send(f"{number}.{part}" * 9) for part in range(4))):
            say("event", sent)


async def _work(hub: Hub, worker: AgentClient, say: Say) -> None:
    session = await worker.open(type="conversation", target="alice")
    async for number in _numbers():
        task_id = f"{session.session_id}.{number}"
        await hub.observe_task(session.session_id, worker.agent_id, TaskSpec("t", "work"), task_id=task_id)
        await hub.update_task(task_id, "completed", result={"n": number})
        say("task", task_id)


async def _come_and_go(hub: Hub, say: Say) -> None:
    async for number in _numbers():
        passport = await hub.register_identity(Passport(name=f"guest {hub.position} {number}"))
        await hub.set_resume(passport.agent_id, Resume(["visits"], summary="x" * 200))
        say("event", passport.agent_id)
        if number % 2:
            await hub.unregister(passport.agent_id)
            say("gone", passport.agent_id)


async def _numbers() -> AsyncIterator[int]:
    number = 0
    while True:
        yield number
        number += 1
