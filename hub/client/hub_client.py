"""One connection for many agents (CLI-1)."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from events.values import AuthBlock, Envelope, Passport, Resume, Rule
from hub.agents import as_agent
from hub.client.agent_client import AgentClient, OnEnvelope
from hub.links.local import LocalLink
from hub.views import FullTranscript, ViewPolicy

if TYPE_CHECKING:
    from hub.hub import Hub


class HubClient:
    """A program's connection to a hub; every agent it registers or attaches shares it.

    Args:
        link: the way to the hub.
        hub: the hub at the other end, where the caller holds it; only checked.

    Raises:
        ValueError: ``hub`` is not the one that the link leads to.
    """

    def __init__(self, link: LocalLink, hub: Hub | None = None) -> None:
        if hub is not None and hub is not link.hub:
            raise ValueError("the hub given to HubClient is not the one its link leads to; give LocalLink the same hub")
        self.connection = link.connect()

    async def register(
        self,
        agent: object,
        passport: Passport | None = None,
        resume: Resume | None = None,
        *,
        rule: Rule | None = None,
        skill: str | None = None,
        handler: OnEnvelope | None = None,
    ) -> AgentClient:
        """Register an agent and start delivering to it.

        Args:
            agent: who is asked in its turns (CLI-4); None: nobody.
            passport: who it is; None: the agent's own ``name`` and nothing else.
            resume: what it claims; None: nothing.
            rule: what limits it; None: the defaults.
            skill: its skill's markdown.
            handler: takes delivered envelopes in place of the default replies.

        Raises:
            ProtocolError: the name is taken (REG-2).
            AuthError: the passport's credentials were refused.
            TypeError: ``agent`` is nothing that can be asked.
            ValueError: there is neither a passport nor a name.
        """
        as_agent(agent)
        stamped = await self.connection.register(passport or _passport_of(agent), resume, rule=rule, skill=skill)
        return await self._listen(agent, stamped, handler)

    async def attach(
        self, agent: object, name: str, *, auth: AuthBlock | None = None, handler: OnEnvelope | None = None
    ) -> AgentClient:
        """Take up a registered agent again, after a restart or from elsewhere; what waits for it is delivered.

        Args:
            agent: who is asked in its turns; None: nobody.
            name: the registered name.
            auth: the identity's own credentials; None: those of an identity without any.
            handler: as in ``register``.

        Raises:
            NotFoundError: nobody has this name.
            AuthError: the credentials are not the identity's (trap 28).
        """
        as_agent(agent)
        return await self._listen(agent, await self.connection.attach(name, auth or AuthBlock()), handler)

    async def _listen(self, agent: object, passport: Passport, handler: OnEnvelope | None) -> AgentClient:
        agent_id = passport.agent_id
        resume, rule = await self.connection.get_resume(agent_id), await self.connection.get_rule(agent_id)
        client = AgentClient(self.connection, passport, resume, rule, agent, handler)
        self.connection.listen(agent_id, client)
        return client

    async def unregister(self, agent: AgentClient | str) -> None:
        """Unregister an agent of this connection: its client, name or id."""
        agent_id = agent.agent_id if isinstance(agent, AgentClient) else self.connection.find_agent_id(agent) or agent
        await self.connection.unregister(agent_id)

    async def read_wal(self, session_id: str, since: int = 0, until: int | None = None) -> list[Envelope]:
        """Return what of the slice ``[since:until]`` the agents of this connection may see (ENV-5).

        Raises:
            NotFoundError: no such session.
            AccessDeniedError: none of them takes part in it.
        """
        return await self.connection.read_wal(session_id, since, until)

    async def can_send(self, session_id: str, sender_id: str, event_type: str | None = None) -> bool:
        """Say whether the session would take an envelope from the agent now."""
        return await self.connection.can_send(session_id, sender_id, event_type)

    async def default_view_policy(self, session_id: str, participant_id: str) -> ViewPolicy:
        """Return how the session's type shows it to a participant of this connection.

        Raises:
            NotFoundError: no such session.
            AccessDeniedError: the agent is not bound here, or not a participant.
        """
        metadata = await self.connection.participated(participant_id, session_id)
        adapter = self.connection.adapter_for(metadata)
        return FullTranscript() if adapter is None else adapter.default_view_policy(metadata, participant_id)

    async def close(self) -> None:
        """Disconnect: deliveries stop, waits end, nobody is unregistered. Idempotent."""
        self.connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


def _passport_of(agent: object) -> Passport:
    name = getattr(agent, "name", None)
    if not isinstance(name, str):
        raise ValueError(f"a {type(agent).__name__} has no name of its own; give a Passport(name=...)")
    return Passport(name=name)
