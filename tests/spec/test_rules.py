"""SPEC §4, RULE-1 to RULE-11: who may do what, how much of it, and for how long; traps 19, 21, 22, 23."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import (
    EV_SESSION_OPENED,
    AccessBlock,
    AccessDeniedError,
    Envelope,
    Hub,
    HubClient,
    HubListener,
    InboxBlock,
    InboxFull,
    LimitsBlock,
    LocalLink,
    MemoryKnowledgeStore,
    Passport,
    ProtocolError,
    RateBlock,
    RateLimitedError,
    Rule,
    TaskSpec,
    parse_duration,
)
from hub.testing import MockClock, SequentialIds
from tests.spec.stage import Stage

NOBODY = "f" * 32


def access(**globs: list[str]) -> Rule:
    return Rule(access=AccessBlock(**globs))


def limits(**caps: Any) -> Rule:
    return Rule(limits=LimitsBlock(**caps))


def rate(cap: int) -> Rule:
    return Rule(rate=RateBlock(envelopes_per_minute=cap))


def inbox(cap: int, high_water: int | None = None) -> Rule:
    return Rule(inbox=InboxBlock(max_pending=cap, high_water=high_water))


async def denied(stage: Stage, command: Any, match: str, error: type[Exception] = AccessDeniedError) -> Any:
    """The error of a refused command, of which nothing but the refusal is in the log."""
    before = stage.hub.position
    with pytest.raises(error, match=match) as caught:
        await command
    assert set(stage.types(before)) <= {"access.denied"}
    return caught.value


def test_the_defaults_let_everything_through_but_depth_5_and_inbox_1000() -> None:
    assert Rule().to_dict() == {
        "access": {"outbound_to": ["*"], "inbound_from": ["*"], "session_types_allowed": ["*"]},
        "limits": {
            "session_ttl_default": None,
            "task_ttl_default": "15m",
            "delegation_depth": 5,
            "max_concurrent_sessions": 0,
            "max_concurrent_tasks": 0,
        },
        "rate": {"envelopes_per_minute": 0},
        "inbox": {"max_pending": 1000, "high_water": None},
        "version": 1,
    }


# RULE-1 to RULE-4: access.

GLOBS: list[tuple[list[str], bool]] = [
    (["bob"], True),
    (["*"], True),
    (["b*"], True),
    (["?ob"], True),
    (["[a-c]ob"], True),
    (["carol", "bob"], True),
    (["Bob"], False),
    (["B*"], False),
    (["bo"], False),
    (["ob"], False),
    (["[!b]ob"], False),
    ([], False),
]


@pytest.mark.parametrize(("globs", "admitted"), GLOBS)
async def test_rule_1_globs_are_case_sensitive_over_whole_names(stage: Stage, globs: list[str], admitted: bool) -> None:
    (a,) = await stage.agents("alice", rule=access(outbound_to=globs))
    (b,) = await stage.agents("bob")
    if admitted:
        await stage.open("conversation", a, b)
    else:
        error = await denied(stage, stage.open("conversation", a, b), "'alice' may not reach 'bob'.*outbound_to")
        assert (error.agent_id, error.recipient_id) == (a, b)


async def test_rule_2_each_invitee_is_checked_at_open_and_the_creator_is_exempt(stage: Stage) -> None:
    (a,) = await stage.agents("alice", rule=access(outbound_to=["bob"]))
    b, c = await stage.agents("bob", "carol")
    await stage.open("discussion", a, b, a)
    await denied(stage, stage.open("discussion", a, b, c), "'carol'")


@pytest.mark.parametrize("listed", [True, False])
async def test_rule_2_trap_21_listed_or_by_broadcast_everyone_reached_is_checked(stage: Stage, listed: bool) -> None:
    a, b, c = await stage.agents("alice", "bob", "carol")
    session_id = await stage.open("discussion", a, b, c)
    await stage.hub.set_rule(a, access(outbound_to=["bob"]))
    await stage.say(session_id, a, "bob may", [b, a], event_type="note")
    error = await denied(stage, stage.say(session_id, a, audience=[a, b, c] if listed else None), "'carol'")
    assert error.recipient_id == c
    assert stage.hub.can_send(session_id, a) is False


async def test_rule_2_trap_21_a_broadcast_is_not_held_back_by_who_would_not_get_it(stage: Stage) -> None:
    """Those who left are not reached."""
    a, b, c = await stage.agents("alice", "bob", "carol")
    session_id = await stage.open("discussion", a, b, c)
    await stage.hub.set_rule(a, access(outbound_to=["bob"]))
    await stage.hub.unregister(c)
    await stage.say(session_id, a)
    assert stage.hub.inbox_depth(b) == 1


async def test_rule_3_an_open_whose_creator_is_not_accepted_leaves_nothing(stage: Stage) -> None:
    a, b = await stage.agents("alice", "bob")
    (c,) = await stage.agents("carol", rule=access(inbound_from=["b*"]))
    error = await denied(stage, stage.open("discussion", a, b, c), "'carol' does not accept sessions from 'alice'")
    assert error.recipient_id == c
    assert await stage.hub.list_sessions() == []
    await stage.open("discussion", b, a, c)


async def test_rule_3_in_a_running_session_inbound_filters_delivery_only(stage: Stage) -> None:
    hub = stage.hub
    a, b, c = await stage.agents("alice", "bob", "carol")
    session_id = await stage.open("discussion", a, b, c)
    heard: dict[str, list[str]] = {}
    for name in ("bob", "carol"):
        heard[name] = []
        client = await HubClient(LocalLink(hub)).attach(None, name)
        client.on_envelope(lambda e, said=heard[name]: said.append(e.text))  # type: ignore[misc]
    await hub.set_rule(c, access(inbound_from=["bob"]))
    envelope_id = await stage.say(session_id, a, "not for carol")
    await stage.say(session_id, b, "for all")
    await stage.wait(0)
    assert heard == {"bob": ["not for carol"], "carol": ["for all"]}
    assert envelope_id in [e.envelope_id for e in await hub.read_wal(session_id)]
    posted = [e for e in stage.log() if e.type == "envelope.posted"]
    assert [event.body.recipients for event in posted] == [(b,), (a, c)]


async def test_rule_3_a_filtered_envelope_is_not_counted(stage: Stage) -> None:
    a, b = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", a, b)
    await stage.hub.set_rule(b, Rule(access=AccessBlock(inbound_from=[]), inbox=InboxBlock(max_pending=1)))
    for _ in range(3):
        await stage.say(session_id, a)
    assert stage.hub.inbox_depth(b) == 0


@pytest.mark.parametrize("strict", ["alice", "bob"])
async def test_rule_4_trap_19_another_type_is_neither_created_nor_joined(stage: Stage, strict: str) -> None:
    a, b = await stage.agents("alice", "bob")
    await stage.hub.set_rule({"alice": a, "bob": b}[strict], access(session_types_allowed=["consult*"]))
    error = await denied(stage, stage.open("conversation", a, b), f"'{strict}' may not take part in 'conversation'")
    assert error.session_type == "conversation"
    await stage.open("consulting", a, b)


# RULE-5: durations and lifetimes.

DURATIONS = {"30s": 30, "15m": 900, "2h": 7200, "1d": 86400, "0s": 0, "": 0, 0: 0, 90: 90, None: None}
NO_DURATIONS: list[Any] = ["30", "30 s", "2H", "-1s", -1, 1.5, True, "1w", "s", "٣s", "1h30m", " 1h", "9" * 12 + "d", [], b"1h"]


@pytest.mark.parametrize(("given_", "seconds"), DURATIONS.items())
def test_rule_5_durations(given_: Any, seconds: int | None) -> None:
    assert parse_duration(given_) == seconds
    assert LimitsBlock(session_ttl_default=given_, task_ttl_default=given_).session_ttl_default == given_


@pytest.mark.parametrize("duration", NO_DURATIONS)
def test_rule_5_no_duration_is_refused_when_the_rule_is_built(duration: Any) -> None:
    for field in ("session_ttl_default", "task_ttl_default"):
        with pytest.raises(ValueError, match="not a duration"):
            LimitsBlock(**{field: duration})
    with pytest.raises(ValueError, match="not a duration"):
        TaskSpec("t", ttl=duration)


@pytest.mark.parametrize(
    ("per_open", "by_rule", "lives_s"),
    [
        (None, None, 7200),
        (None, "10m", 600),
        (None, "", None),
        (None, 0, None),
        ("5s", "10m", 5),
        (7, None, 7),
        ("", "10m", None),
        (0, "10m", None),
    ],
)
async def test_rule_5_trap_19_the_open_wins_over_the_rule_and_the_rule_over_the_type(
    stage: Stage, per_open: Any, by_rule: Any, lives_s: int | None
) -> None:
    (a,) = await stage.agents("alice", rule=limits(session_ttl_default=by_rule))
    (b,) = await stage.agents("bob")
    session_id = await stage.open("conversation", a, b, ttl=per_open)
    if lives_s is None:
        assert (await stage.hub.get_session(session_id)).expires_at is None
        await stage.wait(10 * 86400)
        assert (await stage.hub.get_session(session_id)).state == "active"
        return
    await stage.wait(lives_s - 0.000001)
    assert (await stage.hub.get_session(session_id)).state == "active"
    await stage.wait(0.000001)
    assert (await stage.hub.get_session(session_id)).state == "expired"


@pytest.mark.parametrize(
    ("of_task", "by_rule", "lives_s"), [(None, "15m", 900), (None, "1m", 60), ("3s", "1m", 3), (None, "", None), (0, "1m", None)]
)
async def test_rule_5_trap_19_task_lifetimes(stage: Stage, of_task: Any, by_rule: Any, lives_s: int | None) -> None:
    (a,) = await stage.agents("alice", rule=limits(task_ttl_default=by_rule, session_ttl_default=""))
    (b,) = await stage.agents("bob")
    session_id = await stage.open("conversation", a, b)
    task = await stage.hub.observe_task(session_id, a, TaskSpec("t", ttl=of_task))
    await stage.wait((lives_s or 10 * 86400) - 0.000001)
    assert (await stage.hub.get_task(task.task_id)).state == "created"
    await stage.wait(0.000001)
    assert (await stage.hub.get_task(task.task_id)).state == ("created" if lives_s is None else "expired")


# RULE-6: depth.


@pytest.mark.parametrize(("cap", "depth", "fits"), [(2, 2, True), (2, 3, False), (0, 4_000_000_000, True), (1, 2, False)])
async def test_rule_6_at_the_cap_is_fine_and_above_is_not(stage: Stage, cap: int, depth: int, fits: bool) -> None:
    (a,) = await stage.agents("alice", rule=limits(delegation_depth=cap))
    (b,) = await stage.agents("bob", rule=limits(delegation_depth=1))
    session_id = await stage.open("conversation", a, b)
    if fits:
        await stage.say(session_id, a, depth=depth)
        assert (await stage.hub.read_wal(session_id))[-1].depth == depth
    else:
        error = await denied(stage, stage.say(session_id, a, depth=depth), f"depth {depth} .* is {cap}")
        assert (error.depth, error.cap) == (depth, cap)


@pytest.mark.parametrize(
    ("stamped", "elsewhere", "reached"), [(0, False, 3), (0, True, 4), (2, True, 4), (9, False, 9), (9, True, 9)]
)
@pytest.mark.parametrize("restarted", [False, True])
async def test_rule_6_trap_23_depth_follows_causation(
    stage: Stage, stamped: int, elsewhere: bool, reached: int, restarted: bool
) -> None:
    """The cause lies at depth 3; who stamps less does not reset it, who stamps more is believed."""
    a, b = await stage.agents("alice", "bob", rule=limits(delegation_depth=0))
    here, there = [await stage.open("conversation", a, b) for _ in range(2)]
    cause = await stage.say(there if elsewhere else here, a, depth=3)
    if restarted:
        await stage.restart()
    await stage.say(here, b, causation_id=cause, depth=stamped)
    assert (await stage.hub.read_wal(here))[-1].depth == reached


async def test_rule_6_trap_23_a_chain_of_sessions_ends_at_the_cap(stage: Stage) -> None:
    """Each session is opened because of an envelope in the one before; no reply makes it shallower again."""
    a, b = await stage.agents("alice", "bob", rule=limits(delegation_depth=3))
    cause, depths = None, []
    for _ in range(4):
        session_id = await stage.open("conversation", a, b, cause=cause)
        await stage.say(session_id, a)
        cause = await stage.say(session_id, b)
        depths.append((await stage.hub.read_wal(session_id))[-1].depth)
    assert depths == [0, 1, 2, 3]
    await denied(stage, stage.open("conversation", b, a, cause=cause), "depth 4")


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
        try:
            await stage.say(session_id, a)
            accepted.append(now_s)
            assert len(within) < cap
        except RateLimitedError as error:
            assert (len(within), error.retry_after) == (cap, within[0] + 60 - now_s)
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


# RULE-10, RULE-11.


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


async def test_rule_11_a_change_holds_from_the_next_decision_and_running_sessions_keep_their_ttl(stage: Stage) -> None:
    hub = stage.hub
    a, b = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", a, b, ttl="1h")
    expires_at = (await hub.get_session(session_id)).expires_at
    await hub.set_rule(a, Rule(limits=LimitsBlock(session_ttl_default="1m", max_concurrent_sessions=1), version=77))
    assert (await hub.get_session(session_id)).expires_at == expires_at
    await denied(stage, stage.open("conversation", a, b), "max_concurrent_sessions")
    assert (await hub.get_rule(a)).version == 2
    await hub.set_rule(a, limits(session_ttl_default="1m"))
    short = await hub.get_session(await stage.open("conversation", a, b))
    assert short.expires_at == "2026-01-01T00:01:00Z"
    assert [r["version"] for r in await stage.audit("rule_set")] == [2, 3]


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


@pytest.mark.parametrize("globs", ["bob", [""], [5], None, {"bob": 1}])
def test_globs_are_a_list_of_text(globs: Any) -> None:
    with pytest.raises(ValueError, match="AccessBlock.outbound_to"):
        AccessBlock(outbound_to=globs)


@pytest.mark.parametrize("rule", [rate((1 << 32) - 1), inbox((1 << 32) - 1, (1 << 32) - 1)])
async def test_the_largest_caps_are_as_good_as_none(stage: Stage, rule: Rule) -> None:
    a, b = await stage.agents("alice", "bob", rule=rule)
    await stage.say(await stage.open("conversation", a, b), a)
    await stage.restart()
    assert (await stage.hub.get_rule(b)) == rule


async def test_rules_hold_for_what_an_agent_does_by_an_envelope_of_its_own(stage: Stage) -> None:
    """Through a link as through the hub object: the operator may post in an agent's name, not around its rule."""
    link = HubClient(LocalLink(stage.hub))
    alice = await link.register(None, Passport(name="alice"), rule=rate(1))
    await link.register(None, Passport(name="bob"))
    session = await alice.open(type="conversation", target="bob")
    await session.send("one")
    envelope = Envelope(session.session_id, alice.agent_id, event_data={"text": "two"})
    for post in (alice.send_envelope, stage.hub.post_envelope):
        with pytest.raises(RateLimitedError):
            await post(envelope)
