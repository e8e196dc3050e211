"""The commands behind a log, and deciding them again.

A log keeps what was decided, not what was asked; but what was asked follows from it (``replay.implied``). ``commands``
takes a log apart into appends and gives the command of each, ``redecide`` decides one again with the production code,
at the recorded time and with the recorded ids. On a log that nobody tampered with, under the rules and code that made
it, every command decided again gives the recorded events, byte for byte.

What is not in a log cannot be asked again: commands that were refused and not put on record, ticks and
acknowledgements that changed nothing, retries of an idempotency key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from events.agents import AgentRegistered, AgentRuleSet
from events.codec import encode
from events.event import OPERATOR, Event
from events.governance import ExpectationViolated
from events.log import EventLog, tagged
from events.tasks import TaskExpired
from events.values import Envelope, LimitsBlock, Rule
from hub.arbiter import Arbiter, RuleBasedArbiter
from hub.catalogue import Catalogue
from hub.decisions import Decision, decide
from hub.decisions.registration import Register
from hub.decisions.sweeping import CheckExpectations
from projections.state import HubState
from projections.wal import wal_envelope
from replay.errors import QuestionError
from replay.implied import COMMANDS, Limits

ReadWal = Callable[[str, int], Iterator[Envelope]]
"""Gives a session's write-ahead log as it was before a position."""
Failed = Callable[[str, BaseException], None]
_ARBITER = RuleBasedArbiter()


class Recorded(NamedTuple):
    """One command that was decided, and what came of it.

    ``actor`` is on whose authority it was, ``at_us`` when (microseconds since 1970), ``events`` the whole append in
    order, ``head`` the place in it of the event that implies the command: 0, but for a session's end, which comes
    behind its tasks'.
    """

    command: Any
    actor: str
    at_us: int
    events: tuple[Event, ...]
    head: int = 0

    @property
    def position(self) -> int:
        """The position of the append's first event; the command was decided on the state just before it."""
        return self.events[0].position

    @property
    def consequences(self) -> tuple[Event, ...]:
        """What followed from the command beside the event that implies it."""
        return self.events[: self.head] + self.events[self.head + 1 :]


def commands(events: Iterable[Event], limits: Limits | None = None) -> Iterator[Recorded]:
    """Give the commands that a log implies, in order; O(events), memory O(one append + agents).

    Args:
        events: with content, in order, from the first event of an append to the last of one: all of a log, say.
        limits: of the agents that were registered before the first of them; without it a TTL counts as asked for.

    Raises:
        QuestionError: the events begin or end in the middle of an append.
    """
    known = dict(limits or {})
    ahead: list[Event] = []  # the expired tasks of a session whose end comes behind them
    command, head, append = None, 0, list[Event]()
    for event in events:
        implied = COMMANDS[type(event.body)](event, known)
        _learn(known, event)
        if implied is None and _stands_ahead(event, ahead):
            ahead.append(event)
        elif implied is None or _same_tick(append, event):
            if ahead or not append:
                raise _cut(event)
            append.append(event)
        else:
            if append:
                yield _recorded(command, head, append)
            command, head, append, ahead = implied, len(ahead), [*ahead, event], []
    if ahead:
        raise _cut(ahead[0])
    if append:
        yield _recorded(command, head, append)


def _recorded(command: Any, head: int, append: list[Event]) -> Recorded:
    actor = OPERATOR if isinstance(command, Register) else append[head].actor
    return Recorded(command, actor, append[0].at_us, tuple(append), head)


def _cut(event: Event) -> QuestionError:
    return QuestionError(
        f"position {event.position} ({event.type}) is in the middle of what was decided as one: "
        "begin at its first event and end at its last",
        position=event.position,
    )


def _stands_ahead(event: Event, ahead: list[Event]) -> bool:
    """Whether an event is of a task that expired because its session was ended by a command of its own."""
    return (event.cause is None and isinstance(event.body, TaskExpired)) or event.cause in {e.id for e in ahead}


def _same_tick(append: list[Event], event: Event) -> bool:
    """Whether a violation was found in one look with those before it, which goes through the expectations once."""
    if not append or not isinstance(event.body, ExpectationViolated) or append[0].at_us != event.at_us:
        return False
    found = [e.body for e in append if isinstance(e.body, ExpectationViolated)]
    return bool(found) and found[0].session_id == event.body.session_id and found[-1].ordinal < event.body.ordinal


def _learn(limits: dict[str, LimitsBlock], event: Event) -> None:
    if isinstance(event.body, AgentRegistered | AgentRuleSet):
        limits[event.body.agent_id] = Rule.from_dict(event.body.rule).limits


def redecide(
    state: HubState,
    recorded: Recorded,
    *,
    catalogue: Catalogue,
    arbiter: Arbiter = _ARBITER,
    read_wal: ReadWal | None = None,
    failed: Failed | None = None,
) -> Decision:
    """Decide a recorded command again, at the recorded time and with the recorded ids, and write nothing.

    Args:
        state: what the command is decided on; not changed.
        recorded: the command.
        catalogue: the session types and expectations.
        arbiter: who is asked for permission; default: the agents' rules.
        read_wal: for custom evaluators that read the session's log, see ``wal_of``; None: they find it empty.
        failed: told of evaluators and handlers that raise, as a hub's listeners were the first time.

    A decision with more events than were recorded gets ids for them that no log has: they begin with ``ffffffffffff``.

    Raises:
        NetworkError: now it is refused.
    """
    command = recorded.command
    if isinstance(command, CheckExpectations):
        read = read_wal or _empty
        command = command._replace(
            read_wal=partial(read, command.session_id, recorded.position), failed=failed or command.failed
        )
    ids = iter([event.id for event in recorded.events])
    more = (f"{'f' * 12}{recorded.position:012x}{count:08x}" for count in range(1 << 32))
    return decide(
        state,
        command,
        arbiter=arbiter,
        catalogue=catalogue,
        at_us=recorded.at_us,
        new_id=lambda: next(ids, None) or next(more),
        actor=recorded.actor,
    )


def first_difference(decided: Sequence[Event], recorded: Sequence[Event]) -> int | None:
    """Return the place of the first event that is not the same to the byte in both, or None; O(bytes)."""
    for place, (ours, theirs) in enumerate(zip(decided, recorded, strict=False)):
        if encode(ours).data != encode(theirs).data:
            return place
    return None if len(decided) == len(recorded) else min(len(decided), len(recorded))


def wal_of(log: EventLog) -> ReadWal:
    """Return what reads sessions of a log as they were before a position; O(what is taken)."""

    def read(session_id: str, position: int) -> Iterator[Envelope]:
        events = log.read(tagged(f"session:{session_id}"), until=position - 1)
        return (envelope for event in events if (envelope := wal_envelope(event)) is not None)

    return read


def _empty(session_id: str, position: int) -> Iterator[Envelope]:
    return iter(())
