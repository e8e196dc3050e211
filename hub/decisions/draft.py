"""A decision in the making: what it may look at, and the events it has so far.

A decision function gets a ``Draft`` and a command value and either adds events or raises a ``NetworkError``. It does
no I/O, awaits nothing and reads no clock: time, ids, state and permissions are all in the draft.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from eventsourcing.dcb.api import DCBQuery, DCBQueryItem

from events.errors import NetworkError, NotFoundError, ProtocolError
from events.event import HUB, OPERATOR, SCHEMAS, Event
from events.values.envelope import Envelope
from hub.arbiter import ALLOW, Arbiter, Deny, Party, Verdict
from hub.catalogue import Catalogue
from hub.ids import UnusableIdsError
from projections.registry import AgentRecord
from projections.sessions import SessionRecord
from projections.state import HubState

T = TypeVar("T")


class Draft:
    """One decision at one moment.

    Args:
        state: the fold of everything before.
        arbiter: who is asked for permission.
        catalogue: the session types and expectations.
        actor: on whose authority: an agent id, ``operator`` or ``hub``.
        at_us: the moment, microseconds since 1970, not before the log's last.
        new_id: gives the next id.

    Attributes:
        events: what was decided so far, in order.
        posted: the stamped envelope of a post, so that nobody has to build it again from its event.
    """

    __slots__ = (
        "_boundary",
        "_sequences",
        "actor",
        "arbiter",
        "at_us",
        "catalogue",
        "events",
        "new_id",
        "posted",
        "state",
    )

    def __init__(
        self,
        state: HubState,
        arbiter: Arbiter,
        catalogue: Catalogue,
        actor: str,
        at_us: int,
        new_id: Callable[[], str],
    ) -> None:
        self.state = state
        self.arbiter = arbiter
        self.catalogue = catalogue
        self.actor = actor
        self.at_us = at_us
        self.new_id = new_id
        self.events: list[Event] = []
        self.posted: Envelope | None = None
        self._boundary: list[tuple[tuple[str, ...], tuple[type, ...]]] = []
        self._sequences: dict[str, int] = {}

    @property
    def boundary(self) -> DCBQuery:
        """The consistency boundary: what, recorded meanwhile, could have changed the decision."""
        return DCBQuery(
            [DCBQueryItem([SCHEMAS[cls].name for cls in types], list(tags)) for tags, types in self._boundary]
        )

    def depends_on(self, *tags: str, types: tuple[type, ...] = ()) -> None:
        """Widen the boundary by the events that have all of these tags and one of these types (none: any)."""
        self._boundary.append((tags, types))

    def add(self, body: Any, *, event_id: str = "", cause: str | None = None, actor: str = "") -> Event:
        """Add an event: the first is the actor's own, those that follow from it are the hub's unless said otherwise."""
        event = Event(
            body,
            event_id or self.new_id(),
            self.at_us,
            actor or (HUB if self.events else self.actor),
            cause,
            self.state.position + len(self.events) + 1,
        )
        self.events.append(event)
        return event

    def sequence(self, record: SessionRecord) -> int:
        """Return the next place in a session's write-ahead log, this decision's events included."""
        last = self._sequences.get(record.session_id, record.sequence) + 1
        self._sequences[record.session_id] = last
        return last

    def permit(self, verdict: Verdict) -> None:
        """Raise the error of a Deny."""
        if verdict is not ALLOW and isinstance(verdict, Deny):
            raise verdict.error(verdict.reason, **verdict.facts)

    def agent(self, agent_id: str, missing: str = "no live agent {!r}") -> AgentRecord:
        """Return a live agent and depend on its life and rule.

        Raises:
            NotFoundError: never registered, or unregistered.
        """
        record = self.state.registry.get(agent_id)
        if record is None:
            raise NotFoundError(missing.format(agent_id), agent_id=agent_id)
        return record

    def party(self, agent_id: str, missing: str = "no live agent {!r}") -> Party:
        """Return a live agent as the arbiter sees it."""
        record = self.state.registry.agents.get(agent_id) or self.agent(agent_id, missing)
        return Party(record.passport, record.rule)

    def session(self, session_id: str) -> SessionRecord:
        """Return a live session.

        Raises:
            NotFoundError: not in the live table; whoever called looks whether it ended (``ended_session_id``).
        """
        record = self.state.sessions.live.get(session_id)
        if record is None:
            raise NotFoundError(f"no session {session_id!r}", session_id=session_id, ended_session_id=session_id)
        return record

    def authorised(self, *agent_ids: str, what: str) -> None:
        """Refuse when neither the hub, the operator nor one of these agents acts (trap 33)."""
        if self.actor not in (HUB, OPERATOR) and self.actor not in agent_ids:
            name = self.state.registry.name_of(self.actor) or self.actor
            self.refuse(f"{name!r} may not {what}", agent_id=self.actor)

    def refuse(self, reason: str, **facts: Any) -> NoReturn:
        """Raise AccessDeniedError."""
        raise Deny(reason).error(reason, **facts)


def guarded(what: str, function: Callable[..., T], *args: Any) -> T:
    """Call code of a session type; what it raises by accident becomes a ProtocolError (trap 1).

    Raises:
        NetworkError: raised by the code on purpose.
        UnusableIdsError: the hub's ids gave something that is none.
        ProtocolError: anything else it raised, with the original as its cause.
    """
    try:
        return function(*args)
    except (NetworkError, UnusableIdsError):
        raise
    except Exception as error:
        raise broken(what, error) from error


def broken(what: str, error: Exception) -> ProtocolError:
    """Return what a command is told whose way led into code that failed."""
    return ProtocolError(f"{what} failed with {type(error).__name__}: {error}; nothing was written")
