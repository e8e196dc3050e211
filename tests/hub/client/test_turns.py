"""CLI-3, CLI-4: the default handler, from the envelope that makes it an agent's turn to its reply."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from events.errors import ProtocolError
from events.values import EV_TEXT, Envelope
from hub.testing import ScriptedAgent
from hub.views import FullTranscript, WindowedSummary
from tests.hub.client.network import Network


async def ask_bob(net: Network, bob: Any, question: str = "why?") -> tuple[Any, Any]:
    """Open a consulting of alice with bob and ask."""
    alice = await net.agent("alice")
    session = await alice.open(type="consulting", target=bob.agent_id)
    await session.send(question)
    await net.settle()
    return alice, session


async def test_cli_3_acks_answers_and_keeps_cause_and_depth(net: Network) -> None:
    bob = await net.agent("bob", "because")
    _alice, session = await ask_bob(net, bob)
    question, answer = [e for e in await net.hub.read_wal(session.session_id) if e.event_type == EV_TEXT]
    assert (answer.sender_id, answer.text) == (bob.agent_id, "because")
    assert (answer.causation_id, answer.depth) == (question.envelope_id, question.depth)
    assert (await session.metadata()).close_reason == "consulting_complete"
    assert bob.agent.heard == ["why?"]


@pytest.mark.parametrize("reply", ["", "  \n", None, SimpleNamespace(body=None)])
async def test_cli_3_an_empty_reply_posts_nothing(net: Network, reply: Any) -> None:
    bob = await net.agent("bob", reply)
    _alice, session = await ask_bob(net, bob)
    assert bob.agent.heard == ["why?"]
    assert await net.texts(session.session_id) == ["why?"]
    assert net.heard.failed == []
    assert net.hub.inbox_depth(bob.agent_id) == 0


async def test_cli_3_trap_52_a_crash_is_recorded_and_delivered_again_up_to_a_limit(
    net: Network,
) -> None:
    bob = await net.agent("bob", *[ValueError("no idea")] * 5)
    _alice, session = await ask_bob(net, bob)
    failures = await net.kinds("turn_failed")
    assert len(bob.agent.heard) == len(failures) == 3
    assert [failure["final"] for failure in failures] == [False, False, True]
    assert net.heard.failed == [(bob.agent_id, "no idea")] * 3
    assert await net.texts(session.session_id) == ["why?"]
    assert (await session.metadata()).state == "active"
    await bob.session(session.session_id).send("by hand")
    assert (await session.metadata()).close_reason == "consulting_complete"


async def test_trap_52_a_failed_turn_is_not_acknowledged_and_succeeds_when_it_comes_again(net: Network) -> None:
    bob = await net.agent("bob", ConnectionError, "at last")
    _alice, session = await ask_bob(net, bob)
    assert await net.texts(session.session_id) == ["why?", "at last"]
    assert [failure["final"] for failure in await net.kinds("turn_failed")] == [False]


async def test_cli_3_only_whose_turn_it_is_answers(net: Network) -> None:
    names = ["alice", "bob", "carol"]
    alice, _bob, _carol = [await net.agent(name, f"{name} 1", f"{name} 2") for name in names]
    session = await alice.open(type="discussion", target=names)
    await session.send("begin")
    await session.wait_for(lambda e: e.text == "carol 2")
    await net.settle()
    assert await net.texts(session.session_id) == [
        "begin",
        "bob 1",
        "carol 1",
        "alice 1",
        "bob 2",
        "carol 2",
        "alice 2",
    ]
    assert (await session.metadata()).state == "active"


async def test_cli_3_unknown_event_types_take_no_turn(net: Network) -> None:
    bob = await net.agent("bob", "hello?")
    alice = await net.agent("alice")
    session = await alice.open(type="conversation", target="bob")
    await session.send({"temperature": 21}, event_type="acme.sensor")
    await net.settle()
    assert bob.agent.heard == []
    await session.send("hi")
    await net.settle()
    assert bob.agent.heard == ["hi"]


async def test_cli_3_a_reply_to_a_session_that_ended_meanwhile_is_dropped_without_a_failure(net: Network) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow(message: str) -> str:
        asked.set()
        await go.wait()
        return "too late"

    await net.custom("bob", slow)
    alice = await net.agent("alice")
    session = await alice.open(type="consulting", target="bob")
    await session.send("why?")
    await asked.wait()
    await session.close("never mind")
    go.set()
    await net.settle()
    assert await net.texts(session.session_id) == ["why?"]
    assert await net.kinds("turn_failed") == []


async def test_cli_3_any_other_refusal_of_the_reply_is_a_failed_turn(net: Network) -> None:
    bob = await net.agent("bob", "x" * (1 << 21))
    _alice, _session = await ask_bob(net, bob)
    first = (await net.kinds("turn_failed"))[0]
    assert "ProtocolError" in first["error"]
    assert "1 MiB" in first["error"]


async def test_cli_3_history_is_what_the_view_shows_up_to_the_trigger(net: Network) -> None:
    alice, bob = await net.agent("alice"), await net.agent("bob", "", "", "", "")
    session = await alice.open(type="conversation", target="bob")
    for number in range(3):
        await session.send(f"a{number}")
        await net.settle()
        await bob.session(session.session_id).send(f"b{number}")
    await session.send("now")
    await net.settle()
    context = bob.agent.contexts[-1]
    assert [(m.role, m.content) for m in context.history] == [
        ("user", "a0"),
        ("assistant", "b0"),
        ("user", "a1"),
        ("assistant", "b1"),
        ("user", "a2"),
        ("assistant", "b2"),
        ("user", "now"),
    ]
    assert context.session_id == session.session_id
    assert context.agent_id == bob.agent_id
    assert context.envelope.text == "now"
    assert context.metadata.manifest.type == "conversation"
    assert context.client is bob


async def test_view_1_trap_61_a_turn_reads_the_window_it_needs(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, bob = await net.agent("alice"), await net.agent("bob", *[""] * 60)
    bob.view_policy = WindowedSummary(4)
    session = await alice.open(type="conversation", target="bob")
    for number in range(50):
        await session.send(str(number))
    await net.settle()
    read: list[int] = []
    visible_wal = net.hub.visible_wal

    async def counted(*args: Any, **kwargs: Any) -> list[Envelope]:
        envelopes = await visible_wal(*args, **kwargs)
        read.append(len(envelopes))
        return envelopes

    monkeypatch.setattr(net.hub, "visible_wal", counted)
    await session.send("now")
    await net.settle()
    assert [m.content for m in bob.agent.contexts[-1].history] == ["47", "48", "49", "now"]
    assert sum(read) <= 16


async def test_view_1_a_window_is_filled_past_what_it_does_not_show(net: Network) -> None:
    alice, bob = await net.agent("alice"), await net.agent("bob", *[""] * 60)
    session = await alice.open(type="conversation", target="bob")
    for number in range(10):
        await session.send(str(number))
    for _ in range(40):
        await session.send({"beat": 1}, event_type="acme.heartbeat")
    await session.send("now")
    await net.settle()
    assert [m.content for m in bob.agent.contexts[-1].history] == [*"123456789", "now"]
    bob.view_policy = FullTranscript()
    await session.send("again")
    await net.settle()
    assert [m.content for m in bob.agent.contexts[-1].history] == [*"0123456789", "now", "again"]


def hello(message: str) -> str:
    return f"hello {message}"


async def ahello(message: str) -> str:
    return f"hello {message}"


class Bodied:
    async def ask(self, message: str, *, context: Any) -> Any:
        return SimpleNamespace(body=f"hello {message}")


@pytest.mark.parametrize("agent", [hello, ahello, Bodied(), ScriptedAgent(hello), ScriptedAgent(ahello)])
async def test_cli_4_an_agent_is_anything_that_can_be_asked(net: Network, agent: Any) -> None:
    bob = await net.custom("bob", agent)
    _alice, session = await ask_bob(net, bob, "bob")
    assert bob.agent is agent
    assert await net.texts(session.session_id) == ["bob", "hello bob"]


async def test_cli_4_what_cannot_be_asked_is_refused_before_it_is_registered(net: Network) -> None:
    with pytest.raises(TypeError, match="not an agent"):
        await net.custom("bob", 42)
    assert net.hub.find_agent_id("bob") is None


async def test_cli_2_callbacks_see_every_delivered_envelope_before_the_default_replies(net: Network) -> None:
    bob = await net.agent("bob", "because")
    seen: list[str] = []
    later: list[str] = []

    async def collect(envelope: Envelope) -> None:
        seen.append(envelope.event_type)
        later.append(f"heard {len(bob.agent.heard)}")

    remove = bob.on_envelope(collect)
    bob.on_envelope(lambda envelope: seen.append("sync"))
    await ask_bob(net, bob)
    assert seen[:2] == ["ag2.session.invite", "sync"]
    assert EV_TEXT in seen
    assert later[seen[::2].index(EV_TEXT)] == "heard 0"
    remove()
    seen.clear()
    await net.client.unregister("alice")
    await ask_bob(net, bob)
    assert set(seen) == {"sync"}


async def test_a_callback_that_answers_leaves_nothing_for_the_default_handler(net: Network) -> None:
    bob = await net.agent("bob", "twice")

    async def answer(envelope: Envelope) -> None:
        if envelope.event_type == EV_TEXT:
            await bob.session(envelope.session_id).send("once")

    bob.on_envelope(answer)
    alice = await net.agent("alice")
    session = await alice.open(type="conversation", target="bob")
    await session.send("hi")
    await net.settle()
    assert await net.texts(session.session_id) == ["hi", "once"]
    assert bob.agent.heard == []


async def test_a_handler_of_its_own_takes_the_place_of_the_default_replies(net: Network) -> None:
    taken: list[str] = []
    bob = await net.client.register(
        ScriptedAgent("never said", name="bob"), handler=lambda envelope: taken.append(envelope.text)
    )
    _alice, session = await ask_bob(net, bob)
    assert "why?" in taken
    assert await net.texts(session.session_id) == ["why?"]


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_agent_may_decline_an_invite(net: Network, is_async: bool) -> None:
    alice, bob = await net.agent("alice"), await net.agent("bob", "yes")

    async def decline(invite: Envelope) -> bool:
        return False

    bob.accept_invite = decline if is_async else lambda invite: False
    with pytest.raises(ProtocolError, match="bob"):
        await alice.open(type="consulting", target="bob")
    closed = (await net.kinds("session_closed"))[0]
    assert closed["reason"] == "invite_rejected"
    await net.settle()
    assert net.heard.failed == []


async def test_an_invite_that_is_answered_too_late_fails_no_turn(net: Network) -> None:
    alice, bob = await net.agent("alice"), await net.agent("bob", "yes")
    invited, go = asyncio.Event(), asyncio.Event()

    async def slow(invite: Envelope) -> bool:
        invited.set()
        await go.wait()
        return True

    bob.accept_invite = slow
    opening = asyncio.create_task(alice.open(type="consulting", target="bob"))
    await invited.wait()
    net.clock.advance(30)
    await net.hub.expire_due()
    with pytest.raises(ProtocolError, match="ack timeout"):
        await opening
    go.set()
    await net.settle()
    assert net.heard.failed == []
