"""Commands about identities: each function draws one from its chance and gives it."""

from __future__ import annotations

from random import Random
from typing import Any

from events.event import OPERATOR
from events.values import (
    AuthBlock,
    Passport,
    Resume,
)
from hub import Hub, HubClient, LocalLink
from tests.simulation.checks import CAPABILITIES
from tests.simulation.draws import NOBODY, draw_rule
from tests.simulation.found import must
from tests.simulation.people import ANSWERS, MANNERS
from tests.simulation.world import World


def connection(world: World, chance: Random, hub: Hub) -> HubClient:
    """Return a connection of one's own, or one that another agent has already."""
    links = [actor.link for actor in world.actors if actor.link is not None and not actor.link.connection.closed]
    if links and chance.random() < world.options.shared:
        return chance.choice(links)
    return HubClient(LocalLink(hub), hub=hub)


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
    link = connection(world, chance, hub)

    async def registering() -> None:
        passport = Passport(name=actor.name, owner=token, auth=auth)
        if by_operator:
            await hub.register_identity(passport, rule=rule)
            return
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
    link = connection(world, chance, hub)

    async def attaching() -> None:
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
    resume = Resume([chance.choice(CAPABILITIES)], summary=token)
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
