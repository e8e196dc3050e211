"""A session's type (manifest), its people and its life (metadata). SPEC §5 and §8."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator

from events.values.base import JsonMap, Strings, Value, frozen_items, frozen_value
from events.values.frozen import FrozenDict
from events.values.rule import Duration


class SessionState(StrEnum):
    """Where a session stands (SESS-1)."""

    PENDING = "pending"
    ACTIVE = "active"
    CLOSING = "closing"
    CLOSED = "closed"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        """Whether nothing can happen in it any more."""
        return self in (SessionState.CLOSED, SessionState.EXPIRED)


@frozen_value
class Expectation(Value):
    """What a session type expects of its participants, and what happens otherwise (GOV-1).

    ``applies_to`` limits it to participants of that role.
    """

    name: str
    on_violation: str = "audit"
    params: JsonMap = field(default_factory=FrozenDict)
    applies_to: str | None = None


@frozen_value
class ParticipantSchema(Value):
    """How many participants a session type takes; ``max`` None means any number."""

    min: int = 1
    max: int | None = None


@frozen_value
class SessionManifest(Value):
    """The data half of a session type; a session keeps the snapshot it was created with."""

    type: str
    version: int = 1
    participants: ParticipantSchema = field(default_factory=ParticipantSchema)
    expectations: Annotated[list[Expectation] | tuple[Expectation, ...], AfterValidator(frozen_items)] = ()
    ttl_default: Duration = "2h"
    knobs_schema: JsonMap = field(default_factory=FrozenDict)


@frozen_value
class Participant(Value):
    """One agent's place in a session; ``order`` is its place in the list it was opened with."""

    agent_id: str
    role: str
    order: int
    joined_at: str | None = None


@frozen_value
class SessionMetadata(Value):
    """A snapshot of a session (SESS-1); times are ISO-8601 with ``Z``."""

    session_id: str
    manifest: SessionManifest
    creator_id: str
    participants: Annotated[list[Participant] | tuple[Participant, ...], AfterValidator(frozen_items)]
    state: SessionState
    created_at: str
    expires_at: str | None = None
    closed_at: str | None = None
    close_reason: str = ""
    knobs: JsonMap = field(default_factory=FrozenDict)
    labels: Annotated[Mapping[str, str], AfterValidator(frozen_items)] = field(default_factory=FrozenDict)
    pending_acks: Strings = ()
    rejected_by: str | None = None
    hidden: Strings = ()

    def participant(self, agent_id: str) -> Participant | None:
        """Return the place of an agent, or None; O(participants)."""
        return next((p for p in self.participants if p.agent_id == agent_id), None)
