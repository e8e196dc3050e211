"""Traps 15, 28, 29, 33 and SESS-7: a connection acts as its own agents only, and frees what it held."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from events.errors import AccessDeniedError
from events.values import Envelope, Passport, Resume, Rule, TaskSpec, TaskState
from hub.links.connection import Connection
from hub.testing import ScriptedAgent, settle
from tests.hub.client.network import Network

Command = Callable[[Connection, str, str], Awaitable[Any]]
"""A command of a connection, on an agent and a session that are not its own."""

COMMANDS: dict[str, Command] = {
    "post_envelope": lambda c, agent, session: c.post_envelope(Envelope(session, agent, event_data={"text": "forged"})),
    "close_session": lambda c, agent, session: c.close_session(agent, session, "forged"),
    "set_rule": lambda c, agent, session: c.set_rule(agent, Rule()),
    "set_resume": lambda c, agent, session: c.set_resume(agent, Resume(summary="forged")),
    "set_skill": lambda c, agent, session: c.set_skill(agent, "forged"),
    "unregister": lambda c, agent, session: c.unregister(agent),
    "create_session": lambda c, agent, session: c.create_session(agent, type="conversation", target="eve"),
    "acknowledge": lambda c, agent, session: c.acknowledge(agent, "0" * 32),
    "observe_task": lambda c, agent, session: c.observe_task(agent, session, TaskSpec("forged")),
    "update_task": lambda c, agent, session: c.update_task(agent, "t1", TaskState.FAILED),
    "read_wal": lambda c, agent, session: c.read_wal(session, agent_id=agent),
    "read_wal of nobody": lambda c, agent, session: c.read_wal(session),
    "participated": lambda c, agent, session: c.participated(agent, session),
    "turn": lambda c, agent, session: c.turn(agent, session),
    "get_rule": lambda c, agent, session: c.get_rule(agent),
    "watch": lambda c, agent, session: c.watch(agent, session, lambda e: None, lambda error: None),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
async def test_trap_33_trap_29_every_command_is_refused_for_an_agent_that_is_not_bound_here(
    net: Network, command: Command
) -> None:
    """SESS-7 too: nothing of the refused thing is in the log."""
    alice, _ = await net.agent("alice"), await net.agent("bob")
    session = await alice.open(type="conversation", target="bob")
    await net.settle()
    outsider = net.connect()
    await outsider.register(ScriptedAgent(name="eve"))
    before = net.hub.position
    with pytest.raises(AccessDeniedError):
        await command(outsider.connection, alice.agent_id, session.session_id)
    assert net.hub.position == before
    assert (await session.metadata()).state == "active"


async def test_trap_33_a_bound_outsider_may_neither_close_nor_read_a_session(net: Network) -> None:
    alice, _, eve = [await net.agent(name) for name in ("alice", "bob", "eve")]
    session = await alice.open(type="conversation", target="bob")
    for refused in (
        eve.session(session.session_id).close("mine now"),
        eve.session(session.session_id).read_wal(),
        eve.session(session.session_id).metadata(),
    ):
        with pytest.raises(AccessDeniedError, match="'eve' is not one"):
            await refused
    assert (await session.metadata()).state == "active"


async def test_trap_33_any_participant_may_close_and_the_operator_is_recorded_as_such(net: Network) -> None:
    alice, bob = await net.agent("alice"), await net.agent("bob")
    first, second = [await alice.open(type="conversation", target="bob") for _ in range(2)]
    await bob.session(first.session_id).close("enough")
    await net.hub.close_session(second.session_id, "swept")
    records = await net.kinds("session_closed")
    assert [(record["reason"], record["actor"]) for record in records] == [
        ("enough", bob.agent_id),
        ("swept", "operator"),
    ]


async def test_sess_7_an_agent_that_registers_through_a_link_is_its_own_actor(net: Network) -> None:
    alice = await net.agent("alice")
    await net.hub.register_identity(Passport(name="bob"))
    assert [record["actor"] for record in await net.kinds("agent_registered")] == [alice.agent_id, "operator"]


async def test_read_wal_shows_what_the_agents_of_the_connection_may_see(net: Network) -> None:
    alice, bob = await net.agent("alice"), await net.agent("bob")
    other = net.connect()
    carol = await other.register(ScriptedAgent(name="carol"))
    session = await alice.open(type="discussion", target=["alice", "bob", "carol"])
    await session.send("for bob", audience=["bob"])
    await bob.session(session.session_id).send("for all")

    async def texts(reader: Any) -> list[str]:
        return [e.text for e in await reader(session.session_id) if e.text]

    assert await texts(net.client.read_wal) == ["for bob", "for all"]
    assert await texts(other.read_wal) == ["for all"]
    assert [e.text for e in await carol.session(session.session_id).read_wal(6)] == ["for all"]


async def test_trap_15_a_closed_link_frees_everything_it_held(net: Network) -> None:
    away = net.connect()
    bob = await away.register(ScriptedAgent(name="bob"))
    alice = await net.agent("alice")
    session = await alice.open(type="conversation", target="bob")
    waiting = asyncio.create_task(bob.session(session.session_id).wait_for(lambda e: False))
    await net.settle()
    assert away.connection.watch_count == 1
    await away.close()
    with pytest.raises(AccessDeniedError, match="closed"):
        await waiting
    assert away.connection.watch_count == 0
    assert not net.hub.delivery.is_bound(bob.agent_id)
    for number in range(20):
        await session.send(str(number))
    await net.settle()
    assert bob.agent.heard == []
    assert net.hub.inbox_depth(bob.agent_id) == 20


async def test_trap_28_a_newer_connection_takes_over_and_the_older_ones_end_changes_nothing(net: Network) -> None:
    older, newer = net.connect(), net.connect()
    first = await older.register(ScriptedAgent("", name="bob"))
    second = await newer.attach(ScriptedAgent(""), "bob")
    alice = await net.agent("alice")
    session = await alice.open(type="conversation", target="bob")
    await session.send("who is it?")
    await net.settle()
    await older.close()
    await session.send("and now?")
    await net.settle()
    assert (first.agent.heard, second.agent.heard) == ([], ["who is it?", "and now?"])


async def test_a_hub_that_closes_tells_whoever_waits(net: Network) -> None:
    alice, _ = await net.agent("alice"), await net.agent("bob")
    session = await alice.open(type="conversation", target="bob")
    waiting = asyncio.create_task(session.wait_for(lambda e: False))
    await settle(net.hub)
    await net.hub.close()
    with pytest.raises(AccessDeniedError, match="closed"):
        await waiting
    assert not alice.bound
