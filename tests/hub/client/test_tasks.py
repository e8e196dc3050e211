"""TASK-1, TASK-2: work in a turn is told to the hub; work outside is nobody's business."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from events.errors import ProtocolError
from events.values import EV_TASK_CANCELLED, EV_TASK_COMPLETED, EV_TASK_FAILED, EV_TASK_PROGRESS, EV_TASK_STARTED
from hub.client.agent_client import AgentClient
from hub.client.task import Task
from hub.testing import ScriptedAgent
from tests.hub.client.network import Network


async def consult(net: Network, answer: Any) -> tuple[AgentClient, Any]:
    """Ask bob, who answers with this callable, and wait until all is quiet."""
    bob = await net.custom("bob", answer)
    alice = await net.agent("alice")
    session = await alice.open(type="consulting", target="bob")
    await session.send("?")
    await net.settle()
    return bob, session


async def task_events(net: Network, session: Any) -> list[tuple[str, dict[str, Any]]]:
    wal = await net.hub.read_wal(session.session_id)
    return [(e.event_type, dict(e.event_data)) for e in wal if e.event_type.startswith("ag2.task.")]


async def test_task_1_a_task_in_a_turn_finds_its_session_and_hub(net: Network) -> None:
    agent = ScriptedAgent()
    seen: list[Task] = []

    async def answer(message: str) -> str:
        async with agent.task("sum up", capability="analysis", payload={"pages": 3}) as task:
            seen.append(task)
            net.clock.advance(2)
            await task.progress({"page": 1})
            net.clock.advance(1)
            await task.complete({"summary": "short"})
        return "done"

    bob, session = await consult(net, answer)
    (started, first), (progressed, second), (completed, third) = await task_events(net, session)
    assert (started, progressed, completed) == (EV_TASK_STARTED, EV_TASK_PROGRESS, EV_TASK_COMPLETED)
    assert (first["title"], first["capability"], first["payload"]) == ("sum up", "analysis", {"pages": 3})
    assert second["progress"] == {"page": 1}
    assert (third["result"], third["latency_ms"]) == ({"summary": "short"}, 3000)
    metadata = seen[0].metadata
    assert metadata is not None
    assert (metadata.owner_id, metadata.state, seen[0].state) == (bob.agent_id, "completed", "completed")
    assert (await net.hub.get_resume(bob.agent_id)).observed["analysis"].completed == 1
    assert await net.texts(session.session_id) == ["?", "done"]


async def test_task_1_a_clean_exit_completes(net: Network) -> None:
    async def answer(message: str) -> str:
        async with bob_agent.task("nothing to say"):
            pass
        return "done"

    bob_agent = ScriptedAgent()
    _, session = await consult(net, answer)
    assert [kind for kind, _ in await task_events(net, session)] == [EV_TASK_STARTED, EV_TASK_COMPLETED]


async def test_task_1_an_exception_fails_it_and_propagates(net: Network) -> None:
    async def answer(message: str) -> str:
        async with ScriptedAgent().task("doomed", capability="analysis"):
            raise KeyError("page 7")

    bob, session = await consult(net, answer)
    kinds = await task_events(net, session)
    assert [kind for kind, _ in kinds] == [EV_TASK_STARTED, EV_TASK_FAILED] * 3, "the turn is tried three times"
    assert kinds[1][1]["error"] == "KeyError: 'page 7'"
    assert len(await net.kinds("turn_failed")) == 3
    assert (await net.hub.get_resume(bob.agent_id)).observed["analysis"].failed == 3


async def test_task_1_outside_a_turn_it_runs_unobserved(net: Network) -> None:
    alice = await net.agent("alice")
    before = net.hub.position
    async with alice.task("private") as task:
        await task.progress({"half": True})
    assert (task.state, task.metadata) == ("completed", None)
    with pytest.raises(ValueError, match="boom"):
        async with ScriptedAgent().task("private") as failing:
            raise ValueError("boom")
    assert (failing.state, failing.error) == ("failed", "ValueError: boom")
    assert net.hub.position == before


async def test_task_1_what_has_ended_stays_as_it_ended(net: Network) -> None:
    async with ScriptedAgent().task("early") as task:
        await task.complete("all of it")
        await task.fail("too late")
    assert (task.state, dict(task.result), task.error) == ("completed", {"result": "all of it"}, "")


async def test_task_1_a_cancelled_turn_cancels_its_task(net: Network) -> None:
    alice, bob = await net.agent("alice"), await net.agent("bob")
    session = await alice.open(type="conversation", target="bob")
    inside = asyncio.Event()

    async def work() -> None:
        async with session.task("long"):
            inside.set()
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    await inside.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert [kind for kind, _ in await task_events(net, session)] == [EV_TASK_STARTED, EV_TASK_CANCELLED]
    assert bob.bound


async def test_task_1_a_session_records_tasks_outside_turns(net: Network) -> None:
    alice, _ = await net.agent("alice"), await net.agent("bob")
    session = await alice.open(type="conversation", target="bob")
    async with session.task("preparing") as task:
        pass
    assert task.metadata is not None
    assert task.metadata.session_id == session.session_id
    assert [kind for kind, _ in await task_events(net, session)] == [EV_TASK_STARTED, EV_TASK_COMPLETED]


async def test_task_1_a_client_task_is_observed_in_its_own_turns_only(net: Network) -> None:
    tasks: list[Task] = []

    async def answer(message: str) -> str:
        for client in (carol, clients[0]):
            async with client.task("whose?") as task:
                tasks.append(task)
        return "done"

    carol = await net.agent("carol")
    clients: list[AgentClient] = []
    clients.append(await net.custom("bob", answer))
    alice = await net.agent("alice")
    session = await alice.open(type="consulting", target="bob")
    await session.send("?")
    await net.settle()
    hers, his = tasks
    assert hers.metadata is None
    assert his.metadata is not None
    assert his.metadata.owner_id == clients[0].agent_id


async def test_task_2_a_mirror_that_fails_breaks_no_turn_and_is_reported(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*args: Any, **kwargs: Any) -> None:
        raise ProtocolError("no tasks today")

    monkeypatch.setattr(net.hub, "observe_task", refuse)

    async def answer(message: str) -> str:
        async with ScriptedAgent().task("unseen") as task:
            await task.progress({"half": True})
            await task.complete()
        return str(task.state)

    _, session = await consult(net, answer)
    assert await net.texts(session.session_id) == ["?", "completed"]
    assert [str(error) for error in net.heard.mirrors] == ["no tasks today"]
    assert await task_events(net, session) == []
    assert await net.kinds("turn_failed") == []


async def test_task_2_what_the_hub_cannot_keep_fails_the_mirror_not_the_task(net: Network) -> None:
    async def answer(message: str) -> str:
        async with ScriptedAgent().task("odd") as task:
            await task.progress({"nan": float("nan")})
            await task.complete({"object": object()})
        return str(task.state)

    _, session = await consult(net, answer)
    assert await net.texts(session.session_id) == ["?", "completed"]
    assert len(net.heard.mirrors) == 2


def test_a_task_of_the_wrong_shape_is_refused_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="ttl"):
        ScriptedAgent().task("odd", ttl="soon")
