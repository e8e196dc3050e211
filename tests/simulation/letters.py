"""Commands about envelopes: posted, sent again, forged, acknowledged."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from random import Random
from typing import Any

from events.errors import RateLimitedError
from events.event import OPERATOR
from events.values import (
    Envelope,
)
from events.values.envelope import EV_CONTEXT_SET, EV_SESSION_CLOSED, EV_TEXT
from hub.client.agent_client import AgentClient
from tests.simulation.draws import NOBODY, draw_talk, some
from tests.simulation.found import must
from tests.simulation.kinds import EV_NOTE, EV_POISON
from tests.simulation.people import Actor
from tests.simulation.standing import MINUTE_US, Talk
from tests.simulation.world import World


def draw_envelope(world: World, chance: Random, talk: Talk, token: str) -> Envelope:
    """Draw an envelope for a session, mostly from whoever is to speak."""
    live = list(world.model.people)
    speaker = talk.due_to_speak()
    sender = speaker or chance.choice(talk.participants)
    if chance.random() < 0.2:
        sender = chance.choice([*talk.participants, *live])
    audience = None
    if chance.random() < 0.4:
        among = [*talk.participants, *(live if chance.random() < 0.1 else ())]
        audience = [chance.choice(among) for _ in range(chance.randint(1, 2))]
    known = list(world.model.envelopes)[-40:]
    return Envelope(
        talk.session_id,
        sender,
        audience,
        chance.choice((EV_TEXT, EV_TEXT, EV_TEXT, EV_NOTE, EV_CONTEXT_SET, EV_POISON)),
        {"text": token},
        causation_id=some(chance, known) if chance.random() < 0.4 else None,
        depth=chance.choice((0, 0, 0, 1, 4)),
        idempotency_key=f"key{chance.randrange(3)}" if chance.random() < 0.25 else None,
        priority=chance.choice(("high", "normal", "low")),
        ttl_seconds=chance.choice((None, None, 0, 5, 40)),
    )


def _link_of(world: World, agent_id: str) -> Actor | None:
    bound = (one for one in world.actors if one.client is not None and one.client.bound)
    return next((one for one in bound if one.client is not None and one.client.agent_id == agent_id), None)


def post(world: World, chance: Random) -> None:
    """Post, in turn and out of turn, through the sender's link or as the operator."""
    talk, hub = draw_talk(world, chance), world.hub
    if talk is None or hub is None:
        return
    token = world.mark()
    envelope = draw_envelope(world, chance, talk, token)
    world.memory["sent"] = [*world.memory.get("sent", ())[-7:], (envelope, token)]
    _send(world, chance, envelope, token, f"post {envelope.event_type}")


def retry(world: World, chance: Random) -> None:
    """Send again what carried a key: it is in the log once (ENV-4)."""
    sent = [(envelope, token) for envelope, token in world.memory.get("sent", ()) if envelope.idempotency_key]
    found = some(chance, sent)
    if found is not None and world.hub is not None:
        _send(world, chance, *found, "retry", by_operator=found[1] in world.memory.get("as_operator", ()))


def _send(
    world: World, chance: Random, envelope: Envelope, token: str, what: str, by_operator: bool | None = None
) -> None:
    hub, actor = world.hub, _link_of(world, envelope.sender_id)
    assert hub is not None
    client = actor.client if actor is not None and chance.random() < 0.8 else None
    if by_operator is not None and by_operator != (client is None):
        return
    if client is None:
        world.memory["as_operator"] = [*world.memory.get("as_operator", ())[-20:], token]
    key = f" key {envelope.idempotency_key}" if envelope.idempotency_key else ""
    work = client.send_envelope(envelope) if client is not None else hub.post_envelope(envelope)
    person, failures, given_us = world.model.people.get(envelope.sender_id), world.store.failures, world.now_us
    rule = None if person is None else person.rule

    def answered(result: Any, error: BaseException | None) -> None:
        settled = not world.store.in_flight and world.store.failures == failures
        if not isinstance(error, RateLimitedError) or person is None or person.rule is not rule or not settled:
            return
        sent = sum(1 for at_us in person.sent_us if at_us > given_us - MINUTE_US)
        must(sent >= person.rule.rate.envelopes_per_minute, "a refusal has a reason", f"{label}: {sent} were sent")

    who = envelope.sender_id if client is not None else OPERATOR
    to = "all" if envelope.audience is None else ",".join(one[-4:] for one in envelope.audience)
    label = f"{what} {token} in {envelope.session_id[-4:]} by {envelope.sender_id[-4:]} to {to}{key}"
    world.give(label, work, token=token, actor=who, answered=answered)


def forge(world: World, chance: Random) -> None:
    """Try what nobody may: another's name, the hub's words, another's authority, a session of others."""
    talk, hub, actor = draw_talk(world, chance), world.hub, world.actor(chance)
    if talk is None or hub is None:
        return
    token, client = world.mark(), actor.client
    kind = chance.choice(("sender", "lifecycle", "authority", "outsider"))
    others = [one for one in world.model.people if client is None or one != client.agent_id]
    victim = some(chance, others) or NOBODY
    envelope = Envelope(talk.session_id, victim, event_data={"text": token})
    mine = actor.agent_id or NOBODY
    work: Coroutine[Any, Any, object]
    if kind == "sender" and client is not None:
        work = _post_as(client, envelope)
    elif kind == "lifecycle":
        work = hub.post_envelope(Envelope(talk.session_id, mine, None, EV_SESSION_CLOSED, {"text": token}))
    elif kind == "outsider":
        outside = some(chance, [one for one in world.model.people if one not in talk.participants]) or NOBODY
        work = hub.post_envelope(Envelope(talk.session_id, outside, event_data={"text": token}))
    else:
        work = hub.post_envelope(envelope, actor=NOBODY if mine == victim else mine)

    def answered(result: Any, error: BaseException | None) -> None:
        must(error, "forgeries are refused", f"{kind} in {talk.session_id}")

    world.give(f"forge {kind} in {talk.session_id[-4:]}", work, token=token, actor="nobody", answered=answered)


async def _post_as(client: AgentClient, envelope: Envelope) -> str:
    """Post as another through one's own connection, or as nobody where the other shares it and may."""
    shared = envelope.sender_id in client.connection.agent_ids
    return await client.connection.post_envelope(replace(envelope, sender_id=NOBODY) if shared else envelope)


def acknowledge(world: World, chance: Random) -> None:
    """Acknowledge something once more, too late, early, or in another's name."""
    person = some(chance, list(world.model.people))
    hub = world.hub
    if person is None or hub is None:
        return
    waiting = [*world.model.people[person].pending, *list(world.model.envelopes)[-5:]]
    envelope_id = some(chance, waiting) or NOBODY
    actor = chance.choice((OPERATOR, person, some(chance, list(world.model.people)) or person))
    if actor in (OPERATOR, person):
        world.watch.excused.add((person, envelope_id))

    def answered(result: Any, error: BaseException | None) -> None:
        forged = actor not in (OPERATOR, person)
        must(error or not forged, "an agent acknowledges its own", f"{actor} for {person}")
        waits = person in world.model.people and envelope_id in world.model.people[person].pending
        must(error or not waits, "acknowledged means on disk", f"{envelope_id} of {person}")

    label = f"acknowledge {envelope_id[-4:]} of {person[-4:]} as {actor[-4:]}"
    world.give(label, hub.acknowledge(person, envelope_id, actor=actor), answered=answered)
