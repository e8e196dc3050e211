from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from events.values.task import TaskState
from hub.agents import Agent, as_agent, reply_text


@dataclass
class Reply:
    body: Any


class Asked:
    async def ask(self, message: str, *, context: Any) -> Reply:
        return Reply(f"{message} in {context}")


async def later(message: str) -> str:
    return message.upper()


class Callable_:
    def __call__(self, message: str) -> str:
        return message + "?"


async def ask(asked: object, message: str) -> str:
    agent = as_agent(asked)
    assert agent is not None
    return reply_text(await agent.ask(message, context="context"))


@pytest.mark.parametrize(
    ("asked", "reply"),
    [
        (Asked(), "hi in context"),
        (str.title, "Hi"),
        (later, "HI"),
        (partial(later), "HI"),
        (lambda message: later(message + "!"), "HI!"),
        (Callable_(), "hi?"),
        (Agent("echo", lambda message: message), "hi"),
        (lambda _: None, ""),
    ],
)
async def test_cli_4_whatever_can_be_asked_is_an_agent(asked: object, reply: str) -> None:
    assert await ask(asked, "hi") == reply


def test_cli_4_what_has_ask_is_taken_as_it_is() -> None:
    asked = Asked()
    assert as_agent(asked) is asked


def test_nobody_is_no_agent() -> None:
    assert as_agent(None) is None


@pytest.mark.parametrize("thing", ["text", 7, object()])
def test_cli_4_what_cannot_be_asked_is_refused(thing: object) -> None:
    with pytest.raises(TypeError, match=rf"^a {type(thing).__name__} is not an agent; give an object with"):
        as_agent(thing)


def test_cli_4_an_agent_needs_a_function() -> None:
    with pytest.raises(TypeError, match="the agent 'bob' was given a str"):
        Agent("bob", "no function")  # type: ignore[arg-type]


async def test_task_1_outside_a_turn_an_agents_task_runs_unobserved() -> None:
    agent = Agent("bob", str.title)
    async with agent.task("sum up", capability="summaries") as task:
        await task.progress({"pages": 3})
        await task.complete({"pages": 7})
    assert (task.state, task.result, task.metadata) == (TaskState.COMPLETED, {"pages": 7}, None)
    assert repr(agent) == "Agent('bob')"


async def test_what_the_function_raises_is_the_callers() -> None:
    def fail(message: str) -> str:
        raise LookupError(message)

    with pytest.raises(LookupError, match="hi"):
        await Agent("bob", fail).ask("hi")


@pytest.mark.parametrize(
    ("reply", "text"), [("hi", "hi"), ("", ""), (None, ""), (Reply("hi"), "hi"), (Reply(None), ""), (Reply(""), "")]
)
def test_cli_4_a_reply_is_text_or_has_a_body(reply: object, text: str) -> None:
    assert reply_text(reply) == text


@pytest.mark.parametrize(("reply", "kind"), [(7, "int"), (Reply(7), "int"), ({"body": "hi"}, "dict"), (b"hi", "bytes")])
def test_cli_4_any_other_reply_is_refused(reply: object, kind: str) -> None:
    with pytest.raises(TypeError, match=f"an agent replied with a {kind}; return text"):
        reply_text(reply)
