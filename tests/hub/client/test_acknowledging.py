"""What was handled goes on record with the commands of others, and no cap or mark counts it meanwhile (RULE-9)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest

from events.log import EventLog
from events.sessions import InboxAcknowledged
from hub import DiskKnowledgeStore, Envelope, Hub, HubClient, InboxBlock, InboxFull, LocalLink, Passport, Rule
from hub.acknowledging import GATHERED_MAX
from hub.client.agent_client import AgentClient, OnEnvelope
from hub.client.session import Session
from hub.listeners import HubListener
from hub.testing import settle
from tests.hub.client.network import Network


def nothing(_: Envelope) -> None:
    """Be done at once."""


async def talk(net: Network, handler: OnEnvelope, rule: Rule | None = None) -> tuple[Session, AgentClient]:
    """A conversation of alice with bob, who handles what comes."""
    alice = await net.agent("alice")
    bob = await net.client.register(None, Passport(name="bob"), rule=rule, handler=handler)
    return await alice.open(type="conversation", target="bob"), bob


def acknowledged(hub: Hub) -> list[int]:
    """How many envelopes each acknowledging event names."""
    return [len(e.body.agent_ids) for e in EventLog(hub.store).read() if isinstance(e.body, InboxAcknowledged)]


async def test_rule_9_acknowledgements_share_an_event_while_commands_keep_coming(net: Network) -> None:
    session, bob = await talk(net, nothing)
    for number in range(GATHERED_MAX + 6):
        await session.send(str(number))
    await net.settle()
    assert acknowledged(net.hub) == [GATHERED_MAX, 6]
    assert net.hub.inbox_depth(bob.agent_id) == 0


async def test_rule_9_what_is_handled_and_not_on_record_yet_fills_no_inbox(net: Network) -> None:
    session, bob = await talk(net, nothing, Rule(inbox=InboxBlock(max_pending=3)))
    for number in range(20):
        await session.send(str(number))
    await net.settle()
    assert net.hub.inbox_depth(bob.agent_id) == 0
    assert sum(acknowledged(net.hub)) == 20


async def test_rule_9_trap_39_a_burst_that_nobody_has_handled_is_still_refused(net: Network) -> None:
    async def wait_for_ever(_: Envelope) -> None:
        await asyncio.Event().wait()

    session, bob = await talk(net, wait_for_ever, Rule(inbox=InboxBlock(max_pending=3)))
    results = await asyncio.gather(*(session.send(str(n)) for n in range(10)), return_exceptions=True)
    assert [type(result) for result in results].count(InboxFull) == 7
    assert net.hub.inbox_depth(bob.agent_id) == 3
    await bob.close()


async def test_rule_9_a_quick_consumer_is_not_said_to_be_under_pressure(net: Network) -> None:
    told: list[int] = []

    class Pressure(HubListener):
        def on_inbox_pressure(self, agent_id: str, depth: int, high_water: int) -> None:
            told.append(depth)

    net.hub.register_listener(Pressure())
    session, _ = await talk(net, nothing, Rule(inbox=InboxBlock(max_pending=10)))
    for number in range(50):
        await session.send(str(number))
    await net.settle()
    assert told == []


async def test_cli_6_a_plain_handler_is_done_before_the_sender_goes_on_and_takes_no_task(net: Network) -> None:
    heard: list[str] = []
    session, _ = await talk(net, lambda envelope: heard.append(envelope.text))
    await net.settle()
    heard.clear()
    before = asyncio.all_tasks()
    await session.send("hi")
    assert heard == ["hi"]
    assert asyncio.all_tasks() == before
    assert not net.hub.delivery._lanes


async def test_cli_2_a_plain_function_may_return_something_to_wait_for(net: Network) -> None:
    gate, heard = asyncio.Event(), list[str]()

    async def later(envelope: Envelope) -> None:
        if envelope.text:
            await gate.wait()
            heard.append(envelope.text)

    def handler(envelope: Envelope) -> Awaitable[None]:
        return later(envelope)

    session, bob = await talk(net, handler)
    await session.send("one")
    await session.send("two")
    assert (heard, net.hub.inbox_depth(bob.agent_id)) == ([], 2)
    gate.set()
    await net.settle()
    assert (heard, net.hub.inbox_depth(bob.agent_id)) == (["one", "two"], 0)


async def test_trap_52_a_plain_handler_that_fails_is_tried_again_and_then_given_up(net: Network) -> None:
    def fail(envelope: Envelope) -> None:
        if envelope.text:
            raise ConnectionError("gone")

    session, bob = await talk(net, fail)
    await session.send("hi")
    await net.settle()
    assert [record["final"] for record in await net.kinds("turn_failed")] == [False, False, True]
    assert net.hub.inbox_depth(bob.agent_id) == 0


@pytest.mark.parametrize("posts", [1, 5])
async def test_det_3_settle_waits_until_acknowledgements_are_on_disk(tmp_path: Path, posts: int) -> None:
    store = DiskKnowledgeStore(tmp_path / "log", durability="os")
    hub = await Hub.open(store, ttl_sweep_interval=0, expectation_sweep_interval=0)
    async with hub, HubClient(LocalLink(hub)) as client:
        alice = await client.register(None, Passport(name="alice"))
        await client.register(None, Passport(name="bob"), handler=nothing)
        session = await alice.open(type="conversation", target="bob")
        for number in range(posts):
            await session.send(str(number))
        await settle(hub)
        assert sum(acknowledged(hub)) == posts
