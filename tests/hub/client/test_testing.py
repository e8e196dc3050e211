"""DET-3: the clock, ids and agent of deterministic tests, and knowing when all is quiet."""

from __future__ import annotations

import asyncio

import pytest

from events.values import EV_TEXT
from hub.client.wait import Predicate
from hub.testing import MockClock, ScriptedAgent, SequentialIds
from tests.hub.client.network import Network


def has_text(text: str) -> Predicate:
    return lambda envelope: envelope.text == text


def test_det_3_the_clock_stands_still_until_it_is_advanced() -> None:
    clock = MockClock()
    assert (clock(), clock()) == ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z")
    clock.advance(61)
    clock.advance(0.25)
    assert clock() == "2026-01-01T00:01:01.250000Z"
    assert MockClock("2026-06-01T12:00:00+02:00")() == "2026-06-01T10:00:00Z"


@pytest.mark.parametrize("start", ["2026-01-01T00:00:00", "noon", ""])
def test_det_3_a_clock_starts_at_a_time_with_an_offset(start: str) -> None:
    with pytest.raises(ValueError, match=r"offset|ISO-8601"):
        MockClock(start)


def test_det_3_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="does not go back"):
        MockClock().advance(-1)


def test_det_3_timers_fire_in_the_order_they_are_due_each_at_its_time() -> None:
    clock = MockClock()
    fired: list[tuple[str, str]] = []

    def timer(name: str) -> None:
        fired.append((name, clock()[14:19]))

    def chain() -> None:
        timer("first")
        clock.call_later(10, lambda: timer("set meanwhile"))

    clock.call_later(30, lambda: timer("late"))
    clock.call_later(5, chain)
    clock.call_later(15, lambda: timer("same time, later"))
    clock.call_later(10, lambda: timer("never")).cancel()
    clock.call_later(0, lambda: timer("now"))
    clock.call_later(90, lambda: timer("beyond"))
    assert fired == []
    clock.advance(60)
    assert fired == [
        ("now", "00:00"),
        ("first", "00:05"),
        ("same time, later", "00:15"),
        ("set meanwhile", "00:15"),
        ("late", "00:30"),
    ]
    assert clock() == "2026-01-01T00:01:00Z"
    clock.advance(30)
    assert fired[-1] == ("beyond", "01:30")


def test_det_3_a_timer_that_fired_can_be_cancelled() -> None:
    clock = MockClock()
    fired: list[int] = []
    timer = clock.call_later(1, lambda: fired.append(1))
    clock.advance(1)
    timer.cancel()
    clock.advance(10)
    assert fired == [1]


def test_det_3_ids_count_in_order_and_go_on_above_a_logs_last() -> None:
    ids = SequentialIds()
    drawn = [ids() for _ in range(300)]
    assert drawn[0] == "0" * 31 + "1"
    assert drawn == sorted(drawn)
    assert {len(value) for value in drawn} == {32}
    ids.continue_above("0" * 28 + "ffff")
    assert ids() == "0" * 27 + "10000"
    ids.continue_above(drawn[0])
    assert ids() == "0" * 27 + "10001"
    assert SequentialIds(16)() == "0" * 30 + "10"


async def test_det_3_a_scripted_agent_says_its_lines_and_then_nothing() -> None:
    async def later(message: str) -> str:
        return f"{message}, later"

    agent = ScriptedAgent("one", ValueError("oops"), KeyError, str.upper, later, None)
    assert await agent.ask("a") == "one"
    with pytest.raises(ValueError, match="oops"):
        await agent.ask("b")
    with pytest.raises(KeyError):
        await agent.ask("c")
    assert [await agent.ask(message) for message in "defgh"] == ["D", "e, later", None, "", ""]
    assert agent.heard == list("abcdefgh")


async def test_det_3_settle_returns_when_what_is_in_flight_has_come_to_rest(net: Network) -> None:
    names = ["alice", "bob", "carol"]
    clients = [await net.agent(name, *[name] * 5) for name in names]
    session = await clients[0].open(type="discussion", target=names)
    await session.send("begin")
    await net.settle()
    assert len(await net.texts(session.session_id)) == 16
    assert net.hub.pending_turns_for(clients[1].agent_id) == [session.session_id]


async def test_det_3_settle_does_not_wait_for_a_handler_that_waits_for_the_clock(net: Network) -> None:
    alice, _ = await net.agent("alice"), await net.agent("silent")

    async def delegate(message: str) -> str:
        inner = await middle.open(type="conversation", target="silent")
        await inner.send(message)
        try:
            await inner.wait_for(lambda e: e.event_type == EV_TEXT and e.sender_id != middle.agent_id, timeout=60)
        except TimeoutError:
            return "nobody answered"
        return "answered"

    middle = await net.custom("middle", delegate)
    session = await alice.open(type="consulting", target="middle")
    await session.send("anybody?")
    await net.settle()
    assert await net.texts(session.session_id) == ["anybody?"]
    net.clock.advance(60)
    await net.settle()
    assert await net.texts(session.session_id) == ["anybody?", "nobody answered"]


async def test_det_3_settle_waits_for_a_handler_that_works_on(net: Network) -> None:
    async def busy(message: str) -> str:
        for _ in range(100):
            await asyncio.sleep(0)
        return "done"

    alice, _ = await net.agent("alice"), await net.custom("busy", busy)
    session = await alice.open(type="consulting", target="busy")
    await session.send("?")
    await net.settle()
    assert await net.texts(session.session_id) == ["?", "done"]


async def test_det_3_two_waits_of_one_handler_leave_the_count_of_activity_right(net: Network) -> None:
    async def wait_twice(message: str) -> str:
        waits = [session.wait_for(has_text(text)) for text in ("one", "two")]
        await asyncio.gather(*waits)
        return "both"

    async def wait_on(message: str) -> str:
        child = asyncio.create_task(session.wait_for(has_text("three")))
        children.append(child)
        return ""

    alice = await net.agent("alice")
    bob = await net.custom("bob", wait_twice)
    await net.agent("carol")
    children: list[asyncio.Task[object]] = []
    session = await alice.open(type="conversation", target="bob")
    other = await alice.open(type="consulting", target="bob")
    session = bob.session(session.session_id)
    await other.send("?")
    await net.settle()
    await session.send("one")
    await net.settle()
    assert await net.texts(other.session_id) == ["?"]
    await session.send("two")
    await net.settle()
    assert await net.texts(other.session_id) == ["?", "both"]
    dave = await net.custom("dave", wait_on)
    third = await alice.open(type="consulting", target="dave")
    await third.send("?")
    await net.settle()
    await session.send("three")
    await net.settle()
    assert children[0].done()
    assert dave.bound
    await net.settle()
