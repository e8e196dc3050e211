"""A hub to act on in the tests of the specification: the operator speaks for every agent, and time is told to pass."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from events.event import Event
from events.stores import LogRecorder
from hub import EV_SESSION_INVITE_ACK, EV_TEXT, Envelope, Hub, MemoryKnowledgeStore, Passport, Rule, SessionMetadata
from hub.testing import MockClock, settle
from tests.hub.client.network import Heard

OpenHub = Callable[..., Awaitable[Hub]]


class Stage:
    """A hub, its clock and its store; ``restart`` closes the hub and opens another on the same store."""

    def __init__(self, open_hub: OpenHub, clock: MockClock, store: LogRecorder | None = None) -> None:
        self.clock, self.heard = clock, Heard()
        self.store: LogRecorder = store or MemoryKnowledgeStore()
        self._open_hub = open_hub
        self.hub: Hub

    async def raise_curtain(self, **options: Any) -> Stage:
        """Open a hub on the store."""
        self.hub = await self._open_hub(self.store, **({"listeners": [self.heard]} | options))
        return self

    async def restart(self, **options: Any) -> None:
        """Close the hub and open the next one on its log."""
        await self.hub.close()
        await self.raise_curtain(**options)

    async def agents(self, *names: str, rule: Rule | None = None) -> list[str]:
        """Register agents; their ids."""
        return [(await self.hub.register_identity(Passport(name=name), rule=rule)).agent_id for name in names]

    async def invite(
        self, kind: str, creator: str, *others: str, **options: Any
    ) -> tuple[str, asyncio.Task[SessionMetadata]]:
        """Ask for a session: its id, and the opening that waits for answers."""
        command = self.hub.create_session(type=kind, creator_id=creator, target=list(others or [creator]), **options)
        opening = asyncio.create_task(command)
        await settle(self.hub)
        if opening.done():
            return opening.result().session_id, opening
        return (await self.hub.list_sessions(state="pending", limit=None))[-1].session_id, opening

    async def answer(self, session_id: str, agent_id: str, event_type: str, **data: Any) -> None:
        """Answer an invite."""
        await self.hub.post_envelope(Envelope(session_id, agent_id, event_type=event_type, event_data=data))

    async def accept(self, session_id: str, *agent_ids: str) -> None:
        """Say yes to invites."""
        for agent_id in agent_ids:
            await self.answer(session_id, agent_id, EV_SESSION_INVITE_ACK)

    async def open(self, kind: str, creator: str, *others: str, **options: Any) -> str:
        """Open a session that everybody accepts; its id."""
        session_id, opening = await self.invite(kind, creator, *others, **options)
        await self.accept(session_id, *(agent_id for agent_id in others if agent_id != creator))
        return (await opening).session_id

    async def say(
        self, session_id: str, sender_id: str, text: str = "x", audience: Sequence[str] | None = None, **fields: Any
    ) -> str:
        """Post a text, or with ``event_type`` something else; the envelope's id."""
        fields.setdefault("event_type", EV_TEXT)
        return await self.hub.post_envelope(
            Envelope(session_id, sender_id, audience, event_data={"text": text}, **fields)
        )

    async def wait(self, seconds: float) -> None:
        """Let time pass, then let the sweepers look, once each."""
        self.clock.advance(seconds)
        await settle(self.hub)
        await self.hub.expire_due()
        await self.hub._expectation_tick()

    async def audit(self, kind: str, **filters: Any) -> list[dict[str, Any]]:
        """The audit records of a kind."""
        return await self.hub.audit_log.read(kind=kind, **filters)

    async def wal(self, session_id: str) -> list[str]:
        """The event types of a session's write-ahead log, without ``ag2.``."""
        return [e.event_type.removeprefix("ag2.") for e in await self.hub.read_wal(session_id)]

    def log(self, after: int = 0) -> list[Event]:
        """What is recorded."""
        return list(self.hub._log.read(after=after))

    def types(self, after: int = 0) -> list[str]:
        """The types of what is recorded."""
        return [event.type for event in self.log(after)]


def of_type(events: Sequence[Event], *types: str) -> list[Event]:
    """Those of some types."""
    return [event for event in events if event.type in types]


def assert_one_append(events: Sequence[Event], *causes: str | None) -> None:
    """Positions are contiguous, the moment is one, and each event's cause is as given."""
    first = events[0].position
    assert [event.position for event in events] == list(range(first, first + len(events)))
    assert len({event.at_us for event in events}) == 1
    assert [event.cause for event in events] == list(causes)


Act = Callable[[Stage, str, list[str]], Awaitable[Any]]
"""Something done in a session by its people."""
