"""Makes a failing run short: leaves out steps as long as the same rule stays broken (delta debugging, Zeller 1999).

A step draws from a chance of its own, so what is left over does not change with what is left out.
"""

from __future__ import annotations

from tests.simulation.run import Failure, Result, play

TRIES_MAX = 150


def shrink(failed: Result, tries: int = TRIES_MAX) -> tuple[list[int], Result]:
    """Return the fewest steps found, within so many tries, that still show a failure; and their run."""
    assert failed.failure is not None
    steps, best = list(range(min(failed.failure.step + 1, failed.options.steps))), failed
    size = max(1, len(steps) // 2)
    while tries > 0:
        start, before = 0, len(steps)
        while start < len(steps) and tries > 0:
            fewer = steps[:start] + steps[start + size :]
            result = play(failed.seed, failed.options.steps, frozenset(fewer))
            tries -= 1
            if _same(result.failure, failed.failure):
                steps, best = fewer, result
            else:
                start += size
        if size == 1 and len(steps) == before:
            break
        size = max(1, size // 2)
    return steps, best


def _same(found: Failure | None, wanted: Failure) -> bool:
    return found is not None and found.rule == wanted.rule
