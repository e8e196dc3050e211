"""What an event led to: ``why`` the other way round.

An event depends on another when its chain of causes (``replay.why``), named or derived, passes through it. The log has
no index from cause to effect, but what follows from an event shares a session or an agent with it, so those who come
after under its tags are looked at, once each and in order, and under the tags of what was found among them. What an
agent did that had no part in it, in a session that had none, and yet names it as its cause, is not found.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import NamedTuple

from eventsourcing.dcb.api import DCBQuery

from events.agents import (
    AgentObserved,
    AgentRegistered,
    AgentResumeSet,
    AgentRuleSet,
    AgentSkillSet,
    AgentUnregistered,
)
from events.event import Event
from events.governance import AccessDenied, TurnFailed
from events.log import tagged
from events.sessions import (
    EnvelopePosted,
    SessionClosed,
    SessionCreated,
    SessionExpired,
    SessionInviteAccepted,
    SessionInviteRejected,
    SessionInviteSent,
    SessionOpened,
    SessionParticipantHidden,
    SessionParticipantLeft,
)
from events.tasks import TaskStarted
from replay.history import History
from replay.reasons import reason

_FOLLOWED = ("session:", "agent:", "task:")
_REFUSALS = "refusals"


class Effect(NamedTuple):
    """An event that depends on another.

    Attributes:
        event: what happened.
        cause: the position of the event that led to it directly.
        recorded: the event names that one; False: it follows from the facts.
        depth: how many steps it is from where it all began.
    """

    event: Event
    cause: int
    recorded: bool
    depth: int


class Effects:
    """Gives what depends on an event, in order of position; iterate it once.

    Args:
        history: the log that it is in.
        event: where it begins.
        read_max: after so many events that were looked at it ends; None looks at all.
        direct: only what the event itself led to, and names it.

    Attributes:
        read: how many events were looked at so far.
        complete: False when it ended because of ``read_max``.

    Cost: O(what stands under the tags, log² n for those that name no cause); memory O(what was found).
    """

    def __init__(self, history: History, event: Event, read_max: int | None = None, *, direct: bool = False) -> None:
        self._history, self._start, self._read_max, self._direct = history, event, read_max, direct
        self._found: dict[str, tuple[int, int]] = {event.id: (event.position, 0)}
        self._places = {event.position: 0}
        self._queue: list[tuple[int, int, Event, Iterator[Event]]] = []
        self._names: set[str] = set()
        self.read = 0
        self.complete = True

    def __iter__(self) -> Iterator[Effect]:
        self._watch(self._start)
        seen = self._start.position
        while self._queue:
            position, number, event, more = heappop(self._queue)
            self._push(number, more)
            if position == seen:
                continue  # it stands under several tags
            seen, self.read = position, self.read + 1
            if (effect := self._effect(event)) is not None:
                yield effect
            if self._read_max is not None and self.read >= self._read_max and self._queue:
                self.complete = False
                return

    def _watch(self, event: Event) -> None:
        """Look at what comes after an event under its tags."""
        for tag in event.tags:
            if tag.startswith(_FOLLOWED):
                self._watch_all(tag, tagged(tag), event.position)
        if isinstance(event.body, AgentRegistered | AgentRuleSet):  # a refusal has the tag of who was refused
            self._watch_all(_REFUSALS, tagged(types=(AccessDenied,)), event.position)

    def _watch_all(self, name: str, query: DCBQuery, after: int) -> None:
        if name not in self._names:
            self._names.add(name)
            log = self._history.log
            self._push(len(self._names), log.read(query, after=after, until=self._history.head))

    def _push(self, number: int, events: Iterator[Event]) -> None:
        for event in events:
            heappush(self._queue, (event.position, number, event, events))
            return

    def _effect(self, event: Event) -> Effect | None:
        recorded = self._found.get(event.cause or "")
        if self._direct and event.cause != self._start.id:
            return None
        position = recorded[0] if recorded else self._derived(event)
        if position is None:
            return None
        depth = self._places[position] + 1
        self._found[event.id] = event.position, depth
        self._places[event.position] = depth
        self._watch(event)
        return Effect(event, position, recorded is not None, depth)

    def _derived(self, event: Event) -> int | None:
        """Return the position of the cause that follows from the facts, if it is one of those that were found."""
        field = _BEGAN_WITH.get(type(event.body))
        if field is not None:
            found = self._found.get(getattr(event.body, field))
            return None if found is None or self._names_a_cause(event) else found[0]
        if event.cause is not None and not any(tag in self._names for tag in event.tags if tag[:5] != "agent"):
            return None  # a cause that is not in the log is made up for within its session or task
        cause = reason(self._history, event).cause
        return cause.position if cause is not None and cause.position in self._places else None

    def _names_a_cause(self, event: Event) -> bool:
        """Whether an event names a cause that the log has: O(log² n), so that it is asked last."""
        return event.cause is not None and self._history.log.find(event.cause) is not None


_BEGAN_WITH: dict[type, str] = {
    **dict.fromkeys((AgentUnregistered, AgentResumeSet, AgentSkillSet, AgentRuleSet, AgentObserved), "agent_id"),
    SessionCreated: "creator_id",
    **dict.fromkeys((SessionInviteSent, SessionInviteAccepted, SessionInviteRejected, SessionOpened), "session_id"),
    **dict.fromkeys((SessionParticipantHidden, SessionParticipantLeft, SessionClosed, SessionExpired), "session_id"),
    **dict.fromkeys((EnvelopePosted, TaskStarted, TurnFailed), "session_id"),
}
"""Of those that name no cause, the field with the id of the event that ``replay.reasons`` gives: a short cut."""
