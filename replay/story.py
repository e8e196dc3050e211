"""A session as a conversation: who is in it, what each one said and did, what was refused, why it ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from events.event import HUB, Event
from events.governance import AccessDenied, ExpectationViolated, TurnFailed
from events.log import tagged
from events.sessions import (
    EnvelopePosted,
    SessionClosed,
    SessionExpired,
    SessionInviteAccepted,
    SessionInviteRejected,
    SessionInviteSent,
    SessionOpened,
    SessionParticipantHidden,
    SessionParticipantLeft,
)
from events.tasks import TERMINAL, TaskProgressed, TaskStarted
from events.values.envelope import EV_TEXT, is_protocol_event
from events.values.session import SessionManifest, SessionState
from projections.archive import fold_session
from projections.sessions import SessionRecord
from replay.history import History
from replay.names import Names
from replay.reasons import reason
from replay.render.sentences import said, sentence
from replay.render.text import printable


class Kind(StrEnum):
    """What kind of step it is."""

    INVITED = "invited"
    ANSWERED = "answered"
    OPENED = "opened"
    SAID = "said"
    TASK = "task"
    REFUSED = "refused"
    VIOLATED = "violated"
    DEPARTED = "departed"
    FAILED = "failed"
    ENDED = "ended"


class Step(NamedTuple):
    """One step of a story.

    ``agent_id`` is who did it or whom it befell, ``hub`` for what happened to the session as a whole. ``to`` are those
    who got an envelope. ``turn`` counts from 1 the stretches in which one agent speaks, 0 for what
    nobody said; ``begins`` says that it begins with this step.
    ``text`` is on one line, without the agent's name and the session's.
    """

    event: Event
    kind: Kind
    agent_id: str
    text: str
    to: tuple[str, ...] = ()
    turn: int = 0
    begins: bool = False


@dataclass(slots=True)
class Tally:
    """What a story came to, counted as its steps are taken.

    ``outcomes`` are those of the tasks that ended, completed and so on, and how often.
    """

    turns: int = 0
    kinds: dict[Kind, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)

    def count(self, step: Step) -> None:
        """Count a step."""
        self.turns = max(self.turns, step.turn)
        self.kinds[step.kind] = self.kinds.get(step.kind, 0) + 1
        if isinstance(step.event.body, TERMINAL):
            outcome = step.event.type.removeprefix("task.")
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1


@dataclass(frozen=True, slots=True)
class Story:
    """A session, told.

    Attributes:
        history: the log that it is in.
        created: the event that created it.
        manifest: its type, as it was when it was created.
        roles: agent id to role, in the order of its participants.
        state: where it stands at the head.
        opened: the event that opened it, or None.
        ended: the event that ended it, or None while it is live.
        why: why it ended, or what it waits for.
    """

    history: History
    created: Event
    manifest: SessionManifest
    roles: Mapping[str, str]
    state: SessionState
    opened: Event | None
    ended: Event | None
    why: str

    @property
    def session_id(self) -> str:
        """Its id."""
        return self.created.id

    def steps(self, tally: Tally | None = None) -> Iterator[Step]:
        """Give its steps in order, lazily: O(the session's events), memory O(1).

        ``tally`` counts those that were taken.
        """
        turn, speaker, names = 0, "", self.history.names
        query = tagged(f"session:{self.session_id}")
        for event in self.history.log.read(query, after=self.created.position, until=self.history.head):
            body = event.body
            kind = KINDS.get(type(body))
            if kind is None:
                continue
            spoken = kind is Kind.SAID and not is_protocol_event(body.event_type)
            begins = spoken and body.sender_id != speaker
            if begins:
                turn, speaker = turn + 1, body.sender_id
            told = _whose(event), _text(event, names), _reached(event)
            step = Step(event, kind, *told, turn if spoken else 0, begins)
            if tally is not None:
                tally.count(step)
            yield step


KINDS: dict[type, Kind] = {
    SessionInviteSent: Kind.INVITED,
    SessionInviteAccepted: Kind.ANSWERED,
    SessionInviteRejected: Kind.ANSWERED,
    SessionOpened: Kind.OPENED,
    EnvelopePosted: Kind.SAID,
    **dict.fromkeys((TaskStarted, TaskProgressed, *TERMINAL), Kind.TASK),
    AccessDenied: Kind.REFUSED,
    ExpectationViolated: Kind.VIOLATED,
    SessionParticipantHidden: Kind.DEPARTED,
    SessionParticipantLeft: Kind.DEPARTED,
    TurnFailed: Kind.FAILED,
    SessionClosed: Kind.ENDED,
    SessionExpired: Kind.ENDED,
}
"""Body class to kind; of all events that carry a session's tag only its creation, which is the header, has none."""


def story(history: History, session: str) -> Story:
    """Return a session's story; its events are read when its steps are taken.

    Args:
        history: the log that it is in.
        session: its id, the beginning of it, or ``@N`` of an event in it.

    Raises:
        QuestionError: there is no such session, or several.

    Cost: O(log n) look-ups for a session that ended; of a live one its events are folded, to say what it waits for.
    """
    session_id = history.session_id(session)
    tag, log = f"session:{session_id}", history.log
    created = history.event(session_id)
    opened = next(log.read(tagged(tag, types=(SessionOpened,)), until=history.head, limit=1), None)
    ends = tagged(tag, types=(SessionClosed, SessionExpired))
    ended = next(log.read(ends, until=history.head, limit=1), None)
    record = fold_session(log, session_id, history.catalogue, until=created.position if ended else history.head)
    assert record is not None  # it has at least been created
    state, why = record.state, waits_for(record, history.names) if ended is None else reason(history, ended).why
    if ended is not None:
        state = SessionState.CLOSED if isinstance(ended.body, SessionClosed) else SessionState.EXPIRED
    roles = {agent_id: record.role_of(agent_id) for agent_id in record.participants}
    return Story(history, created, record.manifest, roles, state, opened, ended, why)


def waits_for(record: SessionRecord, names: Names) -> str:
    """Say what a live session waits for."""
    if record.pending_acks:
        return f"waits for the answer of {printable(names.agents(record.pending_acks))}"
    if record.adapter_state is None:
        return "its type is not loaded here, so whose turn it is cannot be told"
    speaker = printable(names.agent(record.turn.speaker)) if record.turn is not None else "anybody"
    return f"waits for {speaker} to speak"


_SUBJECTS = ("sender_id", "agent_id", "invitee_id", "owner_id", "subject")


def _whose(event: Event) -> str:
    return next((str(getattr(event.body, name)) for name in _SUBJECTS if hasattr(event.body, name)), HUB)


def _reached(event: Event) -> tuple[str, ...]:
    return tuple(event.body.recipients) if isinstance(event.body, EnvelopePosted) else ()


def _text(event: Event, names: Names) -> str:
    """Say what happened, as ``sentence`` does, without what the story's lanes say: in which session, who."""
    body = event.body
    session = names.session(body.session_id)
    if isinstance(body, EnvelopePosted):
        kind = "" if body.event_type == EV_TEXT else f"{body.event_type} "
        return printable(f"{kind}{said({**body.data, **body.rest})}".rstrip())
    text = sentence(event, names).removeprefix(f"{printable(session)}: ")
    if isinstance(body, AccessDenied):
        text = text.replace(f" in {printable(session)}", "", 1)
    return text.removeprefix(f"{printable(names.agent(_whose(event)))} ")
