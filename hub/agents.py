"""What can answer: anything with an async ``ask``, and plain functions made into that (CLI-4)."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

from hub.client.task import Tasked

Answer = Callable[[str], "str | Awaitable[str | None] | None"]
"""A plain function from a message to a reply, sync or async; an empty reply posts nothing."""


class Asked(Protocol):
    """An agent as the hub sees it (CLI-4)."""

    async def ask(self, message: str, *, context: Any) -> Any:
        """Return the reply: text, an object whose ``.body`` is text, or None; nothing is posted when it is empty."""
        ...


class Agent(Tasked):
    """A plain function as an agent; inside a turn, ``agent.task`` is recorded by the hub (TASK-1).

    Args:
        name: for people; what the network knows is the passport's name.
        f: called with the message. A sync function runs on the hub's loop, so it should be quick; give an async one
            for anything that waits.

    Raises:
        TypeError: ``f`` cannot be called.
    """

    def __init__(self, name: str, f: Answer) -> None:
        if not callable(f):
            raise TypeError(f"the agent {name!r} was given a {type(f).__name__}; give it a function f(message) -> str")
        self.name = name
        self._answer = f

    def __repr__(self) -> str:
        return f"Agent({self.name!r})"

    async def ask(self, message: str, *, context: Any = None) -> Any:
        """Return what the function returns; whatever it raises is the caller's."""
        reply = self._answer(message)
        return await reply if inspect.isawaitable(reply) else reply


def as_agent(asked: object) -> Asked | None:
    """Return an agent for anything that CLI-4 calls one; None stays None: no default replies.

    Raises:
        TypeError: neither an object with ``ask`` nor a callable.
    """
    if asked is None or callable(getattr(asked, "ask", None)):
        return cast("Asked | None", asked)
    if callable(asked):
        return Agent(getattr(asked, "__name__", type(asked).__name__), asked)
    raise TypeError(
        f"a {type(asked).__name__} is not an agent; give an object with `async ask(message, *, context)`, "
        "or a function f(message) -> str"
    )


def reply_text(reply: object) -> str:
    """Return the text of a reply: itself, its ``.body``, or ``""`` for None.

    Raises:
        TypeError: any other reply.
    """
    text = reply if reply is None or isinstance(reply, str) else getattr(reply, "body", reply)
    if text is None or isinstance(text, str):
        return text or ""
    raise TypeError(f"an agent replied with a {type(text).__name__}; return text, or an object whose .body is text")
