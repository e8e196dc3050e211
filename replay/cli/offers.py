"""What the shell is offered while a command is typed."""

from __future__ import annotations

from itertools import islice

import click
from click.shell_completion import CompletionItem

from events.agents import AgentRegistered
from events.errors import NetworkError
from events.event import BODIES
from events.log import tagged
from projections.audit import KINDS
from replay.finding import find_log
from replay.history import History

OFFERED_MAX = 200
"""How many of the latest agents are offered."""


def types(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Offer event types."""
    return [CompletionItem(name) for name in sorted(BODIES) if name.startswith(typed)]


def kinds(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Offer audit kinds."""
    return [CompletionItem(kind) for kind in sorted(KINDS) if kind.startswith(typed)]


def agents(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Offer the names of the log's agents; none when the log cannot be read."""
    try:
        with History.open(ctx.params.get("log") or find_log()) as history:
            found = history.log.read(tagged(types=(AgentRegistered,)), backwards=True, content=False)
            names = dict.fromkeys(event.body.name for event in islice(found, OFFERED_MAX))
    except NetworkError:
        return []
    return [CompletionItem(name) for name in sorted(names) if name.startswith(typed)]
