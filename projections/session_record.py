"""One session in memory: who is in it, where it stands, whose turn it is, what is owed (SPEC §5, §8)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from events.values.frozen import EMPTY
from events.values.session import Participant, SessionManifest, SessionMetadata, SessionState
from events.values.times import iso, maybe_iso


class Since(NamedTuple):
    """From which envelope of the session on something has been so, and when that was (microseconds)."""

    sequence: int
    at_us: int


class Turn(NamedTuple):
    """Whose turn it is, and since when."""

    speaker: str
    since: Since
    envelope_id: str | None


class Sent(NamedTuple):
    """What an idempotency key stands for (ENV-4)."""

    envelope_id: str
    digest: str


NEVER = Since(0, 0)
NONE: Any = EMPTY
"""The empty map that records share; it refuses to change."""


@dataclass(slots=True)
class SessionRecord:
    """One session as the log tells it.

    Most sessions owe nothing and have nothing to remember: they share ``NONE`` until ``owed``, ``fired`` or ``sent``
    get a first entry.
    """

    session_id: str
    creator_id: str
    manifest: SessionManifest
    participants: tuple[str, ...]
    created_us: int
    invite_due_us: int
    expires_us: int | None
    depth: int
    knobs: Mapping[str, Any]
    labels: Mapping[str, str]
    state: SessionState = SessionState.PENDING
    pending_acks: tuple[str, ...] = ()
    joined_us: dict[str, int] = NONE
    rejected_by: str | None = None
    hidden: frozenset[str] = frozenset()
    left: frozenset[str] = frozenset()
    closed_us: int | None = None
    close_reason: str = ""
    sequence: int = 0
    adapter_state: Any = None
    spoken: Since = NEVER
    turn: Turn | None = None
    owed: dict[str, Since] = NONE
    fired: dict[tuple[int, str], int] = NONE
    sent: dict[tuple[str, str], Sent] = NONE
    _metadata: SessionMetadata | None = None

    @property
    def metadata(self) -> SessionMetadata:
        """The session as people read it; O(participants) when it changed, else O(1)."""
        if self._metadata is None:
            self._metadata = self._snapshot()
        return self._metadata

    def touch(self) -> None:
        """Say that what ``metadata`` shows has changed."""
        self._metadata = None

    @property
    def lapses_us(self) -> int | None:
        """When the session ends by itself: its TTL, or while pending the invites' time, whichever is first."""
        if self.state is not SessionState.PENDING:
            return self.expires_us
        return self.invite_due_us if self.expires_us is None else min(self.invite_due_us, self.expires_us)

    def present(self) -> Iterator[str]:
        """Give the participants who still take part: neither hidden nor gone."""
        return (agent_id for agent_id in self.participants if agent_id not in self.hidden and agent_id not in self.left)

    def role_of(self, agent_id: str) -> str:
        """Return initiator; respondent of two, participant of more (SESS-2)."""
        if agent_id == self.creator_id:
            return "initiator"
        return "respondent" if len(self.participants) == 2 else "participant"

    def _snapshot(self) -> SessionMetadata:
        people = [
            Participant.trusted(
                agent_id=agent_id,
                role=self.role_of(agent_id),
                order=order,
                joined_at=maybe_iso(self.joined_us.get(agent_id)),
            )
            for order, agent_id in enumerate(self.participants)
        ]
        return SessionMetadata.trusted(
            session_id=self.session_id,
            manifest=self.manifest,
            creator_id=self.creator_id,
            participants=tuple(people),
            state=self.state,
            created_at=iso(self.created_us),
            expires_at=maybe_iso(self.expires_us),
            closed_at=maybe_iso(self.closed_us),
            close_reason=self.close_reason,
            knobs=self.knobs,
            labels=self.labels,
            pending_acks=self.pending_acks,
            rejected_by=self.rejected_by,
            hidden=tuple(sorted(self.hidden)),
        )
