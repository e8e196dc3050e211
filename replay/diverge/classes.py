"""What parts two runs: the first class that fits, and what it rests on. ``replay.diverge`` has the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from itertools import islice
from typing import Any, NamedTuple

from events.agents import AgentRegistered, AgentRuleSet
from events.errors import RateLimitedError
from events.event import Event
from events.governance import AccessDenied
from events.log import tagged
from events.sessions import EnvelopePosted, SessionCreated
from events.values.frozen import thaw
from hub.decisions.opening import AnswerInvite
from hub.decisions.posting import FailTurn
from hub.decisions.sweeping import CheckExpectations, Lapse, LapseTask
from hub.decisions.tasks import UpdateTask
from projections.state import HubState
from replay.diverge.runs import Run, Step
from replay.render.text import leaves
from replay.snapshot.story import unnumbered

ORDER_MAX = 1000
"""Among how many commands after the divergence each is looked for in the other log."""
_TIMED = (Lapse, LapseTask, CheckExpectations)


class Class(StrEnum):
    """What parts two runs."""

    INPUT = "input"
    RULE = "rule"
    REPLY = "reply"
    ORDER = "order"
    TIME = "time"
    CODE = "code"


class Verdict(NamedTuple):
    """A class, how it was decided, and the events of each run that it rests on."""

    kind: Class
    why: str
    a: tuple[Event, ...] = ()
    b: tuple[Event, ...] = ()


class Parting(NamedTuple):
    """Two runs where they part: the commands that differ, and what comes behind; None where a log ends."""

    runs: tuple[Run, Run]
    here: tuple[Step | None, Step | None]
    rest: tuple[Iterator[Step], Iterator[Step]]

    @property
    def both(self) -> tuple[Step, Step] | None:
        """The two commands, unless a log ended."""
        one, other = self.here
        return None if one is None or other is None else (one, other)


def classify(parting: Parting) -> Verdict:
    """Return the first class that fits."""
    return (
        _another_rule(parting)
        or _another_manifest(parting)
        or _decided_otherwise(parting)
        or _another_order(parting)
        or _time(parting)
        or _refused(parting)
        or _reply(parting)
        or _input(parting)
    )


# Rules.


def _another_rule(parting: Parting) -> Verdict | None:
    if parting.both is None:
        return None
    bodies = [step.head.body for step in parting.both]
    if not all(isinstance(body, AgentRegistered | AgentRuleSet) for body in bodies):
        return None
    names = [run.cast.name(body.agent_id) for run, body in zip(parting.runs, bodies, strict=True)]
    same = type(bodies[0]) is type(bodies[1]) and names[0] == names[1] and _but_rule(bodies[0]) == _but_rule(bodies[1])
    if not same or bodies[0].rule == bodies[1].rule:
        return None
    return Verdict(Class.RULE, f"{names[0]} has another rule: {_apart(bodies[0].rule, bodies[1].rule)}")


def _but_rule(body: Any) -> dict[str, Any]:
    return {name: value for name, value in body._asdict().items() if name not in ("rule", "agent_id", "version")}


def _another_manifest(parting: Parting) -> Verdict | None:
    bodies = [step.head.body for step in parting.both or ()]
    if not bodies or not all(isinstance(body, SessionCreated) for body in bodies):
        return None
    one, other = (thaw(body.manifest) for body in bodies)
    if one == other or one["type"] != other["type"]:
        return None
    return Verdict(Class.RULE, f"the session type {one['type']} is another one: {_apart(one, other)}")


def _apart(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    here, there = ", ".join(leaves(was, now)), ", ".join(leaves(now, was))
    return f"{here or 'nothing'} in A, {there or 'nothing'} in B"


# Decided otherwise.


def _decided_otherwise(parting: Parting) -> Verdict | None:
    if parting.both is None or parting.both[0].asked != parting.both[1].asked:
        return None
    states = [run.before(step) for run, step in zip(parting.runs, parting.both, strict=True)]
    rules = [{each.passport.name: each.rule.to_dict() for each in state.registry.agents.values()} for state in states]
    for name in rules[0]:
        if rules[0][name] != rules[1].get(name, rules[0][name]):
            a, b = (_rule_of(run, state, name) for run, state in zip(parting.runs, states, strict=True))
            return Verdict(
                Class.RULE, f"the rule of {name} is another one: {_apart(rules[0][name], rules[1][name])}", a, b
            )
    return _code(parting, parting.both)


def _rule_of(run: Run, state: HubState, name: str) -> tuple[Event, ...]:
    query = tagged(f"agent:{state.registry.names[name]}", types=(AgentRegistered, AgentRuleSet))
    return tuple(run.history.log.read(query, until=state.position, backwards=True, limit=1))


_AGAIN = {
    (True, True): "as recorded in both, each on its own state",
    (True, False): "as in A",
    (False, True): "as in B",
    (False, False): "as in neither",
}


def _code(parting: Parting, both: tuple[Step, Step]) -> Verdict:
    one, other = (run.decides_again(step) for run, step in zip(parting.runs, both, strict=True))
    libraries = [run.opened.body.library if run.opened else "unknown" for run in parting.runs]
    made = f"; A was made by ledgerhub {libraries[0]}, B by {libraries[1]}" if libraries[0] != libraries[1] else ""
    why = f"the same was asked and decided otherwise; today's code decides it {_AGAIN[one, other]}{made}"
    return Verdict(Class.CODE, why, *((run.opened,) if run.opened else () for run in parting.runs))


# Order, time, and who did what.


def _another_order(parting: Parting) -> Verdict | None:
    if parting.both is None:
        return None
    one, other = (_words(step) for step in parting.both)
    in_a, in_b = (list(islice(rest, ORDER_MAX)) for rest in parting.rest)
    later_a = next((step.head for step in in_a if _words(step) == other), None)
    later_b = next((step.head for step in in_b if _words(step) == one), None)
    if later_a is None or later_b is None:
        return None
    why = f"what comes first in A is at @{later_b.position} in B, what comes first in B at @{later_a.position} in A"
    return Verdict(Class.ORDER, why, (later_a,), (later_b,))


def _words(step: Step) -> list[str]:
    return [unnumbered(line) for line in step.said]


def _time(parting: Parting) -> Verdict | None:
    for run, step in zip(parting.runs, parting.here, strict=True):
        if step is None:
            continue
        if isinstance(step.recorded.command, _TIMED):
            return Verdict(Class.TIME, f"in {run.label} the hub looked at the clock, and found that time was up")
        if isinstance(step.head.body, AccessDenied) and step.head.body.error == RateLimitedError.code:
            who = run.cast.name(step.head.body.subject)
            return Verdict(Class.TIME, f"in {run.label} {who} had used up its rate, a matter of when it spoke")
    return None


def _refused(parting: Parting) -> Verdict | None:
    """One run let in what the other refused, though all before it was the same."""
    if parting.both is None:
        return None
    for first, second in (parting.both, parting.both[::-1]):
        denied, posted = first.head.body, second.head.body
        if isinstance(denied, AccessDenied) and isinstance(posted, EnvelopePosted) and denied.action == "post":
            runs = parting.runs if first is parting.both[0] else parting.runs[::-1]
            who = [runs[0].cast.name(denied.subject), runs[1].cast.name(posted.sender_id)]
            where = [runs[0].cast.name(denied.session_id or ""), runs[1].cast.name(posted.session_id)]
            if who[0] == who[1] and where[0] == where[1]:
                return _code(parting, parting.both)
    return None


def _reply(parting: Parting) -> Verdict | None:
    told = []
    for run, step in zip(parting.runs, parting.here, strict=True):
        if step is not None and (doing := _on_what(run, step)) is not None:
            told.append(f"in {run.label} {doing}")
    return Verdict(Class.REPLY, "; ".join(told)) if told else None


def _on_what(run: Run, step: Step) -> str | None:
    """Say on what an agent did something, or None where it was of its own accord or from outside."""
    head, command, cast = step.head, step.recorded.command, run.cast
    doers = getattr(head.body, "agent_ids", None) or (getattr(head.body, "sender_id", None) or head.actor,)
    who = ", ".join(map(cast.name, dict.fromkeys(doers)))
    if head.cause is not None and cast.is_envelope(head.cause):
        return f"{who} acted on {_place(run, head.cause)}"
    if isinstance(command, AnswerInvite):
        return f"{cast.name(command.agent_id)} answered the invite to {run.history.names.session(command.session_id)}"
    if isinstance(command, FailTurn | UpdateTask):
        return f"{who} told of {'its turn' if isinstance(command, FailTurn) else 'a task'}"
    if not isinstance(head.body, EnvelopePosted):
        return None
    record = run.before(step).sessions.live.get(head.body.session_id)
    turn = None if record is None else record.turn
    if turn is not None and turn.speaker == head.body.sender_id and turn.envelope_id is not None:
        return f"{who} had the turn by {_place(run, turn.envelope_id)}"
    owed = None if record is None else record.owed.get(head.body.sender_id)
    return None if owed is None else f"{who} owed a reply"


def _place(run: Run, event_id: str) -> str:
    event = run.history.log.find(event_id)
    return "what is not in the log" if event is None else f"@{event.position}"


def _input(parting: Parting) -> Verdict:
    for run, step in zip(parting.runs, parting.here, strict=True):
        if step is None:
            return Verdict(Class.INPUT, f"{run.label} ends here, and the other log goes on with what came from outside")
    return Verdict(Class.INPUT, "what came from outside is not the same")
