"""A second opinion on the log: what must hold of every event, said as plainly as possible and apart from the product.

``Model.apply`` takes durable events in order and raises ``Found`` at the first that should not be there. It shares no
code with the projections and decisions that it judges. What it is asked afterwards (who may see an envelope, how deep
an inbox is, whose turn it is) is compared with what the hub says.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from events import agents, governance, sessions, tasks
from events.event import Event
from events.values import Rule
from tests.simulation.tokens import token_of

MINUTE_US = 60_000_000
PROTOCOL = ("ag2.session.", "ag2.task.", "ag2.expectation.")


class Found(AssertionError):
    """A run shows that something does not hold: which rule, and what was seen."""

    def __init__(self, rule: str, seen: str) -> None:
        super().__init__(f"{rule}: {seen}")
        self.rule = rule


def must(holds: object, rule: str, seen: object = "") -> None:
    """Raise ``Found`` unless it holds."""
    if not holds:
        raise Found(rule, str(seen))


class Since(NamedTuple):
    """Since which place in the session something is owed, and since when."""

    sequence: int
    at_us: int


@dataclass
class Person:
    """A live agent."""

    name: str
    rule: Rule
    sent_us: list[int] = field(default_factory=list)
    pending: dict[str, str] = field(default_factory=dict)
    """Envelope to session, while it counts against the inbox."""
    released: dict[str, str] = field(default_factory=dict)

    @property
    def capped(self) -> bool:
        """Whether its rule limits how many tasks it may have."""
        return self.rule.limits.max_concurrent_tasks > 0


@dataclass
class Talk:
    """A session."""

    session_id: str
    kind: str
    creator_id: str
    participants: tuple[str, ...]
    expectations: list[dict[str, Any]]
    created_us: int
    invite_due_us: int
    expires_us: int | None
    depth: int
    state: str = "pending"
    invited: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    sequence: int = 0
    said: int = 0
    spoken: Since = Since(0, 0)
    speaker: str | None = None
    turn: Since = Since(0, 0)
    owed: dict[str, Since] = field(default_factory=dict)
    fired: dict[tuple[int, str], Since] = field(default_factory=dict)
    keys: set[tuple[str, str]] = field(default_factory=set)

    @property
    def present(self) -> list[str]:
        """Who is neither hidden nor gone."""
        return [one for one in self.participants if one not in self.gone]

    def after(self, agent_id: str) -> str | None:
        """Who is next in the round."""
        place = self.participants.index(agent_id) + 1
        return next((one for one in (*self.participants[place:], *self.participants[:place]) if one in self.present), None)

    def due_to_speak(self) -> str | None:
        """Whose turn it is, by the session type's description."""
        if self.kind == "consulting":
            other = next(one for one in self.participants if one != self.creator_id)
            return (self.creator_id, other, None)[min(self.said, 2)]
        return self.speaker


@dataclass
class Work:
    """An open task."""

    owner_id: str
    session_id: str
    capability: str | None
    started_us: int
    expires_us: int | None


class Model:
    """What follows from the log.

    Attributes:
        reach: envelope id to those who may get it, as permitted at its position.
        tokens: what commands marked their events with, to the position.
    """

    def __init__(self) -> None:
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
        self.owes: tuple[str, str] | None = None
        """What the next events have to do: ``close`` or ``open`` a session, ``observe`` a task."""

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
        talk = self._place(event)
        judge = JUDGES.get(type(body))
        if judge is not None:
            judge(self, event, talk)
        self.position, self.last_id, self.at_us = event.position, event.id, event.at_us

    def _keep_promise(self, event: Event) -> None:
        """A decision is one append: what has to follow an event follows at once (traps 2, 3)."""
        if self.owes is None:
            return
        what, key = self.owes
        body = event.body
        if what == "observe":
            done = isinstance(body, agents.AgentObserved) and body.task_id == key
        elif what == "open":
            done = isinstance(body, sessions.SessionOpened) and body.session_id == key
        else:
            done = isinstance(body, sessions.SessionClosed) and body.session_id == key
            on_the_way = (tasks.TaskExpired, agents.AgentObserved, governance.ExpectationViolated)
            if isinstance(body, (*on_the_way, sessions.SessionParticipantHidden)):
                return
        must(done, "one decision is one append", f"{event.type} at {event.position}, before: {what} {key}")
        self.owes = None

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
        sequence = getattr(body, "sequence", 0)
        if sequence or not isinstance(body, governance.ExpectationViolated | sessions.SessionParticipantHidden):
            if hasattr(body, "sequence"):
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

    # Agents.

    def _registered(self, event: Event, _: Talk | None) -> None:
        body = event.body
        must(self.find(body.name) is None, "a name has one holder", body.name)
        self.people[body.agent_id] = Person(body.name, Rule.from_dict(body.rule))

    def _unregistered(self, event: Event, _: Talk | None) -> None:
        must(self.people.pop(event.body.agent_id, None), "who leaves was there", event.body.agent_id)
        self.gone.add(event.body.agent_id)

    def _ruled(self, event: Event, _: Talk | None) -> None:
        self.people[event.body.agent_id].rule = Rule.from_dict(event.body.rule)

    def _denied(self, event: Event, _: Talk | None) -> None:
        body = event.body
        like = (body.subject, body.action, body.target, body.error)
        before = self.denied.get(like)
        must(before is None or event.at_us - before >= MINUTE_US, "like refusals are recorded once a minute", like)
        self.denied[like] = event.at_us

    # Sessions.

    def _created(self, event: Event, _: Talk | None) -> None:
        body, creator = event.body, self.people[event.body.creator_id]
        must(body.session_id not in self.talks, "a session is created once", body.session_id)
        rule, kind = creator.rule, body.manifest["type"]
        mine = sum(1 for talk in self.live() if talk.creator_id == body.creator_id)
        cap = rule.limits.max_concurrent_sessions
        must(not cap or mine < cap, "the cap of sessions holds", f"{creator.name} has {mine} of {cap}")
        must(within(rule.limits.delegation_depth, body.depth), "the cap of depth holds", body.depth)
        for agent_id in body.participants:
            person = self.people.get(agent_id)
            if person is None:
                raise Found("who takes part is registered", agent_id)
            must(admits(person.rule.access.session_types_allowed, kind), "session types are allowed", person.name)
            if agent_id != body.creator_id:
                must(admits(rule.access.outbound_to, person.name), "an open keeps to outbound_to", person.name)
                must(admits(person.rule.access.inbound_from, creator.name), "an open keeps to inbound_from", person.name)
        self.talks[body.session_id] = Talk(
            body.session_id,
            kind,
            body.creator_id,
            body.participants,
            [dict(expectation) for expectation in body.manifest["expectations"]],
            event.at_us,
            body.invite_due_us,
            body.expires_us,
            body.depth,
            invited=[one for one in body.participants if one != body.creator_id],
            spoken=Since(0, event.at_us),
        )
        if body.participants == (body.creator_id,):
            self.owes = "open", body.session_id

    def _invited(self, event: Event, talk: Talk | None) -> None:
        assert talk is not None
        must(event.body.invitee_id in talk.invited, "one invite per invitee", event.position)
        talk.invited.remove(event.body.invitee_id)
        talk.pending.append(event.body.invitee_id)

    def _answered(self, event: Event, talk: Talk | None) -> None:
        assert talk is not None
        body = event.body
        must(body.agent_id in talk.pending, "only a pending invitee answers", event.position)
        must(event.actor in (body.agent_id, "operator"), "an invitee answers for itself", event.position)
        talk.pending.remove(body.agent_id)
        if isinstance(body, sessions.SessionInviteRejected):
            self.owes = "close", talk.session_id
        elif not talk.pending:
            self.owes = "open", talk.session_id

    def _opened(self, event: Event, talk: Talk | None) -> None:
        assert talk is not None
        must(talk.state == "pending" and not talk.pending, "a session opens when all have accepted", event.position)
        talk.state = "active"
        if talk.kind in ("brisk", "discussion"):
            first = talk.creator_id
            talk.speaker = first if first in talk.present else talk.after(first)
        talk.turn = Since(event.body.sequence, event.at_us)

    def _posted(self, event: Event, talk: Talk | None) -> None:
        assert talk is not None
        body = event.body
        must(talk.state == "active", "posts need an active session", event.position)
        must(body.sender_id in talk.participants, "only participants post", event.position)
        must(event.actor in (body.sender_id, "operator"), "an agent posts as itself", event.position)
        must(not body.event_type.startswith(PROTOCOL), "only the hub emits protocol envelopes", event.position)
        sender = self.people.get(body.sender_id)
        if sender is None:
            raise Found("who posts is registered", event.position.__str__())
        self._check_recipients(event, talk, sender)
        self._check_caps(event, talk, sender)
        if body.idempotency_key is not None:
            key = (body.sender_id, body.idempotency_key)
            must(key not in talk.keys, "an idempotency key stands for one envelope", key)
            talk.keys.add(key)
        for envelope_id in [one for one, where in sender.pending.items() if where == talk.session_id]:
            del sender.pending[envelope_id]
        for agent_id in body.recipients:
            self.people[agent_id].pending[event.id] = talk.session_id
        sender.sent_us.append(event.at_us)
        self._move(event, talk)

    def _check_recipients(self, event: Event, talk: Talk, sender: Person) -> None:
        body = event.body
        wanted = talk.present if body.audience is None else [one for one in body.audience if one in talk.present]
        must(set(body.audience or ()) <= set(talk.participants), "an audience takes part", event.position)
        reached = [one for one in dict.fromkeys(wanted) if one != body.sender_id]
        for agent_id in reached:
            name = self.people[agent_id].name
            must(admits(sender.rule.access.outbound_to, name), "a send keeps to outbound_to", f"{sender.name} to {name}")
        permitted = [one for one in reached if admits(self.people[one].rule.access.inbound_from, sender.name)]
        must(set(body.recipients) == set(permitted), "delivery keeps to audience and inbound_from", event.position)

    def _check_caps(self, event: Event, talk: Talk, sender: Person) -> None:
        body, rule = event.body, sender.rule
        recent = sum(1 for at_us in sender.sent_us if at_us > event.at_us - MINUTE_US)
        cap = rule.rate.envelopes_per_minute
        must(not cap or recent < cap, "the rate holds", f"{sender.name} has sent {recent} of {cap}")
        for agent_id in body.recipients:
            person = self.people[agent_id]
            most = person.rule.inbox.max_pending
            must(not most or len(person.pending) < most, "the cap of the inbox holds", f"{person.name} has {most}")
        cause = self.envelopes.get(event.cause or "")
        least = talk.depth
        if cause is not None:
            elsewhere = cause.body.session_id != talk.session_id
            deep = getattr(cause.body, "depth", self.talks[cause.body.session_id].depth)
            least = max(least, deep + elsewhere)
        must(body.depth >= least, "depth follows causation", f"{body.depth} < {least} at {event.position}")
        must(within(rule.limits.delegation_depth, body.depth), "the cap of depth holds", event.position)

    def _move(self, event: Event, talk: Talk) -> None:
        body = event.body
        since = talk.spoken = Since(body.sequence, event.at_us)
        if body.event_type != "ag2.msg.text":
            return
        must(talk.due_to_speak() in (None, body.sender_id), "turns are kept", event.position)
        talk.said += 1
        if talk.kind in ("brisk", "discussion"):
            talk.speaker = talk.after(body.sender_id)
        if talk.kind in ("brisk", "discussion", "consulting"):
            talk.turn = since
        talk.owed.pop(body.sender_id, None)
        if body.audience is not None:
            talk.owed |= dict.fromkeys(body.recipients, since)
        elif (speaker := talk.due_to_speak()) in body.recipients:
            talk.owed[str(speaker)] = since
        if talk.kind == "consulting" and talk.said == 2:
            self.owes = "close", talk.session_id

    def _departed(self, event: Event, talk: Talk | None) -> None:
        assert talk is not None
        agent_id = event.body.agent_id
        must(agent_id in talk.participants, "only a participant departs", event.position)
        talk.gone.add(agent_id)
        talk.owed.pop(agent_id, None)
        if isinstance(event.body, sessions.SessionParticipantLeft) and agent_id in talk.pending:
            talk.pending.remove(agent_id)
        if talk.speaker == agent_id:
            talk.speaker = talk.after(agent_id)
            talk.turn = Since(talk.sequence, event.at_us)

    def _ended(self, event: Event, talk: Talk | None) -> None:
        assert talk is not None
        if isinstance(event.body, sessions.SessionExpired):
            due = talk.expires_us is not None and event.at_us >= talk.expires_us
            must(due, "a session expires when its time is up", event.position)
        elif event.body.reason == "invite_timeout":
            must(talk.state == "pending" and event.at_us >= talk.invite_due_us, "invites time out when due", event.position)
        open_ones = [key for key, work in self.works.items() if work.session_id == talk.session_id]
        must(not open_ones, "a session's tasks end with it", open_ones)
        talk.state = "over"
        for person in self.people.values():
            for envelope_id in [one for one, where in person.pending.items() if where == talk.session_id]:
                person.released[envelope_id] = person.pending.pop(envelope_id)

    # Inboxes.

    def _acknowledged(self, event: Event, _: Talk | None) -> None:
        pairs = list(zip(event.body.agent_ids, event.body.envelope_ids, strict=True))
        by_hand = event.actor not in ("hub", "operator")
        for agent_id, envelope_id in pairs:
            must(not by_hand or event.actor == agent_id, "an agent acknowledges its own", event.position)
            must(agent_id in self.reach.get(envelope_id, ()), "what is acknowledged was sent", event.position)
            self._drop(agent_id, envelope_id)
        self.acknowledged += pairs if event.actor == "hub" else []

    def _turn_failed(self, event: Event, _: Talk | None) -> None:
        if event.body.final:
            self._drop(event.body.agent_id, event.body.envelope_id)

    def _drop(self, agent_id: str, envelope_id: str) -> None:
        if person := self.people.get(agent_id):
            person.pending.pop(envelope_id, None)
            person.released.pop(envelope_id, None)

    # Tasks.

    def _started(self, event: Event, talk: Talk | None) -> None:
        assert talk is not None
        body = event.body
        known = body.task_id in self.works or body.task_id in self.ended_works
        must(not known, "a task starts once", body.task_id)
        must(talk.state == "active" and body.owner_id in talk.participants, "tasks are a participant's", event.position)
        owner = self.people[body.owner_id]
        mine, cap = sum(1 for work in self.works.values() if work.owner_id == body.owner_id), (
            owner.rule.limits.max_concurrent_tasks
        )
        must(not cap or mine < cap, "the cap of tasks holds", f"{owner.name} has {mine} of {cap}")
        self.works[body.task_id] = Work(
            body.owner_id, body.session_id, body.capability, event.at_us, body.expires_us
        )

    def _progressed(self, event: Event, _: Talk | None) -> None:
        must(event.body.task_id in self.works, "progress is of open tasks", event.position)
        must(event.actor in (event.body.owner_id, "operator"), "a task is its owner's to report", event.position)

    def _finished(self, event: Event, _: Talk | None) -> None:
        body = event.body
        work = self.works.pop(body.task_id, None)
        if work is None:
            raise Found("a task ends once", body.task_id)
        self.ended_works.add(body.task_id)
        must(body.latency_us == event.at_us - work.started_us, "latency is from start to end", event.position)
        if isinstance(body, tasks.TaskExpired) and body.reason == "ttl_expired":
            due = work.expires_us is not None and event.at_us >= work.expires_us
            must(due, "a task expires when its time is up", event.position)
        if work.capability is not None and work.owner_id in self.people and self.owes is None:
            self.owes = "observe", body.task_id


def within(cap: int, value: int) -> bool:
    """Whether a value is at most the cap, if there is one."""
    return not cap or value <= cap


def admits(globs: Any, text: str) -> bool:
    """Whether one of the globs matches."""
    return any(fnmatchcase(text, glob) for glob in globs)


JUDGES: dict[type, Any] = {
    agents.AgentRegistered: Model._registered,
    agents.AgentUnregistered: Model._unregistered,
    agents.AgentRuleSet: Model._ruled,
    governance.AccessDenied: Model._denied,
    governance.TurnFailed: Model._turn_failed,
    sessions.SessionCreated: Model._created,
    sessions.SessionInviteSent: Model._invited,
    sessions.SessionInviteAccepted: Model._answered,
    sessions.SessionInviteRejected: Model._answered,
    sessions.SessionOpened: Model._opened,
    sessions.EnvelopePosted: Model._posted,
    sessions.InboxAcknowledged: Model._acknowledged,
    sessions.SessionParticipantHidden: Model._departed,
    sessions.SessionParticipantLeft: Model._departed,
    sessions.SessionClosed: Model._ended,
    sessions.SessionExpired: Model._ended,
    tasks.TaskStarted: Model._started,
    tasks.TaskProgressed: Model._progressed,
    **dict.fromkeys(tasks.TERMINAL, Model._finished),
}
