"""What a seed decides: the options of a run, drawn first, and the chance of each of its steps.

Every step draws from a generator of its own, made of the seed and the step's number, so that a step left out changes
nothing of what the others draw: that is what makes shrinking work (``tests.simulation.shrink``).
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from random import Random
from typing import NamedTuple

WITHOUT_GIT = 20_260_101
"""The seed where there is no git to ask for a commit."""
STEPS = (30, 60, 120, 240)
"""How many steps a run may have."""
KINDS = ("consulting", "conversation", "discussion", "brisk", "chat")
EXPECTED = ("acks_within", "reply_within", "turn_within", "max_silence", "grumpy")
"""What the session types of the simulator may expect (``tests.simulation.kinds``)."""
HANDLERS = ("audit", "warn", "warn", "notify_session", "hide", "hide", "auto_close")
WITHIN_S = (0, 4, 20, 20, 45, 45, 90, 300)


def parse(text: str) -> int:
    """Return the number of a seed: decimal digits, or a commit hash.

    Raises:
        ValueError: it is neither.
    """
    if text.isdecimal():
        return int(text)
    if re.fullmatch(r"[0-9a-fA-F]{7,64}", text):
        return int(text, 16)
    raise ValueError(f"{text!r} is no seed: give a whole number or a commit hash")


def unseeded() -> int:
    """Return a seed that nobody chose."""
    return int.from_bytes(os.urandom(6))


def from_commit() -> int:
    """Return the seed of the commit that is checked out; a constant where there is no git."""
    try:
        command = ["git", "rev-parse", "HEAD"]
        found = subprocess.run(command, cwd=Path(__file__).parent, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return WITHOUT_GIT
    return parse(found.stdout.strip())


class Options(NamedTuple):
    """What kind of run it is."""

    steps: int
    agents: int
    """How many names there are."""
    tightness: float
    """How likely a rule limits something."""
    faults: float
    """How likely a step is a fault, not a command."""
    burst: int
    """How many commands are given at once, at most."""
    patience: float
    """How likely a step is left to come to rest before the next begins."""
    slow_disk: float
    """How likely commits are held back when a step asks for it."""
    at_once: bool
    """Whether the store commits while it is handed something, as the one in memory does; then it is never slow."""
    kinds: tuple[str, ...]
    """Session types."""
    brisk: tuple[str, ...]
    """What a session of the type ``brisk`` expects: the name, what follows, and within how many seconds."""
    chat: tuple[str, ...]
    asleep: float
    """How likely a session type is not loaded when a hub opens again."""
    shared: float
    """How likely an agent shares the connection of another."""
    jump_s: int
    """How far the clock jumps, at most."""
    invite_ack_timeout_s: int
    ttl_sweep_interval_s: int
    expectation_sweep_interval_s: int

    def __str__(self) -> str:
        return " ".join(
            f"{name}={','.join(value) if isinstance(value, tuple) else value}" for name, value in self._asdict().items()
        )


def options_of(seed: int, steps: int | None = None) -> Options:
    """Draw the options of a run, of so many steps if that is given."""
    chance = Random(f"{seed}/options")
    drawn = chance.choice(STEPS)
    return Options(
        steps=drawn if steps is None else steps,
        agents=chance.choice((2, 3, 4, 6)),
        tightness=chance.choice((0.0, 0.2, 0.4, 0.6)),
        faults=chance.choice((0.0, 0.15, 0.3)),
        burst=chance.choice((1, 3, 6)),
        patience=chance.choice((0.3, 0.7, 1.0)),
        slow_disk=0.0 if (at_once := chance.random() < 0.25) else chance.choice((0.5, 0.9)),
        at_once=at_once,
        kinds=tuple(sorted(chance.sample(KINDS, chance.randint(1, len(KINDS))))),
        brisk=_expectations(chance),
        chat=_expectations(chance),
        asleep=chance.choice((0.0, 0.0, 0.5)),
        shared=chance.choice((0.0, 0.0, 0.4)),
        jump_s=chance.choice((5, 60, 900)),
        invite_ack_timeout_s=chance.choice((5, 20, 30)),
        ttl_sweep_interval_s=chance.choice((0, 7, 30)),
        expectation_sweep_interval_s=chance.choice((0, 3, 10)),
    )


def _expectations(chance: Random) -> tuple[str, ...]:
    return tuple(
        f"{chance.choice(EXPECTED)}:{chance.choice(HANDLERS)}:{chance.choice(WITHIN_S)}"
        for _ in range(chance.randint(0, 4))
    )


def chance_of(seed: int, step: int) -> Random:
    """Return the generator that one step draws from."""
    return Random(f"{seed}/{step}")
