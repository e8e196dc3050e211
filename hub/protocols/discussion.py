"""Discussion: two or more who take turns (ADP-3)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from events.errors import ProtocolError
from events.values.envelope import EV_TEXT, Envelope
from events.values.session import Expectation, ParticipantSchema, SessionManifest, SessionMetadata
from hub.protocols.base import SessionAdapter, refusal
from hub.views import NamedWindowedSummary, ViewPolicy

ROUND_ROBIN = "round_robin"
"""The one ``ordering`` there is, and its default."""


@dataclass(frozen=True, slots=True)
class DiscussionState:
    """Who takes turns, in which order; whose turn it is; who left or was hidden and is passed over."""

    order: tuple[str, ...]
    speaker: str | None
    gone: frozenset[str] = frozenset()


class DiscussionAdapter(SessionAdapter):
    """Round-robin in participant order; the creator begins, wherever in the list it stands."""

    manifest = SessionManifest(
        type="discussion",
        participants=ParticipantSchema(min=2),
        expectations=[
            Expectation(name="turn_within", on_violation="warn", params={"seconds": 120}),
            Expectation(name="turn_within", on_violation="hide", params={"seconds": 600}),
        ],
        ttl_default="2h",
        knobs_schema={"ordering": {"enum": [ROUND_ROBIN], "default": ROUND_ROBIN}},
    )
    fold_keys = frozenset()
    state_type = DiscussionState

    def initial_state(self, metadata: SessionMetadata) -> DiscussionState:
        """Return a session in which the creator is to speak."""
        return DiscussionState(tuple(p.agent_id for p in metadata.participants), metadata.creator_id)

    def fold(self, envelope: Envelope, state: DiscussionState) -> DiscussionState:
        """Pass the turn on after a text."""
        if envelope.event_type != EV_TEXT:
            return state
        return replace(state, speaker=_after(envelope.sender_id, state.order, state.gone))

    def fold_departure(self, agent_id: str, state: DiscussionState) -> DiscussionState:
        """Pass over a participant from now on; its turn goes to the next who is there, or to nobody."""
        gone = state.gone | {agent_id}
        speaker = _after(agent_id, state.order, gone) if state.speaker == agent_id else state.speaker
        return replace(state, speaker=speaker, gone=gone)

    def validate_create(self, metadata: SessionMetadata) -> None:
        """Refuse any other ordering than round-robin."""
        ordering = metadata.knobs.get("ordering", ROUND_ROBIN)
        if ordering != ROUND_ROBIN:
            raise ProtocolError(
                f"a discussion has no ordering {ordering!r}; leave the knob out, or set it to {ROUND_ROBIN!r}",
                session_type=self.manifest.type,
                ordering=ordering,
            )

    def validate_send(self, metadata: SessionMetadata, envelope: Envelope, state: DiscussionState) -> None:
        """Refuse a text out of turn."""
        if envelope.event_type == EV_TEXT and envelope.sender_id != state.speaker:
            raise refusal(metadata, envelope, f"expects {state.speaker or 'nobody'!r} to speak")

    def expected_next(self, metadata: SessionMetadata, state: DiscussionState) -> str | None:
        """Return whose turn it is; None once everyone has left."""
        return state.speaker

    def default_view_policy(self, metadata: SessionMetadata, participant_id: str) -> ViewPolicy:
        """Show the last two rounds and at least 4 messages, with the speakers' names."""
        return NamedWindowedSummary(max(2 * len(metadata.participants), 4))


def _after(agent_id: str, order: tuple[str, ...], gone: frozenset[str]) -> str | None:
    """Return who comes next in the round and is still there: the same one again when alone; O(participants)."""
    place = order.index(agent_id) + 1
    return next((other for other in order[place:] + order[:place] if other not in gone), None)
