"""Commands about work: tasks started and reported, turns that failed."""

from __future__ import annotations

from random import Random
from typing import Any

from events.event import OPERATOR
from events.values import (
    TaskSpec,
)
from tests.simulation.draws import draw_talk, some
from tests.simulation.found import must
from tests.simulation.world import World


def start_task(world: World, chance: Random) -> None:
    """Start a task, which may be known or over."""
    talk, hub, token = draw_talk(world, chance), world.hub, world.mark()
    if talk is None or hub is None:
        return
    capped = [one for one in talk.participants if one in world.model.people and world.model.people[one].capped]
    owner = chance.choice(capped or talk.participants)
    spec = TaskSpec(token, chance.choice((None, "sing")), ttl=chance.choice((None, None, 3, "1m")))
    again = some(chance, [*world.model.works, *sorted(world.model.ended_works)]) if chance.random() < 0.15 else None
    actor = chance.choice((OPERATOR, owner))
    work = hub.observe_task(talk.session_id, owner, spec, task_id=again or f"task-{token}", actor=actor)
    world.give(f"start {again or 'task-' + token} of {owner[-4:]}", work, token=None if again else token, actor=actor)


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
