"""A small network on a mock clock, for the tests of clients and links."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from events.errors import NetworkError
from events.values import Envelope, Passport, Rule
from hub import Hub, HubClient, LocalLink, MemoryKnowledgeStore
from hub.client.agent_client import AgentClient, OnEnvelope
from hub.listeners import HubListener
from hub.testing import MockClock, ScriptedAgent, SequentialIds, settle

QUIET = 1e9
"""An interval, in seconds, that no test reaches."""


class Heard(HubListener):
    """What the hub told of failures."""

    def __init__(self) -> None:
        self.failed: list[tuple[str, str]] = []
        self.mirrors: list[BaseException] = []
        self.errors: list[BaseException] = []

    def on_delivery_failed(self, agent_id: str, envelope: Envelope, error: BaseException) -> None:
        self.failed.append((agent_id, str(error)))

    def on_task_mirror_failed(self, task_id: str, error: BaseException) -> None:
        self.mirrors.append(error)

    def on_error(self, where: str, error: BaseException) -> None:
        self.errors.append(error)


@dataclass
class Network:
    """A hub, its clock and store, and one connection that all agents share unless a test says otherwise."""

    hub: Hub
    clock: MockClock
    store: MemoryKnowledgeStore
    client: HubClient
    heard: Heard

    async def agent(self, name: str, *replies: Any, rule: Rule | None = None) -> AgentClient:
        """Register an agent that says its lines; without lines, nobody is asked."""
        scripted = ScriptedAgent(*replies) if replies else None
        return await self.client.register(scripted, Passport(name=name), rule=rule)

    async def custom(self, name: str, agent: object, handler: OnEnvelope | None = None) -> AgentClient:
        """Register any agent, or a handler of its own."""
        return await self.client.register(agent, Passport(name=name), handler=handler)

    def connect(self) -> HubClient:
        """Another connection to the hub."""
        return HubClient(LocalLink(self.hub), hub=self.hub)

    async def settle(self) -> None:
        """Wait until all is quiet."""
        await settle(self.hub)

    async def kinds(self, kind: str) -> list[dict[str, Any]]:
        """The audit records of a kind."""
        return [record for record in await self.hub.audit_log.read_all() if record["kind"] == kind]

    async def texts(self, session_id: str) -> list[str]:
        """What was said in a session, in order."""
        return [e.text for e in await self.hub.read_wal(session_id) if e.event_type == "ag2.msg.text"]


@pytest.fixture
async def net() -> AsyncIterator[Network]:
    """A hub that nobody is registered at; its sweepers sleep until a test calls its ticks."""
    clock, store, heard = MockClock(), MemoryKnowledgeStore(), Heard()
    hub = await open_hub(store, clock, heard)
    async with hub, HubClient(LocalLink(hub), hub=hub) as client:
        yield Network(hub, clock, store, client, heard)


async def open_hub(store: MemoryKnowledgeStore, clock: MockClock, heard: Heard, **options: Any) -> Hub:
    """Open a hub on a store, as the network's is."""
    return await Hub.open(
        store,
        clock=clock,
        ids=SequentialIds(),
        ttl_sweep_interval=QUIET,
        expectation_sweep_interval=QUIET,
        listeners=[heard],
        **options,
    )


def code(error: pytest.ExceptionInfo[NetworkError]) -> str:
    """The stable code of a raised error."""
    return error.value.code
