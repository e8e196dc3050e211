"""Marks: each command carries one of its own, so that its events are known again in the log.

A mark stands where people would write something, or in a glob that matches nobody, and begins with ``tok``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from events import agents, sessions, tasks
from events.event import Event


def _in(*path: str) -> Callable[[Any], Any]:
    def find(body: Any) -> Any:
        value = getattr(body, path[0])
        for key in path[1:]:
            value = value.get(key) if hasattr(value, "get") else None
        return value

    return find


def _in_rule(body: Any) -> Any:
    return next(iter(body.rule["access"]["session_types_allowed"][::-1]), None)


PLACES: dict[type, Callable[[Any], Any]] = {
    agents.AgentRegistered: _in("owner"),
    agents.AgentResumeSet: _in("summary"),
    agents.AgentSkillSet: _in("markdown"),
    agents.AgentRuleSet: _in_rule,
    sessions.SessionCreated: _in("labels", "token"),
    sessions.SessionInviteRejected: _in("reason"),
    sessions.SessionClosed: _in("reason"),
    sessions.EnvelopePosted: _in("rest", "text"),
    tasks.TaskStarted: _in("title"),
    tasks.TaskProgressed: _in("progress", "token"),
    tasks.TaskCompleted: _in("result", "token"),
    tasks.TaskFailed: _in("error"),
    tasks.TaskCancelled: _in("error"),
}


def token_of(event: Event) -> str | None:
    """Return the mark that an event carries, or None."""
    place = PLACES.get(type(event.body))
    found = place(event.body) if place is not None else None
    return found if isinstance(found, str) and found.startswith("tok") else None
