"""The hub's side of one connection: it acts only as the agents that proved themselves here (SESS-7, traps 28-33).

Every command names the agent that acts. An agent that did not register or attach on this connection is refused
before the hub is asked; what it may do is then the hub's decision, with that agent as the recorded actor. Nothing is
kept here but ids and subscriptions, and ``close`` frees those (trap 15).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from events.errors import AccessDeniedError, NetworkError, StoreError
from events.values import (
    AuthBlock,
    Envelope,
    Passport,
    Resume,
    Rule,
    SessionMetadata,
    SessionState,
    TaskMetadata,
    TaskSpec,
    TaskState,
)
from hub.clock import Cancel

if TYPE_CHECKING:
    from hub.delivery import Endpoint
    from hub.hub import Hub
    from hub.protocols.base import SessionAdapter

Live = Callable[[Envelope], None]
Lost = Callable[[NetworkError], None]


class Connection:
    """One connection to a hub, with the agents that are bound to it.

    Args:
        hub: the hub it leads to.
    """

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._endpoints: dict[str, Endpoint | None] = {}
        self._watches: dict[int, tuple[str, Callable[[], None], Lost]] = {}
        self._watch_key = 0
        self.closed = False

    # Who acts here.

    @property
    def agent_ids(self) -> frozenset[str]:
        """The agents that this connection acts for."""
        return frozenset(self._endpoints)

    @property
    def watch_count(self) -> int:
        """How many waits are under way on this connection."""
        return len(self._watches)

    def act_as(self, agent_id: str) -> str:
        """Return the agent id.

        Raises:
            AccessDeniedError: the agent neither registered nor attached here, or the connection is closed.
        """
        if agent_id in self._endpoints:
            return agent_id
        raise self._denied(agent_id)

    def _denied(self, agent_id: str) -> AccessDeniedError:
        try:
            name = self.hub.name_for(agent_id)
        except StoreError:
            name = agent_id  # a log that cannot be read keeps no link from closing (trap 15)
        why = "it is closed" if self.closed else "register or attach the agent on it first"
        return AccessDeniedError(f"this link does not act for {name!r}: {why}", agent_id=agent_id)

    async def register(
        self, passport: Passport, resume: Resume | None = None, *, rule: Rule | None = None, skill: str | None = None
    ) -> Passport:
        """Register an identity and act for it from now on; raises what ``Hub.register_identity`` raises."""
        return self._prove(await self.hub.register_identity(passport, resume, rule=rule, skill=skill, by_itself=True))

    async def attach(self, name: str, auth: AuthBlock) -> Passport:
        """Act for a registered identity that shows its own credentials again (traps 16, 28).

        Raises:
            NotFoundError: nobody has this name.
            AuthError: the credentials are not the identity's.
        """
        return self._prove(await self.hub.authenticate(name, auth))

    def _prove(self, passport: Passport) -> Passport:
        if self.closed:
            raise self._denied(passport.agent_id)
        self._endpoints.setdefault(passport.agent_id, None)
        return passport

    def listen(self, agent_id: str, endpoint: Endpoint) -> None:
        """Deliver an agent's envelopes to this endpoint, what waits for it first; replaces an older endpoint."""
        self._endpoints[self.act_as(agent_id)] = endpoint
        self.hub.delivery.bind(agent_id, endpoint)

    def release(self, agent_id: str) -> None:
        """Stop acting for an agent: deliveries stop, waits end; what is unacknowledged stays in its inbox."""
        if agent_id not in self._endpoints:
            return
        endpoint = self._endpoints.pop(agent_id)
        if endpoint is not None:
            self.hub.delivery.unbind(agent_id, endpoint)
        lost = self._denied(agent_id)
        for key, (watcher_id, stop, on_lost) in list(self._watches.items()):
            if watcher_id == agent_id:
                del self._watches[key]
                stop()
                on_lost(lost)

    def close(self) -> None:
        """Release every agent; idempotent. Nobody is unregistered (CLI-1). O(agents + waits)."""
        if self.closed:
            return
        self.closed = True
        for agent_id in tuple(self._endpoints):
            self.release(agent_id)

    # Commands. Each raises what the hub's command of the same name raises, and AccessDeniedError as above.

    async def unregister(self, agent_id: str) -> None:
        """Unregister an agent, by itself."""
        await self.hub.unregister(agent_id, actor=self.act_as(agent_id))
        self.release(agent_id)

    async def set_resume(self, agent_id: str, resume: Resume) -> None:
        """Set an agent's own resume."""
        await self.hub.set_resume(agent_id, resume, actor=self.act_as(agent_id))

    async def set_skill(self, agent_id: str, skill: str | None) -> None:
        """Set or remove an agent's own skill."""
        await self.hub.set_skill(agent_id, skill, actor=self.act_as(agent_id))

    async def set_rule(self, agent_id: str, rule: Rule) -> None:
        """Set an agent's own rule."""
        await self.hub.set_rule(agent_id, rule, actor=self.act_as(agent_id))

    async def create_session(
        self,
        creator_id: str,
        *,
        type: str,
        target: str | Sequence[str],
        ttl: str | int | None = None,
        knobs: Mapping[str, Any] | None = None,
        intent: str | None = None,
        labels: Mapping[str, str] | None = None,
        cause: Envelope | None = None,
    ) -> SessionMetadata:
        """Open a session and wait for its handshake; ``cause`` is the envelope that is being handled (RULE-6)."""
        return await self.hub.create_session(
            type=type,
            creator_id=creator_id,
            target=target,
            ttl=ttl,
            knobs=knobs,
            intent=intent,
            labels=labels,
            cause=cause.envelope_id if cause else None,
            depth=cause.depth if cause else 0,
            actor=self.act_as(creator_id),
        )

    async def close_session(self, agent_id: str, session_id: str, reason: str = "") -> SessionMetadata:
        """Close a session as one of its participants."""
        await self.participated(agent_id, session_id)
        return await self.hub.close_session(session_id, reason, actor=agent_id)

    async def post_envelope(self, envelope: Envelope) -> str:
        """Post as the envelope's sender, who must be bound here (trap 29); returns the envelope's id."""
        return await self.hub.post_envelope(envelope, actor=self.act_as(envelope.sender_id))

    async def acknowledge(self, agent_id: str, envelope_id: str) -> None:
        """Say that an agent is done with an envelope."""
        await self.hub.acknowledge(agent_id, envelope_id, actor=self.act_as(agent_id))

    async def observe_task(
        self, agent_id: str, session_id: str, spec: TaskSpec, *, task_id: str | None = None, cause: str | None = None
    ) -> TaskMetadata:
        """Let the hub see an agent's own task for the first time."""
        actor = self.act_as(agent_id)
        return await self.hub.observe_task(session_id, agent_id, spec, task_id=task_id, cause=cause, actor=actor)

    async def update_task(self, agent_id: str, task_id: str, state: TaskState, **outcome: Any) -> TaskMetadata:
        """Report progress or the end of an agent's own task."""
        return await self.hub.update_task(task_id, state, actor=self.act_as(agent_id), **outcome)

    # Reads.

    async def participated(self, agent_id: str, session_id: str) -> SessionMetadata:
        """Return a session that an agent of this connection takes or took part in.

        Raises:
            NotFoundError: no such session.
            AccessDeniedError: the agent is not bound here, or not one of the participants.
        """
        self.act_as(agent_id)
        metadata = await self.hub.get_session(session_id)
        if metadata.participant(agent_id) is None:
            raise self._outsider(session_id, agent_id)
        return metadata

    def _outsider(self, session_id: str, *agent_ids: str) -> AccessDeniedError:
        names = ", ".join(repr(self.hub.name_for(agent_id)) for agent_id in sorted(agent_ids))
        return AccessDeniedError(
            f"session {session_id} is open to its participants only, and {names or 'nobody on this link'} is not one",
            session_id=session_id,
        )

    async def read_wal(
        self, session_id: str, since: int = 0, until: int | None = None, *, agent_id: str | None = None
    ) -> list[Envelope]:
        """Return what of the slice ``[since:until]`` an agent may see; None: what any agent bound here may see.

        Raises:
            NotFoundError: no such session.
            AccessDeniedError: nobody who asks takes part in it.
        """
        asking = self.agent_ids if agent_id is None else {self.act_as(agent_id)}
        metadata = await self.hub.get_session(session_id)
        inside = {asker for asker in asking if metadata.participant(asker) is not None}
        if not inside:
            raise self._outsider(session_id, *asking)
        return await self.hub.visible_wal(session_id, inside, since, until)

    async def session_sequence(self, session_id: str) -> int:
        """Return how many envelopes the session's write-ahead log has; O(1) while the session lives."""
        return self.hub.session_sequence(session_id)

    async def turn(self, agent_id: str, session_id: str) -> SessionMetadata | None:
        """Return the session if it is active and its turn is this agent's or anybody's, else None; O(1)."""
        metadata = self.hub.live_session(session_id)
        if metadata is None or metadata.state is not SessionState.ACTIVE or self.act_as(agent_id) in metadata.hidden:
            return None
        return metadata if self.hub.expected_next(session_id) in (None, agent_id) else None

    async def adapter_state(self, session_id: str) -> object:
        """Return what the type of a live session keeps about it, or None."""
        return self.hub.adapter_state(session_id)

    def adapter_for(self, metadata: SessionMetadata) -> SessionAdapter | None:
        """Return the session's type, or None while it is not loaded (SESS-9)."""
        return self.hub.adapter_for(metadata)

    async def can_send(self, session_id: str, sender_id: str, event_type: str | None = None) -> bool:
        """Say whether the session would take an envelope from the agent now."""
        return self.hub.can_send(session_id, sender_id, event_type)

    def find_agent_id(self, name: str) -> str | None:
        """Return the id behind a live name, or None."""
        return self.hub.find_agent_id(name)

    def name_for(self, agent_id: str) -> str:
        """Return an agent's name, or the id where there is none."""
        return self.hub.name_for(agent_id)

    async def get_resume(self, agent_id: str) -> Resume:
        """Return the hub's current resume of an agent."""
        return await self.hub.get_resume(agent_id)

    async def get_rule(self, agent_id: str) -> Rule:
        """Return the hub's current rule of an agent that is bound here."""
        return await self.hub.get_rule(self.act_as(agent_id))

    # What comes by itself.

    async def watch(self, agent_id: str, session_id: str, live: Live, lost: Lost) -> Callable[[], None]:
        """Call ``live`` with every envelope of a session that the agent may see, once durable; returns the un-watch.

        ``lost`` is called instead, once, when the connection stops acting for the agent.
        """
        await self.participated(agent_id, session_id)
        stop = self.hub.delivery.watch(session_id, self.act_as(agent_id), live)
        self._watch_key += 1
        self._watches[self._watch_key] = agent_id, stop, lost
        return partial(self._unwatch, self._watch_key)

    def _unwatch(self, key: int) -> None:
        if (watch := self._watches.pop(key, None)) is not None:
            watch[1]()

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Cancel:
        """Call back after so many seconds of the hub's clock."""
        return self.hub.timers.call_later(delay_s, callback)

    def task_mirror_failed(self, task_id: str, error: BaseException) -> None:
        """Tell the hub's listeners that a task could not be recorded (TASK-2)."""
        self.hub.listeners.on_task_mirror_failed(task_id, error)
