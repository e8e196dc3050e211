"""The changed world beside the recorded one, moved on command by command.

Each recorded command is decided by the production code, at the recorded time, on the changed state; what it gives is
folded there, and what was recorded is folded beside it. The rules of causality:

- **Rests on.** A command that names an event that does not happen now (its cause, the envelope it is about, its
  session, task or agent) is *moot*: it is not asked again, and what rests on it is moot in turn.
- **Turns.** A text whose sender had the turn by an envelope that does not happen now, or owed it a reply, and who has
  no turn and owes nothing now, was an answer to it: it is moot too.
- **Own accord.** Everything else is asked again as it was recorded: nobody is made to say something new, or to say it
  again because it was refused.
- **Time.** What the hub did when it looked (a TTL, an expectation) is asked again at the recorded moment. A deadline
  that is another one now is looked at when it is due, where a running hub looks up to one sweep later.
- **Ids.** An event that happens again keeps its id; one that no log has gets an id that begins with ``ffffffffffff``.

Refusals of this world are told and do not go on its record. Memory: both states, and the ids of what does not happen
now; O(live + differences).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from events.agents import AgentRuleSet
from events.errors import AccessDeniedError, AuthError, InboxFull, NetworkError, NotFoundError, ProtocolError
from events.event import HUB, Event
from events.log import EventLog
from events.sessions import SessionClosed, SessionCreated, SessionExpired
from events.values.envelope import Envelope
from hub.arbiter import Arbiter, RuleBasedArbiter
from hub.catalogue import Catalogue
from hub.decisions import decide
from hub.decisions.opening import CreateSession
from hub.decisions.refusing import RecordDenial
from hub.decisions.registration import Register, SetRule
from hub.decisions.sweeping import CheckExpectations, Lapse, LapseTask
from projections.state import HubState
from replay.commands import Failed, Recorded, redecide, wal_of
from replay.whatif.alike import alike, identical, in_order, twins
from replay.whatif.caps import Levels
from replay.whatif.deadlines import EXPECTATIONS, TASK, OtherDeadlines
from replay.whatif.denied import probe
from replay.whatif.gone import Gone
from replay.whatif.plan import Plan
from replay.whatif.report import Difference, Kind, Report
from replay.whatif.types import Types

ON_RECORD = (AccessDeniedError, AuthError, InboxFull)
"""Refusals that a hub puts on record (``hub.refusals``)."""
_RULE, _MANIFEST = frozenset({"rule"}), frozenset({"manifest"})
_NEW_ID = "f" * 13


class Rules(NamedTuple):
    """What a world decides with."""

    catalogue: Catalogue
    arbiter: Arbiter
    types: Types


class World:
    """The two states, and what is different between them.

    Args:
        was: the recorded state at the point; folded on.
        now: its copy, under the changed session types; changed, and folded on.
        plan: what is to be otherwise.
        log: the recorded log, for evaluators that read a session's.
        rules: what the changed world decides with.
        report: counts what is found.
        failed: told of evaluators and handlers that raise.
    """

    def __init__(
        self,
        was: HubState,
        now: HubState,
        plan: Plan,
        log: EventLog,
        rules: Rules,
        report: Report,
        failed: Failed | None = None,
    ) -> None:
        self.was, self.now, self.report = was, now, report
        self._plan, self._rules = plan, rules
        then: Any = was.catalogue  # a state knows it as what folds need of it
        self._then = Rules(then, RuleBasedArbiter(), Types(then, Plan()))
        self._read, self._failed = wal_of(log), failed or _unheard
        self._gone = Gone()
        self._ends: dict[str, list[str | None]] = {}
        self._deadlines = OtherDeadlines(was, now)
        self._drawn = 0
        self.levels_was = Levels(was, was.position)
        self._change()
        self.levels_now = Levels(now, was.position)
        self.decided: Sequence[Event] = ()

    def _change(self) -> None:
        """Put the changes into the changed state."""
        for agent_id, record in self.now.registry.agents.items():
            rule = self._plan.rule(agent_id, record.passport.name, record.rule)
            if rule != record.rule:
                self.now.suppose(AgentRuleSet(agent_id, rule.version, rule.to_dict()))
        for session in self.now.sessions.live.values():
            if self._plan.settle(session, created_before=True):
                self.now.plan(session.session_id)
                self._deadlines.compare_session(session.session_id)

    # One step.

    def step(self, recorded: Recorded) -> Iterator[Difference]:
        """Move both worlds over a recorded command; gives what comes out otherwise."""
        yield from self._pass_time(recorded.at_us)
        self.report.asked += 1
        self.decided = ()
        difference = self._ask(recorded)
        for event in recorded.events:
            self.was.apply(event)
            self.levels_was.note(self.was, event, event.position)
        self._compare(recorded.events, self.decided)
        if difference is not None:
            self.report.note(difference)
            yield difference

    def _ask(self, recorded: Recorded) -> Difference | None:
        event = recorded.events[recorded.head]
        rests = self._gone.behind(event, self.was, self.now)
        if rests is not None:
            return self._left_out(recorded, Kind.MOOT, because=rests)
        if (why := self._cannot_be_asked(event)) is not None:
            self.report.taken_over[why] += 1
            first = self.now.position + 1
            self._follow([e._replace(position=n) for n, e in enumerate(recorded.events, first)], event.position)
            return None
        if isinstance(recorded.command, RecordDenial):
            return self._ask_refused(recorded)
        return self._redecide(self._under_plan(recorded))

    def _redecide(self, recorded: Recorded, error: str = "", message: str = "") -> Difference | None:
        try:
            decided = self._decided(recorded)
        except NetworkError as refusal:
            refusal = self._as_told(refusal)
            return self._left_out(recorded, Kind.REFUSED, refusal.code, refusal.message)
        self._follow(decided, recorded.events[recorded.head].position)
        if identical(decided, recorded.events):
            self.report.again += 1
            return None
        if alike(decided, recorded.events, self._planned(recorded)):
            self.report.again += 1
            self.report.renumbered += alike(decided, recorded.events)
            return None
        ids = {event.id for event in decided}
        self._gone.add(event for event in recorded.events if event.id not in ids)
        kind = Kind.CHANGED if decided else Kind.UNDUE
        return _difference(kind, recorded, tuple(decided), error, message)

    def _decided(self, recorded: Recorded) -> list[Event]:
        """Decide again, and once more with other ids when the events are not the recorded ones in their order."""
        decided = self._once(recorded)
        if not decided or in_order(decided, recorded.events):
            return decided
        found = twins(decided, recorded.events)
        ids = [self._new_id() if twin is None else twin.id for twin in found]
        named = tuple(event._replace(id=new) for event, new in zip(decided, ids, strict=True))
        first = named[0]._replace(position=recorded.position)
        return self._once(recorded._replace(events=(first, *named[1:])))

    def _once(self, recorded: Recorded) -> list[Event]:
        opened = isinstance(recorded.command, CreateSession)
        return redecide(
            self.now,
            recorded,
            catalogue=self._rules.types.of(recorded.events[0].body) if opened else self._rules.catalogue,
            arbiter=self._rules.arbiter,
            read_wal=self._read_wal,
            failed=self._failed,
        ).events

    def _under_plan(self, recorded: Recorded) -> Recorded:
        """A rule that is changed stays changed, whatever is set later."""
        command = recorded.command
        if isinstance(command, Register):
            name, agent_id = command.passport.name, recorded.events[0].body.agent_id
        elif isinstance(command, SetRule):
            agent_id = command.agent_id
            name = self.now.registry.name_of(agent_id) or ""
        else:
            return recorded
        return recorded._replace(command=command._replace(rule=self._plan.rule(agent_id, name, command.rule)))

    def _planned(self, recorded: Recorded) -> frozenset[str]:
        """What of the events differs because the plan says so, and is no difference therefore."""
        command, body = recorded.command, recorded.events[0].body
        if isinstance(command, Register | SetRule):
            name = self.now.registry.name_of(body.agent_id) or ""
            return _RULE if self._plan.concerns(body.agent_id, name) else frozenset()
        changed = isinstance(command, CreateSession) and command.session_type in self._plan.types
        return _MANIFEST if changed else frozenset()

    def _follow(self, decided: Sequence[Event], place: int) -> None:
        """Fold what was decided into the changed world, at a place of the recorded one."""
        self.decided = decided
        for event in decided:
            self.now.apply(event)
            self.levels_now.note(self.now, event, place)
            if isinstance(event.body, SessionCreated) and self._plan.settle(
                self.now.sessions.live[event.body.session_id], created_before=False
            ):
                self.now.plan(event.body.session_id)

    # What does not happen now.

    def _left_out(
        self, recorded: Recorded, kind: Kind, error: str = "", message: str = "", because: int = 0
    ) -> Difference:
        self._gone.add(recorded.events)
        return _difference(kind, recorded, (), error, message, because)

    def _as_told(self, refusal: NetworkError) -> NetworkError:
        """Say of a session that ended in this world alone what a hub would."""
        session_id = refusal.facts.get("ended_session_id")
        ends = self._ends.get(session_id) if isinstance(refusal, NotFoundError) and session_id else None
        return ProtocolError(f"session {session_id} is over ({ends[1]})") if ends and ends[1] else refusal

    # What cannot be asked.

    def _cannot_be_asked(self, event: Event) -> str | None:
        """Say why a command is taken as it is: its session's type is not loaded."""
        body = event.body
        name = body.manifest["type"] if isinstance(body, SessionCreated) else None
        if name is not None:
            loaded = self._rules.catalogue.adapter(name, body.manifest["version"]) is not None
        else:
            record = self.now.sessions.live.get(getattr(body, "session_id", None) or "")
            loaded = record is None or self.now.sessions.adapter(record) is not None
            name = record.manifest.type if record is not None else None
        return None if loaded else f"session type {name} is not loaded"

    def _ask_refused(self, recorded: Recorded) -> Difference | None:
        """Ask again for what was refused; the recorded world vouches for the question."""
        event, command = recorded.events[0], recorded.command
        question = probe(event, self.was, self._then.catalogue, partial(self._refusal, self.was, self._then, recorded))
        if question is None:
            self.report.taken_over[f"a refused {event.body.action}: the log does not keep what was asked"] += 1
            return self._redecide(recorded)
        refusal = self._refusal(self.now, self._rules, recorded, question)
        if refusal is None:
            return self._left_out(recorded, Kind.LET_IN, message=event.body.message)
        if refusal.code == event.body.error:
            return self._redecide(recorded)
        if not isinstance(refusal, ON_RECORD):
            return self._left_out(recorded, Kind.REFUSED, refusal.code, refusal.message)
        other = command._replace(refusal=command.refusal._replace(error=refusal.code), message=refusal.message)
        return self._redecide(recorded._replace(command=other), refusal.code, refusal.message)

    def _refusal(self, state: HubState, rules: Rules, recorded: Recorded, question: Any) -> NetworkError | None:
        try:
            decide(
                state,
                question,
                arbiter=rules.arbiter,
                catalogue=rules.catalogue,
                at_us=recorded.at_us,
                new_id=lambda: "f" * 32,
                actor=recorded.actor,
            )
        except NetworkError as refusal:
            return refusal
        return None

    # Time.

    def _pass_time(self, until_us: int) -> Iterator[Difference]:
        """Look at what is due in this world alone, each thing when it is due."""
        for due in self._deadlines.until(until_us):
            if due.overslept:
                self.report.taken_over["a deadline at which the hub did not look then, either"] += 1
            else:
                yield from self._look(due.what, due.about, max(due.at_us, self.now.at_us))

    def _look(self, what: str, about: str, at_us: int) -> Iterator[Difference]:
        command: Any = LapseTask(about) if what == TASK else Lapse(about)
        if what == EXPECTATIONS:
            command = CheckExpectations(about, partial(self._read_wal, about, self.was.position + 1), self._failed)
        rules = self._rules
        decided = decide(
            self.now,
            command,
            arbiter=rules.arbiter,
            catalogue=rules.catalogue,
            at_us=at_us,
            new_id=self._new_id,
            actor=HUB,
        ).events
        if not decided:
            return
        self._follow(decided, self.was.position)
        self._compare((), decided)
        difference = Difference(Kind.NEW, 0, at_us, type(command).__name__, (), tuple(decided))
        self.report.note(difference)
        yield difference

    def _new_id(self) -> str:
        self._drawn += 1
        return f"{_NEW_ID}{self._drawn:019x}"

    def _compare(self, recorded: Sequence[Event], decided: Sequence[Event]) -> None:
        """Take note of deadlines that are not the recorded ones, and of how sessions ended."""
        touched: set[str] = set()
        for side, events in enumerate((recorded, decided)):
            for event in events:
                body = event.body
                if (session_id := getattr(body, "session_id", None)) is not None:
                    touched.add(session_id)
                if (task_id := getattr(body, "task_id", None)) is not None:
                    self._deadlines.compare_task(task_id)
                if isinstance(body, SessionClosed | SessionExpired):
                    self._ends.setdefault(body.session_id, [None, None])[side] = body.reason
        for session_id in touched:
            self._deadlines.compare_session(session_id)
            ends = self._ends.get(session_id)
            if ends is not None and ends[0] == ends[1]:
                del self._ends[session_id]

    def ends(self) -> Iterator[tuple[str, str | None, str | None]]:
        """Give the sessions that ended otherwise: id, how it was recorded, how it is now."""
        return ((session_id, was, now) for session_id, (was, now) in self._ends.items())

    def _read_wal(self, session_id: str, position: int) -> Iterator[Envelope]:
        """A session's log for evaluators of one's own: as recorded, without what does not happen now."""
        return (one for one in self._read(session_id, position) if one.envelope_id not in self._gone)


def _unheard(what: str, error: BaseException) -> None:
    """Nobody listens: an evaluator that raises stops neither the others nor the look (trap 42)."""


def _difference(
    kind: Kind,
    recorded: Recorded,
    now: tuple[Event, ...],
    error: str = "",
    message: str = "",
    because: int = 0,
) -> Difference:
    head, name = recorded.events[recorded.head], type(recorded.command).__name__
    return Difference(kind, head.position, recorded.at_us, name, recorded.events, now, error, message, because)
