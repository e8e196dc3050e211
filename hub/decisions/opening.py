"""Opening a session and the handshake that makes it active (SESS-2 to SESS-4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from events.agents import AgentRegistered, AgentRuleSet, AgentUnregistered
from events.errors import NotFoundError, ProtocolError
from events.event import Event
from events.sessions import (
    SessionCreated,
    SessionInviteAccepted,
    SessionInviteRejected,
    SessionInviteSent,
    SessionOpened,
)
from events.values.frozen import EMPTY, FreezeError, FrozenDict, freeze
from events.values.rule import parse_duration
from events.values.session import SessionState
from hub.arbiter import OpenRequest
from hub.decisions.closing import close
from hub.decisions.draft import Draft, guarded
from hub.decisions.posting import Cause
from hub.protocols.base import SessionAdapter
from projections.sessions import SessionRecord, Sessions

PARTICIPANTS_MAX = 10_000


class CreateSession(NamedTuple):
    """An agent asks for a session; ``participants`` are ids, the creator is added in front when absent.

    ``cause`` is the envelope that was being handled, whose depth the session starts one above (RULE-6).
    """

    session_type: str
    creator_id: str
    participants: tuple[str, ...]
    invite_ack_timeout_us: int
    ttl: str | int | None = None
    knobs: Mapping[str, Any] | None = None
    labels: Mapping[str, str] | None = None
    cause: Cause | None = None
    depth: int = 0


def create_session(draft: Draft, command: CreateSession) -> str:
    """Add the session, and either its invites or, alone with oneself, its opening; returns its id."""
    creator = draft.agent(command.creator_id, "the session's creator {!r} is not registered")
    draft.authorised(command.creator_id, what=f"open a session as {creator.passport.name!r}")
    adapter = draft.catalogue.newest(command.session_type)
    if adapter is None:
        raise ProtocolError(
            f"there is no adapter for session type {command.session_type!r}; loaded are "
            f"{', '.join(draft.catalogue.names()) or 'none'}",
            session_type=command.session_type,
        )
    participants = _participants(draft, command)
    for agent_id in participants:
        draft.depends_on(f"agent:{agent_id}", types=(AgentRegistered, AgentUnregistered, AgentRuleSet))
    draft.depends_on(f"agent:{command.creator_id}", types=(SessionCreated,))
    depth = max(command.depth, 0 if command.cause is None else command.cause.depth + 1)
    invitees = tuple(agent_id for agent_id in participants if agent_id != command.creator_id)
    _authorize(draft, command, invitees, depth)
    created = _created(draft, command, adapter, participants, depth)
    record = _on_trial(draft, adapter, created)
    for invitee_id in invitees:
        draft.add(SessionInviteSent(record.session_id, invitee_id, draft.sequence(record)), cause=created.id)
    if not invitees:
        draft.add(SessionOpened(record.session_id, draft.sequence(record)), cause=created.id)
    return record.session_id


def _participants(draft: Draft, command: CreateSession) -> tuple[str, ...]:
    listed = command.participants
    if not listed:
        raise ProtocolError("a session needs at least one participant beside its creator, or the creator itself")
    if len(listed) > PARTICIPANTS_MAX:
        raise ProtocolError(f"a session has at most {PARTICIPANTS_MAX} participants, this one lists {len(listed)}")
    seen: set[str] = set()
    for agent_id in listed:
        if agent_id in seen:
            raise ProtocolError(f"participant {agent_id!r} is listed twice", agent_id=agent_id)
        seen.add(agent_id)
        if draft.state.registry.get(agent_id) is None:
            raise NotFoundError(f"participant {agent_id!r} is not registered", agent_id=agent_id)
    return listed if command.creator_id in seen else (command.creator_id, *listed)


def _authorize(draft: Draft, command: CreateSession, invitees: tuple[str, ...], depth: int) -> None:
    draft.permit(
        draft.arbiter.authorize_open(
            OpenRequest(
                draft.party(command.creator_id),
                [draft.party(agent_id) for agent_id in invitees],
                command.session_type,
                depth,
                draft.state.sessions.created_by.get(command.creator_id, 0),
            )
        )
    )


def _created(
    draft: Draft, command: CreateSession, adapter: SessionAdapter, participants: tuple[str, ...], depth: int
) -> Event:
    limits = draft.agent(command.creator_id).rule.limits
    try:
        ttl_s = next(
            (
                seconds
                for seconds in map(
                    parse_duration, (command.ttl, limits.session_ttl_default, adapter.manifest.ttl_default)
                )
                if seconds is not None
            ),
            0,
        )
        knobs = freeze(command.knobs or EMPTY, "knobs")
        labels = _labels(command.labels or EMPTY)
    except (ValueError, FreezeError) as error:
        raise ProtocolError(f"cannot open the session: {error}") from None
    session_id = draft.new_id()
    body = SessionCreated(
        session_id,
        command.creator_id,
        adapter.manifest.to_dict(),
        participants,
        draft.at_us + command.invite_ack_timeout_us,
        draft.at_us + ttl_s * 1_000_000 if ttl_s else None,
        depth,
        knobs,
        labels,
    )
    return draft.add(body, event_id=session_id, cause=command.cause.envelope_id if command.cause else None)


def _labels(labels: Mapping[str, str]) -> FrozenDict:
    frozen: FrozenDict = freeze(labels, "labels")
    for key, value in frozen.items():
        if not isinstance(value, str):
            raise FreezeError(f"label {key!r} is {value!r}; labels are text")
    return frozen


def _on_trial(draft: Draft, adapter: SessionAdapter, created: Event) -> SessionRecord:
    """Fold the creation where nobody sees it, and let the session type look at the result (trap 1)."""
    trial = Sessions(draft.catalogue)
    what = f"session type {adapter.manifest.type!r}"
    guarded(f"initial_state of {what}", trial.FOLDS[SessionCreated], trial, created)
    record = trial.live[created.body.session_id]
    low, high = adapter.manifest.participants.min, adapter.manifest.participants.max
    count = len(record.participants)
    if count < low or (high is not None and count > high):
        wanted = f"exactly {low}" if low == high else f"at least {low}" if high is None else f"{low} to {high}"
        raise ProtocolError(f"a {adapter.manifest.type} session takes {wanted} participants, not {count}")
    guarded(f"validate_create of {what}", adapter.validate_create, record.metadata)
    guarded(f"expected_next of {what}", adapter.expected_next, record.metadata, record.adapter_state)
    guarded(f"dump_state of {what}", adapter.dump_state, record.adapter_state)
    return record


class AnswerInvite(NamedTuple):
    """An invitee answers."""

    session_id: str
    agent_id: str
    accept: bool
    reason: str = ""


def answer_invite(draft: Draft, command: AnswerInvite) -> str:
    """Record an invitee's answer: the last ack opens the session, a reject closes it; returns the answer's id."""
    draft.agent(command.agent_id, "sender not registered: {!r}")
    record = draft.session(command.session_id)
    draft.depends_on(f"session:{command.session_id}")
    draft.authorised(command.agent_id, what="answer another agent's invite")
    if record.state is not SessionState.PENDING or command.agent_id not in record.pending_acks:
        raise ProtocolError(
            f"session {command.session_id} has no open invite for {command.agent_id!r}",
            session_id=command.session_id,
            agent_id=command.agent_id,
        )
    place = draft.sequence(record)
    if not command.accept:
        body = SessionInviteRejected(command.session_id, command.agent_id, place, command.reason)
        answer = draft.add(body, cause=record.session_id)
        close(draft, record, "invite_rejected", cause=answer.id)
        return answer.id
    answer = draft.add(SessionInviteAccepted(command.session_id, command.agent_id, place), cause=record.session_id)
    if record.pending_acks == (command.agent_id,):
        guarded(f"expected_next of {record.manifest.type!r}", draft.state.sessions.next_once_active, record)
        draft.add(SessionOpened(command.session_id, draft.sequence(record)), cause=answer.id)
    return answer.id
