"""CLI-2: a wait sees every envelope since the session was joined, each once, in order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from events.errors import AccessDeniedError, NotFoundError
from events.values import EV_SESSION_CLOSED, EV_SESSION_OPENED, EV_TEXT, Envelope, is_close_event
from hub.client import wait
from tests.hub.client.network import Network


def has_text(text: str) -> Any:
    return lambda envelope: envelope.text == text


def never(envelope: Envelope) -> bool:
    return False


async def conversation(net: Network) -> tuple[Any, Any, Any]:
    alice, bob = await net.agent("alice"), await net.agent("bob")
    return alice, bob, await alice.open(type="conversation", target="bob")


async def test_cli_2_nothing_is_lost_between_open_send_and_wait(net: Network) -> None:
    alice, bob, session = await conversation(net)
    await session.send("one")
    await session.send("two")
    await net.settle()
    for client in (alice, bob):
        found = await client.wait_for_session_event(session_id=session.session_id, predicate=has_text("one"), timeout=0)
        assert found.text == "one"
        opened = await client.wait_for_session_event(
            session_id=session.session_id, predicate=lambda e: e.event_type == EV_SESSION_OPENED, timeout=0
        )
        assert opened.sequence == 3


async def test_cli_2_a_wait_sees_past_and_present_once_and_in_order(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait, "PAGE", 2)
    _alice, bob, session = await conversation(net)
    for number in range(5):
        await session.send(str(number))
    seen: list[int] = []

    def collect(envelope: Envelope) -> bool:
        seen.append(envelope.sequence)
        return envelope.text == "last"

    waiting = asyncio.create_task(bob.wait_for_session_event(session_id=session.session_id, predicate=collect))
    posting = [asyncio.create_task(session.send(str(number))) for number in range(5, 10)]
    await asyncio.gather(*posting)
    await session.send("last")
    assert (await waiting).text == "last"
    wal = await bob.session(session.session_id).read_wal()
    assert seen == [envelope.sequence for envelope in wal]


async def test_trap_45_two_waits_on_one_session_each_see_every_envelope(net: Network) -> None:
    alice, bob, session = await conversation(net)
    waits = [
        asyncio.create_task(client.wait_for_session_event(session_id=session.session_id, predicate=has_text(text)))
        for client in (bob, bob, alice)
        for text in ("first", "second")
    ]
    await net.settle()
    await session.send("first")
    await session.send("second")
    assert [found.text for found in await asyncio.gather(*waits)] == ["first", "second"] * 3


async def test_trap_31_a_forged_close_convinces_no_waiter(net: Network) -> None:
    _alice, bob, session = await conversation(net)
    waiting = asyncio.create_task(session.wait_for(is_close_event))
    with pytest.raises(Exception, match="only the hub emits"):
        await bob.session(session.session_id).send({"reason": "forged"}, event_type=EV_SESSION_CLOSED)
    await net.settle()
    assert not waiting.done()
    await session.close("real")
    assert (await waiting).event_data["reason"] == "real"


async def test_trap_49_waiting_for_the_end_covers_a_ttl_expiry(net: Network) -> None:
    alice, bob = await net.agent("alice"), await net.agent("bob")
    session = await alice.open(type="conversation", target="bob", ttl="60s")
    waits = [asyncio.create_task(client.session(session.session_id).wait_closed()) for client in (alice, bob)]
    await net.settle()
    net.clock.advance(60)
    await net.hub.expire_due()
    for metadata in await asyncio.gather(*waits):
        assert (metadata.state, metadata.close_reason) == ("expired", "ttl_expired")


async def test_wait_closed_returns_at_once_for_a_session_that_has_ended(net: Network) -> None:
    _alice, bob, session = await conversation(net)
    await session.close("done")
    assert (await bob.session(session.session_id).wait_closed(timeout=0)).close_reason == "done"


async def test_a_wait_times_out_on_the_hubs_clock_and_says_where_the_session_stands(net: Network) -> None:
    alice, _bob, session = await conversation(net)
    waiting = asyncio.create_task(
        alice.wait_for_session_event(session_id=session.session_id, predicate=never, timeout=60)
    )
    await net.settle()
    net.clock.advance(59.999)
    await net.settle()
    assert not waiting.done()
    net.clock.advance(0.001)
    with pytest.raises(TimeoutError, match=rf"waited 60 s: .*{session.session_id}.*#3, ag2.session.opened"):
        await waiting


async def test_a_wait_ends_with_its_session_for_nothing_can_follow(net: Network) -> None:
    _alice, _bob, session = await conversation(net)
    waiting = asyncio.create_task(session.wait_for(never))
    await net.settle()
    await session.close("enough")
    with pytest.raises(TimeoutError, match=r"enough.*nothing can follow"):
        await waiting


async def test_what_a_predicate_raises_reaches_the_one_who_waits_and_nobody_else(net: Network) -> None:
    _alice, bob, session = await conversation(net)
    other = asyncio.create_task(session.wait_for(has_text("x")))
    waiting = asyncio.create_task(session.wait_for(lambda e: e.event_type == EV_TEXT and 1 // 0 == 0))
    await net.settle()
    await bob.session(session.session_id).send("x")
    with pytest.raises(ZeroDivisionError):
        await waiting
    assert (await other).text == "x"
    assert net.heard.errors == []


async def test_a_wait_is_for_participants_of_a_session_that_exists(net: Network) -> None:
    _alice, _bob, session = await conversation(net)
    eve = await net.agent("eve")
    with pytest.raises(AccessDeniedError, match="'eve' is not one"):
        await eve.wait_for_session_event(session_id=session.session_id, predicate=never)
    with pytest.raises(NotFoundError):
        await eve.wait_for_session_event(session_id="f" * 32, predicate=never)


async def test_a_wait_sees_only_what_its_agent_may_see(net: Network) -> None:
    alice, bob, carol = [await net.agent(name) for name in ("alice", "bob", "carol")]
    session = await alice.open(type="discussion", target=["alice", "bob", "carol"])
    await session.send("for bob", audience=["bob"])
    await bob.session(session.session_id).send("for all")
    found = await carol.wait_for_session_event(
        session_id=session.session_id, predicate=lambda e: e.event_type == EV_TEXT, timeout=0
    )
    assert found.text == "for all"


async def test_a_cancelled_wait_leaves_nothing_behind(net: Network) -> None:
    _alice, _bob, session = await conversation(net)
    waiting = asyncio.create_task(session.wait_for(never))
    await net.settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert net.client.connection.watch_count == 0


async def test_cli_2_what_is_posted_while_the_past_is_read_is_seen_once_and_in_order(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait, "PAGE", 4)
    alice, bob, session = await conversation(net)
    for number in range(6):
        await session.send(str(number))
    visible_wal, more = net.hub.visible_wal, iter("xyz")

    async def interrupted(*args: Any, **kwargs: Any) -> list[Envelope]:
        before = await visible_wal(*args, **kwargs)
        if (text := next(more, None)) is not None:
            await session.send(text)
        return before

    monkeypatch.setattr(net.hub, "visible_wal", interrupted)
    seen: list[str] = []

    def collect(envelope: Envelope) -> bool:
        seen.append(envelope.text)
        return envelope.text == "z"

    await bob.wait_for_session_event(session_id=session.session_id, predicate=collect)
    assert [text for text in seen if text] == [*"012345", *"xyz"]
    assert alice.bound
