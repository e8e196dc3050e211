"""Consulting: one question, one answer, and it is over (ADP-1)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from events.values.envelope import EV_TEXT, Envelope
from events.values.session import Expectation, ParticipantSchema, SessionManifest, SessionMetadata, SessionState
from hub.protocols.base import NOTHING, AdapterResult, SessionAdapter, refusal

COMPLETE = "consulting_complete"
"""Why a consulting closes by itself (SESS-8)."""


@dataclass(frozen=True, slots=True)
class ConsultingState:
    """How far it has come."""

    asked: bool = False
    answered: bool = False


class ConsultingAdapter(SessionAdapter):
    """Exactly two: the initiator asks once, the respondent answers once, the answer closes the session."""

    manifest = SessionManifest(
        type="consulting",
        participants=ParticipantSchema(min=2, max=2),
        expectations=[
            Expectation(name="acks_within", on_violation="auto_close", params={"seconds": 30}),
            Expectation(name="reply_within", on_violation="auto_close", params={"seconds": 600}),
        ],
        ttl_default="2h",
    )
    fold_keys = frozenset()
    state_type = ConsultingState

    def initial_state(self, metadata: SessionMetadata) -> ConsultingState:
        """Return a session in which nothing was asked yet."""
        return ConsultingState()

    def fold(self, envelope: Envelope, state: ConsultingState) -> ConsultingState:
        """Take the first text as the question and the second as the answer."""
        if envelope.event_type != EV_TEXT or state.answered:
            return state
        return replace(state, answered=True) if state.asked else replace(state, asked=True)

    def validate_send(self, metadata: SessionMetadata, envelope: Envelope, state: ConsultingState) -> None:
        """Refuse a text of whoever's turn it is not: respondent first, a second question, anything after the answer."""
        if envelope.event_type != EV_TEXT:
            return
        if state.answered:
            raise refusal(metadata, envelope, "is complete: it has its answer and expects nobody to speak")
        expected = self.expected_next(metadata, state)
        if envelope.sender_id != expected:
            what = "the answer of its respondent" if state.asked else "the question of its initiator"
            raise refusal(metadata, envelope, f"expects {what} {expected!r}")

    def on_accepted(self, metadata: SessionMetadata, envelope: Envelope, state: ConsultingState) -> AdapterResult:
        """Close the session with the answer, in one append."""
        return AdapterResult(SessionState.CLOSED, COMPLETE) if state.answered else NOTHING

    def expected_next(self, metadata: SessionMetadata, state: ConsultingState) -> str | None:
        """Return the initiator, then the respondent, then nobody."""
        if not state.asked:
            return metadata.creator_id
        if state.answered:
            return None
        return next(p.agent_id for p in metadata.participants if p.agent_id != metadata.creator_id)
