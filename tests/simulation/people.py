"""Agents of a simulated network: prompt, slow, dead, clumsy or talkative, as the driver makes them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from events.errors import NetworkError
from events.values import Envelope
from hub import HubClient
from hub.client.agent_client import AgentClient
from tests.simulation.found import OnPurpose

if TYPE_CHECKING:
    from tests.simulation.world import World

MANNERS = ("prompt", "prompt", "slow", "clumsy", "talkative", "opening", "working")
"""How an agent handles what it is given; ``slow`` waits until the driver lets it go on, which may be never, and
``working`` does so in the middle of a task."""
ANSWERS = ("accept", "accept", "accept", "reject", "later")
"""How an agent answers invites."""
WORDS = 12
"""How often an agent talks by itself in a run: two talkative ones would never stop."""


class Actor:
    """One name of the network: whoever is registered under it, its connection and its manners."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.manners, self.answers = "prompt", "accept"
        self.client: AgentClient | None = None
        self.link: HubClient | None = None
        self.waiting: list[asyncio.Future[None]] = []
        self.words = WORDS
        self._handed: dict[str, tuple[int, str]] = {}

    @property
    def agent_id(self) -> str | None:
        """The id behind the name, as the log has it."""
        return self.world.model.find(self.name)

    @property
    def connected(self) -> bool:
        """Whether a client acts for the agent that has the name now."""
        return self.client is not None and self.client.bound and self.client.agent_id == self.agent_id

    def bind(self, client: AgentClient, link: HubClient) -> None:
        """Take up a client that was just made, before anything is delivered to it."""
        self.client, self.link, self._handed = client, link, {}
        client.accept_invite = self._accept
        client.on_envelope(self._take)

    def unplug(self, *, alone: bool = False) -> None:
        """Lose the connection, and with it whoever shares it; or let go of it alone."""
        if self.link is not None and self.client is not None and alone:
            self.link.connection.release(self.client.agent_id)
        elif self.link is not None:
            self.link.connection.close()
        self.client = self.link = None

    def forget(self) -> None:
        """The hub's process is gone, and the connection with it."""
        self.client = self.link = None
        self.waiting.clear()

    def release(self) -> None:
        """Let everything that the agent is slow at go on."""
        for gate in self.waiting:
            if not gate.done():
                gate.set_result(None)
        self.waiting.clear()

    async def ask(self, message: str, *, context: Any = None) -> str:
        """Answer a turn, as the default handler has it."""
        return self._word()

    async def _pause(self) -> None:
        gate: asyncio.Future[None] = self.world.loop.create_future()
        self.waiting.append(gate)
        await gate

    async def _accept(self, invite: Envelope) -> bool:
        if self.answers == "later":
            await self._pause()
        return self.answers != "reject"

    async def _take(self, envelope: Envelope) -> None:
        client = self.client
        if client is None:
            return
        self.world.watch.handed(client.agent_id, envelope, self._handed)
        await self._handle(client, envelope, self.manners)
        self.world.watch.handled.add((client.agent_id, envelope.envelope_id))

    async def _handle(self, client: AgentClient, envelope: Envelope, manners: str) -> None:
        if manners == "slow":
            await self._pause()
        elif manners == "clumsy" and envelope.sequence % 2:
            raise OnPurpose(f"{self.name} drops {envelope.envelope_id}")
        elif manners in ("talkative", "opening") and envelope.event_type == "ag2.msg.text":
            await self._react(client, envelope, manners)
        elif manners == "working" and envelope.event_type == "ag2.msg.text":
            await self._work(client, envelope)

    async def _work(self, client: AgentClient, envelope: Envelope) -> None:
        """Do a task that is observed, if the hub takes it, and at times fails (TASK-1, TASK-2)."""
        if not (word := self._word()):
            return
        async with client.task(word, "sing", ttl=(None, 3, "1m")[envelope.sequence % 3]) as task:
            await task.progress({"half": True})
            await self._pause()
            if envelope.sequence % 2:
                raise OnPurpose(f"{self.name} cannot do it")

    async def _react(self, client: AgentClient, envelope: Envelope, manners: str) -> None:
        """Post or open from inside the handler; a refusal is a failed turn."""
        if not (word := self._word()):
            return
        try:
            if manners == "talkative":
                await client.session(envelope.session_id).send(word)
            else:
                kind = self.world.options.kinds[envelope.sequence % len(self.world.options.kinds)]
                await client.open(type=kind, target=envelope.sender_id, labels={"token": word})
        except NetworkError as error:
            raise OnPurpose(f"{self.name} was refused: {error.code}") from error

    def _word(self) -> str:
        """Something to say: a mark that nobody waits for; nothing when the agent has talked enough."""
        if not self.words:
            return ""
        self.words -= 1
        return self.world.mark()
