"""A second opinion on the log: what must hold of every event, said as plainly as possible and apart from the product.

``Model.apply`` takes durable events in order and raises ``Found`` at the first that should not be there. It shares no
code with the projections and decisions that it judges. What it is asked afterwards (who may see an envelope, how deep
an inbox is, whose turn it is) is compared with what the hub says. The judges, by event body, are in ``judges.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from events import agents, governance, sessions, tasks
from events.event import Event
from tests.simulation.found import Found, must
from tests.simulation.standing import Person, Since, Talk, Work
from tests.simulation.tokens import token_of

DUTIES: dict[str, tuple[type, str, tuple[type, ...]]] = {
    "observe": (agents.AgentObserved, "task_id", ()),
    "open": (sessions.SessionOpened, "session_id", ()),
    "hide": (sessions.SessionParticipantHidden, "agent_id", (sessions.SessionParticipantHidden,)),
    "close": (
        sessions.SessionClosed,
        "session_id",
        (tasks.TaskExpired, agents.AgentObserved, governance.ExpectationViolated, sessions.SessionParticipantHidden),
    ),
}
"""What has to follow: the event, which of its fields says what it is about, and what may come before it."""
ONE_LOOK = (governance.ExpectationViolated, sessions.SessionParticipantHidden)
"""What one look at a session's expectations records, judged by how things stood before it."""

Judge = Callable[["Model", Event, Talk | None], None]
"""Judges an event of one class, which may be of a session, and takes it into the model."""


class Model:
    """What follows from the log.

    Args:
        judges: event body to its judge.

    Attributes:
        reach: envelope id to those who may get it, as permitted at its position.
        tokens: what commands marked their events with, to the position.
    """

    def __init__(self, judges: Mapping[type, Judge]) -> None:
        self._judges = judges
        self.position = self.at_us = 0
        self.last_id = ""
        self.people: dict[str, Person] = {}
        self.gone: set[str] = set()
        self.talks: dict[str, Talk] = {}
        self.works: dict[str, Work] = {}
        self.ended_works: set[str] = set()
        self.reach: dict[str, frozenset[str]] = {}
        self.envelopes: dict[str, Event] = {}
        self.tokens: dict[Hashable, Event] = {}
        self.denied: dict[tuple[str, ...], int] = {}
        self.acknowledged: list[tuple[str, str]] = []
        self.owes: list[tuple[str, str]] = []
        """What the next events have to do, the last first: a key of ``DUTIES``, and whom or what it is about."""
        self.looked: tuple[tuple[str, int], dict[str, dict[str, Since]]] | None = None
        """Of which session the expectations are looked at, and when; and who owed what when that began."""

    # Questions.

    def live(self) -> list[Talk]:
        """The sessions that are not over."""
        return [talk for talk in self.talks.values() if talk.state != "over"]

    def depth_of(self, agent_id: str) -> int:
        """How many envelopes count against an inbox."""
        person = self.people.get(agent_id)
        return len(person.pending) if person else 0

    def find(self, name: str) -> str | None:
        """The id behind a live name."""
        return next((agent_id for agent_id, person in self.people.items() if person.name == name), None)

    # Events.

    def apply(self, event: Event) -> None:
        """Judge one event and take it in."""
        body = event.body
        must(event.position == self.position + 1, "positions are gapless", f"{event.position} after {self.position}")
        must(event.id > self.last_id, "ids ascend", f"{event.id} after {self.last_id}")
        must(event.at_us >= self.at_us, "time does not go back", event.position)
        if (token := token_of(event)) is not None:
            must(token not in self.tokens, "a command happens once", f"{token} at {event.position}")
            self.tokens[token] = event
        self._keep_promise(event)
        if not isinstance(body, ONE_LOOK):
            self.looked = None
        talk = self._place(event)
        judge = self._judges.get(type(body))
        if judge is not None:
            judge(self, event, talk)
        self.position, self.last_id, self.at_us = event.position, event.id, event.at_us

    def owe(self, duty: str, about: str) -> None:
        """Expect something of the events that follow at once."""
        if (duty, about) not in self.owes:
            self.owes.append((duty, about))

    def _keep_promise(self, event: Event) -> None:
        """A decision is one append: what has to follow an event follows at once (traps 2, 3)."""
        if not self.owes:
            return
        what, about = self.owes[-1]
        done, key, on_the_way = DUTIES[what]
        if isinstance(event.body, done) and getattr(event.body, key) == about:
            self.owes.pop()
        else:
            seen = f"{event.type} at {event.position}, before: {what} {about}"
            must(isinstance(event.body, on_the_way), "one decision is one append", seen)

    def _place(self, event: Event) -> Talk | None:
        """The session of an event: it lives, and the event has the next place in its log if it has one."""
        body = event.body
        session_id = getattr(body, "session_id", None)
        if session_id is None or isinstance(body, sessions.SessionCreated | governance.AccessDenied):
            return None
        talk = self.talks.get(session_id)
        if talk is None:
            raise Found("a session begins with its creation", f"{event.type} at {event.position}")
        if isinstance(body, governance.TurnFailed):
            return talk
        must(talk.state != "over", "a session ends once, and nothing follows", f"{event.type} at {event.position}")
        if not isinstance(body, governance.ExpectationViolated):
            talk.moved = event.position
        sequence = getattr(body, "sequence", 0)
        silent = isinstance(body, governance.ExpectationViolated) and not sequence
        if hasattr(body, "sequence") and not silent:
            must(sequence == talk.sequence + 1, "sequences are gapless", f"{sequence} after {talk.sequence}")
        if sequence:
            talk.sequence = sequence
            self.envelopes[event.id] = event
            self.reach[event.id] = self._told(body, talk)
        return talk

    def _told(self, body: Any, talk: Talk) -> frozenset[str]:
        """Whom an envelope of the session's log is for."""
        if isinstance(body, sessions.EnvelopePosted):
            return frozenset(body.recipients)
        if isinstance(body, sessions.SessionInviteSent):
            return frozenset((body.invitee_id,))
        speaker = getattr(body, "agent_id", None) or getattr(body, "owner_id", None)
        return frozenset(one for one in talk.present if one != speaker)
