"""docs/replay.md: every command of ``replay`` as its own ``--help`` tells it.

``python .ci/reference.py`` writes it, ``--check`` says whether it is stale. `make docs`, `make check`.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from replay.cli import main

PAGE = Path(__file__).resolve().parent.parent / "docs" / "replay.md"
WIDTH = 96
HEAD = """\
# The command `replay`

Every command and option, as `--help` tells them. This page is made by `make docs`; what is wrong in it is wrong there.
`replay completion SHELL` makes a shell complete all of it.
"""


def reference() -> str:
    """Return the page."""
    commands = list(_commands(main, "replay"))
    rows = [
        f"| [`{name}`](#{name.replace(' ', '-')}) | {command.get_short_help_str(200)} |" for name, command in commands
    ]
    sections = [_section("##", "replay", main), *(_section("##", name, command) for name, command in commands)]
    return "\n".join([HEAD, "| | |", "|---|---|", *rows, "", *sections])


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Give a group's commands in the order in which they were added, those of its groups after each."""
    for name, command in group.commands.items():
        if command.hidden:
            continue
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")


def _section(marks: str, name: str, command: click.Command) -> str:
    settings = {**main.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(command, info_name=name, **settings)
    return f"{marks} {name}\n\n```text\n{command.get_help(context)}\n```\n"


def stale() -> str:
    """Return how the page differs from what it should be, empty when it does not."""
    there = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    lines = difflib.unified_diff(there.splitlines(), reference().splitlines(), PAGE.name, "--help", lineterm="", n=1)
    return "\n".join(lines)


if __name__ == "__main__":
    os.environ.pop("LEDGERHUB_LOG", None)
    if "--check" in sys.argv[1:]:
        difference = stale()
        sys.exit(f"{difference}\ndocs/replay.md is stale: make docs" if difference else 0)
    PAGE.write_text(reference(), encoding="utf-8")
