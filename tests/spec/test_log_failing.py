"""LOG-5: the store fails; what was in flight is told so and leaves no trace; the hub goes on when the store does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from events.errors import StoreError
from events.stores import LmdbRecorder, LogRecorder
from hub import Envelope, HubClient, InboxBlock, LimitsBlock, LocalLink, Passport, Resume, Rule, TaskSpec
from hub.clock import yield_once
from hub.testing import MockClock, settle
from tests.hub.client.network import Heard, Network
from tests.hub.client.network import open_hub as open_network
from tests.spec.stage import OpenHub, Stage
from tests.support.replaying import assert_equals_replay
from tests.support.stores import BrokenStore, HeldStore

MEBIBYTE = 1 << 20


async def on(open_hub: OpenHub, clock: MockClock, store: LogRecorder) -> tuple[Stage, str, str, str]:
    """Alice and bob in a conversation."""
    stage = await Stage(open_hub, clock, store).raise_curtain()
    alice, bob = await stage.agents("alice", "bob")
    return stage, alice, bob, await stage.open("conversation", alice, bob)


async def all_fail(*commands: Coroutine[Any, Any, Any]) -> None:
    outcomes = await asyncio.gather(*commands, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StoreError] * len(commands), outcomes
    assert {getattr(outcome, "code", "") for outcome in outcomes} == {"store_error"}


async def test_log_5_what_was_in_flight_fails_and_nothing_of_it_is_visible(open_hub: OpenHub, clock: MockClock) -> None:
    store = BrokenStore()
    stage, alice, bob, session_id = await on(open_hub, clock, store)
    hub, before = stage.hub, stage.hub.state_digest()
    position, wal = hub.position, await hub.read_wal(session_id)
    store.broken = True
    await all_fail(
        hub.register_identity(Passport(name="carol")),
        stage.say(session_id, alice, "lost"),
        hub.set_resume(bob, Resume(["answers"])),
        hub.observe_task(session_id, bob, TaskSpec("t"), task_id="t"),
        hub.create_session(type="consulting", creator_id=alice, target=bob),
        hub.close_session(session_id),
    )
    assert (hub.position, await hub.read_wal(session_id)) == (position, wal)
    assert hub.find_agent_id("carol") is None
    assert hub.inbox_depth(bob) == 0
    assert hub.agents_with_capability("answers") == []
    assert [s.session_id for s in await hub.list_sessions(agent_id=alice)] == [session_id]
    assert await hub.list_tasks() == []
    assert hub.state_digest() == before
    assert_equals_replay(hub)


async def test_log_5_the_hub_goes_on_when_the_store_does(open_hub: OpenHub, clock: MockClock) -> None:
    store = BrokenStore()
    stage, alice, bob, session_id = await on(open_hub, clock, store)
    for _ in range(3):
        store.broken = True
        await all_fail(stage.say(session_id, alice, "lost"))
        await all_fail(stage.say(session_id, alice, "lost"))
        store.broken = False
        await stage.say(session_id, alice, "kept")
    assert [e.text for e in (await stage.hub.read_wal(session_id))[3:]] == ["kept"] * 3
    assert stage.hub.inbox_depth(bob) == 3
    assert stage.hub.health()["status"] == "ok"


async def test_log_5_what_was_decided_after_the_failed_append_fails_with_it(
    open_hub: OpenHub, clock: MockClock
) -> None:
    """The second and third saw the first, which never was; a store that works again must not take them."""
    store = HeldStore()
    stage, alice, bob, session_id = await on(open_hub, clock, store)
    store.held = True
    posts = [asyncio.create_task(stage.say(session_id, alice, str(n))) for n in range(3)]
    while len(store.waiting) < 3:
        await yield_once()
    store.refuse(1)
    late = asyncio.create_task(stage.say(session_id, bob, "later"))
    await yield_once()
    store.held = False
    store.let_through()
    await all_fail(*(asyncio.wait_for(post, 5) for post in posts))
    await late
    wal = await stage.hub.read_wal(session_id)
    assert [(e.text, e.sequence) for e in wal[3:]] == [("later", 4)]


async def test_trap_10_a_session_that_failed_to_start_leaves_no_ghost(open_hub: OpenHub, clock: MockClock) -> None:
    store = BrokenStore()
    stage = await Stage(open_hub, clock, store).raise_curtain()
    alice, bob = await stage.agents("alice", "bob", rule=Rule(limits=LimitsBlock(max_concurrent_sessions=1)))
    store.broken = True
    for _ in range(3):
        await all_fail(stage.hub.create_session(type="conversation", creator_id=alice, target=bob))
    store.broken = False
    assert await stage.open("conversation", alice, bob)
    assert stage.hub.health()["live_sessions"] == 1


async def test_log_5_nobody_is_told_of_what_did_not_happen(open_hub: OpenHub, clock: MockClock) -> None:
    """Listeners, subscribers and inbox pressure: what was noted of a failed post is not said of the next event."""
    store = BrokenStore()
    stage, alice, bob, session_id = await on(open_hub, clock, store)
    await stage.hub.set_rule(bob, Rule(inbox=InboxBlock(high_water=1)))
    told: list[Any] = []
    stage.heard.on_inbox_pressure = lambda *pressure: told.append(pressure)  # type: ignore[method-assign]
    stage.heard.on_event = lambda event: told.append(event.type)  # type: ignore[method-assign]
    stage.hub.audit_log.subscribe(lambda record: told.append(record["kind"]))
    store.broken = True
    await all_fail(stage.say(session_id, alice))
    store.broken = False
    await stage.agents("carol")
    assert told == ["agent.registered", "agent_registered"]
    await stage.say(session_id, alice)
    assert told[2:] == ["envelope.posted", (bob, 1, 1)]


async def test_log_5_what_was_due_while_the_store_failed_is_done_afterwards(
    open_hub: OpenHub, clock: MockClock
) -> None:
    store = BrokenStore()
    stage = await Stage(open_hub, clock, store).raise_curtain()
    alice, bob = await stage.agents("alice", "bob")
    sessions = [await stage.open("conversation", alice, bob, ttl="1m") for _ in range(3)]
    clock.advance(60)
    store.broken = True
    with pytest.raises(StoreError):
        await stage.hub.expire_due()
    store.broken = False
    await stage.hub.expire_due()
    assert [(await stage.hub.get_session(s)).state for s in sessions] == ["expired"] * 3


async def test_log_5_acknowledgements_of_handlers_survive_a_failing_store() -> None:
    """RULE-9: an agent that handled what it got does not stay full because the disk was."""
    store, clock = BrokenStore(), MockClock()
    heard = Heard()
    hub = await open_network(store, clock, heard)
    async with hub, HubClient(LocalLink(hub)) as client:
        net = Network(hub, clock, store, client, heard)
        alice = await net.agent("alice")

        def breaks(envelope: Envelope) -> None:
            store.broken = envelope.text == "now"

        bob = await net.custom("bob", None, handler=breaks)
        session = await alice.open(type="conversation", target="bob")
        await session.send("now")
        await settle(hub)
        assert hub.inbox_depth(bob.agent_id) == 1
        store.broken = False
        await session.send("then")
        await settle(hub)
        assert hub.inbox_depth(bob.agent_id) == 0


async def test_log_5_a_full_map_on_disk(open_hub: OpenHub, clock: MockClock, tmp_path: Path) -> None:
    """A disk that is full, simulated by a map that may not grow; then it may."""
    store = LmdbRecorder(
        tmp_path / "log", map_size_bytes=MEBIBYTE, map_size_max_bytes=MEBIBYTE, record_rule="event", durability="os"
    )
    stage, alice, bob, session_id = await on(open_hub, clock, store)
    kept: list[str] = []

    async def fill() -> None:
        while len(kept) < 100:
            kept.append(await stage.say(session_id, alice, "x" * 50_000))

    with pytest.raises(StoreError, match=r"is full: .* allow more with map_size_max_bytes"):
        await fill()
    assert 0 < len(kept) < 100
    await all_fail(*(stage.say(session_id, alice, "y" * 500_000) for _ in range(3)))
    assert stage.hub.inbox_depth(bob) == len(kept)
    assert_equals_replay(stage.hub)
    assert store._writer is not None
    store._writer._map_size_bytes_max = None
    kept += [await stage.say(session_id, alice, "y" * 500_000) for _ in range(3)]
    await stage.restart()
    assert [e.envelope_id for e in (await stage.hub.read_wal(session_id))[3:]] == kept
    assert list(store.check_indexes()) == []
