"""Decisions: pure functions from (state, command, now, ids) to events, or a ``NetworkError``.

``DECISIONS`` is the table from command class to function. ``decide`` is how they are called, live, in tests and when
a log is decided again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from eventsourcing.dcb.api import DCBQuery

from events.errors import NetworkError
from events.event import OPERATOR, Event
from events.governance import HubOpened
from hub.arbiter import Arbiter
from hub.catalogue import Catalogue
from hub.decisions import closing, opening, posting, refusing, registration, sweeping, tasks
from hub.decisions.draft import Draft, broken
from hub.decisions.shapes import check
from hub.ids import UnusableIdsError
from projections.state import HubState


class Decision(NamedTuple):
    """What was decided: events to append as one, the draft they come from, and what the caller gets."""

    events: list[Event]
    draft: Draft
    result: Any

    @property
    def boundary(self) -> DCBQuery:
        """The consistency boundary; a sole writer has no use for it, so it is made when it is asked for."""
        return self.draft.boundary


class RecordOpening(NamedTuple):
    """A hub process takes up the log."""

    library: str
    format: int
    adapters: tuple[str, ...]


def record_opening(draft: Draft, command: RecordOpening) -> None:
    """Say which library and session types the log is taken up with."""
    draft.depends_on("hub")
    draft.add(HubOpened(*command))


DECISIONS: dict[type, Callable[[Draft, Any], Any]] = {
    RecordOpening: record_opening,
    registration.Register: registration.register,
    registration.Unregister: registration.unregister,
    registration.SetResume: registration.set_resume,
    registration.SetSkill: registration.set_skill,
    registration.SetRule: registration.set_rule,
    registration.RecordObservation: registration.record_observation,
    opening.CreateSession: opening.create_session,
    opening.AnswerInvite: opening.answer_invite,
    closing.CloseSession: closing.close_session,
    posting.Post: posting.post,
    posting.Acknowledge: posting.acknowledge,
    posting.FailTurn: posting.fail_turn,
    tasks.ObserveTask: tasks.observe_task,
    tasks.UpdateTask: tasks.update_task,
    sweeping.Lapse: sweeping.lapse,
    sweeping.LapseTask: sweeping.lapse_task,
    sweeping.CheckExpectations: sweeping.check_expectations,
    refusing.RecordDenial: refusing.record_denial,
}


def decide(
    state: HubState,
    command: Any,
    *,
    arbiter: Arbiter,
    catalogue: Catalogue,
    at_us: int,
    new_id: Callable[[], str],
    actor: str = OPERATOR,
) -> Decision:
    """Decide a command at a moment.

    Args:
        state: the fold of everything before; not changed.
        command: a value of one of the classes in ``DECISIONS``.
        arbiter: who is asked for permission.
        catalogue: the session types and expectations.
        at_us: microseconds since 1970, not before ``state.at_us``.
        new_id: gives ids, each above the one before.
        actor: on whose authority.

    Raises:
        NetworkError: the command is refused; nothing happened.
    """
    if command.__class__ is not posting.Post:  # which is checked where it is decided
        check(command)
    draft = Draft(state, arbiter, catalogue, actor, at_us, new_id)
    try:
        result = DECISIONS[command.__class__](draft, command)
    except (NetworkError, UnusableIdsError):
        raise
    except Exception as error:
        raise broken(f"deciding {type(command).__name__}", error) from error
    return Decision(draft.events, draft, result)
