"""Given these events, when this command is decided, then those events follow, or it is refused: without a hub or a log.

Ids are counted: the event at position n has the id ``nth(n)``, so that a story can name what it has not told yet. Time
is in seconds since the beginning of 2026.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from events.agents import AgentRegistered
from events.errors import NetworkError
from events.event import HUB, OPERATOR, Event
from events.sessions import SessionCreated, SessionInviteAccepted, SessionInviteSent, SessionOpened
from events.values import Passport, Rule
from events.values.times import parse_iso
from hub.arbiter import RuleBasedArbiter
from hub.catalogue import Catalogue
from hub.decisions import Decision, decide
from hub.protocols import default_adapters
from projections.state import HubState

START_US = parse_iso("2026-01-01T00:00:00Z")
TTL_S = 7200
INVITE_S = 30


def nth(number: int) -> str:
    """The id of the event at a position."""
    return f"{number:032x}"


def at(seconds: float) -> int:
    """A moment, microseconds since 1970."""
    return START_US + round(seconds * 1_000_000)


class Story:
    """One history, and what is decided on it."""

    def __init__(self) -> None:
        self.catalogue = Catalogue()
        for adapter in default_adapters():
            self.catalogue.register_adapter(adapter)
        self.state = HubState(self.catalogue)
        self.events: list[Event] = []
        self.decision: Decision | None = None
        self.error: NetworkError | None = None

    def given(self, *bodies: Any, at_s: float = 0) -> Story:
        """Tell what has happened; a body that has an id of its own must have that of its position."""
        for body in bodies:
            position = self.state.position + 1
            event = Event(body, nth(position), max(at(at_s), self.state.at_us), HUB, None, position)
            self.state.apply(event)
            self.events.append(event)
        return self

    def when(self, command: Any, *, actor: str = OPERATOR, at_s: float = 0, first_id: int = 0) -> Story:
        """Decide; ids go on after the last event's, or from ``first_id`` on."""
        drawn = iter(range(first_id or self.state.position + 1, 1 << 32))
        self.decision = self.error = None
        try:
            self.decision = decide(
                self.state,
                command,
                arbiter=RuleBasedArbiter(),
                catalogue=self.catalogue,
                at_us=max(at(at_s), self.state.at_us),
                new_id=lambda: nth(next(drawn)),
                actor=actor,
            )
        except NetworkError as error:
            self.error = error
        return self

    def then(self, *bodies: Any, causes: Sequence[str | None] | None = None, actors: Sequence[str] = ()) -> None:
        """Compare what follows."""
        assert self.decision is not None, self.error
        assert [event.body for event in self.decision.events] == list(bodies)
        positions = [event.position for event in self.decision.events]
        assert positions == [self.state.position + place for place in range(1, len(bodies) + 1)]
        if causes is not None:
            assert [event.cause for event in self.decision.events] == list(causes)
        if actors:
            assert [event.actor for event in self.decision.events] == list(actors)

    def then_refused(self, error: type[NetworkError], match: str) -> None:
        """Compare the refusal."""
        assert type(self.error) is error, self.decision or self.error
        assert re.search(match, str(self.error)), self.error


def registered(number: int, name: str, rule: Rule | None = None) -> AgentRegistered:
    """An agent that registered at a position."""
    facts = Passport(name=name).to_dict()
    for stamped in ("name", "owner", "agent_id", "created_at"):
        del facts[stamped]
    facts["auth"].pop("claim")
    return AgentRegistered(nth(number), name, "", facts, (rule or Rule()).to_dict())


def created(number: int, kind: str, *participants: str, cause_depth: int = 0) -> SessionCreated:
    """A session that the first of its participants asked for, at a position."""
    manifest = next(a.manifest for a in default_adapters() if a.manifest.type == kind)
    return SessionCreated(
        nth(number), participants[0], manifest.to_dict(), participants, at(INVITE_S), at(TTL_S), cause_depth
    )


def opened(number: int, kind: str, *participants: str) -> list[Any]:
    """A session whose handshake is over, from a position on: 2 + 2 events for each invitee."""
    session_id, invitees = nth(number), participants[1:]
    sent = [SessionInviteSent(session_id, agent_id, place) for place, agent_id in enumerate(invitees, 1)]
    accepted = [
        SessionInviteAccepted(session_id, agent_id, place) for place, agent_id in enumerate(invitees, len(invitees) + 1)
    ]
    return [created(number, kind, *participants), *sent, *accepted, SessionOpened(session_id, 2 * len(invitees) + 1)]
