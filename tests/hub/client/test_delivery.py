"""CLI-5, CLI-6 as agents live them: at least once, in order, one lane per (agent, session)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from events.errors import AccessDeniedError, NetworkError
from events.values import EV_TEXT, AccessBlock, Envelope, InboxBlock, LimitsBlock, Rule, is_close_event
from hub import HubClient, LocalLink
from hub.testing import ScriptedAgent, settle
from tests.hub.client.network import Network, open_hub


async def test_cli_5_what_was_not_acknowledged_is_delivered_again_after_a_reconnect(net: Network) -> None:
    alice = await net.agent("alice")
    away = net.connect()
    await away.register(ScriptedAgent(name="bob"))
    session = await alice.open(type="conversation", target="bob")
    await away.close()
    for text in ("one", "two", "three"):
        await session.send(text)
    await net.settle()
    bob = await net.connect().attach(ScriptedAgent("", "", ""), "bob")
    await net.settle()
    assert bob.agent.heard == ["one", "two", "three"]
    assert net.hub.inbox_depth(bob.agent_id) == 0
    again = await net.connect().attach(ScriptedAgent(), "bob")
    await net.settle()
    assert again.agent.heard == []


async def test_cli_5_trap_16_after_a_restart_agents_attach_and_nothing_unanswered_is_lost(net: Network) -> None:
    alice, bob = await net.agent("alice"), await net.agent("bob")
    session = await alice.open(type="consulting", target="bob")
    await bob.close()
    await session.send("still there?")
    await net.hub.close()
    async with await open_hub(net.store, net.clock, net.heard) as hub:
        client = HubClient(LocalLink(hub), hub=hub)
        bob = await client.attach(ScriptedAgent("yes"), "bob")
        alice = await client.attach(None, "alice")
        assert (await alice.session(session.session_id).wait_closed()).close_reason == "consulting_complete"
        await settle(hub)
        assert bob.agent.heard == ["still there?"]
        twice = await client.attach(ScriptedAgent("twice"), "bob")
        await settle(hub)
        assert twice.agent.heard == []


async def test_cli_5_a_trigger_that_was_answered_is_not_answered_twice(net: Network) -> None:
    bob = await net.agent("bob", "first", "second")
    alice = await net.agent("alice")
    session = await alice.open(type="conversation", target="bob")
    await session.send("hi")
    await net.settle()
    trigger = next(e for e in await net.hub.read_wal(session.session_id) if e.text == "hi")
    handling = bob.deliver(trigger)
    assert handling is not None
    await handling
    assert bob.agent.heard == ["hi"]
    assert await net.texts(session.session_id) == ["hi", "first"]


async def test_trap_52_an_envelope_that_failed_is_not_lost_when_a_later_one_succeeds(net: Network) -> None:
    alice, bob = await net.agent("alice"), await net.agent("bob", "")
    one, two = [await alice.open(type="conversation", target="bob") for _ in range(2)]
    await bob.close()
    await one.send("fails")
    await two.send("works")
    failing = net.connect()

    async def handler(envelope: Envelope) -> None:
        if envelope.text == "fails":
            await failing.close()
            raise ConnectionError("gone")

    await failing.attach(None, "bob", handler=handler)
    await net.settle()
    heard: list[str] = []
    await net.connect().attach(None, "bob", handler=lambda e: heard.append(e.text))
    await net.settle()
    assert "fails" in heard


async def test_trap_41_a_slow_handler_blocks_nobody_on_its_connection(net: Network) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow(message: str) -> str:
        asked.set()
        await go.wait()
        return "slow"

    alice = await net.agent("alice")
    await net.custom("slow", slow)
    await net.agent("quick", "quick")
    waiting = await alice.open(type="consulting", target="slow")
    await waiting.send("?")
    await asked.wait()
    session = await alice.open(type="consulting", target="quick")
    await session.send("?")
    await session.wait_closed()
    assert (await waiting.metadata()).state == "active"
    other = await alice.open(type="conversation", target="slow")
    assert (await other.metadata()).state == "active", "another session of the slow agent has a lane of its own"
    go.set()
    await waiting.wait_closed()
    assert await net.texts(waiting.session_id) == ["?", "slow"]


async def test_trap_41_a_handler_opens_a_session_to_its_neighbour_without_deadlock(net: Network) -> None:
    async def delegate(message: str) -> str:
        session = await middle.open(type="consulting", target="expert")
        await session.send(message)
        answer = await session.wait_for(lambda e: e.sender_id == expert.agent_id and e.event_type == EV_TEXT)
        return f"the expert says {answer.text}"

    alice, expert = await net.agent("alice"), await net.agent("expert", "42")
    middle = await net.custom("middle", delegate)
    session = await alice.open(type="consulting", target="middle")
    await session.send("what is it?")
    await session.wait_closed()
    assert await net.texts(session.session_id) == ["what is it?", "the expert says 42"]


async def test_rule_6_what_a_handler_opens_has_the_trigger_as_cause_and_is_one_deeper(
    net: Network,
) -> None:
    inner: list[Any] = []

    async def delegate(message: str) -> str:
        inner.append(await middle.open(type="consulting", target="expert"))
        await inner[0].send(message)
        await inner[0].wait_closed()
        return "done"

    alice, _ = await net.agent("alice"), await net.agent("expert", "42")
    middle = await net.custom("middle", delegate)
    session = await alice.open(type="consulting", target="middle")
    await session.send("?")
    await session.wait_closed()
    question = next(e for e in await net.hub.read_wal(session.session_id) if e.event_type == EV_TEXT)
    delegated, answer = [e for e in await net.hub.read_wal(inner[0].session_id) if e.event_type == EV_TEXT]
    assert delegated.causation_id == question.envelope_id
    assert (question.depth, delegated.depth, answer.depth) == (0, 1, 1)


async def test_rule_6_trap_23_a_chain_of_sessions_opened_on_close_events_grows_deeper(net: Network) -> None:
    refused: list[str] = []

    async def again(envelope: Envelope) -> None:
        if is_close_event(envelope) and len(sessions) < 6:
            try:
                sessions.append(await alice.open(type="consulting", target="bob"))
            except AccessDeniedError as error:
                refused.append(str(error))
            else:
                await sessions[-1].send("?")

    alice = await net.agent("alice", rule=Rule(limits=LimitsBlock(delegation_depth=2)))
    await net.agent("bob", *["!"] * 10)
    sessions = [await alice.open(type="consulting", target="bob")]
    alice.on_envelope(again)
    await sessions[0].send("?")
    await net.settle()
    assert len(sessions) == 3
    assert len(refused) == 1
    assert "delegation depth 3" in refused[0]


async def test_trap_43_recipients_share_a_value_that_nobody_can_change(net: Network) -> None:
    alice, bob, carol = [await net.agent(name) for name in ("alice", "bob", "carol")]
    session = await alice.open(type="discussion", target=["alice", "bob", "carol"])
    refused: list[BaseException] = []
    seen: list[dict[str, Any]] = []

    def vandal(envelope: Envelope) -> None:
        if envelope.event_type != EV_TEXT:
            return
        for change in (
            lambda: envelope.event_data.update(text="changed"),  # type: ignore[attr-defined]
            lambda: envelope.event_data["list"].append(2),
            lambda: setattr(envelope, "sender_id", bob.agent_id),
        ):
            try:
                change()
            except (TypeError, AttributeError) as error:
                refused.append(error)

    bob.on_envelope(vandal)
    carol.on_envelope(lambda e: seen.append(dict(e.event_data)) if e.event_type == EV_TEXT else None)
    payload: dict[str, Any] = {"text": "as sent", "list": [1]}
    posting = asyncio.create_task(session.send(payload))
    payload["text"] = "changed before"
    await posting
    payload["list"].append(3)
    await net.settle()
    assert len(refused) == 3
    wal = next(e for e in await net.hub.read_wal(session.session_id) if e.event_type == EV_TEXT)
    assert seen == [dict(wal.event_data)]
    assert wal.event_data["list"] == [1]


async def test_trap_12_a_bad_recipient_harms_only_itself(net: Network) -> None:
    alice = await net.agent("alice")

    def broken(envelope: Envelope) -> None:
        raise RuntimeError("broken recipient")

    await net.custom("bob", None, broken)
    heard: list[str] = []
    await net.custom("carol", None, lambda e: heard.append(e.text))
    session = await alice.open(type="discussion", target=["alice", "bob", "carol"])
    assert await session.send("hello")
    await net.settle()
    assert "hello" in heard
    assert await net.texts(session.session_id) == ["hello"]


async def test_cli_6_a_dead_consumer_is_bounded_by_its_inbox_and_slows_nobody(net: Network) -> None:
    asked, never = asyncio.Event(), asyncio.Event()

    async def dead(envelope: Envelope) -> None:
        if envelope.event_type == EV_TEXT:
            asked.set()
            await never.wait()

    rule = Rule(inbox=InboxBlock(max_pending=5))
    away = net.connect()
    bob = await away.register(ScriptedAgent(name="bob"), rule=rule, handler=dead)
    alice, carol = await net.agent("alice"), await net.agent("carol", *["ok"] * 20)
    session = await alice.open(type="conversation", target="bob")
    for number in range(5):
        await session.send(str(number))
    await asked.wait()
    with pytest.raises(NetworkError, match="full") as error:
        await session.send("one too many")
    assert error.value.code == "inbox_full"
    assert net.hub.inbox_depth(bob.agent_id) == 5
    other = await alice.open(type="consulting", target="carol")
    await other.send("?")
    assert (await other.wait_closed()).close_reason == "consulting_complete"
    assert carol.agent.heard == ["?"]
    await away.close()


async def test_trap_53_what_a_rule_kept_away_is_not_delivered_after_a_reconnect_either(net: Network) -> None:
    alice, bob = await net.agent("alice"), await net.agent("bob")
    session = await alice.open(type="conversation", target="bob")
    await bob.close()
    await session.send("allowed")
    await net.hub.set_rule(bob.agent_id, Rule(access=AccessBlock(inbound_from=["nobody"])))
    await session.send("kept away")
    await net.hub.set_rule(bob.agent_id, Rule())
    heard: list[str] = []
    bob = await net.client.attach(None, "bob", handler=lambda e: heard.append(e.text))
    await net.settle()
    assert heard == ["allowed"]
    assert await net.texts(session.session_id) == ["allowed", "kept away"]
    mine = await bob.session(session.session_id).read_wal()
    assert "kept away" not in [e.text for e in mine]


async def test_cli_5_delivery_is_in_order_within_a_session_whatever_the_priority(net: Network) -> None:
    alice, bob = await net.agent("alice"), await net.agent("bob")
    low, high = [await alice.open(type="conversation", target="bob") for _ in range(2)]
    await bob.close()
    await low.send("low 1", priority="low")
    await low.send("low 2", priority="normal")
    await high.send("high 1", priority="low")
    await high.send("high 2", priority="high")
    heard: list[str] = []
    await net.client.attach(None, "bob", handler=lambda e: heard.append(e.text))
    await net.settle()
    assert [text for text in heard if text.startswith("low")] == ["low 1", "low 2"]
    assert [text for text in heard if text.startswith("high")] == ["high 1", "high 2"]
