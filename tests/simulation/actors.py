"""What agents and operators do: each function draws one command from its chance and gives it; some do nothing.

``COMMANDS`` is the table of weights. What a command is about is chosen among what the log knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeVar

from events.event import OPERATOR
from events.values import (
    AccessBlock,
    AuthBlock,
    Envelope,
    InboxBlock,
    LimitsBlock,
    Passport,
    RateBlock,
    Resume,
    Rule,
    TaskSpec,
)
from events.values.envelope import EV_CONTEXT_SET, EV_SESSION_CLOSED, EV_TEXT, is_close_event
from hub import HubClient, LocalLink
from tests.simulation.kinds import EV_NOTE, EV_POISON
from tests.simulation.model import Talk, must
from tests.simulation.people import ANSWERS, MANNERS, Actor
from tests.simulation.world import World

T = TypeVar("T")
NOBODY = "0" * 31 + "f"
"""An id that is nobody's."""


def some(chance: Random, choices: Sequence[T]) -> T | None:
    """Return one of the choices, or None of none."""
    return chance.choice(choices) if choices else None


def draw_rule(world: World, chance: Random, token: str) -> Rule:
    """Draw a rule; its mark stands among the session types, where it matches none."""

    def tight() -> bool:
        return chance.random() < world.options.tightness

    names = [actor.name for actor in world.actors]

    def globs() -> list[str]:
        return chance.sample(names, chance.randint(1, len(names))) if tight() else ["*"]

    types = chance.sample(world.options.kinds, 1) if chance.random() < world.options.tightness / 4 else ["*"]
    return Rule(
        access=AccessBlock(outbound_to=globs(), inbound_from=globs(), session_types_allowed=[*types, token]),
        limits=LimitsBlock(
            session_ttl_default=chance.choice(["90s", 30, 0]) if tight() else None,
            task_ttl_default=chance.choice([20, "2m"]) if tight() else "15m",
            delegation_depth=chance.choice([0, 1, 2]) if tight() else 5,
            max_concurrent_sessions=chance.randint(1, 3) if tight() else 0,
            max_concurrent_tasks=chance.randint(1, 2) if tight() else 0,
        ),
        rate=RateBlock(chance.randint(1, 4) if tight() else 0),
        inbox=InboxBlock(chance.randint(1, 3) if tight() else 1000),
    )


# Identities.


def register(world: World, chance: Random) -> None:
    """Register a name, which may be taken; through a link of its own."""
    free = [actor for actor in world.actors if actor.agent_id is None]
    actor = chance.choice(free) if free and chance.random() < 0.9 else world.actor(chance)
    hub, token = world.hub, world.mark()
    assert hub is not None
    auth = AuthBlock(scheme="unheard-of", claim={"key": "secret"}) if chance.random() < 0.05 else AuthBlock()
    rule = draw_rule(world, chance, world.mark())
    asked = actor if chance.random() < 0.4 else None
    manners, answers = chance.choice(MANNERS), chance.choice(ANSWERS)
    by_operator = chance.random() < 0.1

    async def registering() -> None:
        passport = Passport(name=actor.name, owner=token, auth=auth)
        if by_operator:
            await hub.register_identity(passport, rule=rule)
            return
        link = HubClient(LocalLink(hub), hub=hub)
        client = await link.register(asked, passport, Resume(["talk"]), rule=rule)
        if hub is world.hub:
            actor.bind(client, link)
            actor.manners, actor.answers = manners, answers

    world.give(f"register {actor.name}", registering(), token=token, actor=OPERATOR if by_operator else "")


def attach(world: World, chance: Random) -> None:
    """Take up a registered name again, connected elsewhere or not."""
    away = [actor for actor in world.actors if actor.agent_id is not None and not actor.connected]
    actor, hub = chance.choice(away) if away and chance.random() < 0.8 else world.actor(chance), world.hub
    assert hub is not None
    manners, answers = chance.choice(MANNERS), chance.choice(ANSWERS)
    asked = actor if chance.random() < 0.4 else None

    async def attaching() -> None:
        link = HubClient(LocalLink(hub), hub=hub)
        client = await link.attach(asked, actor.name)
        if hub is world.hub:
            actor.bind(client, link)
            actor.manners, actor.answers = manners, answers

    world.give(f"attach {actor.name}", attaching())


def unregister(world: World, chance: Random) -> None:
    """Leave; what is acknowledged is on disk."""
    actor = world.actor(chance)
    agent_id = actor.agent_id
    if agent_id is None or world.hub is None:
        return

    def answered(result: Any, error: BaseException | None) -> None:
        must(error or agent_id in world.model.gone, "acknowledged means on disk", f"{actor.name} left")

    client = actor.client
    through_link = client is not None and client.bound and chance.random() < 0.7
    work = client.unregister() if through_link and client is not None else world.hub.unregister(agent_id)
    world.give(f"unregister {actor.name}", work, answered=answered)


def change(world: World, chance: Random) -> None:
    """Change a resume, a skill or a rule, by oneself or as the operator."""
    actor, token = world.actor(chance), world.mark()
    hub, client, agent_id = world.hub, actor.client, actor.agent_id
    assert hub is not None
    what = chance.choice(("resume", "skill", "rule", "rule"))
    rule = draw_rule(world, chance, token)
    resume = Resume([chance.choice(("talk", "sing", "count"))], summary=token)
    if client is not None and client.bound and chance.random() < 0.6:
        works = {"resume": client.set_resume(resume), "skill": client.set_skill(token), "rule": client.set_rule(rule)}
        who = client.agent_id
    else:
        who = agent_id or NOBODY
        works = {"resume": hub.set_resume(who, resume), "skill": hub.set_skill(who, token)}
        works["rule"] = hub.set_rule(who, rule)
        who = OPERATOR
    for name, work in works.items():
        if name != what:
            work.close()
    world.give(f"set {what} of {actor.name}", works[what], token=token, actor=who)


def observe(world: World, chance: Random) -> None:
    """Record an observation as the operator."""
    actor, hub = world.actor(chance), world.hub
    assert hub is not None
    outcome = chance.choice(("completed", "failed", "expired", "praised"))
    latency_ms = chance.choice((None, 0, 12.5))
    work = hub.record_observation(actor.agent_id or NOBODY, "sing", outcome, latency_ms=latency_ms)
    world.give(f"observe {actor.name} {outcome}", work)


# Sessions.


def open_session(world: World, chance: Random) -> None:
    """Open a session with a few, by oneself or as the operator; some are cancelled while they open."""
    here = [actor for actor in world.actors if actor.agent_id is not None]
    among = here if len(here) > 1 and chance.random() < 0.9 else world.actors
    actor, token = chance.choice(among), world.mark()
    others = [one.name for one in among if one is not actor or chance.random() < 0.2] or [actor.name]
    kind = chance.choice(world.options.kinds)
    most = 1 if kind in ("consulting", "conversation", "chat") and chance.random() < 0.9 else 4
    names = chance.sample(others, min(chance.randint(1, most), len(others)))
    ttl = chance.choice((None, None, None, 10, "1m", 0))
    options: dict[str, Any] = {"type": kind, "target": names, "ttl": ttl, "labels": {"token": token}}
    client, hub = actor.client, world.hub
    assert hub is not None
    if client is not None and client.bound and chance.random() < 0.85:
        work, who = client.open(**options), client.agent_id
    else:
        work, who = hub.create_session(creator_id=actor.name, **options), OPERATOR
    world.give(f"open {kind} {actor.name} with {','.join(names)} ttl {ttl}", work, token=token, actor=who)
    if chance.random() < 0.05:
        world.run(chance.randrange(1, 30))
        for task in [task for task, what in world.pending.items() if what.startswith("open ")][-1:]:
            task.cancel()
            world.say("  cancel it")


def answer(world: World, chance: Random) -> None:
    """Answer an invite as the operator, for an invitee or for somebody else."""
    talk = some(chance, [talk for talk in world.model.live() if talk.state == "pending"])
    hub = world.hub
    if talk is None or hub is None:
        return
    whom = chance.choice([*talk.pending, *talk.participants])
    accept = chance.random() < 0.8
    token = world.mark()
    event_type = "ag2.session.invite.ack" if accept else "ag2.session.invite.reject"
    work = hub.post_envelope(Envelope(talk.session_id, whom, event_type=event_type, event_data={"reason": token}))
    world.give(f"answer {accept} in {talk.session_id[-4:]}", work, token=None if accept else token)


def close(world: World, chance: Random) -> None:
    """Close a session, over or not, as a participant, an outsider or the operator."""
    talk = some(chance, [*world.model.live(), *list(world.model.talks.values())[-2:]])
    actor, hub, token = world.actor(chance), world.hub, world.mark()
    if talk is None or hub is None:
        return

    def answered(result: Any, error: BaseException | None) -> None:
        must(error or world.model.talks[talk.session_id].state == "over", "acknowledged means on disk", "close")

    client = actor.client
    if client is not None and client.bound and chance.random() < 0.7:
        work = client.connection.close_session(client.agent_id, talk.session_id, token)
    else:
        work = hub.close_session(talk.session_id, token)
    world.give(f"close {talk.session_id[-4:]} by {actor.name}", work, answered=answered)


def wait(world: World, chance: Random) -> None:
    """Wait for the end of a session, as anybody; it ends with it, in time, or with the connection."""
    talk, actor = some(chance, list(world.model.talks.values())), world.actor(chance)
    client = actor.client
    if talk is None or client is None or not client.bound:
        return
    work = client.wait_for_session_event(
        session_id=talk.session_id, predicate=is_close_event, timeout=chance.choice((1, 60, 4000))
    )
    world.give(f"wait {talk.session_id[-4:]} by {actor.name}", work)


# Envelopes.


def draw_envelope(world: World, chance: Random, talk: Talk, token: str) -> Envelope:
    """Draw an envelope for a session, mostly from whoever is to speak."""
    live = [one for one in world.model.people]
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


def _talk(world: World, chance: Random) -> Talk | None:
    active = [talk for talk in world.model.live() if talk.state == "active"]
    others = list(world.model.talks.values())[-3:]
    return some(chance, active if active and chance.random() < 0.9 else others)


def _link_of(world: World, agent_id: str) -> Actor | None:
    return next(
        (one for one in world.actors if one.client and one.client.bound and one.client.agent_id == agent_id), None
    )


def post(world: World, chance: Random) -> None:
    """Post, in turn and out of turn, through the sender's link or as the operator."""
    talk, hub = _talk(world, chance), world.hub
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
    who = envelope.sender_id if client is not None else OPERATOR
    to = "all" if envelope.audience is None else ",".join(one[-4:] for one in envelope.audience)
    label = f"{what} {token} in {envelope.session_id[-4:]} by {envelope.sender_id[-4:]} to {to}{key}"
    world.give(label, work, token=token, actor=who)


def forge(world: World, chance: Random) -> None:
    """Try what nobody may: another's name, the hub's words, another's authority, a session of others."""
    talk, hub, actor = _talk(world, chance), world.hub, world.actor(chance)
    if talk is None or hub is None:
        return
    token, client = world.mark(), actor.client
    kind = chance.choice(("sender", "lifecycle", "authority", "outsider"))
    others = [one for one in world.model.people if client is None or one != client.agent_id]
    victim = some(chance, others) or NOBODY
    envelope = Envelope(talk.session_id, victim, event_data={"text": token})
    mine = actor.agent_id or NOBODY
    if kind == "sender" and client is not None:
        work = client.connection.post_envelope(envelope)
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

    label = f"acknowledge {envelope_id[-4:]} of {person[-4:]} as {actor[-4:]}"
    world.give(label, hub.acknowledge(person, envelope_id, actor=actor), answered=answered)


# Work.


def start_task(world: World, chance: Random) -> None:
    """Start a task, which may be known or over."""
    talk, hub, token = _talk(world, chance), world.hub, world.mark()
    if talk is None or hub is None:
        return
    capped = [one for one in talk.participants if one in world.model.people and world.model.people[one].capped]
    owner = chance.choice(capped or talk.participants)
    spec = TaskSpec(token, chance.choice((None, "sing")), ttl=chance.choice((None, None, 3, "1m")))
    again = some(chance, [*world.model.works, *sorted(world.model.ended_works)]) if chance.random() < 0.15 else None
    actor = chance.choice((OPERATOR, owner))
    work = hub.observe_task(talk.session_id, owner, spec, task_id=again or f"task-{token}", actor=actor)
    marked = {} if again else {"token": token, "actor": actor}
    world.give(f"start {again or 'task-' + token} of {owner[-4:]}", work, **marked)


def report_task(world: World, chance: Random) -> None:
    """Report progress or an end, of one's own task or another's, over or not."""
    hub, token = world.hub, world.mark()
    task_id = some(chance, [*world.model.works, *sorted(world.model.ended_works)[-2:]])
    if task_id is None or hub is None:
        return
    state = chance.choice(("running", "completed", "completed", "failed", "cancelled", "expired"))
    owner = world.model.works[task_id].owner_id if task_id in world.model.works else OPERATOR
    actor = chance.choice((OPERATOR, owner, some(chance, list(world.model.people)) or OPERATOR))
    data = {"token": token}
    work = hub.update_task(task_id, state, progress=data, result=data, error=token, actor=actor)

    def answered(result: Any, error: BaseException | None) -> None:
        told = token in world.model.tokens or task_id in world.model.ended_works
        must(error or told, "acknowledged means on disk", f"{state} of {task_id}")

    world.give(f"report {task_id} {state} as {actor[-4:]}", work, answered=answered)


def fail_turn(world: World, chance: Random) -> None:
    """Report that a turn failed, for one's own envelope or any."""
    hub, person = world.hub, some(chance, list(world.model.people))
    envelope_id = some(chance, list(world.model.envelopes)[-20:])
    if hub is None or person is None or envelope_id is None:
        return
    session_id = world.model.envelopes[envelope_id].body.session_id
    work = hub.report_turn_failure(person, session_id, envelope_id, "it did not work", actor=person)
    world.give(f"fail {envelope_id[-4:]} of {person[-4:]}", work)


COMMANDS: dict[str, tuple[int, Callable[[World, Random], None]]] = {
    "register": (6, register),
    "attach": (8, attach),
    "unregister": (1, unregister),
    "change": (4, change),
    "observe": (1, observe),
    "open": (10, open_session),
    "answer": (2, answer),
    "close": (2, close),
    "wait": (2, wait),
    "post": (34, post),
    "retry": (4, retry),
    "forge": (4, forge),
    "acknowledge": (6, acknowledge),
    "start task": (6, start_task),
    "report task": (8, report_task),
    "fail turn": (2, fail_turn),
}
"""Name of a command to its weight and function."""


def command(world: World, chance: Random) -> None:
    """Give one command."""
    names = list(COMMANDS)
    name = chance.choices(names, [COMMANDS[each][0] for each in names])[0]
    if len(world.model.people) < len(world.actors) and chance.random() < 0.4:
        name = "register"
    elif not any(talk.state == "active" for talk in world.model.live()) and chance.random() < 0.6:
        name = "open"
    COMMANDS[name][1](world, chance)
