"""SPEC §4, RULE-7 to RULE-10: how much at once, per minute and in an inbox; traps 19, 22, 39."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import (
    EV_SESSION_OPENED,
    AccessDeniedError,
    Hub,
    HubClient,
    HubListener,
    InboxFull,
    LocalLink,
    MemoryKnowledgeStore,
    Passport,
    ProtocolError,
    RateLimitedError,
    Rule,
    TaskSpec,
)
from hub.testing import MockClock, SequentialIds
from tests.spec.acting import denied, inbox, limits, rate
from tests.spec.stage import Stage

# RULE-7: how much at once.


async def test_rule_7_pending_sessions_count_and_ended_ones_do_not(stage: Stage) -> None:
    (a,) = await stage.agents("alice", rule=limits(max_concurrent_sessions=2))
    (b,) = await stage.agents("bob")
    session_id = await stage.open("conversation", a, b)
    pending_id, opening = await stage.invite("conversation", a, b)
    await stage.open("conversation", b, a)
    error = await denied(stage, stage.open("conversation", a, b), "2 open sessions .* max_concurrent_sessions is 2")
    assert error.cap == 2
    await stage.hub.close_session(session_id)
    await stage.open("conversation", a, b)
    await stage.restart()
    await denied(stage, stage.open("conversation", a, b), "2 open sessions")
    await stage.hub.close_session(pending_id)
    await stage.open("conversation", a, b)
    with pytest.raises(ProtocolError):
        await opening


async def test_rule_7_trap_39_session_caps_are_exact_under_parallel_opens(any_stage: Stage) -> None:
    hub = any_stage.hub
    link = HubClient(LocalLink(hub))
    alice = await link.register(None, Passport(name="alice"), rule=limits(max_concurrent_sessions=7))
    await link.register(None, Passport(name="bob"))
    opened = await asyncio.gather(
        *(alice.open(type="conversation", target="bob") for _ in range(100)), return_exceptions=True
    )
    assert sum(isinstance(one, AccessDeniedError) for one in opened) == 93
    assert any_stage.types().count("session.created") == 7
    assert len(await hub.list_sessions(state="active")) == 7


async def test_rule_7_trap_39_task_caps_are_exact_under_parallel_starts(any_stage: Stage) -> None:
    hub = any_stage.hub
    (a,) = await any_stage.agents("alice", rule=limits(max_concurrent_tasks=7))
    (b,) = await any_stage.agents("bob")
    session_id = await any_stage.open("conversation", a, b)

    async def start() -> list[Any]:
        tried = (hub.observe_task(session_id, a, TaskSpec("t")) for _ in range(100))
        return [one for one in await asyncio.gather(*tried, return_exceptions=True) if not isinstance(one, Exception)]

    started = await start()
    assert len(started) == any_stage.types().count("task.started") == 7
    for task in started[:2]:
        await hub.update_task(task.task_id, "completed")
    await hub.observe_task(session_id, a, TaskSpec("t"), task_id=started[6].task_id)
    assert len(await start()) == 2


# RULE-8: how much per minute.


async def test_rule_8_trap_19_the_next_within_a_minute_is_refused_and_says_when_to_come_back(stage: Stage) -> None:
    (a,) = await stage.agents("alice", rule=rate(2))
    (b,) = await stage.agents("bob")
    session_id = await stage.open("conversation", a, b)
    await stage.say(session_id, a)
    stage.clock.advance(20)
    await stage.say(session_id, a)
    stage.clock.advance(10.5)
    error = await denied(stage, stage.say(session_id, a), "'alice' has sent 2 envelopes.*29.500 s", RateLimitedError)
    assert (error.retry_after, error.code, isinstance(error, AccessDeniedError)) == (29.5, "rate_limited", True)
    assert stage.hub.can_send(session_id, a) is False
    await stage.say(session_id, b, "bob has his own minute")
    stage.clock.advance(error.retry_after - 0.000001)
    await denied(stage, stage.say(session_id, a), "0.000 s", RateLimitedError)
    stage.clock.advance(0.000001)
    await stage.say(session_id, a)
    await denied(stage, stage.say(session_id, a), "20.000 s", RateLimitedError)


async def test_rule_8_trap_19_the_window_survives_a_restart_and_counts_only_what_was_accepted(stage: Stage) -> None:
    (a,) = await stage.agents("alice", rule=rate(3))
    (b,) = await stage.agents("bob", rule=inbox(2))
    session_id = await stage.open("conversation", a, b)
    for _ in range(2):
        await stage.say(session_id, a)
    for _ in range(5):
        await denied(stage, stage.say(session_id, a), "inbox", InboxFull)
    await stage.say(session_id, b)
    await stage.restart()
    await stage.say(session_id, a)
    await denied(stage, stage.say(session_id, a), "try again in 60.000 s", RateLimitedError)


async def test_rule_8_trap_39_the_rate_is_exact_under_parallel_posts(any_stage: Stage) -> None:
    (a,) = await any_stage.agents("alice", rule=rate(7))
    (b,) = await any_stage.agents("bob")
    sessions = [await any_stage.open("conversation", a, b) for _ in range(5)]
    posted = await asyncio.gather(*(any_stage.say(sessions[i % 5], a) for i in range(100)), return_exceptions=True)
    assert sum(isinstance(one, str) for one in posted) == any_stage.types().count("envelope.posted") == 7
    assert sum(isinstance(one, RateLimitedError) for one in posted) == 93


Step = tuple[int, bool]
GAPS_S = st.sampled_from([0, 0, 1, 7, 19, 20, 21, 30, 40, 59, 60, 61])


@given(cap=st.integers(1, 4), steps=st.lists(st.tuples(GAPS_S, st.booleans()), max_size=30))
def test_rule_8_an_exact_sliding_window(cap: int, steps: list[Step]) -> None:
    """Always: accepted if and only if fewer than ``cap`` were accepted in the 60 s before, restarts or not."""
    asyncio.run(_against_a_model(cap, steps))


async def _against_a_model(cap: int, steps: list[Step]) -> None:
    clock, store = MockClock(), MemoryKnowledgeStore()

    async def open_() -> Hub:
        return await Hub.open(
            store, clock=clock, ids=SequentialIds(), ttl_sweep_interval=0, expectation_sweep_interval=0
        )

    stage = Stage(lambda *_, **__: open_(), clock, store)
    stage.hub = await open_()
    (a,) = await stage.agents("alice", rule=rate(cap))
    (b,) = await stage.agents("bob")
    session_id = await stage.open("conversation", a, b, ttl=0)
    now_s, accepted = 0, [-60]
    for gap_s, restarts in steps:
        now_s += gap_s
        clock.advance(gap_s)
        if restarts:
            await stage.restart()
        within = [at_s for at_s in accepted if at_s > now_s - 60]
        if len(within) < cap:
            await stage.say(session_id, a)
            accepted.append(now_s)
            continue
        with pytest.raises(RateLimitedError) as caught:
            await stage.say(session_id, a)
        assert caught.value.retry_after == within[0] + 60 - now_s
    await stage.hub.close()


async def test_rule_8_a_refused_post_changes_nothing_that_a_replay_does_not(stage: Stage) -> None:
    """Asking for room forgets no times (DET-2)."""
    (a,) = await stage.agents("alice", rule=rate(1))
    (b,) = await stage.agents("bob")
    session_id = await stage.open("consulting", a, b)
    await stage.say(session_id, a)
    stage.clock.advance(61)
    digest = stage.hub.state_digest()
    await denied(stage, stage.say(session_id, a), "expects the answer", ProtocolError)
    assert not stage.hub.can_send(session_id, a)
    assert stage.hub.state_digest() == digest


# RULE-9: how much may wait.


class Pressure(HubListener):
    def __init__(self) -> None:
        self.told: list[tuple[str, int, int]] = []

    def on_inbox_pressure(self, agent_id: str, depth: int, high_water: int) -> None:
        self.told.append((agent_id, depth, high_water))


async def test_rule_9_at_the_cap_a_send_is_refused_before_anything_is_written(stage: Stage) -> None:
    a, c = await stage.agents("alice", "carol")
    (b,) = await stage.agents("bob", rule=inbox(2))
    session_id = await stage.open("discussion", a, b, c)
    for _ in range(2):
        await stage.say(session_id, a, event_type="note")
    error = await denied(stage, stage.say(session_id, a), "inbox of 'bob' is full: 2 .* max_pending is 2", InboxFull)
    assert (error.recipient_id, error.pending, error.cap, error.code) == (b, 2, 2, "inbox_full")
    assert (stage.hub.inbox_depth(b), stage.hub.inbox_depth(c)) == (2, 2)
    await stage.say(session_id, a, audience=[c])


async def test_rule_9_trap_22_the_count_falls_by_acknowledging_by_answering_and_by_the_end(stage: Stage) -> None:
    hub = stage.hub
    a, b, c = await stage.agents("alice", "bob", "carol")
    one, two = await stage.open("discussion", a, b, c), await stage.open("conversation", a, b)
    first = await stage.say(one, a, event_type="note")
    for session_id in (one, two, two):
        await stage.say(session_id, a, event_type="note")
    assert (hub.inbox_depth(b), hub.inbox_depth(c)) == (4, 2)
    await hub.acknowledge(b, first)
    await hub.acknowledge(b, first)
    assert (hub.inbox_depth(b), hub.inbox_depth(c)) == (3, 2)
    await stage.restart()
    hub = stage.hub
    assert (hub.inbox_depth(b), hub.inbox_depth(c)) == (3, 2)
    await stage.say(two, b, event_type="note")
    assert (hub.inbox_depth(b), hub.inbox_depth(a)) == (1, 1)
    await hub.close_session(one)
    await hub.close_session(two)
    assert [hub.inbox_depth(agent_id) for agent_id in (a, b, c)] == [0, 0, 0]


async def test_rule_9_trap_22_observers_that_only_listen_do_not_stop_a_discussion(stage: Stage) -> None:
    """The client acknowledges after its handler returned; 50 rounds pass a cap of 3."""
    link = HubClient(LocalLink(stage.hub))
    alice, bob = [await link.register(None, Passport(name=name), rule=inbox(3)) for name in ("alice", "bob")]
    heard: list[str] = []
    listener = await link.register(
        None, Passport(name="carol"), rule=inbox(3), handler=lambda envelope: heard.append(envelope.text)
    )
    session = await alice.open(type="discussion", target=["bob", "alice", "carol"])
    for number in range(50):
        speaker = (alice, bob)[number % 2]
        await stage.say(session.session_id, speaker.agent_id, str(number), event_type="note")
        await stage.wait(0)
    assert [text for text in heard if text] == [str(number) for number in range(50)]
    assert stage.hub.inbox_depth(listener.agent_id) == 0


async def test_rule_9_an_answer_acknowledges_its_own_session_up_to_then(stage: Stage) -> None:
    a, b, c = await stage.agents("alice", "bob", "carol")
    one, two = await stage.open("conversation", a, b), await stage.open("conversation", c, b)
    await stage.say(one, a)
    await stage.say(two, c)
    await stage.say(one, b)
    await stage.say(one, a)
    assert [place.session_id for _, place in stage.hub._state.inboxes.outstanding(b)] == [two, one]


async def test_rule_9_trap_39_inbox_caps_are_exact_under_parallel_posts(any_stage: Stage) -> None:
    (b,) = await any_stage.agents("bob", rule=inbox(7))
    senders = await any_stage.agents(*(f"agent {i}" for i in range(5)))
    sessions = [await any_stage.open("conversation", sender, b) for sender in senders]
    posted = await asyncio.gather(
        *(any_stage.say(sessions[i % 5], senders[i % 5]) for i in range(100)), return_exceptions=True
    )
    assert sum(isinstance(one, str) for one in posted) == any_stage.hub.inbox_depth(b) == 7
    assert sum(isinstance(one, InboxFull) for one in posted) == 93


@pytest.mark.parametrize(
    ("cap", "high_water", "mark"), [(10, None, 8), (10, 3, 3), (1, None, 1), (0, None, 0), (0, 2, 2), (3, 0, 0)]
)
async def test_rule_9_crossing_the_high_water_mark_upward_is_told_once(
    stage: Stage, cap: int, high_water: int | None, mark: int
) -> None:
    pressure = Pressure()
    stage.hub.register_listener(pressure)
    (a,) = await stage.agents("alice")
    (b,) = await stage.agents("bob", rule=inbox(cap, high_water))
    session_id = await stage.open("conversation", a, b)
    ids = [await stage.say(session_id, a) for _ in range(cap or 10)]
    once = [(b, mark, mark)] if mark else []
    assert pressure.told == once
    if mark:
        for envelope_id in ids[mark - 1 :]:
            await stage.hub.acknowledge(b, envelope_id)
        assert pressure.told == once
        await stage.say(session_id, a)
        assert pressure.told == once * 2


# RULE-10.


async def test_rule_10_protocol_envelopes_neither_count_nor_are_stopped(stage: Stage) -> None:
    hub = stage.hub
    (a,) = await stage.agents("alice", rule=rate(1))
    (b,) = await stage.agents("bob", rule=inbox(1))
    session_id = await stage.open("conversation", a, b)
    await stage.say(session_id, a)
    assert hub.inbox_depth(b) == 1
    other_id = await stage.open("conversation", a, b)
    task = await hub.observe_task(other_id, a, TaskSpec("t"))
    await hub.update_task(task.task_id, "completed")
    await hub.close_session(other_id)
    assert hub.inbox_depth(b) == 1
    types = [e.event_type for e in await hub.read_wal(other_id)]
    assert types[2:] == [EV_SESSION_OPENED, "ag2.task.started", "ag2.task.completed", "ag2.session.closed"]


@pytest.mark.parametrize("event_type", ["ag2.task.note", "ag2.session.note", "ag2.expectation.note", "ag2.task."])
async def test_rule_10_nobody_evades_inbox_and_rate_by_a_protocol_name(stage: Stage, event_type: str) -> None:
    a, b = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", a, b)
    await denied(stage, stage.say(session_id, a, event_type=event_type), "only the hub emits", ProtocolError)


# What a cap may be.

CAPS: dict[str, Callable[[Any], object]] = {
    "delegation_depth": lambda cap: limits(delegation_depth=cap),
    "max_concurrent_sessions": lambda cap: limits(max_concurrent_sessions=cap),
    "max_concurrent_tasks": lambda cap: limits(max_concurrent_tasks=cap),
    "envelopes_per_minute": rate,
    "max_pending": inbox,
    "high_water": lambda cap: inbox(1, cap),
}


@pytest.mark.parametrize("cap", [-1, 1.5, "3", True, b"", 1 << 64, [], float("nan")])
@pytest.mark.parametrize("build", CAPS.values(), ids=CAPS)
def test_a_cap_is_a_whole_number_checked_when_the_rule_is_built(build: Callable[[Any], object], cap: Any) -> None:
    with pytest.raises(ValueError, match=r"\w+Block\.\w+"):
        build(cap)


@pytest.mark.parametrize("rule", [rate((1 << 32) - 1), inbox((1 << 32) - 1, (1 << 32) - 1)])
async def test_the_largest_caps_are_as_good_as_none(stage: Stage, rule: Rule) -> None:
    a, b = await stage.agents("alice", "bob", rule=rule)
    await stage.say(await stage.open("conversation", a, b), a)
    await stage.restart()
    assert (await stage.hub.get_rule(b)) == rule
