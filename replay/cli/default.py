"""A command that is a group: what follows it is a sub-command, or else the arguments of the usual one."""

from __future__ import annotations

import click


class WithDefault(click.Group):
    """A group whose first command is meant when none is named: ``replay prove @12`` is ``replay prove event @12``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the usual command's name where none of the names stands."""
        if not args or args[0] not in {*self.commands, *ctx.help_option_names}:
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, the usual one first."""
        return list(self.commands)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Say that the name may be left out."""
        for number, command in enumerate(self.commands.values()):
            pieces = command.collect_usage_pieces(click.Context(command, parent=ctx))
            name = f"{ctx.command_path} {command.name}" if number else ctx.command_path
            formatter.write_usage(name, " ".join(pieces))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options of the usual command, then the commands."""
        usual = next(iter(self.commands.values()))
        usual.format_options(click.Context(usual, parent=ctx), formatter)
        self.format_commands(ctx, formatter)
