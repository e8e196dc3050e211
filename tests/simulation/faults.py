"""What goes wrong: disks, processes, connections, consumers and clocks. ``FAULTS`` is the table of weights."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from tests.simulation.owing import deadlines
from tests.simulation.people import ANSWERS, MANNERS
from tests.simulation.store import POINTS
from tests.simulation.world import World

JUMP_MAX_US = 1_000_000_000
"""Farther deadlines are not jumped to: each sweep on the way costs its time."""

DISKS = (*["slow"] * 3, *["hiccup"] * 2, "fails", "unreadable", "full", *["well"] * 3)


def disk(world: World, chance: Random) -> None:
    """The disk slows down, fails once or for good, fills up or gets well again."""
    store = world.store
    what = chance.choice(DISKS)
    world.say(f"  the disk: {what}")
    if what == "hiccup":
        store.hiccups = 1
        return
    store.held = what == "slow" and chance.random() < world.options.slow_disk
    store.broken = what in ("fails", "unreadable")
    store.unreadable = what == "unreadable"
    store.room = chance.randrange(6) if what == "full" else None
    if not store.held:
        store.flush()


def commit(world: World, chance: Random) -> None:
    """A slow disk writes some of what waits, and may say so later."""
    waiting = len(world.store.waiting)
    count = chance.randint(0, waiting)
    world.say(f"  the disk writes {count} of {waiting} commits")
    world.store.commit(count)
    if chance.random() < 0.7:
        world.store.answer()


def crash(world: World, chance: Random) -> None:
    """The process dies, here or when the next commits reach a named point."""
    if chance.random() < 0.5:
        kept, hiccups = chance.randint(0, len(world.store.waiting)), chance.choice((0, 0, 0, 1, 2))
        world.lose(kept, hiccups, asleep(world, chance))
    else:
        world.crash_at = chance.choice(POINTS), chance.randrange(3)
        world.say(f"  the hub will crash when a commit is {world.crash_at[0]}")


def restart(world: World, chance: Random) -> None:
    """The hub is closed in good order and opened again."""
    world.say("  restart")
    world.restart(asleep(world, chance))


def asleep(world: World, chance: Random) -> list[str]:
    """Draw the session types that the next hub does not load."""
    return [name for name in ("brisk", "chat") if chance.random() < world.options.asleep]


def wake(world: World, chance: Random) -> None:
    """The session types that are not loaded are loaded, late."""
    world.wake()


def unplug(world: World, chance: Random) -> None:
    """A connection is lost."""
    actor, alone = world.actor(chance), chance.random() < 0.3
    world.say(f"  {actor.name} {'lets go of' if alone else 'loses'} its connection")
    world.loop.inside(partial(actor.unplug, alone=alone))


def manners(world: World, chance: Random) -> None:
    """A consumer becomes slow, clumsy, talkative or prompt."""
    actor = world.actor(chance)
    actor.manners, actor.answers = chance.choice(MANNERS), chance.choice(ANSWERS)
    world.say(f"  {actor.name} is {actor.manners} and answers invites: {actor.answers}")


def release(world: World, chance: Random) -> None:
    """A slow consumer goes on, late."""
    actor = world.actor(chance)
    world.say(f"  {actor.name} goes on")
    world.loop.inside(actor.release)


def time(world: World, chance: Random) -> None:
    """The clock goes on, often to just when something falls due; then whatever is due may be looked for."""
    due = [at_us for at_us in deadlines(world.model) if 0 < at_us - world.now_us < JUMP_MAX_US]
    jump_us = chance.randint(1, world.options.jump_s * 1_000_000)
    if due and chance.random() < 0.6:
        jump_us = due[min(chance.choice((0, 0, 1, 2)), len(due) - 1)] - world.now_us
        jump_us += chance.choice((0, 0, -1, 1))
    world.say(f"  {jump_us / 1_000_000:g} s pass")
    world.advance(jump_us / 1_000_000)
    if chance.random() < 0.7:
        task = tick(world)
        if chance.random() < 0.25:
            world.run(chance.randrange(1, 12))
            world.give_up(task)


def tick(world: World) -> asyncio.Task[Any]:
    """An operator has the hub look at what is due."""
    hub = world.hub
    assert hub is not None
    before, since = world.calm(), world.model.position
    if hub._sweepers._running or any(given.what == "tick" for given in world.pending.values()):
        before = None  # what another tick has taken up is its business

    async def ticking() -> None:
        await hub._ttl_tick()
        await hub._expectation_tick()

    def answered(result: object, error: BaseException | None) -> None:
        if error is None and before is not None:
            world.ticked = before, since

    return world.give("tick", ticking(), answered=answered)


FAULTS: dict[str, tuple[int, Callable[[World, Random], None]]] = {
    "disk": (4, disk),
    "crash": (3, crash),
    "restart": (1, restart),
    "unplug": (3, unplug),
    "manners": (5, manners),
    "release": (5, release),
    "wake": (2, wake),
}
"""Name of a fault to its weight and function. Time and commits are drawn apart: they are no faults."""


def fault(world: World, chance: Random) -> None:
    """Let one thing go wrong."""
    names = list(FAULTS)
    FAULTS[chance.choices(names, [FAULTS[name][0] for name in names])[0]][1](world, chance)
