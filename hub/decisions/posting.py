"""Accepting an envelope, and what becomes of it: acknowledged, or its turn failed (SPEC §4, §5, §7).

The checks of a post are in the order of RULE-12; the first that fails is the error.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from events.agents import AgentRegistered, AgentRuleSet, AgentUnregistered
from events.errors import NetworkError, ProtocolError
from events.governance import TurnFailed
from events.sessions import EnvelopePosted, InboxAcknowledged
from events.values.envelope import Envelope, is_protocol_event
from events.values.frozen import FrozenDict
from events.values.session import SessionState
from hub.arbiter import Deny, InboxRequest, Party, SendRequest
from hub.decisions.closing import close
from hub.decisions.draft import Draft, broken
from hub.decisions.envelopes import check_envelope, digest_of, split_data, stamped, with_data
from hub.decisions.shapes import check
from hub.protocols.base import NOTHING, AdapterResult, SessionAdapter
from projections.base import is_default
from projections.sessions import Sent, SessionRecord

TURN_ATTEMPTS_MAX = 3
"""How often a failing turn is delivered before it is recorded as failed for good (trap 52)."""


class Cause(NamedTuple):
    """The envelope behind a command, as the log has it."""

    envelope_id: str
    session_id: str
    depth: int


class Post(NamedTuple):
    """An agent sends an envelope.

    ``cause`` is the envelope that ``causation_id`` names, if the log has it. ``sent`` is what an ended session's log
    says of the idempotency key (ENV-4); live sessions know it themselves.
    """

    envelope: Envelope
    cause: Cause | None = None
    sent: Sent | None = None


def post(draft: Draft, command: Post) -> str:
    """Accept an envelope and everything that follows from it, or raise; returns the envelope's id."""
    envelope = command.envelope
    if envelope.__class__ is not Envelope:
        check(command)
    check_envelope(envelope)
    sender = draft.party(envelope.sender_id, "sender not registered: {!r}")
    if draft.actor != envelope.sender_id:
        draft.authorised(what=f"post as {sender.name!r}")
    record = draft.state.sessions.live.get(envelope.session_id)
    digest = digest_of(envelope) if envelope.idempotency_key is not None else None
    if digest is not None and (first := _sent_before(command, record, envelope, digest)):
        return first
    depth = _depth(command, record)
    _check_reach(draft, sender, envelope, depth)
    record = draft.session(envelope.session_id)
    adapter = _check_session(draft, record, envelope)
    audience = [draft.party(agent_id) for agent_id in _audience(record, envelope)]
    _check_flow(draft, sender, envelope, record, audience, depth)
    envelope = stamped(envelope, depth, draft.new_id(), draft.at_us, draft.sequence(record))
    recipients = _deliverable(draft, sender, envelope, audience)
    _check_inboxes(draft, recipients)
    facts, rest = split_data(adapter, envelope.event_data)
    _add_posted(draft, envelope, tuple([party.passport.agent_id for party in recipients]), digest, facts, rest)
    folded = envelope if not rest or is_default(adapter.fold) else with_data(envelope, facts)
    result = _on_trial(adapter, record, envelope, folded)
    if result is not NOTHING:
        _follow_up(draft, record, result, envelope.envelope_id)
    return envelope.envelope_id


def _on_trial(adapter: SessionAdapter, record: SessionRecord, envelope: Envelope, folded: Envelope) -> AdapterResult:
    """Ask the session type, and let it fold on trial: what it raises is raised before anything is written (trap 1)."""
    metadata, state = record.metadata, record.adapter_state
    asked = "validate_send"
    try:
        adapter.validate_send(metadata, envelope, state)
        asked = "fold"
        after = adapter.fold(folded, state)
        asked = "expected_next"
        adapter.expected_next(metadata, after)
        asked = "on_accepted"
        return adapter.on_accepted(metadata, envelope, after)
    except NetworkError:
        raise
    except Exception as error:
        raise broken(f"{asked} of session type {record.manifest.type!r}", error) from error


def _sent_before(command: Post, record: SessionRecord | None, envelope: Envelope, digest: str) -> str | None:
    """Return the first envelope's id when this key was used before (ENV-4)."""
    key = envelope.idempotency_key
    first = command.sent if record is None else record.sent.get((envelope.sender_id, str(key)))
    if first is None:
        return None
    if first.digest != digest:
        raise ProtocolError(
            f"the idempotency key {key!r} was used for envelope {first.envelope_id} with other content; "
            "use a new key for a new message",
            envelope_id=first.envelope_id,
        )
    return first.envelope_id


def _depth(command: Post, record: SessionRecord | None) -> int:
    """Follow causation: never shallower than the session, the cause, or what the sender stamped (RULE-6)."""
    depth = command.envelope.depth
    if record is not None and record.depth > depth:
        depth = record.depth
    cause = command.cause
    if cause is None:
        return depth
    return max(depth, cause.depth + (cause.session_id != command.envelope.session_id))


def _check_reach(draft: Draft, sender: Party, envelope: Envelope, depth: int) -> None:
    """Outbound access of a listed audience, and depth: looked at before the session is (RULE-2, RULE-12)."""
    draft.depends_on(f"agent:{envelope.sender_id}")
    listed: list[Party] = []
    if envelope.audience:
        agents = draft.state.registry.agents
        listed = [draft.party(agent_id) for agent_id in dict.fromkeys(envelope.audience) if agent_id in agents]
    draft.permit(draft.arbiter.authorize_send(SendRequest(sender, listed, envelope.event_type, depth)))


def _check_session(draft: Draft, record: SessionRecord, envelope: Envelope) -> SessionAdapter:
    """The session is active, the sender takes part and may send this type, the protocol is known."""
    session_id, manifest = record.session_id, record.manifest
    draft.depends_on(f"session:{session_id}")
    adapter = draft.catalogue.adapters.get((manifest.type, manifest.version))
    if record.state is not SessionState.ACTIVE:
        problem = f"session {session_id} is {record.state.value}, not active"
    elif envelope.sender_id not in record.participants:
        problem = f"session {session_id} only accepts sends from participants, and {envelope.sender_id!r} is none"
    elif is_protocol_event(envelope.event_type):
        problem = f"only the hub emits {envelope.event_type!r}"
    elif adapter is None or record.adapter_state is None:
        problem = (
            f"there is no registered adapter for {manifest.type!r} version {manifest.version}; "
            "the session can be read, and goes on once the adapter is registered"
        )
    else:
        return adapter
    raise ProtocolError(problem, session_id=session_id, sender_id=envelope.sender_id)


def _audience(record: SessionRecord, envelope: Envelope) -> list[str]:
    """Return whom the envelope is for, the sender excepted: those listed, or everybody who takes part (ENV-2)."""
    participants, sender_id = record.participants, envelope.sender_id
    if envelope.audience is None:
        wanted: Iterable[str] = participants
    else:
        wanted = dict.fromkeys(envelope.audience)
        for agent_id in wanted:
            if agent_id not in participants:
                raise ProtocolError(
                    f"the audience names {agent_id!r}, who does not take part in session {record.session_id}",
                    session_id=record.session_id,
                    agent_id=agent_id,
                )
    hidden, left = record.hidden, record.left
    return [each for each in wanted if each != sender_id and each not in hidden and each not in left]


def _check_flow(
    draft: Draft, sender: Party, envelope: Envelope, record: SessionRecord, audience: list[Party], depth: int
) -> None:
    """Outbound access of a broadcast, and the rate (RULE-2, RULE-8): asked where there is one or the other."""
    for party in audience:
        draft.depends_on(f"agent:{party.passport.agent_id}", types=_CHANGES_DELIVERY)
    cap = sender.rule.rate.envelopes_per_minute
    if cap or envelope.audience is None:
        retry_after_s = draft.state.rates.retry_after_s(envelope.sender_id, cap, draft.at_us)
        reached = audience if envelope.audience is None else ()
        request = SendRequest(sender, reached, envelope.event_type, depth, retry_after_s)
        draft.permit(draft.arbiter.authorize_send(request))


_CHANGES_DELIVERY = (AgentRegistered, AgentUnregistered, AgentRuleSet, EnvelopePosted, InboxAcknowledged)


def _deliverable(draft: Draft, sender: Party, envelope: Envelope, audience: list[Party]) -> list[Party]:
    """Return those of the audience whose rules let the envelope in (RULE-3)."""
    allows = draft.arbiter.authorize_delivery
    return [party for party in audience if not isinstance(allows(sender, party, envelope), Deny)]


def _check_inboxes(draft: Draft, recipients: list[Party]) -> None:
    depth = draft.state.inboxes.depth
    for party in recipients:
        draft.permit(draft.arbiter.authorize_inbox(InboxRequest(party, depth(party.passport.agent_id))))


def _add_posted(
    draft: Draft,
    envelope: Envelope,
    recipients: tuple[str, ...],
    digest: str | None,
    facts: FrozenDict,
    rest: FrozenDict,
) -> None:
    ttl_s = envelope.ttl_seconds
    body = EnvelopePosted(
        envelope.session_id,
        envelope.sender_id,
        envelope.event_type,
        envelope.sequence,
        recipients,
        None if envelope.audience is None else tuple(envelope.audience),
        envelope.depth,
        envelope.task_id,
        envelope.trace_id,
        envelope.priority,
        None if ttl_s is None else ttl_s * 1_000_000,
        envelope.idempotency_key,
        digest,
        facts,
        rest,
    )
    draft.add(body, event_id=envelope.envelope_id, cause=envelope.causation_id)
    draft.posted = envelope


def _follow_up(draft: Draft, record: SessionRecord, result: AdapterResult, envelope_id: str) -> None:
    """Do what the session type asks for after an envelope; "closing" closes in the same append (trap 24)."""
    if result.auto_close_reason or result.next_state in (SessionState.CLOSING, SessionState.CLOSED):
        close(draft, record, result.auto_close_reason or "explicit_close", cause=envelope_id)


class Acknowledge(NamedTuple):
    """Agents are done with envelopes: pairs of agent id and envelope id."""

    handled: tuple[tuple[str, str], ...]


def acknowledge(draft: Draft, command: Acknowledge) -> None:
    """Record which of these envelopes were still waiting; none, nothing (RULE-9)."""
    inboxes = draft.state.inboxes
    for agent_id in {agent_id for agent_id, _ in command.handled}:
        draft.authorised(agent_id, what="acknowledge another agent's envelopes")
        draft.depends_on(f"agent:{agent_id}")
    waiting = [pair for pair in dict.fromkeys(command.handled) if inboxes.waits(*pair) is not None]
    if waiting:
        agent_ids, envelope_ids = zip(*waiting, strict=True)
        draft.add(InboxAcknowledged(agent_ids, envelope_ids), cause=envelope_ids[0] if len(envelope_ids) == 1 else None)


class FailTurn(NamedTuple):
    """An agent's handler raised on an envelope."""

    agent_id: str
    session_id: str
    envelope_id: str
    error: str


def fail_turn(draft: Draft, command: FailTurn) -> bool:
    """Record a failed turn; returns whether it was the last attempt (CLI-3, trap 52)."""
    draft.authorised(command.agent_id, what="report another agent's turn")
    draft.agent(command.agent_id)
    draft.depends_on(f"agent:{command.agent_id}")
    inboxes = draft.state.inboxes
    attempt = inboxes.attempts(command.agent_id, command.envelope_id) + 1
    waits = inboxes.waits(command.agent_id, command.envelope_id) is not None
    final = attempt >= TURN_ATTEMPTS_MAX or not waits
    body = TurnFailed(command.agent_id, command.session_id, command.envelope_id, attempt, final, command.error[:2000])
    draft.add(body, cause=command.envelope_id)
    return final
