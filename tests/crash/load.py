"""A hub under load in a process of its own, which says of each command that it was acknowledged, until it is killed."""

from __future__ import annotations

import asyncio
import os
from typing import Literal

from hub import Agent, DiskKnowledgeStore, Hub, HubClient, LocalLink, Passport, Resume

TALKERS = 4


def serve(path: str, durability: Literal["fsync", "os"], number: int, acknowledgements: int) -> None:
    """Run the hub; a line per acknowledgement goes to the file descriptor: what it was, and the event's id."""
    asyncio.run(_serve(path, durability, number, acknowledgements))


async def _serve(path: str, durability: Literal["fsync", "os"], number: int, acknowledgements: int) -> None:
    def acknowledged(kind: str, event_id: str) -> None:
        os.write(acknowledgements, f"{kind} {event_id}\n".encode())

    hub = await Hub.open(DiskKnowledgeStore(path, durability))
    client = HubClient(LocalLink(hub), hub=hub)
    await asyncio.gather(*(_talk(client, f"{number}.{talker}", acknowledged) for talker in range(TALKERS)))


async def _talk(client: HubClient, name: str, acknowledged: object) -> None:
    """Post without end, and between the posts have a consulting, a task and a change of resume."""
    assert callable(acknowledged)
    asker = await client.register(None, Passport(name=f"asker {name}"))
    acknowledged("registered", asker.agent_id)
    other = await client.register(Agent("other", lambda question: "Yes."), Passport(name=f"other {name}"))
    acknowledged("registered", other.agent_id)
    listener = await client.register(None, Passport(name=f"listener {name}"))
    talk = await asker.open(type="conversation", target=listener.agent_id)
    acknowledged("opened", talk.session_id)
    while True:
        for _ in range(3):
            acknowledged("posted", await talk.send("Still there?"))
        asked = await asker.open(type="consulting", target=other.agent_id)
        acknowledged("opened", asked.session_id)
        acknowledged("posted", await asked.send("Is it safe?"))
        await asked.wait_closed()
        async with talk.task("look", capability="looking") as task:
            await task.complete()
        await asker.set_resume(Resume(claimed_capabilities=["looking"]))
