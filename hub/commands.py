"""Everything that can be asked of a hub that changes it: each command becomes a value and is decided (SPEC §1).

``actor`` is on whose authority: an agent id when the command came through a link, else the operator (SESS-7). Every
command returns once what it decided is on disk, and raises ``StoreError`` when the store failed and nothing of it is
visible, ``ProtocolError`` when the hub is closed.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from events.errors import NetworkError, NotFoundError, ProtocolError
from events.event import HUB, OPERATOR, Event
from events.values import (
    EV_SESSION_INVITE_ACK,
    EV_SESSION_INVITE_REJECT,
    AuthBlock,
    Envelope,
    Passport,
    Resume,
    Rule,
    SessionMetadata,
    TaskMetadata,
    TaskSpec,
    TaskState,
)
from events.values.identity import AGENT_ID
from hub.auth import AuthRegistry
from hub.decisions import posting, registration, sweeping, tasks
from hub.decisions.closing import CloseSession
from hub.decisions.opening import AnswerInvite, CreateSession
from hub.decisions.shapes import check
from hub.handshake import Handshakes
from hub.ids import AscendingIds
from hub.reads import Reads
from hub.refusals import RECORDED, Refusals
from hub.sweepers import Sweepers
from projections.archive import fold_session, fold_task, session_outcome

LATENCY_MS_MAX = 1 << 40
"""More, and the hub has been watching for decades."""


class Commands(Reads):
    """The changing half of ``Hub``."""

    auth: AuthRegistry
    _ids: AscendingIds
    _refusals: Refusals
    _handshakes: Handshakes
    _sweepers: Sweepers
    _causes: OrderedDict[str, Event]
    _invite_ack_timeout_s: float
    _opened: bool
    _closed: bool

    # Identity (SPEC §2, §3).

    async def register_identity(
        self,
        passport: Passport,
        resume: Resume | None = None,
        *,
        rule: Rule | None = None,
        skill: str | None = None,
        by_itself: bool = False,
    ) -> Passport:
        """Register an identity with its resume, rule and skill, as one event (REG-2, trap 7).

        ``by_itself``: it came through a link and is the recorded actor; else the operator is.

        Returns:
            The stamped copy: with ``agent_id`` and ``created_at``, without the claim.

        Raises:
            AuthError: the credentials were refused (AUTH-2).
            ProtocolError: the name is held by a live agent, or is no name.
            AccessDeniedError: the arbiter refuses.
        """
        resume, rule = Resume() if resume is None else resume, Rule() if rule is None else rule
        command = registration.Register(passport, resume, rule, skill, by_itself)
        check(command)
        try:
            await self.auth.verify(passport, passport.auth)
            agent_id: str = await self._run(command, OPERATOR)
        except RECORDED as error:
            name = passport.name
            await self._refusals.note(
                error,
                subject=name,
                action="register",
                target=name,
                session_id=None,
                actor=HUB if by_itself else OPERATOR,
            )
            raise
        return self._agent(agent_id).passport

    async def authenticate(self, name: str, auth: AuthBlock) -> Passport:
        """Return the passport of a live agent that proves its identity again (traps 16, 28).

        Raises:
            NotFoundError: no live agent has this name.
            AuthError: refused.
        """
        if not isinstance(auth, AuthBlock):
            raise ProtocolError(f"auth is of the type {type(auth).__name__}; it has to be AuthBlock")
        await self._committer.recover()  # what waits for the agent is taken from the state
        passport = await self.get_agent(name)
        try:
            await self.auth.verify(passport, auth)
        except RECORDED as error:
            await self._refusals.note(
                error, subject=passport.agent_id, action="attach", target=name, session_id=None, actor=HUB
            )
            raise
        return passport

    async def unregister(self, agent_id: str, *, actor: str = OPERATOR) -> None:
        """Remove an agent; its id stays resolvable (REG-3), sessions that others can move on stay (REG-8)."""
        await self._guarded(registration.Unregister(agent_id), actor, "unregister", agent_id)

    async def set_resume(self, agent_id: str, resume: Resume, *, actor: str = OPERATOR) -> None:
        """Replace an agent's claims; ``observed``, version and date are the hub's (REG-4)."""
        await self._guarded(registration.SetResume(agent_id, resume), actor, "set_resume", agent_id)

    async def set_skill(self, agent_id: str, markdown: str | None, *, actor: str = OPERATOR) -> None:
        """Set an agent's skill text, or remove it with None (REG-6)."""
        await self._guarded(registration.SetSkill(agent_id, markdown), actor, "set_skill", agent_id)

    async def set_rule(self, agent_id: str, rule: Rule, *, actor: str = OPERATOR) -> None:
        """Replace an agent's rule from the next decision on; running sessions keep their TTL (RULE-11)."""
        await self._guarded(registration.SetRule(agent_id, rule), actor, "set_rule", agent_id)

    async def record_observation(
        self,
        agent_id: str,
        capability: str,
        outcome: str,
        *,
        latency_ms: float | None = None,
        actor: str = OPERATOR,
    ) -> None:
        """Count an outcome (completed, failed, expired) of a capability seen outside of any task (TASK-3)."""
        given: Any = latency_ms
        if given is not None and not (isinstance(given, int | float) and 0 <= given < LATENCY_MS_MAX):
            raise ProtocolError(f"latency_ms is {given!r:.80}; it has to be milliseconds, 0 or more")
        latency_us = None if latency_ms is None else round(latency_ms * 1000)
        command = registration.RecordObservation(agent_id, capability, outcome, latency_us)
        await self._guarded(command, actor, "record_observation", agent_id)

    # Sessions (SPEC §5).

    async def create_session(
        self,
        *,
        type: str,
        creator_id: str,
        target: str | Sequence[str],
        ttl: str | int | None = None,
        knobs: Mapping[str, Any] | None = None,
        intent: str | None = None,
        labels: Mapping[str, str] | None = None,
        cause: str | None = None,
        depth: int = 0,
        actor: str = OPERATOR,
    ) -> SessionMetadata:
        """Open a session and return once it is active (SESS-2 to SESS-4).

        Args:
            type: consulting, conversation, discussion, or another registered session type; its newest version.
            creator_id: an id or name.
            target: an id, a name, or a list of them; the creator is added in front when absent.
            ttl: ``30s 15m 2h 1d`` or seconds; "" and 0 for none; None for the creator's rule, then the type's default.
            knobs: settings of the session type.
            intent: becomes the label ``intent``.
            labels: text to text.
            cause: id of the envelope that is being handled; the session starts one deeper than it (RULE-6).
            depth: start at least this deep.
            actor: who asks.

        Raises:
            NotFoundError: the creator or a participant is not registered.
            ProtocolError: listed twice, nobody listed, no such type, bad ttl or knobs; an invitee rejected; no answer
                within ``invite_ack_timeout`` ("ack timeout"); closed during handshake.
            AccessDeniedError: a rule refuses (RULE-2 to RULE-7).

        Cancelling the call closes the session (trap 6).
        """
        wanted: Any = target
        people = list(wanted) if isinstance(wanted, Iterable) and not isinstance(wanted, str) else [wanted]
        if intent is not None and isinstance(labels, Mapping | None):
            labels = {**(labels or {}), "intent": intent}
        command = CreateSession(
            type,
            self._resolve(creator_id),
            tuple(map(self._resolve, people)),
            round(self._invite_ack_timeout_s * 1_000_000),
            ttl,
            knobs,
            labels,
            self._cause(cause),
            depth,
        )
        return await self._shake_hands(self._guarded(command, actor, "open", ",".join(map(str, people))))

    async def _shake_hands(self, opening: Coroutine[Any, Any, str]) -> SessionMetadata:
        created = asyncio.ensure_future(opening)
        try:
            session_id = await asyncio.shield(created)
            due_us = self._session(session_id).invite_due_us
            timer = self._sweepers.later((due_us - self._now_us()) / 1_000_000, partial(self._lapse, session_id))
            try:
                await self._handshakes.outcome(session_id)
            finally:
                timer.cancel()
        except asyncio.CancelledError:
            await self._abandon(created)
            raise
        return await self.get_session(session_id)

    async def _abandon(self, created: asyncio.Future[Any]) -> None:
        """The opener was cancelled: close what it was opening, unless that failed or is active and returned."""
        try:
            session_id = await created
            self._handshakes.forget(session_id)
            await self._committer.run(CloseSession(session_id, "open_cancelled"), HUB)
        except NetworkError:
            return  # it was refused, or is over: nothing is left behind

    async def close_session(self, session_id: str, reason: str = "", *, actor: str = OPERATOR) -> SessionMetadata:
        """Close a session, ``explicit_close`` when no reason is given; an ended one keeps its outcome (SESS-5)."""
        try:
            await self._guarded(CloseSession(session_id, reason), actor, "close", session_id, session_id)
        except ProtocolError:
            if session_outcome(self._log, session_id) is None:
                raise
        return await self.get_session(session_id)

    async def post_envelope(self, envelope: Envelope, *, actor: str = OPERATOR) -> str:
        """Post an envelope and return its id once it is on disk (SPEC §7).

        An invite is answered by posting ``ag2.session.invite.ack`` or ``.reject`` (with ``reason`` in event_data).

        Raises:
            NotFoundError, AccessDeniedError, RateLimitedError, InboxFull, ProtocolError: in the order of RULE-12.
            StoreError: the store failed; the envelope is not in the log.
        """
        if envelope.__class__ is not Envelope:
            check(posting.Post(envelope))
        command: Any
        if envelope.event_type in (EV_SESSION_INVITE_ACK, EV_SESSION_INVITE_REJECT):
            data: Any = envelope.event_data
            reason = data.get("reason", "") if isinstance(data, Mapping) else ""
            accept = envelope.event_type == EV_SESSION_INVITE_ACK
            command = AnswerInvite(envelope.session_id, envelope.sender_id, accept, str(reason)[:2000])
        else:
            command = posting.Post(envelope, self._cause(envelope.causation_id), self._sent_in_ended(envelope))
        try:
            envelope_id: str = await self._run(command, actor)
        except RECORDED as error:
            # A session that was made up is named by no record, or each invented id would have one of its own (GOV-6).
            session_id = envelope.session_id if self._exists(envelope.session_id) else None
            await self._refusals.note(
                error,
                subject=envelope.sender_id if actor in (OPERATOR, HUB) else actor,
                action="post",
                target=error.facts.get("recipient_id") or session_id or "",
                session_id=session_id,
                actor=actor,
            )
            raise
        return envelope_id

    def _sent_in_ended(self, envelope: Envelope) -> Any:
        """What an idempotency key stands for in a session that has left memory (ENV-4)."""
        key, session_id = envelope.idempotency_key, envelope.session_id
        if key is None or not all(isinstance(text, str) for text in (key, session_id, envelope.sender_id)):
            return None
        if session_id in self._state.sessions.live:
            return None
        record = fold_session(self._log, session_id, self._catalogue, self._committer.undurable())
        return None if record is None else record.sent.get((envelope.sender_id, key))

    async def acknowledge(self, agent_id: str, envelope_id: str, *, actor: str = OPERATOR) -> None:
        """Say that an agent is done with an envelope; one that does not wait is no error (RULE-9)."""
        command = posting.Acknowledge(((agent_id, envelope_id),))
        check(command)
        self._agent(agent_id)
        await self._guarded(command, actor, "acknowledge", envelope_id)

    async def report_turn_failure(
        self, agent_id: str, session_id: str, envelope_id: str, error: str, *, actor: str = OPERATOR
    ) -> bool:
        """Record that an agent's turn failed; returns whether the envelope is not delivered again (trap 52)."""
        command = posting.FailTurn(agent_id, session_id, envelope_id, error)
        check(command)
        event = self._log.find(envelope_id)
        if event is None or getattr(event.body, "session_id", None) != session_id:
            raise NotFoundError(f"no envelope {envelope_id!r} in session {session_id!r}", envelope_id=envelope_id)
        final: bool = await self._guarded(command, actor, "report_turn_failure", envelope_id, session_id)
        return final

    # Tasks (SPEC §9).

    async def observe_task(
        self,
        session_id: str,
        owner_id: str,
        spec: TaskSpec,
        *,
        task_id: str | None = None,
        cause: str | None = None,
        actor: str = OPERATOR,
    ) -> TaskMetadata:
        """Record that a task started; a known one is left as it is (trap 56). Without an id the hub draws one."""
        task_id = self._ids() if task_id is None else task_id
        check(tasks.ObserveTask(session_id, owner_id, spec, task_id, cause))
        self._cause(cause)
        on_its_way = any(getattr(event.body, "task_id", None) == task_id for event in self._committer.undurable())
        known = on_its_way or (task_id not in self._state.tasks.open and fold_task(self._log, task_id) is not None)
        command = tasks.ObserveTask(session_id, owner_id, spec, task_id, cause, known)
        # The target is the session: an id drawn for each attempt would let a refused agent flood the log (GOV-6).
        await self._guarded(command, actor, "task", session_id, session_id)
        task = await self.get_task(task_id)
        if task.owner_id != owner_id:
            raise ProtocolError(f"the task id {task_id!r} is taken: give another, or none", task_id=task_id)
        return task

    async def update_task(
        self,
        task_id: str,
        state: TaskState | str,
        *,
        progress: Mapping[str, Any] | None = None,
        result: Mapping[str, Any] | None = None,
        error: str = "",
        actor: str = OPERATOR,
    ) -> TaskMetadata:
        """Record progress or the end of a task; a task that ended stays as it ended (TASK-4)."""
        if state not in tuple(TaskState):
            raise ProtocolError(f"the task state {state!r:.80} is none of {', '.join(TaskState)}")
        command = tasks.UpdateTask(task_id, TaskState(state), progress, result, error)
        try:
            await self._guarded(command, actor, "task", task_id)
        except NotFoundError:
            await self._committer.caught_up()  # what ended it may be on its way to the disk
            if self._task(task_id) is None:
                raise
        return await self.get_task(task_id)

    # Inside.

    def _cause(self, envelope_id: Any) -> posting.Cause | None:
        if envelope_id is None:
            return None
        if not isinstance(envelope_id, str) or not AGENT_ID.fullmatch(envelope_id):
            raise ProtocolError(f"{envelope_id!r:.80} is no causation_id: an envelope id is 32 lower-case hex")
        event = self._causes.get(envelope_id) or self._log.find(envelope_id)
        session_id = getattr(event.body, "session_id", None) if event is not None else None
        if event is None or session_id is None:
            return None
        depth = getattr(event.body, "depth", None)
        return posting.Cause(envelope_id, session_id, self._session(session_id).depth if depth is None else depth)

    async def _guarded(self, command: Any, actor: str, action: str, target: str, session_id: str | None = None) -> Any:
        """Run a command; a refusal by rule goes on record."""
        try:
            return await self._run(command, actor)
        except RECORDED as error:
            asked_by = getattr(command, "creator_id", getattr(command, "owner_id", actor))
            subject = asked_by if actor == OPERATOR else actor
            await self._refusals.note(
                error, subject=subject, action=action, target=target, session_id=session_id, actor=actor
            )
            raise

    async def _run(self, command: Any, actor: str) -> Any:
        """Run a command; "no such session" becomes what the log says of a session that ended."""
        if self._closed or not self._opened:
            raise ProtocolError("this hub is closed; open another one on the same store")
        try:
            return await self._committer.run(command, actor)
        except NotFoundError as error:
            session_id = error.facts.get("ended_session_id")
            if session_id is None:
                raise
            await self._committer.caught_up()  # what ended it may be on its way to the disk
            outcome = session_outcome(self._log, session_id)
            if outcome is None:
                raise
            state, reason = outcome
            raise ProtocolError(
                f"session {session_id} is {state.value} ({reason})", session_id=session_id, state=state, reason=reason
            ) from None

    async def _lapse(self, session_id: str) -> None:
        try:
            await self._committer.run(sweeping.Lapse(session_id), HUB)
        finally:
            self._state.plan(session_id)
