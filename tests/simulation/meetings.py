"""Commands about sessions: opened, answered, closed, waited for."""

from __future__ import annotations

from collections.abc import Coroutine
from random import Random
from typing import Any

from events.event import OPERATOR
from events.values import (
    Envelope,
)
from events.values.envelope import is_close_event
from tests.simulation.draws import some
from tests.simulation.found import must
from tests.simulation.world import World


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
    work: Coroutine[Any, Any, object] = hub.create_session(creator_id=actor.name, **options)
    who = OPERATOR
    if client is not None and client.bound and chance.random() < 0.85:
        work.close()
        work, who = client.open(**options), client.agent_id
    world.give(f"open {kind} {actor.name} with {','.join(names)} ttl {ttl}", work, token=token, actor=who)


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
