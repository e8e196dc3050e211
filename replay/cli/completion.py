"""``replay completion``: the script that makes a shell complete commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the shell's completion script.

    For bash put this in ~/.bashrc (zsh alike): eval "$(replay completion bash)". For fish: replay completion fish >
    ~/.config/fish/completions/replay.fish.
    """
    script = get_completion_class(shell)
    assert script is not None
    root = click.get_current_context().find_root().command
    click.echo(script(root, {}, "replay", "_REPLAY_COMPLETE").source())
