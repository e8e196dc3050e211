"""Conversation: two who speak when they like (ADP-2)."""

from __future__ import annotations

from events.values.session import Expectation, ParticipantSchema, SessionManifest, SessionMetadata
from hub.protocols.base import SessionAdapter
from hub.views import ViewPolicy, WindowedSummary


class ConversationAdapter(SessionAdapter):
    """Exactly two, either side at any time; it never closes itself, and a long silence is put on record."""

    manifest = SessionManifest(
        type="conversation",
        participants=ParticipantSchema(min=2, max=2),
        expectations=[Expectation(name="max_silence", on_violation="audit", params={"seconds": 3600})],
        ttl_default="2h",
    )
    fold_keys = frozenset()

    def default_view_policy(self, metadata: SessionMetadata, participant_id: str) -> ViewPolicy:
        """Show the newest 10 messages."""
        return WindowedSummary(10)
