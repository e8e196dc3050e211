"""What all commands share: their options, how an answer ends, how an error is told (REPLAY, common rules).

Exit codes: 0 clean, 1 a finding, 2 a question that cannot be asked so, 3 a log that cannot be read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from events.errors import CorruptLogError, NetworkError, StoreError
from replay.checkpoint import read_key
from replay.errors import QuestionError
from replay.finding import find_log
from replay.history import History
from replay.points import AGO
from replay.render.screen import Screen

CLEAN, FOUND, USAGE, CORRUPT = 0, 1, 2, 3
FAULT = 70
"""The program's own fault, or the output's: neither a finding nor the question's (EX_SOFTWARE)."""
INTERRUPTED = 130
PIPE_BROKEN = 141
"""What a shell shows for a program that SIGPIPE ended: neither clean nor a finding."""
_CANNOT_READ = {"format", "version", "type", "position"}
"""Facts of a StoreError that was met in the log itself, such as a newer format."""

Answer = Callable[..., int | None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command is given: the log, and where its answer goes."""

    history: History
    screen: Screen


def asks(function: Answer) -> Callable[..., int]:
    """Make a function of an ``Asked`` a command's callback: it gets the shared options, and its exit code goes out."""

    @wraps(function)
    def callback(log: str | None, key: str | None, screen: Screen, **options: Any) -> int:
        with History.open(log or find_log(), key=None if key is None else read_key(key)) as history:
            return function(Asked(history, screen), **options) or CLEAN

    return _with(_OF_LOGS, tells(callback))


def tells(function: Answer) -> Callable[..., int]:
    """Make a function of a ``screen`` a command's callback that needs no log."""

    @wraps(function)
    def callback(as_json: bool, no_color: bool, no_pager: bool, debug: bool, **options: Any) -> int:
        click.get_current_context().find_root().obj = debug
        screen = Screen(as_json=as_json, no_color=no_color, no_pager=no_pager)
        return function(screen=screen, **options) or CLEAN

    return _with(_OF_SCREENS, callback)


def _with(options: Sequence[Callable[[Any], Any]], callback: Callable[..., int]) -> Callable[..., int]:
    for option in reversed(options):
        callback = option(callback)
    return callback


KEY_OPTION = click.option(
    "--key",
    metavar="KEY",
    envvar="LEDGERHUB_KEY",
    help="Whose signed checkpoints count: a verifier key, or a file with one. Default: LEDGERHUB_KEY.",
)
_OF_LOGS: Sequence[Callable[[Any], Any]] = (
    click.option(
        "--log",
        metavar="PATH",
        envvar="LEDGERHUB_LOG",
        type=click.Path(),
        help="The log's folder. Default: LEDGERHUB_LOG, or the only log below the current folder.",
    ),
    KEY_OPTION,
)
_OF_SCREENS: Sequence[Callable[[Any], Any]] = (
    click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object a line."),
    click.option("--no-color", is_flag=True, help="No colours; NO_COLOR in the environment does the same."),
    click.option("--no-pager", is_flag=True, help="Do not page on a terminal."),
    click.option("--debug", is_flag=True, help="Show where in the program an error came from."),
)


class PointCommand(click.Command):
    """A command that takes points as arguments: ``-2h`` is one, and not the option ``-h`` among others."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; what looks like a time ago is marked meanwhile, so that it is not taken for options."""
        rest = super().parse_args(ctx, [f"{_MARK}{arg}" if AGO.fullmatch(arg) else arg for arg in args])
        ctx.params = {name: _unmarked(value) for name, value in ctx.params.items()}
        return rest


_MARK = "\0"
"""No argument can hold it."""


def _unmarked(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_unmarked, value))
    return value.removeprefix(_MARK) if isinstance(value, str) else value


class Commands(click.Group):
    """The group of commands; every error of theirs is one line on stderr."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command line and leave with its exit code."""
        extra["standalone_mode"] = False
        try:
            code = super().main(*args, **extra)
        except click.ClickException as error:
            code = _tell(_usage(error), USAGE)
        except click.Abort:
            code = INTERRUPTED
        sys.exit(code or CLEAN)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; tell its error."""
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
            return code
        except NetworkError as error:
            if ctx.obj:
                raise
            return _tell(error.message, code_of(error))
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:
            # Nobody reads on. Python would complain once more when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return PIPE_BROKEN
        except OSError as error:
            if ctx.obj:
                raise
            return _tell(*_of_system(error))
        except Exception as error:
            if ctx.obj:
                raise
            return _tell(f"a fault of its own ({type(error).__name__}: {error}): see where with --debug", FAULT)


def code_of(error: NetworkError) -> int:
    """Return the exit code that an error ends a command with."""
    if isinstance(error, QuestionError):
        return USAGE
    unreadable = isinstance(error, CorruptLogError) or (
        isinstance(error, StoreError) and _CANNOT_READ & set(error.facts)
    )
    return CORRUPT if unreadable else USAGE


def _usage(error: click.ClickException) -> str:
    ctx = getattr(error, "ctx", None)
    path = ctx.command_path.removeprefix("replay").strip() if ctx is not None else ""
    message = " ".join(error.format_message().split()).rstrip(".")
    return f"{message}: see replay {path} --help".replace("  ", " ")


def _of_system(error: OSError) -> tuple[str, int]:
    """Say what the system refused, and the exit code: a file that was named is the question's, the output is not."""
    why = error.strerror or error
    if error.filename is None:
        return f"the output: {why}", FAULT
    return f"{error.filename}: {why}: give a file that is there, or in a folder that you may write", USAGE


def _tell(message: str, code: int) -> int:
    print(f"replay: {message}", file=sys.stderr)
    return code
