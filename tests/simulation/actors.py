"""What agents and operators do: ``COMMANDS`` is the table of weights, ``command`` draws from it.

A command is drawn among what the log knows; some fit, some have to be refused, and some find nothing to be about.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.simulation.chores import fail_turn, report_task, start_task
from tests.simulation.draws import some
from tests.simulation.identities import attach, change, observe, register, unregister
from tests.simulation.letters import acknowledge, forge, post, retry
from tests.simulation.meetings import answer, close, open_session, wait
from tests.simulation.world import World


def give_up(world: World, chance: Random) -> None:
    """Whoever waits for an answer goes away without it; what was asked may have happened (trap 6)."""
    task = some(chance, list(world.pending))
    if task is not None:
        world.give_up(task)


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
    "give up": (2, give_up),
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
