"""The judge of posts: who may, to whom, how often, how deep, and in whose turn (SPEC §4 to §7)."""

from __future__ import annotations

from events.event import Event
from tests.simulation.found import Found, must
from tests.simulation.model import Model
from tests.simulation.standing import MINUTE_US, Person, Since, Talk, admits, within

PROTOCOL = ("ag2.session.", "ag2.task.", "ag2.expectation.")


def posted(model: Model, event: Event, talk: Talk | None) -> None:
    assert talk is not None
    body = event.body
    must(talk.state == "active", "posts need an active session", event.position)
    must(body.sender_id in talk.participants, "only participants post", event.position)
    must(event.actor in (body.sender_id, "operator"), "an agent posts as itself", event.position)
    must(not body.event_type.startswith(PROTOCOL), "only the hub emits protocol envelopes", event.position)
    sender = model.people.get(body.sender_id)
    if sender is None:
        raise Found("who posts is registered", event.position)
    _check_recipients(model, event, talk, sender)
    _check_caps(model, event, talk, sender)
    if body.idempotency_key is not None:
        key = (body.sender_id, body.idempotency_key)
        must(key not in talk.keys, "an idempotency key stands for one envelope", key)
        talk.keys.add(key)
    for envelope_id in [one for one, where in sender.pending.items() if where == talk.session_id]:
        del sender.pending[envelope_id]
        sender.attempts.pop(envelope_id, None)
    for agent_id in body.recipients:
        model.people[agent_id].pending[event.id] = talk.session_id
    sender.sent_us.append(event.at_us)
    _move(model, event, talk)


def _check_recipients(model: Model, event: Event, talk: Talk, sender: Person) -> None:
    body = event.body
    wanted = talk.present if body.audience is None else [one for one in body.audience if one in talk.present]
    must(set(body.audience or ()) <= set(talk.participants), "an audience takes part", event.position)
    reached = [one for one in dict.fromkeys(wanted) if one != body.sender_id]
    for agent_id in reached:
        name = model.people[agent_id].name
        must(admits(sender.rule.access.outbound_to, name), "a send keeps to outbound_to", f"{sender.name} to {name}")
    permitted = [one for one in reached if admits(model.people[one].rule.access.inbound_from, sender.name)]
    must(set(body.recipients) == set(permitted), "delivery keeps to audience and inbound_from", event.position)


def _check_caps(model: Model, event: Event, talk: Talk, sender: Person) -> None:
    body, rule = event.body, sender.rule
    recent = sum(1 for at_us in sender.sent_us if at_us > event.at_us - MINUTE_US)
    cap = rule.rate.envelopes_per_minute
    must(not cap or recent < cap, "the rate holds", f"{sender.name} has sent {recent} of {cap}")
    for agent_id in body.recipients:
        person = model.people[agent_id]
        most = person.rule.inbox.max_pending
        must(not most or len(person.pending) < most, "the cap of the inbox holds", f"{person.name} has {most}")
    cause = model.envelopes.get(event.cause or "")
    least = talk.depth
    if cause is not None:
        elsewhere = cause.body.session_id != talk.session_id
        deep = getattr(cause.body, "depth", model.talks[cause.body.session_id].depth)
        least = max(least, deep + elsewhere)
    must(body.depth >= least, "depth follows causation", f"{body.depth} < {least} at {event.position}")
    must(within(rule.limits.delegation_depth, body.depth), "the cap of depth holds", event.position)


def _move(model: Model, event: Event, talk: Talk) -> None:
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
        model.owe("close", talk.session_id)
