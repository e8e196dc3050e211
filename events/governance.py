"""What the hub noticed: violations, refusals, failed turns, and its own openings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from events.event import NO_DATA, ContentMap, ContentText, Id, Ids, MaybeId, event_type


@event_type("expectation.violated")
class ExpectationViolated(NamedTuple):
    """An expectation of a session was not met (GOV-1 to GOV-3).

    ``ordinal`` is the expectation's place in the manifest's list, from 0. ``anchors`` says, for each violator (for the
    session as a whole when there is none), since which sequence it was expected to act: the same one fires once.
    ``sequence`` is 0 unless participants are told (``warn``).
    """

    session_id: Id
    ordinal: int
    expectation: str
    on_violation: str
    violators: Ids = ()
    anchors: tuple[int, ...] = ()
    sequence: int = 0
    params: Mapping[str, object] = NO_DATA
    detail: ContentMap = NO_DATA

    def tags(self) -> tuple[str, ...]:
        return (f"session:{self.session_id}", *(f"agent:{agent_id}" for agent_id in self.violators))


@event_type("access.denied")
class AccessDenied(NamedTuple):
    """A rule or an authentication refused something; ``left_out`` like ones came before unrecorded (GOV-6)."""

    subject: str
    """Who was refused: an agent id, or the name that tried to register."""
    action: str
    target: str
    error: str
    session_id: MaybeId = None
    left_out: int = 0
    message: ContentText = ""

    def tags(self) -> tuple[str, ...]:
        tags = (f"agent:{self.subject}" if self.action != "register" else f"name:{self.subject}",)
        return (*tags, f"session:{self.session_id}") if self.session_id else tags


@event_type("turn.failed")
class TurnFailed(NamedTuple):
    """An agent's handler raised on an envelope; after the ``final`` attempt it is not delivered again (trap 52)."""

    agent_id: Id
    session_id: Id
    envelope_id: Id
    attempt: int
    final: bool = False
    error: ContentText = ""

    def tags(self) -> tuple[str, ...]:
        return (f"session:{self.session_id}", f"agent:{self.agent_id}")


@event_type("hub.opened")
class HubOpened(NamedTuple):
    """A hub process took up the log: which library, which record format, which session types."""

    library: str
    format: int
    adapters: tuple[str, ...] = ()

    def tags(self) -> tuple[str, ...]:
        return ("hub",)
