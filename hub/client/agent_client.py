"""One agent's hands on the network: it opens, sends, waits and answers (CLI-2, CLI-3)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from events.errors import AccessDeniedError, NetworkError, ProtocolError
from events.values import (
    EV_SESSION_INVITE,
    EV_SESSION_INVITE_ACK,
    EV_SESSION_INVITE_REJECT,
    Envelope,
    Passport,
    Resume,
    ResumeExample,
    Rule,
    TaskSpec,
)
from hub.agents import as_agent
from hub.client.context import Handling, cause_on, waiting_on
from hub.client.session import Session
from hub.client.task import Task, Tasked
from hub.client.turn import take_turn
from hub.client.wait import Predicate, wait_for
from hub.links.connection import Connection
from hub.views import ViewPolicy

OnEnvelope = Callable[[Envelope], Awaitable[None] | None]
"""Called with a delivered envelope, sync or async; what it raises fails the turn."""
AcceptInvite = Callable[[Envelope], bool | Awaitable[bool]]
"""Says whether an invite is accepted; the envelope's ``session_id`` names the session."""


def accept_all(invite: Envelope) -> bool:
    """Accept every invite: the default."""
    return True


class AgentClient(Tasked):
    """One agent, bound to one connection. ``HubClient.register`` and ``attach`` make it.

    ``async with`` unregisters the agent at the end; ``close`` only lets go of it.

    Args:
        connection: acts for the agent.
        passport: the agent's, as the hub stamped it.
        resume: the agent's, as the hub has it.
        rule: the agent's, as the hub has it.
        agent: who is asked (CLI-4); None: nobody, there are no default replies.
        handler: takes delivered envelopes in place of the default replies; invites are answered either way.

    Attributes:
        accept_invite: decides on invites; default: accept all.
        view_policy: what the agent reads of its sessions; None: what the session type says (VIEW-1).

    Raises:
        TypeError: ``agent`` is nothing that can be asked.
    """

    def __init__(
        self,
        connection: Connection,
        passport: Passport,
        resume: Resume,
        rule: Rule,
        agent: object = None,
        handler: OnEnvelope | None = None,
    ) -> None:
        self.connection = connection
        self.passport = passport
        self.resume = resume
        self.rule = rule
        self.agent: Any = agent
        self.accept_invite: AcceptInvite = accept_all
        self.view_policy: ViewPolicy | None = None
        self._asked = as_agent(agent)
        self._handler = handler
        self._plain = handler is not None and not inspect.iscoroutinefunction(handler)
        self._callbacks: tuple[OnEnvelope, ...] = ()
        self._editing = asyncio.Lock()

    def __repr__(self) -> str:
        return f"AgentClient({self.passport.name!r}, {self.agent_id!r})"

    @property
    def agent_id(self) -> str:
        """The agent's id: 32 lower-case hex."""
        return self.passport.agent_id

    @property
    def bound(self) -> bool:
        """Whether its connection still acts for the agent."""
        return self.agent_id in self.connection.agent_ids

    # Sessions.

    async def open(
        self,
        *,
        type: str,
        target: str | Sequence[str],
        ttl: str | int | None = None,
        knobs: Mapping[str, Any] | None = None,
        intent: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Session:
        """Open a session and wait until everyone invited has said yes (SESS-2, SESS-3).

        Args:
            type: the session type, such as ``consulting``.
            target: name or id, or a list of them; the creator is added when absent.
            ttl: seconds or ``30s 15m 2h 1d``; None: the rule's default, then the type's.
            knobs: settings of the session type.
            intent: becomes the label ``intent``.
            labels: text to text.

        Inside a handler the envelope being handled becomes its cause, and its envelopes start one deeper (RULE-6).

        Raises:
            NotFoundError: nobody has that name or id.
            ProtocolError: the type refuses it, someone rejected, nobody answered in time, or it closed meanwhile.
            AccessDeniedError: a rule of the creator or an invitee refuses it.
        """
        with waiting_on(self.connection):
            metadata = await self.connection.create_session(
                self.agent_id,
                type=type,
                target=target,
                ttl=ttl,
                knobs=knobs,
                intent=intent,
                labels=labels,
                cause=cause_on(self.connection),
            )
        return Session(self, metadata.session_id)

    def session(self, session_id: str) -> Session:
        """Return a handle on a session that the agent takes part in; nothing is asked of the hub."""
        return Session(self, session_id)

    async def send_envelope(self, envelope: Envelope) -> str:
        """Post an envelope of its own, as it is; returns its id. An empty ``sender_id`` becomes the agent's.

        Raises:
            AccessDeniedError: another agent's ``sender_id`` (trap 29), or as ``Session.send``.
        """
        if not envelope.sender_id:
            envelope = replace(envelope, sender_id=self.agent_id)
        elif envelope.sender_id != self.agent_id:
            raise AccessDeniedError(
                f"{self.passport.name!r} posts as itself only, not as {envelope.sender_id!r}", agent_id=self.agent_id
            )
        return await self.connection.post_envelope(envelope)

    async def wait_for_session_event(
        self, *, session_id: str, predicate: Predicate, timeout: float | None = 300, since: int = 0
    ) -> Envelope:
        """Return the first envelope of a session that fits, from its beginning on, each seen once and in order.

        Nothing is lost between open, send and wait; waits on one session are independent of each other (trap 45); a
        session that has ended already can be waited on.

        Args:
            session_id: a session that the agent takes or took part in.
            predicate: a quick, sync function; what it raises is raised here.
            timeout: seconds of the hub's clock; None: no end; 0: only what is in the log.
            since: leave out so many envelopes of the session's beginning.

        Raises:
            TimeoutError: none came in time, or the session ended without one: nothing can follow.
            AccessDeniedError: the agent is not a participant, or its connection was closed.
            NotFoundError: no such session.
        """
        return await wait_for(self.connection, self.agent_id, session_id, predicate, timeout, since)

    def task(
        self,
        title: str,
        capability: str | None = None,
        payload: Mapping[str, Any] | None = None,
        ttl: str | int | None = None,
    ) -> Task:
        """Return a task that is recorded when it is entered in a turn of this agent; see ``Tasked.task``."""
        return Task(TaskSpec(title=title, capability=capability, payload=payload or {}, ttl=ttl), owner=self)

    # What is delivered.

    def on_envelope(self, callback: OnEnvelope) -> Callable[[], None]:
        """Call back with each delivered envelope, before the default replies; returns what removes it again."""
        self._callbacks += (callback,)

        def remove() -> None:
            self._callbacks = tuple(other for other in self._callbacks if other is not callback)

        return remove

    def deliver(self, envelope: Envelope) -> Awaitable[None] | None:
        """Handle one envelope: callbacks, then an invite's answer or a turn. Raising fails the turn (CLI-3).

        Returns:
            What is left to be awaited; None: it is done, as it is after a plain function.
        """
        if self._handler is None or not self._plain or self._callbacks or envelope.event_type == EV_SESSION_INVITE:
            return self._deliver(envelope)
        with Handling(self, envelope):
            outcome = self._handler(envelope)
        return None if outcome is None or not inspect.isawaitable(outcome) else self._rest(envelope, outcome)

    async def _rest(self, envelope: Envelope, outcome: Awaitable[None]) -> None:
        with Handling(self, envelope):
            await outcome

    async def _deliver(self, envelope: Envelope) -> None:
        with Handling(self, envelope):
            for callback in self._callbacks:
                await _done(callback(envelope))
            if envelope.event_type == EV_SESSION_INVITE:
                await self._answer_invite(envelope)
            elif self._handler is not None:
                await _done(self._handler(envelope))
            elif self._asked is not None:
                await take_turn(self, self._asked, envelope)

    async def _answer_invite(self, invite: Envelope) -> None:
        if not await self._invited(invite):
            return
        accepted = await _done(self.accept_invite(invite))
        event_type = EV_SESSION_INVITE_ACK if accepted else EV_SESSION_INVITE_REJECT
        data = {} if accepted else {"reason": f"{self.passport.name} declined"}
        try:
            await self.connection.post_envelope(
                Envelope(invite.session_id, self.agent_id, event_type=event_type, event_data=data)
            )
        except ProtocolError:
            if await self._invited(invite):
                raise

    async def _invited(self, invite: Envelope) -> bool:
        """Whether the invite still waits for an answer: it may have timed out, or come twice."""
        metadata = await self.connection.participated(self.agent_id, invite.session_id)
        return not metadata.state.terminal and self.agent_id in metadata.pending_acks

    # Itself.

    async def set_resume(self, resume: Resume) -> None:
        """Replace the resume; what the hub observed stays (REG-4)."""
        async with self._editing:
            await self._replace_resume(resume)

    async def add_example(self, example: ResumeExample) -> None:
        """Append an example to the hub's current resume (REG-7)."""
        async with self._editing:
            current = await self.connection.get_resume(self.agent_id)
            await self._replace_resume(replace(current, examples=(*current.examples, example)))

    async def _replace_resume(self, resume: Resume) -> None:
        await self.connection.set_resume(self.agent_id, resume)
        with suppress(NetworkError):  # it is set, whatever became of the agent meanwhile
            self.resume = await self.connection.get_resume(self.agent_id)

    async def set_skill(self, skill: str | None) -> None:
        """Set the skill's markdown; None removes it (REG-6)."""
        await self.connection.set_skill(self.agent_id, skill)

    async def set_rule(self, rule: Rule) -> None:
        """Replace the rule, from the next decision on (RULE-11)."""
        await self.connection.set_rule(self.agent_id, rule)
        with suppress(NetworkError):  # as above
            self.rule = await self.connection.get_rule(self.agent_id)

    async def unregister(self) -> None:
        """Unregister the agent and let go of it; its sessions stay (REG-8)."""
        await self.connection.unregister(self.agent_id)

    async def close(self) -> None:
        """Let go of the agent: no more deliveries, its waits end; it stays registered (CLI-1). Idempotent."""
        self.connection.release(self.agent_id)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.bound:
            await self.unregister()


async def _done(outcome: Any) -> Any:
    return await outcome if inspect.isawaitable(outcome) else outcome
