"""The ``replay`` command: ask a log what happened, and why. Each command is a thin face on the library."""

from __future__ import annotations

import click

from hub.catalogue import library_version
from replay.cli import (
    audit,
    bisect,
    blame,
    bundle,
    checkpoint,
    completion,
    diff,
    diverge,
    export,
    golden,
    impact,
    import_,
    keygen,
    lint,
    log,
    prove,
    show,
    state,
    stats,
    step,
    story,
    verify,
    wal,
    whatif,
    why,
)
from replay.cli.common import Commands

__all__ = ["main"]


@click.group(
    cls=Commands,
    name="replay",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(library_version(), prog_name="replay")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Ask a hub's log what happened, and why.

    The log is only read, and a hub may be writing it. A POINT in history is @123 (a position), the id of an event or
    envelope or its beginning, a time such as 2026-08-21T10:00Z, -15m (before the log's last event), or head. An agent
    is named by name or id, one that is gone, too; a session by its id or its beginning, or by @POSITION of an event
    in it.

    Exit codes: 0 clean, 1 a finding, 2 a question that cannot be asked so, 3 a log that cannot be read.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


for module in (
    story,
    why,
    impact,
    log,
    show,
    wal,
    audit,
    state,
    diff,
    blame,
    bisect,
    step,
    verify,
    whatif,
    diverge,
    stats,
    lint,
    export,
    import_,
    checkpoint,
    prove,
    bundle,
    keygen,
    golden,
    completion,
):
    main.add_command(module.command)
