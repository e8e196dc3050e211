"""Session types with little patience, so that expectations are violated within a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from events.values import Envelope, Expectation
from hub.protocols.base import SessionAdapter
from hub.protocols.conversation import ConversationAdapter
from hub.protocols.discussion import DiscussionAdapter

EV_NOTE = "sim.note"
"""A type that no session type knows: accepted, delivered, and moves nothing (SPEC §5)."""
EV_POISON = "sim.poison"
"""A type at which the fold of ``chat`` raises (trap 1)."""


class Brisk(DiscussionAdapter):
    """A discussion that hurries."""

    manifest = replace(
        DiscussionAdapter.manifest,
        type="brisk",
        expectations=[
            Expectation("acks_within", "warn", {"seconds": 4}),
            Expectation("turn_within", "warn", {"seconds": 20}),
            Expectation("max_silence", "audit", {"seconds": 60}),
            Expectation("turn_within", "hide", {"seconds": 45}),
        ],
        ttl_default="5m",
    )


class Chat(ConversationAdapter):
    """A conversation that hurries, and chokes on poison."""

    manifest = replace(
        ConversationAdapter.manifest,
        type="chat",
        expectations=[
            Expectation("reply_within", "warn", {"seconds": 25}),
            Expectation("max_silence", "audit", {"seconds": 30}),
        ],
        ttl_default="10m",
    )

    def fold(self, envelope: Envelope, state: Any) -> Any:
        """Choke on poison."""
        if envelope.event_type == EV_POISON:
            raise ValueError("poison")
        return super().fold(envelope, state)


def adapters() -> tuple[SessionAdapter, ...]:
    """Return the session types of the simulator."""
    return Brisk(), Chat()
