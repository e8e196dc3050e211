"""What came before an event: the look-ups that its reasons rest on, each O(log² n) or better."""

from __future__ import annotations

from collections.abc import Iterator

from eventsourcing.dcb.api import DCBQuery

from events.agents import AgentRegistered, AgentRuleSet
from events.event import Event
from events.log import EventLog, tagged
from events.sessions import SessionClosed, SessionCreated, SessionExpired
from replay.names import Names


class Past:
    """A log as it was before one of its events.

    Args:
        log: where the event is.
        names: of that log.
        event: nothing at or after it is found, so that whoever goes from cause to cause comes to an end.
    """

    def __init__(self, log: EventLog, names: Names, event: Event) -> None:
        self.log, self.names, self.before = log, names, event.position

    def find(self, event_id: str) -> Event | None:
        """Return the earlier event with this id, or None."""
        found = self.log.find(event_id)
        return found if found is not None and found.position < self.before else None

    def newest(self, *tags: str, types: tuple[type, ...] = ()) -> Event | None:
        """Return the newest earlier event that has all of these tags and one of these types, or None."""
        return next(self.backwards(tagged(*tags, types=types)), None)

    def backwards(self, query: DCBQuery) -> Iterator[Event]:
        """Give the earlier events that match, newest first."""
        return self.log.read(query, until=self.before - 1, backwards=True)

    def session(self, session_id: str) -> Event | None:
        """Return the event that created a session, or None."""
        return self.newest(f"session:{session_id}", types=(SessionCreated,))

    def registration(self, agent_id: str) -> Event | None:
        """Return the event that registered an agent, or None."""
        return self.newest(f"agent:{agent_id}", types=(AgentRegistered,))

    def rule(self, agent_id: str) -> Event | None:
        """Return the event that set the rule in force of an agent, its registration or a later change, or None."""
        return self.newest(f"agent:{agent_id}", types=(AgentRegistered, AgentRuleSet))

    def named(self, name: str) -> Event | None:
        """Return the latest registration under a name, or None."""
        return self.newest(f"name:{name}", types=(AgentRegistered,))

    def placed(self, session_id: str, sequence: int) -> Event | None:
        """Return the event with a place in a session's write-ahead log; place 0 is the session's creation."""
        if sequence < 1:
            return self.session(session_id)
        position = self.log.bisect(tagged(f"session:{session_id}"), _sequence, sequence)
        event = None if position is None or position >= self.before else self.log.get(position)
        return event if event is not None and event.body.sequence == sequence else None

    def end_after(self, session_id: str) -> Event | None:
        """Return the event that ended a session at or after the one this is the past of, or None."""
        query = tagged(f"session:{session_id}", types=(SessionClosed, SessionExpired))
        return next(self.log.read(query, after=self.before, limit=1, content=False), None)


def _sequence(event: Event) -> int | None:
    return getattr(event.body, "sequence", None) or None
