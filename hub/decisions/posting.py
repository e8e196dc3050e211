"""Accepting an envelope, and what becomes of it: acknowledged, or its turn failed (SPEC §4, §5, §7).

The checks of a post are in the order of RULE-12; the first that fails is the error.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any, NamedTuple

from events.agents import AgentRegistered, AgentRuleSet, AgentUnregistered
from events.codec import canonical
from events.errors import ProtocolError
from events.governance import TurnFailed
from events.sessions import EnvelopePosted, InboxAcknowledged
from events.values import envelope as ev
from events.values.envelope import Envelope, is_protocol_event
from events.values.frozen import EMPTY, SIZE_MAX_BYTES, FreezeError, FrozenDict, FrozenList, freeze
from events.values.identity import AGENT_ID
from events.values.session import SessionState
from events.values.times import iso
from hub.arbiter import Deny, InboxRequest, Party, SendRequest
from hub.decisions.closing import close
from hub.decisions.draft import Draft, guarded
from hub.protocols.base import AdapterResult, SessionAdapter
from projections.sessions import Sent, SessionRecord

TURN_ATTEMPTS_MAX = 3
"""How often a failing turn is delivered before it is recorded as failed for good (trap 52)."""
TEXT_LENGTH_MAX = 256
"""Longest event type, idempotency key, trace id and the like, in characters."""


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
    envelope = _shaped(command.envelope)
    sender = draft.party(envelope.sender_id, "sender not registered: {!r}")
    draft.authorised(envelope.sender_id, what=f"post as {sender.name!r}")
    record = draft.state.sessions.live.get(envelope.session_id)
    digest = _digest(envelope) if envelope.idempotency_key is not None else None
    if digest is not None and (first := _sent_before(command, record, envelope, digest)):
        return first
    depth = _depth(command, record)
    _check_reach(draft, sender, envelope, depth)
    record = draft.session(envelope.session_id)
    adapter = _check_session(draft, record, envelope)
    audience = _audience(record, envelope)
    _check_flow(draft, sender, envelope, record, audience, depth)
    envelope = _stamped(envelope, depth, draft.new_id(), draft.at_us, draft.sequence(record))
    metadata, state = record.metadata, record.adapter_state
    what = f"session type {record.manifest.type!r}"
    recipients = _deliverable(draft, sender, envelope, audience)
    _check_inboxes(draft, recipients)
    guarded(f"validate_send of {what}", adapter.validate_send, metadata, envelope, state)
    _add_posted(draft, adapter, envelope, recipients, digest)
    seen, rest = split_data(adapter, envelope.event_data)
    folded = dataclasses.replace(envelope, event_data=seen) if rest else envelope
    after = guarded(f"fold of {what}", adapter.fold, folded, state)
    guarded(f"expected_next of {what}", adapter.expected_next, metadata, after)
    result = guarded(f"on_accepted of {what}", adapter.on_accepted, metadata, envelope, after)
    _follow_up(draft, record, result, envelope.envelope_id)
    return envelope.envelope_id


def _stamped(envelope: Envelope, depth: int, envelope_id: str, at_us: int, sequence: int) -> Envelope:
    """Return the envelope with what is the hub's to say (ENV-1)."""
    return Envelope(
        envelope.session_id,
        envelope.sender_id,
        envelope.audience,
        envelope.event_type,
        envelope.event_data,
        envelope_id,
        envelope.task_id,
        envelope.causation_id,
        envelope.trace_id,
        envelope.priority,
        depth,
        envelope.idempotency_key,
        iso(at_us),
        envelope.ttl_seconds,
        sequence,
    )


def _shaped(envelope: Envelope) -> Envelope:
    """Check what any envelope must be, before anything is looked up (ENV-1, ENV-3)."""
    data = envelope.event_data
    if type(data) is not FrozenDict:
        try:
            data = freeze(data)
        except FreezeError as error:
            raise ProtocolError(str(error)) from None
        if type(data) is not FrozenDict:
            raise ProtocolError(f"event_data is a {type(envelope.event_data).__name__}; send a mapping")
    if _size_bound(data) > SIZE_MAX_BYTES and (size := len(canonical(data))) > SIZE_MAX_BYTES:
        raise ProtocolError(f"event_data has {size} bytes encoded; the limit is {SIZE_MAX_BYTES} (1 MiB)")
    audience = envelope.audience
    if audience is not None and not (
        isinstance(audience, FrozenList) and all(isinstance(agent_id, str) for agent_id in audience)
    ):
        raise ProtocolError("audience is None for everybody, or a list of agent ids")
    for name in ("session_id", "sender_id", "event_type"):
        _check_text(name, getattr(envelope, name), required=True)
    for name in ("task_id", "trace_id", "idempotency_key"):
        _check_text(name, getattr(envelope, name))
    if envelope.causation_id is not None and not AGENT_ID.fullmatch(str(envelope.causation_id)):
        raise ProtocolError(f"causation_id {envelope.causation_id!r} is not an envelope id (32 lower-case hex)")
    if envelope.priority not in ev.PRIORITIES:
        raise ProtocolError(f"priority {envelope.priority!r} is none of {', '.join(ev.PRIORITIES)}")
    _check_count("depth", envelope.depth, 0)
    _check_count("ttl_seconds", envelope.ttl_seconds, None)
    return envelope


def _check_text(name: str, text: Any, *, required: bool = False) -> None:
    if text is None and not required:
        return
    if not isinstance(text, str) or not 0 < len(text) <= TEXT_LENGTH_MAX or not text.isprintable():
        shown = repr(text)[:80]
        raise ProtocolError(f"{name} is {shown}; it must be 1 to {TEXT_LENGTH_MAX} printable characters")


def _check_count(name: str, number: Any, default: int | None) -> None:
    if number == default and not isinstance(number, bool):
        return
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 1 << 32:
        raise ProtocolError(f"{name} is {number!r}; it must be a whole number from 0 to 2^32 - 1")


def _size_bound(value: Any) -> int:
    """An upper bound of the encoded size that is cheap to compute; O(nodes)."""
    if isinstance(value, str):
        return 5 + 4 * len(value)
    if isinstance(value, dict):
        return 5 + sum(5 + 4 * len(key) + _size_bound(item) for key, item in value.items())
    return 5 + sum(_size_bound(item) for item in value) if isinstance(value, list) else 9


def _digest(envelope: Envelope) -> str:
    content = [envelope.event_type, envelope.audience, envelope.event_data, envelope.task_id, envelope.causation_id]
    return hashlib.sha256(canonical(content)).hexdigest()[:32]


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
    depth = max(command.envelope.depth, record.depth if record is not None else 0)
    cause = command.cause
    if cause is None:
        return depth
    return max(depth, cause.depth + (cause.session_id != command.envelope.session_id))


def _check_reach(draft: Draft, sender: Party, envelope: Envelope, depth: int) -> None:
    """Outbound access of a listed audience, and depth: looked at before the session is (RULE-2, RULE-12)."""
    draft.depends_on(f"agent:{sender.agent_id}")
    registry = draft.state.registry
    listed = [draft.party(a) for a in dict.fromkeys(envelope.audience or ()) if registry.get(a) is not None]
    draft.permit(draft.arbiter.authorize_send(SendRequest(sender, listed, envelope.event_type, depth)))


def _check_session(draft: Draft, record: SessionRecord, envelope: Envelope) -> SessionAdapter:
    """The session is active, the sender takes part and may send this type, the protocol is known."""
    draft.depends_on(f"session:{record.session_id}")
    facts = {"session_id": record.session_id, "sender_id": envelope.sender_id}
    if record.state is not SessionState.ACTIVE:
        raise ProtocolError(f"session {record.session_id} is {record.state.value}, not active", **facts)
    if envelope.sender_id not in record.participants:
        raise ProtocolError(
            f"session {record.session_id} only accepts sends from participants, and {envelope.sender_id!r} is none",
            **facts,
        )
    if is_protocol_event(envelope.event_type):
        raise ProtocolError(f"only the hub emits {envelope.event_type!r}", **facts)
    adapter = draft.catalogue.adapter(record.manifest.type, record.manifest.version)
    if adapter is None or record.adapter_state is None:
        raise ProtocolError(
            f"there is no registered adapter for {record.manifest.type!r} version {record.manifest.version}; "
            "the session can be read, and goes on once the adapter is registered",
            **facts,
        )
    return adapter


def _audience(record: SessionRecord, envelope: Envelope) -> list[str]:
    """Return whom the envelope is for, the sender excepted: those listed, or everybody who takes part (ENV-2)."""
    if envelope.audience is not None:
        for agent_id in envelope.audience:
            if agent_id not in record.participants:
                raise ProtocolError(
                    f"the audience names {agent_id!r}, who does not take part in session {record.session_id}",
                    session_id=record.session_id,
                    agent_id=agent_id,
                )
    wanted = record.present() if envelope.audience is None else dict.fromkeys(envelope.audience)
    absent = record.hidden | record.left
    return [agent_id for agent_id in wanted if agent_id != envelope.sender_id and agent_id not in absent]


def _check_flow(
    draft: Draft, sender: Party, envelope: Envelope, record: SessionRecord, audience: list[str], depth: int
) -> None:
    """Outbound access of a broadcast, and the rate (RULE-2, RULE-8)."""
    reached = [draft.party(agent_id) for agent_id in audience] if envelope.audience is None else []
    for agent_id in audience:
        draft.depends_on(f"agent:{agent_id}", types=_CHANGES_DELIVERY)
    cap = sender.rule.rate.envelopes_per_minute
    retry_after_s = draft.state.rates.retry_after_s(sender.agent_id, cap, draft.at_us)
    request = SendRequest(sender, reached, envelope.event_type, depth, retry_after_s)
    draft.permit(draft.arbiter.authorize_send(request))


_CHANGES_DELIVERY = (AgentRegistered, AgentUnregistered, AgentRuleSet, EnvelopePosted, InboxAcknowledged)


def _deliverable(draft: Draft, sender: Party, envelope: Envelope, audience: list[str]) -> tuple[str, ...]:
    """Return those of the audience whose rules let the envelope in (RULE-3)."""
    return tuple(
        agent_id
        for agent_id in audience
        if not isinstance(draft.arbiter.authorize_delivery(sender, draft.party(agent_id), envelope), Deny)
    )


def _check_inboxes(draft: Draft, recipients: tuple[str, ...]) -> None:
    for agent_id in recipients:
        request = InboxRequest(draft.party(agent_id), draft.state.inboxes.depth(agent_id))
        draft.permit(draft.arbiter.authorize_inbox(request))


def split_data(adapter: SessionAdapter, data: Any) -> tuple[FrozenDict, FrozenDict]:
    """Return the part of event_data that the type's fold reads, which becomes facts, and the rest (LOG-2)."""
    if adapter.fold_keys is None:
        return data, EMPTY
    if not adapter.fold_keys:
        return EMPTY, data
    facts = FrozenDict({key: value for key, value in data.items() if key in adapter.fold_keys})
    return facts, FrozenDict({key: value for key, value in data.items() if key not in adapter.fold_keys})


def _add_posted(
    draft: Draft, adapter: SessionAdapter, envelope: Envelope, recipients: tuple[str, ...], digest: str | None
) -> None:
    facts, rest = split_data(adapter, envelope.event_data)
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
        None if envelope.ttl_seconds is None else envelope.ttl_seconds * 1_000_000,
        envelope.idempotency_key,
        digest,
        facts,
        rest,
    )
    draft.add(body, event_id=envelope.envelope_id, cause=envelope.causation_id)


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
