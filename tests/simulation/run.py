"""One run: options, steps, finale; and what came of it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from random import Random
from typing import NamedTuple

from tests.simulation import seeds
from tests.simulation.actors import command
from tests.simulation.faults import commit, fault, time
from tests.simulation.finale import finale
from tests.simulation.world import World


class Failure(NamedTuple):
    """What a run showed, and in which step."""

    rule: str
    seen: str
    step: int


class Result(NamedTuple):
    """What came of a run: with ``failure`` None, all was well."""

    seed: int
    options: seeds.Options
    trace: tuple[str, ...]
    digest: str
    commands: int
    crashes: int
    events: int
    failure: Failure | None


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what the hub logs of the faults to itself: the trace says enough."""
    log = logging.getLogger("ledgerhub")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


@quiet()
def play(seed: int, steps: int | None = None, only: Collection[int] | None = None) -> Result:
    """Run a seed, or only some of its steps; equal arguments give equal results, to the byte."""
    options = seeds.options_of(seed, steps)
    world = World(options)
    failure, step = None, 0
    try:
        for step in range(options.steps):
            if only is None or step in only:
                take(world, seeds.chance_of(seed, step), step)
        step = options.steps
        finale(world)
    except Exception as error:
        rule = getattr(error, "rule", type(error).__name__)
        failure = Failure(rule, f"{type(error).__name__}: {error}", step)
    digest = world.digest()
    events = sum(1 for _ in world.store.written())
    world.loop.discard()
    return Result(seed, options, tuple(world.trace), digest, world.commands, world.crashes, events, failure)


def take(world: World, chance: Random, step: int) -> None:
    """Take one step: something happens, the loop runs for a while, and everything is looked at."""
    options = world.options
    world.say(f"step {step}")
    drawn = chance.random()
    if drawn < options.faults:
        fault(world, chance)
    elif drawn < options.faults + 0.12:
        time(world, chance)
    elif world.store.in_flight and drawn < options.faults + 0.4:
        commit(world, chance)
    else:
        for _ in range(chance.randint(1, options.burst)):
            command(world, chance)
    world.run(None if chance.random() < options.patience else chance.randrange(1, 40))
