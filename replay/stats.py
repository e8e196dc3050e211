"""What a log comes to: counts, rates, latencies, refusals and violations, in all and by agent, session type or hour.

One pass over the events that are asked for, without their content; O(events) time. Memory: O(groups), and the last
``REMEMBERED`` envelopes, in which most of what was answered and acknowledged is found; what is not is looked up
in the log, O(log² n), so that the numbers are the same whatever is remembered.

=================  =================================================================================================
latency            from, to; whose
=================  =================================================================================================
``reply``          from an envelope to each one that names it as its cause and is posted by one who got it; the
                   replier's
``ack``            from an envelope to its acknowledgement by each who got it; theirs. What is acknowledged without an
                   event of its own, by answering or because the session ended, is not in it
``task``           from a task's start to its end, whichever it was; its owner's
=================  =================================================================================================
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from events.event import Event
from events.governance import AccessDenied, ExpectationViolated, TurnFailed
from events.log import tagged
from events.sessions import EnvelopePosted, InboxAcknowledged, SessionClosed, SessionCreated, SessionExpired
from events.tasks import TERMINAL
from events.values.envelope import is_protocol_event
from events.values.times import iso
from replay.history import History
from replay.latencies import Latencies
from replay.query import PROGRESS_EVENTS, Query

REMEMBERED = 65_536
SLOTS = 60
"""The time that is asked about is cut into so many slots for a chart."""
_HOUR_US = 3_600_000_000
_UNKNOWN = "unknown"


class By(StrEnum):
    """What to tell apart."""

    AGENT = "agent"
    TYPE = "type"
    HOUR = "hour"


@dataclass(slots=True)
class Tally:
    """What one group came to.

    ``refused`` counts refusals by error, those that the log left out too (GOV-6); ``violated`` by expectation,
    ``ended`` sessions by the word before a colon in their reason, ``tasks`` those that ended by outcome.
    """

    events: int = 0
    envelopes: int = 0
    sessions: int = 0
    failed_turns: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    violated: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    tasks: Counter[str] = field(default_factory=Counter)
    latencies: dict[str, Latencies] = field(
        default_factory=lambda: {name: Latencies() for name in ("reply", "ack", "task")}
    )


class Slot(NamedTuple):
    """One slot of a chart: when it begins, and what was counted in it."""

    at_us: int
    envelopes: int
    refused: int
    violated: int


@dataclass(frozen=True, slots=True)
class Stats:
    """What a log came to.

    Attributes:
        total: all of it.
        by: what ``groups`` tell apart, or None.
        groups: key to tally, in order of the key; agents by name. What belongs to no session has no type, and is in
            the total only.
        first_us, last_us: the times of the first and the last event counted; 0 for none.
        busiest: the calendar minute with the most envelopes, and how many.
        slots: the time between them, in equal parts.
        acknowledged: False when a session was asked for, whose acknowledgements do not name it.
    """

    total: Tally
    by: By | None
    groups: dict[str, Tally]
    first_us: int
    last_us: int
    busiest: tuple[int, int]
    slots: tuple[Slot, ...]
    acknowledged: bool

    @property
    def span_us(self) -> int:
        """How long it was."""
        return self.last_us - self.first_us


class _Sent(NamedTuple):
    """What is remembered of an envelope."""

    at_us: int
    session_id: str
    reached: tuple[str, ...]


def stats(
    history: History,
    query: Query | None = None,
    by: By | None = None,
    progress: Callable[[int], None] | None = None,
) -> Stats:
    """Count what a log, or the part that a query selects, came to.

    Args:
        history: the log.
        query: which events, by its ``agents``, ``sessions``, ``types``, ``tags``, ``since`` and ``until``; None is all.
        by: what to tell apart beside the total.
        progress: told the position reached, now and then.

    Raises:
        QuestionError: the query names what is not there.
    """
    query = query or Query()
    selection = history.select(query)
    counting = _Counting(history, by, *_window(history, selection.after, selection.until))
    for event in history.log.read(selection.index, after=selection.after, until=selection.until, content=False):
        counting.count(event)
        if progress is not None and event.position % PROGRESS_EVENTS == 0:
            progress(event.position)
    return counting.result(acknowledged=not query.sessions)


def _window(history: History, after: int, until: int) -> tuple[int, int]:
    """Return the times of the first and the last event between two positions, all of them or not."""
    ends = [history.log.get(position, content=False) for position in (after + 1, until) if after < until]
    times = [event.at_us for event in ends if event is not None]
    return (times[0], times[-1]) if times else (0, 0)


class _Counting:
    """The pass: each event is put where it counts."""

    def __init__(self, history: History, by: By | None, start_us: int, end_us: int) -> None:
        self._history, self._by = history, by
        self._total, self._groups = Tally(), dict[str, Tally]()
        self._sent: OrderedDict[str, _Sent] = OrderedDict()
        self._start_us, self._slot_us = start_us, max(-(-(end_us - start_us + 1) // SLOTS), 1)
        self._slots = [[0, 0, 0] for _ in range(SLOTS)]
        self._first_us = self._last_us = 0
        self._minute = self._minute_count = 0
        self._busiest = (0, 0)
        self._type_of = lru_cache(REMEMBERED)(self._session_type)

    def result(self, *, acknowledged: bool) -> Stats:
        slots = tuple(Slot(self._start_us + n * self._slot_us, *counts) for n, counts in enumerate(self._slots))
        names = self._history.names.agent if self._by is By.AGENT else str
        groups: dict[str, Tally] = {}
        for key, tally in sorted(self._groups.items(), key=lambda item: (names(item[0]), item[0])):
            name = names(key)
            groups[name if name not in groups else f"{name} ({key[-8:]})"] = tally  # names may be used again (REG-3)
        times = self._first_us, self._last_us
        return Stats(self._total, self._by, groups, *times, self._busiest, slots, acknowledged)

    def count(self, event: Event) -> None:
        self._first_us, self._last_us = self._first_us or event.at_us, event.at_us
        body = event.body
        for tally in self._tallies(event, event.actor, getattr(body, "session_id", None)):
            tally.events += 1
        counter = _COUNTERS.get(type(body))
        if counter is not None:
            counter(self, event)

    def _tallies(self, event: Event, agent_id: str, session_id: str | None) -> Iterable[Tally]:
        yield self._total
        if self._by is None:
            return
        if self._by is By.AGENT:
            key = agent_id
        elif self._by is By.HOUR:
            key = iso(event.at_us // _HOUR_US * _HOUR_US)
        elif session_id is None:
            return
        else:
            key = self._type_of(session_id)
        tally = self._groups.get(key)
        if tally is None:
            tally = self._groups[key] = Tally()
        yield tally

    def _session_type(self, session_id: str) -> str:
        query = tagged(f"session:{session_id}", types=(SessionCreated,))
        created = next(self._history.log.read(query, limit=1, content=False), None)
        return _UNKNOWN if created is None else str(created.body.manifest["type"])

    def _slot(self, event: Event, place: int, count: int = 1) -> None:
        self._slots[min((event.at_us - self._start_us) // self._slot_us, SLOTS - 1)][place] += count

    def _posted(self, event: Event) -> None:
        body: EnvelopePosted = event.body
        if is_protocol_event(body.event_type):
            return
        for tally in self._tallies(event, body.sender_id, body.session_id):
            tally.envelopes += 1
        self._slot(event, 0)
        self._in_minute(event.at_us)
        if event.cause is not None:
            cause = self._found(event.cause)
            if cause is not None and body.sender_id in cause.reached:
                self._took("reply", event, body.sender_id, body.session_id, event.at_us - cause.at_us)
        self._sent[event.id] = _Sent(event.at_us, body.session_id, body.recipients)
        if len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)

    def _in_minute(self, at_us: int) -> None:
        minute = at_us // 60_000_000
        self._minute_count = self._minute_count + 1 if minute == self._minute else 1
        self._minute = minute
        if self._minute_count > self._busiest[1]:
            self._busiest = (minute * 60_000_000, self._minute_count)

    def _found(self, envelope_id: str) -> _Sent | None:
        sent = self._sent.get(envelope_id)
        if sent is not None:
            return sent
        event = self._history.log.find(envelope_id)
        if event is None or not isinstance(event.body, EnvelopePosted):
            return None
        return _Sent(event.at_us, event.body.session_id, event.body.recipients)

    def _took(self, what: str, event: Event, agent_id: str, session_id: str | None, us: int) -> None:
        for tally in self._tallies(event, agent_id, session_id):
            tally.latencies[what].add(us)

    def _acknowledged(self, event: Event) -> None:
        body: InboxAcknowledged = event.body
        for agent_id, envelope_id in zip(body.agent_ids, body.envelope_ids, strict=True):
            sent = self._found(envelope_id)
            if sent is not None:
                self._took("ack", event, agent_id, sent.session_id, event.at_us - sent.at_us)

    def _task_ended(self, event: Event) -> None:
        body = event.body
        for tally in self._tallies(event, body.owner_id, body.session_id):
            tally.tasks[event.type.removeprefix("task.")] += 1
        self._took("task", event, body.owner_id, body.session_id, body.latency_us)

    def _refused(self, event: Event) -> None:
        body: AccessDenied = event.body
        for tally in self._tallies(event, body.subject, body.session_id):
            tally.refused[body.error] += 1 + body.left_out
        self._slot(event, 1, 1 + body.left_out)

    def _violated(self, event: Event) -> None:
        body: ExpectationViolated = event.body
        self._total.violated[body.expectation] += 1
        self._slot(event, 2)
        keys = set()
        for agent_id in body.violators or (event.actor,):
            for tally in self._tallies(event, agent_id, body.session_id):
                if tally is not self._total and id(tally) not in keys:
                    keys.add(id(tally))
                    tally.violated[body.expectation] += 1

    def _created(self, event: Event) -> None:
        for tally in self._tallies(event, event.body.creator_id, event.body.session_id):
            tally.sessions += 1

    def _ended(self, event: Event) -> None:
        for tally in self._tallies(event, event.actor, event.body.session_id):
            tally.ended[event.body.reason.partition(":")[0]] += 1

    def _turn_failed(self, event: Event) -> None:
        for tally in self._tallies(event, event.body.agent_id, event.body.session_id):
            tally.failed_turns += 1


_COUNTERS: dict[type, Callable[[_Counting, Event], None]] = {
    EnvelopePosted: _Counting._posted,
    InboxAcknowledged: _Counting._acknowledged,
    AccessDenied: _Counting._refused,
    ExpectationViolated: _Counting._violated,
    TurnFailed: _Counting._turn_failed,
    SessionCreated: _Counting._created,
    SessionClosed: _Counting._ended,
    SessionExpired: _Counting._ended,
    **dict.fromkeys(TERMINAL, _Counting._task_ended),
}
"""Body class to what counts it; all others count as events only."""
