"""What a restart must not lose, and what a clock may say: everything that counts is folded from the log."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from events.errors import AccessDeniedError, InboxFull, RateLimitedError
from hub import Hub, InboxBlock, LimitsBlock, MemoryKnowledgeStore, RateBlock, Rule, TaskSpec
from hub.testing import SequentialIds
from tests.spec.stage import Stage
from tests.spec.watching import expects, violated, watched

TIGHT = Rule(
    rate=RateBlock(envelopes_per_minute=2),
    inbox=InboxBlock(max_pending=2),
    limits=LimitsBlock(max_concurrent_sessions=1, max_concurrent_tasks=1),
)


async def test_trap_13_what_counts_survives_a_restart(any_stage: Stage) -> None:
    """Fired violations, inbox counts, counted tasks, rate windows, caps, keys and the quiet minute: to the bit."""
    kind = watched(expects("max_silence", seconds=5), turns=False)
    any_stage.hub.register_adapter(kind)
    alice, bob = await any_stage.agents("alice", "bob", rule=TIGHT)
    session_id = await any_stage.open("watched", alice, bob)
    await any_stage.hub.observe_task(session_id, bob, TaskSpec(title="t", capability="x"), task_id="t-1")
    await any_stage.hub.update_task("t-1", "completed")
    await any_stage.hub.observe_task(session_id, bob, TaskSpec(title="t"), task_id="t-2")
    first = await any_stage.say(session_id, alice, "one", idempotency_key="k")
    await any_stage.say(session_id, alice, "two")
    await any_stage.wait(5)

    async def hold() -> None:
        hub = any_stage.hub
        with pytest.raises(RateLimitedError) as refused:
            await any_stage.say(session_id, alice)
        assert refused.value.retry_after == 55
        with pytest.raises(AccessDeniedError, match="max_concurrent_sessions"):
            await hub.create_session(type="watched", creator_id=alice, target=bob)
        with pytest.raises(AccessDeniedError, match="max_concurrent_tasks"):
            await hub.observe_task(session_id, bob, TaskSpec(title="t"))
        assert await any_stage.say(session_id, alice, "one", idempotency_key="k") == first
        assert hub.inbox_depth(bob) == 2
        assert (await hub.get_resume(bob)).observed["x"].n == 1
        assert (await hub.update_task("t-1", "failed")).state == "completed"
        await any_stage.wait(0)
        assert await violated(any_stage) == [("max_silence", "")]

    await hold()
    denied = len(await any_stage.audit("access_denied"))
    for _ in range(2):
        digest = any_stage.hub.state_digest()
        await any_stage.restart()
        any_stage.hub.register_adapter(kind)
        assert any_stage.hub.state_digest() == digest
        await hold()
        assert len(await any_stage.audit("access_denied")) == denied
    any_stage.clock.advance(55)
    with pytest.raises(InboxFull):
        await any_stage.say(session_id, alice)


async def test_trap_39_caps_hold_for_what_is_decided_before_it_is_on_disk(any_stage: Stage) -> None:
    """RULE-7: of many sessions and tasks asked for at once, as many as the caps allow."""
    rule = Rule(limits=LimitsBlock(max_concurrent_sessions=3, max_concurrent_tasks=4))
    any_stage.hub.register_adapter(watched())
    (alice,) = await any_stage.agents("alice", rule=rule)
    opening = [any_stage.hub.create_session(type="watched", creator_id=alice, target=alice) for _ in range(30)]
    outcomes: list[Any] = await asyncio.gather(*opening, return_exceptions=True)
    sessions = [o for o in outcomes if not isinstance(o, AccessDeniedError)]
    assert [o.state for o in sessions] == ["active"] * 3
    tasks = [
        any_stage.hub.observe_task(sessions[n % 3].session_id, alice, TaskSpec(title="t"), task_id=f"t-{n}")
        for n in range(30)
    ]
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(not isinstance(o, AccessDeniedError) for o in outcomes) == 4


@pytest.mark.parametrize("says", ["2026-01-01T00:00:00", "2026-01-01", "noon", "", 0, None], ids=repr)
async def test_trap_57_a_clock_without_offset_or_sense_is_refused_when_the_hub_opens(says: Any) -> None:
    store = MemoryKnowledgeStore()
    with pytest.raises(ValueError, match="the hub's clock gave a time that cannot be used"):
        await Hub.open(store, clock=lambda: says)
    async with await Hub.open(store) as hub:
        assert hub.position == 1, "the store was left alone"


async def test_trap_57_moments_are_compared_as_moments_in_mixed_notations(stage: Stage) -> None:
    """DET-0: a session's time is up when it is, whatever offset the clock speaks in; it never goes back."""
    spoken = ["2026-01-01T00:00:00Z"]
    store = MemoryKnowledgeStore()
    options: dict[str, Any] = {"ttl_sweep_interval": 0, "expectation_sweep_interval": 0, "ids": SequentialIds()}
    async with await Hub.open(store, clock=lambda: spoken[-1], **options) as hub:
        stage.hub = hub
        hub.register_adapter(watched())
        (alice,) = await stage.agents("alice")
        session_id = await stage.open("watched", alice, ttl=3600)
        for says, state in (
            ("2026-01-01T02:59:59.999999+02:00", "active"),
            ("2025-12-31T19:30:00-05:00", "active"),
            ("2026-01-01T00:00:00.5+00:00", "active"),
            ("2025-12-31T20:00:00-05:00", "expired"),
        ):
            spoken.append(says)
            await hub.expire_due()
            assert (await hub.get_session(session_id)).state == state
        moments = [event.at_us for event in hub._log.read()]
        assert moments == sorted(moments)
