"""The command ``ledgerhub``."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

from events.errors import NetworkError
from hub.catalogue import library_version


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(library_version(), prog_name="ledgerhub")
def cli() -> None:
    """Run a hub for networks of agents whose only truth is one append-only log.

    To ask a log what happened, use the command `replay`.
    """


@cli.command()
@click.option("--log", "path", type=click.Path(path_type=Path), default=Path("demo.hub"), show_default=True,
              help="Where the demo's log goes; it is left there.")  # fmt: skip
@click.option("--live", is_flag=True, help="Play on the real clock, a minute a second, instead of a mock clock.")
@click.option("--no-color", is_flag=True, help="No colour.")
def demo(path: Path, live: bool, no_color: bool) -> None:
    """Play a network of six agents: sessions, rules, violations, a kill -9, and the first questions to its log."""
    from hub.demo.run import demo as play  # noqa: PLC0415  (what only the demo needs)

    console = Console(highlight=False, no_color=no_color or None)
    sys.exit(play(path, console, live=live))


def main() -> None:
    """Run the command; every error is one line."""
    try:
        cli()
    except NetworkError as error:
        click.echo(f"ledgerhub: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        click.echo(f"ledgerhub: {error.filename or 'the system'}: {error.strerror or error}", err=True)
        sys.exit(2)
