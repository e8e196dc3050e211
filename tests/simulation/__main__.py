"""``python -m tests.simulation --seed S --runs N``: run seeds, and tell of the first that shows something."""

from __future__ import annotations

import argparse
import sys

from tests.simulation import seeds
from tests.simulation.run import Result, play
from tests.simulation.shrink import shrink


def numbers(text: str) -> frozenset[int]:
    """Read ``3,17,40``."""
    return frozenset(int(number) for number in text.split(",") if number)


def seed(text: str) -> int:
    """Read a seed."""
    try:
        return seeds.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def arguments(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=seed, help="a number or a commit hash; drawn when it is left out")
    parser.add_argument("--runs", type=int, default=1, help="so many seeds, counted up from the first (1)")
    parser.add_argument("--steps", type=int, help="steps of a run; drawn when it is left out")
    parser.add_argument("--only", type=numbers, help="only these steps, such as 3,17,40")
    parser.add_argument("--trace", action="store_true", help="print what happens")
    parser.add_argument("--no-shrink", action="store_true", help="leave a failing run as long as it is")
    return parser.parse_args(argv)


def head(result: Result) -> str:
    """What a run is, in a line."""
    return f"seed {result.seed}: {result.options}"


def again(result: Result, only: list[int] | None = None) -> str:
    """The command that repeats a run."""
    steps = f" --only {','.join(map(str, only))}" if only is not None else ""
    return f"make sim SEED={result.seed} RUNS=1 ARGS='--steps {result.options.steps}{steps} --trace'"


def tell(result: Result, *, shorter: bool) -> None:
    """Print a failing run: as short a script as is found, what it shows, and how to repeat it."""
    assert result.failure is not None
    only, short = shrink(result) if shorter else (None, result)
    assert short.failure is not None
    print("\n".join(short.trace))
    print(f"\nstep {short.failure.step}: {short.failure.seen}")
    if only is not None:
        print(f"{len(only)} steps of {result.failure.step + 1}")
    print(head(result))
    print(f"repeat it: {again(result, only)}")


def main(argv: list[str]) -> int:
    """Run the seeds; return 1 when one shows something."""
    asked = arguments(argv)
    first = seeds.unseeded() if asked.seed is None else asked.seed
    commands = crashes = events = 0
    for number in range(first, first + asked.runs):
        print(f"seed {number}: {seeds.options_of(number, asked.steps)}", flush=True)
        result = play(number, asked.steps, asked.only)
        if result.failure is not None:
            tell(result, shorter=asked.only is None and not asked.no_shrink)
            return 1
        if asked.trace:
            print("\n".join(result.trace))
        print(f"  {result.commands} commands, {result.crashes} crashes, {result.events} events, {result.digest}")
        commands, crashes, events = commands + result.commands, crashes + result.crashes, events + result.events
    print(f"{asked.runs} runs, {commands} commands, {crashes} crashes, {events} events: nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
