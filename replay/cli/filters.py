"""The filters that several commands share, as ``replay log`` has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from replay.cli import offers

Option = Callable[[Any], Any]

TYPE = click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    shell_complete=offers.types,
    help="Event type, or a glob such as 'session.*'.",
)
AGENT = click.option(
    "--agent", "agents", multiple=True, metavar="AGENT", shell_complete=offers.agents, help="Concerns this agent."
)
SESSION = click.option(
    "--session",
    "sessions",
    multiple=True,
    metavar="SESSION",
    shell_complete=offers.sessions,
    help="Belongs to this session.",
)
TAG = click.option("--tag", "tags", multiple=True, metavar="TAG", help="Has this tag, such as task:t1.")
ACTOR = click.option(
    "--actor",
    "actors",
    multiple=True,
    metavar="AGENT",
    shell_complete=offers.agents,
    help="Done by this agent, hub or operator.",
)
SINCE = click.option("--since", metavar="POINT", help="From this point on, it included.")
UNTIL = click.option("--until", metavar="POINT", help="Up to this point, it included.")
GREP = click.option("--grep", metavar="REGEX", help="The event's line, facts or content match this expression.")
LIMIT = click.option("--limit", type=click.IntRange(min=0), metavar="N", help="At most N events.")
REVERSE = click.option("--reverse", is_flag=True, help="Newest first.")
EVERY = (TYPE, AGENT, SESSION, TAG, ACTOR, SINCE, UNTIL, GREP, LIMIT, REVERSE)
"""All that a ``Query`` takes."""
WHERE = (AGENT, SESSION, SINCE, UNTIL)
"""What narrows a question about the whole log."""


def filtered(options: Sequence[Option] = EVERY) -> Option:
    """Give a command's function options, in this order."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate
