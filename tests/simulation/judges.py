"""Judges of what happens to agents, sessions, inboxes and tasks: what must hold of an event, and what follows.

``JUDGES`` is the table of all; the judges of posts and of violations have modules of their own.
"""

from __future__ import annotations

from events import agents, governance, sessions, tasks
from events.event import Event
from events.values import Rule
from tests.simulation.found import Found, must
from tests.simulation.model import Judge, Model
from tests.simulation.owing import violated
from tests.simulation.posts import posted
from tests.simulation.standing import MINUTE_US, Person, Since, Talk, Work, admits, within

ATTEMPTS_MAX = 3
"""How often an envelope is handed over whose handler fails (trap 52)."""


def registered(model: Model, event: Event, _: Talk | None) -> None:
    body = event.body
    must(model.find(body.name) is None, "a name has one holder", body.name)
    model.people[body.agent_id] = Person(body.name, Rule.from_dict(body.rule), claims=body.capabilities)


def unregistered(model: Model, event: Event, _: Talk | None) -> None:
    must(model.people.pop(event.body.agent_id, None), "who leaves was there", event.body.agent_id)
    model.gone.add(event.body.agent_id)


def ruled(model: Model, event: Event, _: Talk | None) -> None:
    model.people[event.body.agent_id].rule = Rule.from_dict(event.body.rule)


def claimed(model: Model, event: Event, _: Talk | None) -> None:
    model.people[event.body.agent_id].claims = event.body.capabilities


def observed(model: Model, event: Event, _: Talk | None) -> None:
    agent_id, task_id = event.body.agent_id, event.body.task_id
    must(agent_id in model.people or task_id in model.ended_works, "who is observed is there", event.position)
    if agent_id in model.people:
        model.people[agent_id].shown.add(event.body.capability)


def denied(model: Model, event: Event, _: Talk | None) -> None:
    body = event.body
    like = (body.subject, body.action, body.target, body.error)
    before = model.denied.get(like)
    must(before is None or event.at_us - before >= MINUTE_US, "like refusals are recorded once a minute", like)
    model.denied[like] = event.at_us


def created(model: Model, event: Event, _: Talk | None) -> None:
    body, creator = event.body, model.people[event.body.creator_id]
    must(body.session_id not in model.talks, "a session is created once", body.session_id)
    rule, kind = creator.rule, body.manifest["type"]
    mine = sum(1 for talk in model.live() if talk.creator_id == body.creator_id)
    cap = rule.limits.max_concurrent_sessions
    must(not cap or mine < cap, "the cap of sessions holds", f"{creator.name} has {mine} of {cap}")
    must(within(rule.limits.delegation_depth, body.depth), "the cap of depth holds", body.depth)
    for agent_id in body.participants:
        person = model.people.get(agent_id)
        if person is None:
            raise Found("who takes part is registered", agent_id)
        must(admits(person.rule.access.session_types_allowed, kind), "session types are allowed", person.name)
        if agent_id != body.creator_id:
            must(admits(rule.access.outbound_to, person.name), "an open keeps to outbound_to", person.name)
            must(admits(person.rule.access.inbound_from, creator.name), "an open keeps to inbound_from", person.name)
    model.talks[body.session_id] = Talk(
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
        model.owe("open", body.session_id)


def invited(model: Model, event: Event, talk: Talk | None) -> None:
    assert talk is not None
    must(event.body.invitee_id in talk.invited, "one invite per invitee", event.position)
    talk.invited.remove(event.body.invitee_id)
    talk.pending.append(event.body.invitee_id)


def answered(model: Model, event: Event, talk: Talk | None) -> None:
    assert talk is not None
    body = event.body
    must(body.agent_id in talk.pending, "only a pending invitee answers", event.position)
    must(event.actor in (body.agent_id, "operator"), "an invitee answers for itself", event.position)
    talk.pending.remove(body.agent_id)
    if isinstance(body, sessions.SessionInviteRejected):
        model.owe("close", talk.session_id)
    elif not talk.pending:
        model.owe("open", talk.session_id)


def opened(model: Model, event: Event, talk: Talk | None) -> None:
    assert talk is not None
    must(talk.state == "pending" and not talk.pending, "a session opens when all have accepted", event.position)
    talk.state = "active"
    if talk.kind in ("brisk", "discussion"):
        first = talk.creator_id
        talk.speaker = first if first in talk.present else talk.after(first)
    talk.turn = Since(event.body.sequence, event.at_us)


def departed(model: Model, event: Event, talk: Talk | None) -> None:
    assert talk is not None
    agent_id = event.body.agent_id
    must(agent_id in talk.participants, "only a participant departs", event.position)
    talk.gone.add(agent_id)
    if isinstance(event.body, sessions.SessionParticipantHidden):
        must(agent_id not in talk.hidden, "who is hidden is hidden once", event.position)
        talk.hidden[agent_id] = event.position
    talk.owed.pop(agent_id, None)
    if isinstance(event.body, sessions.SessionParticipantLeft) and agent_id in talk.pending:
        talk.pending.remove(agent_id)
    if talk.speaker == agent_id:
        talk.speaker = talk.after(agent_id)
        talk.turn = Since(talk.sequence, event.at_us)
    if not talk.present:
        model.owe("close", talk.session_id)


def ended(model: Model, event: Event, talk: Talk | None) -> None:
    assert talk is not None
    if isinstance(event.body, sessions.SessionExpired):
        due = talk.expires_us is not None and event.at_us >= talk.expires_us
        must(due, "a session expires when its time is up", event.position)
    elif event.body.reason == "invite_timeout":
        must(
            talk.state == "pending" and event.at_us >= talk.invite_due_us,
            "invites time out when due",
            event.position,
        )
    open_ones = [key for key, work in model.works.items() if work.session_id == talk.session_id]
    must(not open_ones, "a session's tasks end with it", open_ones)
    talk.state = "over"
    for person in model.people.values():
        for envelope_id in [one for one, where in person.pending.items() if where == talk.session_id]:
            person.released[envelope_id] = person.pending.pop(envelope_id)


def acknowledged(model: Model, event: Event, _: Talk | None) -> None:
    pairs = list(zip(event.body.agent_ids, event.body.envelope_ids, strict=True))
    by_hand = event.actor not in ("hub", "operator")
    for agent_id, envelope_id in pairs:
        must(not by_hand or event.actor == agent_id, "an agent acknowledges its own", event.position)
        must(agent_id in model.reach.get(envelope_id, ()), "what is acknowledged was sent", event.position)
        _drop(model, agent_id, envelope_id)
    model.acknowledged += pairs if event.actor == "hub" else []


def turn_failed(model: Model, event: Event, _: Talk | None) -> None:
    body, person = event.body, model.people[event.body.agent_id]
    waits = body.envelope_id in {**person.pending, **person.released}
    attempt = person.attempts.get(body.envelope_id, 0) + 1
    must(body.attempt == attempt, "attempts are counted", f"{body.attempt}, not {attempt}, at {event.position}")
    final = attempt >= ATTEMPTS_MAX or not waits
    must(body.final == final, "a failed turn comes again up to a limit", event.position)
    if waits:
        person.attempts[body.envelope_id] = attempt
    if body.final:
        _drop(model, body.agent_id, body.envelope_id)


def _drop(model: Model, agent_id: str, envelope_id: str) -> None:
    if person := model.people.get(agent_id):
        person.pending.pop(envelope_id, None)
        person.released.pop(envelope_id, None)
        person.attempts.pop(envelope_id, None)


def started(model: Model, event: Event, talk: Talk | None) -> None:
    assert talk is not None
    body = event.body
    known = body.task_id in model.works or body.task_id in model.ended_works
    must(not known, "a task starts once", body.task_id)
    must(talk.state == "active" and body.owner_id in talk.participants, "tasks are a participant's", event.position)
    owner = model.people[body.owner_id]
    mine, cap = (
        sum(1 for work in model.works.values() if work.owner_id == body.owner_id),
        (owner.rule.limits.max_concurrent_tasks),
    )
    must(not cap or mine < cap, "the cap of tasks holds", f"{owner.name} has {mine} of {cap}")
    model.works[body.task_id] = Work(body.owner_id, body.session_id, body.capability, event.at_us, body.expires_us)


def progressed(model: Model, event: Event, _: Talk | None) -> None:
    must(event.body.task_id in model.works, "progress is of open tasks", event.position)
    must(event.actor in (event.body.owner_id, "operator"), "a task is its owner's to report", event.position)


def finished(model: Model, event: Event, _: Talk | None) -> None:
    body = event.body
    work = model.works.pop(body.task_id, None)
    if work is None:
        raise Found("a task ends once", body.task_id)
    model.ended_works.add(body.task_id)
    must(body.latency_us == event.at_us - work.started_us, "latency is from start to end", event.position)
    if isinstance(body, tasks.TaskExpired) and body.reason == "ttl_expired":
        due = work.expires_us is not None and event.at_us >= work.expires_us
        must(due, "a task expires when its time is up", event.position)
    if work.capability is not None and work.owner_id in model.people:
        model.owe("observe", body.task_id)


JUDGES: dict[type, Judge] = {
    agents.AgentRegistered: registered,
    agents.AgentUnregistered: unregistered,
    agents.AgentRuleSet: ruled,
    agents.AgentResumeSet: claimed,
    agents.AgentObserved: observed,
    governance.AccessDenied: denied,
    governance.ExpectationViolated: violated,
    governance.TurnFailed: turn_failed,
    sessions.SessionCreated: created,
    sessions.SessionInviteSent: invited,
    sessions.SessionInviteAccepted: answered,
    sessions.SessionInviteRejected: answered,
    sessions.SessionOpened: opened,
    sessions.EnvelopePosted: posted,
    sessions.InboxAcknowledged: acknowledged,
    sessions.SessionParticipantHidden: departed,
    sessions.SessionParticipantLeft: departed,
    sessions.SessionClosed: ended,
    sessions.SessionExpired: ended,
    tasks.TaskStarted: started,
    tasks.TaskProgressed: progressed,
    **dict.fromkeys(tasks.TERMINAL, finished),
}
