"""What the shell is offered while a command is typed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

import click
from click.shell_completion import CompletionItem

from events.agents import AgentRegistered
from events.errors import NetworkError
from events.event import BODIES, Event
from events.log import tagged
from events.sessions import SessionCreated
from events.tasks import TaskStarted
from projections.audit import KINDS
from replay.finding import find_log
from replay.history import History
from replay.state import COLLECTIONS

OFFERED_MAX = 200
"""How many of the latest agents, sessions or tasks are offered."""


def types(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Offer event types."""
    return [CompletionItem(name) for name in sorted(BODIES) if name.startswith(typed)]


def kinds(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Offer audit kinds."""
    return [CompletionItem(kind) for kind in sorted(KINDS) if kind.startswith(typed)]


def agents(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Offer the names of the log's agents; none when the log cannot be read."""
    with suppress(NetworkError), _log(ctx) as history:
        return _beginning(typed, _names(history))
    return []


def sessions(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Offer the latest sessions, by where they began; shells that show a help show their type."""
    with suppress(NetworkError), _log(ctx) as history:
        return _beginning(typed, _sessions(history))
    return []


def paths(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Offer the collections of a hub's state, then the agents, sessions or tasks in the one that was typed."""
    collection, slash, _ = typed.partition("/")
    if not slash:
        return _beginning(typed, {f"{name}/": "" for name in COLLECTIONS})
    with suppress(NetworkError), _log(ctx) as history:
        if collection == "sessions":
            found = _sessions(history)
        elif collection == "tasks":
            found = dict.fromkeys((event.body.task_id for event in _latest(history, TaskStarted)), "")
        else:
            found = _names(history) if collection in COLLECTIONS and collection != "denials" else {}
        return _beginning(typed, {f"{collection}/{each}": help for each, help in found.items() if "/" not in each})
    return []


def _log(ctx: click.Context) -> History:
    return History.open(ctx.params.get("log") or find_log())


def _beginning(typed: str, offered: Mapping[str, str]) -> list[CompletionItem]:
    return [CompletionItem(name, help=help or None) for name, help in offered.items() if name.startswith(typed)]


def _latest(history: History, body: type) -> Iterator[Event]:
    return history.log.read(tagged(types=(body,)), backwards=True, limit=OFFERED_MAX, content=False)


def _names(history: History) -> dict[str, str]:
    return dict.fromkeys(sorted({event.body.name for event in _latest(history, AgentRegistered)}), "")


def _sessions(history: History) -> dict[str, str]:
    return {f"@{event.position}": event.body.manifest["type"] for event in _latest(history, SessionCreated)}
