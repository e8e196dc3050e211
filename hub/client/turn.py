"""The default handler: an agent's turn, from the envelope that makes it its turn to the reply (CLI-3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from events.errors import ProtocolError
from events.values import Envelope, SessionMetadata, is_protocol_event
from hub.agents import Asked
from hub.views import Message, ViewPolicy

if TYPE_CHECKING:
    from hub.client.agent_client import AgentClient
    from hub.protocols.base import SessionAdapter

ANSWER_WINDOW = 64
"""How many places after a trigger are searched for an answer that was given already."""
WINDOW_SLACK = 8
"""How many places beyond its window a view's first read covers, for the protocol envelopes in between."""


@dataclass(frozen=True, slots=True)
class TurnContext:
    """What an agent is told beside the message.

    ``history`` is what its view shows of the session up to and including ``envelope``, the one to be answered;
    ``client`` is the agent's own, to open sessions, send and run tasks with.
    """

    session_id: str
    agent_id: str
    metadata: SessionMetadata
    history: tuple[Message, ...]
    envelope: Envelope
    client: AgentClient


async def take_turn(client: AgentClient, agent: Asked, envelope: Envelope) -> None:
    """Answer an envelope if it is this agent's turn; a blank reply posts nothing.

    What the agent, the view or the session type raises propagates: the turn has failed. A reply that is refused
    because the session ended meanwhile is dropped. Cost: O(the view's window) beside the agent's own.
    """
    if envelope.sender_id == client.agent_id or is_protocol_event(envelope.event_type):
        return
    connection, session_id = client.connection, envelope.session_id
    metadata = await connection.turn(client.agent_id, session_id)
    adapter = connection.adapter_for(metadata) if metadata is not None else None
    if metadata is None or adapter is None or envelope.event_type not in adapter.turn_events:
        return
    message = adapter.extract_turn_input(envelope)
    if message is None or await _answered(client, envelope):
        return
    policy = client.view_policy or adapter.default_view_policy(metadata, client.agent_id)
    history = await project(client, policy, adapter, session_id, envelope.sequence)
    context = TurnContext(session_id, client.agent_id, metadata, history, envelope, client)
    reply = await agent.ask(message, context=context)
    state = await connection.adapter_state(session_id)
    answer = adapter.build_round_envelope(metadata, client.agent_id, reply, state)
    if answer is not None:
        answer = replace(answer, causation_id=envelope.envelope_id, depth=max(answer.depth, envelope.depth))
        await _post_unless_over(client, answer)


async def _post_unless_over(client: AgentClient, answer: Envelope) -> None:
    try:
        await client.connection.post_envelope(answer)
    except ProtocolError:
        metadata = await client.connection.participated(client.agent_id, answer.session_id)
        if not metadata.state.terminal:
            raise


async def _answered(client: AgentClient, envelope: Envelope) -> bool:
    """Whether this agent's answer to a trigger is in the log already (CLI-5).

    An answer acknowledges its trigger in the same append (RULE-9), so a restart or a reconnect never brings an
    answered one back; this finds what a handler answered before it failed, close behind the trigger.
    """
    since = envelope.sequence
    if await client.connection.session_sequence(envelope.session_id) <= since:
        return False
    after = await client.connection.read_wal(
        envelope.session_id, since, since + ANSWER_WINDOW, agent_id=client.agent_id
    )
    said = (e for e in after if e.sender_id == client.agent_id and not is_protocol_event(e.event_type))
    return any(e.causation_id == envelope.envelope_id for e in said)


async def project(
    client: AgentClient, policy: ViewPolicy, adapter: SessionAdapter, session_id: str, until: int
) -> tuple[Message, ...]:
    """Return what a view shows an agent of a session up to the place ``until``, reading only what it asks for."""
    envelopes = await _newest(client, adapter, session_id, until, policy.recent_n)
    shown = policy.project(envelopes, client.agent_id, client.connection.name_for, adapter.render_envelope)
    return tuple(shown)


async def _newest(
    client: AgentClient, adapter: SessionAdapter, session_id: str, until: int, count: int | None
) -> list[Envelope]:
    """Return the newest content envelopes up to a place, ``count`` of them with text; O(window) (trap 61)."""
    found: list[Envelope] = []
    step = until if count is None else count + WINDOW_SLACK
    missing = step if count is None else count
    while until > 0 and missing > 0:
        since = max(0, until - step)
        page = await client.connection.read_wal(session_id, since, until, agent_id=client.agent_id)
        content = [envelope for envelope in page if not is_protocol_event(envelope.event_type)]
        missing -= sum(1 for envelope in content if adapter.render_envelope(envelope))
        found = content + found
        until, step = since, step * 2
    return found
