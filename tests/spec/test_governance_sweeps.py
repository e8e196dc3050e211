"""GOV-4 to GOV-6: what a tick costs, what it does with code at fault, times to live, and refusals on record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from events.errors import AccessDeniedError, AuthError, InboxFull, NetworkError, RateLimitedError
from events.event import HUB, Event
from events.log import EventLog
from hub import (
    EV_SESSION_EXPIRED,
    EV_TEXT,
    AccessBlock,
    ApiKeyAuth,
    AuthBlock,
    AuthRegistry,
    Expectation,
    ExpectationContext,
    HubClient,
    HubListener,
    InboxBlock,
    LimitsBlock,
    LocalLink,
    Passport,
    ProtocolError,
    RateBlock,
    Rule,
    SessionMetadata,
    TaskSpec,
    Violation,
    ViolationEffect,
)
from hub.expectations import Within
from hub.testing import MockClock, settle
from tests.spec.stage import OpenHub, Stage, assert_one_append
from tests.spec.watching import Custom, Planned, expects, network, violated, watched

# What it costs.


async def test_trap_60_gov_4_ten_thousand_idle_sessions_cost_a_tick_nothing(
    at_ease: None, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted, not timed: looks at sessions, commands, and reads of the log (trap 60)."""
    people = await stage.agents("alice", "bob")
    state = stage.hub._state
    template = state.sessions.live[await stage.open("conversation", *people)]
    idle = [f"{10**6 + number:032x}" for number in range(10_000)]
    for session_id in idle:
        state.sessions.live[session_id] = replace(template, session_id=session_id)
        state.plan(session_id)
    stage.hub.register_adapter(watched(expects("reply_within", seconds=5)))
    busy = [await stage.open("watched", *people) for _ in range(3)]
    for session_id in busy:
        await stage.say(session_id, people[0])

    looks: list[str] = []
    reads: list[Any] = []
    evaluate, read = Within.evaluate, EventLog.read

    def counted_look(self: Within, expectation: Expectation, context: ExpectationContext) -> Violation | None:
        looks.append(context.record.session_id)
        return evaluate(self, expectation, context)

    def counted_read(self: EventLog, *args: Any, **options: Any) -> Iterator[Event]:
        reads.append(args)
        return read(self, *args, **options)

    monkeypatch.setattr(Within, "evaluate", counted_look)
    monkeypatch.setattr(EventLog, "read", counted_read)
    before = stage.hub.position
    await stage.wait(4.999)
    assert (looks, reads, stage.hub.position) == ([], [], before)
    await stage.wait(0.001)
    assert (sorted(looks), reads) == (sorted(busy), [])
    looks.clear()
    await stage.wait(3000)
    assert (looks, reads, stage.hub.position) == ([], [], before + 3)
    assert (len(state.lapses), len(state.expectations)) == (10_004, 10_001)
    for session_id in idle:
        del state.sessions.live[session_id]
        state.plan(session_id)


async def test_gov_4_a_custom_evaluator_is_asked_each_tick_unless_it_gives_a_deadline(stage: Stage) -> None:
    each, planned = Custom("each_tick", lambda c: None), Planned("planned", lambda c: None)
    for evaluator in (each, planned):
        stage.hub.register_expectation_evaluator(evaluator)
    await network(stage, Expectation(name="each_tick"))
    for _ in range(4):
        await stage.wait(10)
    assert each.asked == 4
    stage.hub.register_adapter(watched(Expectation(name="planned")))
    await stage.open("watched", *await stage.agents("dave", "erin"))
    await stage.wait(49.999)
    assert planned.asked == 0
    await stage.wait(0.001)
    assert planned.asked == 1


async def test_gov_4_a_custom_evaluator_sees_metadata_state_log_and_time(stage: Stage) -> None:
    seen: list[Any] = []

    def look(context: ExpectationContext) -> Violation | None:
        texts = [e.text for e in context.wal if e.event_type == EV_TEXT]
        seen.append((context.metadata.session_id, context.state.speaker, texts, context.now))
        return Violation(detail={"texts": len(texts)}) if len(texts) > 1 else None

    stage.hub.register_expectation_evaluator(Custom("too_many", look))
    session_id, (alice, bob, carol) = await network(stage, Expectation(name="too_many", on_violation="warn"))
    await stage.say(session_id, alice, "one")
    await stage.wait(1)
    await stage.say(session_id, bob, "two")
    await stage.wait(1)
    await stage.wait(1)
    assert seen[:2] == [
        (session_id, bob, ["one"], "2026-01-01T00:00:01Z"),
        (session_id, carol, ["one", "two"], "2026-01-01T00:00:02Z"),
    ]
    (record,) = await stage.audit("expectation_violated")
    assert (record["detail"], record["violators"]) == ({"texts": 2}, []), "without anchors once for the session's life"


async def test_gov_4_anchors_let_a_custom_violation_fire_again(stage: Stage) -> None:
    def odd(context: ExpectationContext) -> Violation | None:
        sequence = context.record.sequence
        return Violation([context.metadata.creator_id], anchors=[sequence]) if sequence % 2 else None

    stage.hub.register_expectation_evaluator(Custom("odd", odd))
    session_id, (alice, _, _) = await network(stage, Expectation(name="odd"), turns=False)
    for _ in range(4):
        await stage.wait(1)
        await stage.wait(1)
        await stage.say(session_id, alice)
    assert await violated(stage) == [("odd", "alice")] * 2


class Shut:
    """A handler of one's own: tells everybody, hides the violators and closes."""

    name = "shut"

    def handle(self, expectation: Expectation, violation: Violation, metadata: SessionMetadata) -> ViolationEffect:
        return ViolationEffect(notify=True, hide=violation.violators, close_reason=f"shut by {expectation.name}")


async def test_gov_2_a_custom_handler_may_notify_hide_and_close_at_once(stage: Stage) -> None:
    stage.hub.register_violation_handler(Shut())
    session_id, people = await network(stage, expects("turn_within", "shut"))
    before = stage.hub.position
    await stage.wait(30)
    events = stage.log(before)
    assert [e.type for e in events] == ["expectation.violated", "session.participant_hidden", "session.closed"]
    assert_one_append(events, None, events[0].id, events[0].id)
    assert (await stage.hub.get_session(session_id)).close_reason == "shut by turn_within"
    assert (await stage.hub.get_session(session_id)).hidden == (people[0],)


class Clumsy:
    """A handler that raises."""

    name = "clumsy"

    def handle(self, expectation: Expectation, violation: Violation, metadata: SessionMetadata) -> ViolationEffect:
        raise RuntimeError("dropped it")


def _raise(context: ExpectationContext) -> Violation | None:
    raise RuntimeError("no idea")


@pytest.mark.parametrize(
    ("evaluate", "handler", "error"),
    [
        (_raise, "audit", "no idea"),
        (lambda c: Violation(), "clumsy", "dropped it"),
        (lambda c: Violation(["bob"]), "audit", "do not take part"),
        (lambda c: Violation(["f" * 32]), "hide", "do not take part"),
        (lambda c: Violation(detail={"x": object()}), "audit", "which JSON cannot carry"),
        (lambda c: Violation(c.metadata.pending_acks, anchors=[1, 2]), "audit", "zip"),
        (lambda c: "what is this?", "audit", "violators"),
    ],
)
async def test_trap_42_one_that_is_at_fault_is_reported_and_stops_nothing(
    any_stage: Stage, evaluate: Any, handler: str, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    """GOV-4: neither the later expectations of its session nor the later sessions, nor the later ticks."""
    any_stage.hub.register_violation_handler(Clumsy())
    any_stage.hub.register_expectation_evaluator(Custom("faulty", evaluate))
    faulty = Expectation(name="faulty", on_violation=handler)
    any_stage.hub.register_adapter(watched(faulty, expects("max_silence", seconds=5)))
    people = await any_stage.agents("alice", "bob")
    for _ in range(3):
        await any_stage.open("watched", *people)
    await any_stage.wait(5)
    assert await violated(any_stage) == [("max_silence", "")] * 3
    assert len(any_stage.heard.errors) == 3
    assert all(error in str(each) for each in any_stage.heard.errors)
    assert "faulty" in caplog.text
    await any_stage.wait(5)
    assert len(any_stage.heard.errors) == 6, "and it is asked again"


async def test_trap_42_a_deadline_that_raises_is_no_deadline(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    class Unplanned(Custom):
        def next_deadline(self, expectation: Expectation, metadata: Any, state: Any) -> str | None:
            raise RuntimeError("when?")

    evaluator = Unplanned("unplanned", lambda c: None)
    stage.hub.register_expectation_evaluator(evaluator)
    await network(stage, Expectation(name="unplanned"), expects("max_silence", seconds=5))
    await stage.wait(5)
    assert (evaluator.asked, await violated(stage)) == (1, [("max_silence", "")])
    assert "it is asked at each tick" in caplog.text


async def test_gov_4_the_sweepers_tick_by_the_hubs_clock(open_hub: OpenHub, clock: MockClock) -> None:
    stage = await Stage(open_hub, clock).raise_curtain(ttl_sweep_interval=30, expectation_sweep_interval=10)
    alice, bob = await stage.agents("alice", "bob")
    stage.hub.register_adapter(watched(expects("max_silence", seconds=15)))
    session_id = await stage.open("watched", alice, bob, ttl=40)

    async def pass_time(seconds: float) -> tuple[int, str]:
        clock.advance(seconds)
        await settle(stage.hub)
        return len(await violated(stage)), (await stage.hub.get_session(session_id)).state

    assert await pass_time(10) == (0, "active"), "looked at, and not due"
    assert await pass_time(9.999) == (0, "active"), "due, and not looked at"
    assert await pass_time(0.001) == (1, "active")
    assert await pass_time(10) == (1, "active")
    assert await pass_time(29.999) == (1, "active")
    assert await pass_time(0.001) == (1, "expired")


# Time to live.


async def test_gov_5_a_session_expires_at_its_time_with_one_record(any_stage: Stage) -> None:
    alice, bob = await any_stage.agents("alice", "bob")
    session_id = await any_stage.open("conversation", alice, bob, ttl=60)
    await any_stage.wait(59.999)
    assert (await any_stage.hub.get_session(session_id)).state == "active"
    await any_stage.restart()
    await any_stage.wait(0.001)
    for _ in range(3):
        await any_stage.wait(60)
    session = await any_stage.hub.get_session(session_id)
    assert (session.state, session.close_reason, session.closed_at) == (
        "expired",
        "ttl_expired",
        "2026-01-01T00:01:00Z",
    )
    (record,) = await any_stage.audit("session_expired")
    assert (record["session_id"], record["reason"], record["actor"]) == (session_id, "ttl_expired", HUB)
    assert await any_stage.audit("session_closed") == []
    last = (await any_stage.hub.read_wal(session_id))[-1]
    assert (last.event_type, last.event_data) == (EV_SESSION_EXPIRED, {"reason": "ttl_expired"})


async def test_gov_5_what_is_due_together_expires_earliest_first(stage: Stage) -> None:
    alice, bob = await stage.agents("alice", "bob")
    ids = [await stage.open("conversation", alice, bob, ttl=ttl) for ttl in (30, 10, 20)]
    before = stage.hub.position
    await stage.wait(100)
    assert [e.body.session_id for e in stage.log(before)] == [ids[1], ids[2], ids[0]]


@pytest.mark.parametrize("what", ["sessions", "tasks", "expectations"])
async def test_gov_5_what_a_cancelled_tick_did_not_come_to_is_due_at_the_next(stage: Stage, what: str) -> None:
    """The simulator's finding: it was taken out of the heap and never looked at again."""
    alice, bob = await stage.agents("alice", "bob")
    stage.hub.register_adapter(watched(expects("max_silence", seconds=20)))
    kind, ttl = ("watched", 0) if what == "expectations" else ("conversation", 10 if what == "sessions" else 0)
    talks = [await stage.open(kind, alice, bob, ttl=ttl) for _ in range(3)]
    if what == "tasks":
        for session_id in talks:
            await stage.hub.observe_task(session_id, bob, TaskSpec(title="t", ttl=10))
    stage.clock.advance(20)
    before = stage.hub.position
    tick = asyncio.create_task(stage.hub._expectation_tick() if what == "expectations" else stage.hub.expire_due())

    class Impatient(HubListener):
        def on_event(self, event: Event) -> None:
            tick.cancel()

    stage.hub.register_listener(Impatient())
    with pytest.raises(asyncio.CancelledError):
        await tick
    await stage.wait(0)
    ended = {"sessions": "session.expired", "tasks": "task.expired", "expectations": "expectation.violated"}[what]
    assert stage.types(before).count(ended) == 3


async def test_gov_5_in_a_tie_the_ttl_ends_a_handshake(stage: Stage) -> None:
    alice, bob = await stage.agents("alice", "bob")
    session_id, opening = await stage.invite("conversation", alice, bob, ttl=30)
    await stage.wait(30)
    assert (await stage.hub.get_session(session_id)).close_reason == "ttl_expired"
    with pytest.raises(ProtocolError, match="ttl_expired"):
        await opening


# Refusals.

Refuse = Callable[[Stage, str, list[str]], Awaitable[Any]]


async def _post_out_of_reach(stage: Stage, session_id: str, people: list[str]) -> Any:
    return await stage.say(session_id, people[0], audience=[people[2]])


async def _open_out_of_reach(stage: Stage, session_id: str, people: list[str]) -> Any:
    return await stage.hub.create_session(type="conversation", creator_id=people[0], target=people[2])


async def _post_too_often(stage: Stage, session_id: str, people: list[str]) -> Any:
    return [await stage.say(session_id, people[1]) for _ in range(2)]


async def _post_too_much(stage: Stage, session_id: str, people: list[str]) -> Any:
    return [await stage.say(session_id, people[0], audience=[people[1]]) for _ in range(4)]


async def _task_too_many(stage: Stage, session_id: str, people: list[str]) -> Any:
    return [await stage.hub.observe_task(session_id, people[0], TaskSpec(title="t")) for _ in range(2)]


@pytest.mark.parametrize(
    ("refuse", "error", "who", "action", "target"),
    [
        (_post_out_of_reach, AccessDeniedError, "alice", "post", "carol"),
        (_open_out_of_reach, AccessDeniedError, "alice", "open", "carol"),
        (_post_too_often, RateLimitedError, "bob", "post", "session"),
        (_post_too_much, InboxFull, "alice", "post", "bob"),
        (_task_too_many, AccessDeniedError, "alice", "task", "session"),
    ],
)
async def test_gov_6_a_refusal_by_rule_is_on_record(
    stage: Stage, refuse: Refuse, error: type[NetworkError], who: str, action: str, target: str
) -> None:
    rule = Rule(access=AccessBlock(outbound_to=["bob"]), limits=LimitsBlock(max_concurrent_tasks=1))
    people = await stage.agents("alice", rule=rule)
    people += await stage.agents(
        "bob", rule=Rule(rate=RateBlock(envelopes_per_minute=1), inbox=InboxBlock(max_pending=3))
    )
    people += await stage.agents("carol")
    session_id = await stage.open("conversation", *people[:2])
    with pytest.raises(error) as refused:
        await refuse(stage, session_id, people)
    (record,) = await stage.audit("access_denied")
    ids = dict(zip(("alice", "bob", "carol", "session"), [*people, session_id], strict=True))
    assert (record["actor"], record["action"]) == (ids[who], action)
    assert (record["error"], record["message"], record["left_out"]) == (error.code, str(refused.value), 0)
    assert record["target"] == ids[target]
    assert record["session_id"] == (None if action == "open" else session_id)


async def test_gov_6_like_refusals_are_recorded_once_a_minute_with_how_many_were_left_out(any_stage: Stage) -> None:
    rule = Rule(access=AccessBlock(outbound_to=["bob"]))
    (alice,) = await any_stage.agents("alice", rule=rule)
    bob, carol, dave = await any_stage.agents("bob", "carol", "dave")
    session_id = await any_stage.open("conversation", alice, bob)

    async def refused(target: str) -> None:
        with pytest.raises(AccessDeniedError):
            await any_stage.say(session_id, alice, audience=[target])

    for _ in range(5):
        await refused(carol)
    await refused(dave)
    any_stage.clock.advance(59.999)
    await refused(carol)
    any_stage.clock.advance(0.001)
    await refused(carol)
    await refused(carol)
    any_stage.clock.advance(60)
    await refused(carol)
    records = await any_stage.audit("access_denied")
    assert [(r["target"], r["left_out"]) for r in records] == [(carol, 0), (dave, 0), (carol, 5), (carol, 1)]


async def test_gov_6_a_hundred_refusals_at_once_are_one_record_and_all_are_counted(any_stage: Stage) -> None:
    (alice,) = await any_stage.agents("alice", rule=Rule(access=AccessBlock(outbound_to=["bob"])))
    bob, carol = await any_stage.agents("bob", "carol")
    session_id = await any_stage.open("conversation", alice, bob)
    posts = [any_stage.say(session_id, alice, audience=[carol]) for _ in range(100)]
    outcomes = await asyncio.gather(*posts, return_exceptions=True)
    assert all(isinstance(outcome, AccessDeniedError) for outcome in outcomes)
    any_stage.clock.advance(60)
    with pytest.raises(AccessDeniedError):
        await any_stage.say(session_id, alice, audience=[carol])
    assert [r["left_out"] for r in await any_stage.audit("access_denied")] == [0, 99]


async def test_gov_6_the_quiet_minute_survives_a_restart(any_stage: Stage) -> None:
    (alice,) = await any_stage.agents("alice", rule=Rule(access=AccessBlock(outbound_to=[])))
    (bob,) = await any_stage.agents("bob")
    for wait_s in (0, 30, 30):
        any_stage.clock.advance(wait_s)
        await any_stage.restart()
        with pytest.raises(AccessDeniedError):
            await any_stage.hub.create_session(type="conversation", creator_id=alice, target=bob)
    assert [r["at"] for r in await any_stage.audit("access_denied")] == ["2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"]


async def test_gov_6_refused_authentication_is_recorded_without_the_claim(open_hub: OpenHub, clock: MockClock) -> None:
    """AUTH-4, of registering and of attaching."""
    auth = AuthRegistry.default()
    auth.register("api_key", ApiKeyAuth({"bob": "right"}))
    stage = await Stage(open_hub, clock).raise_curtain(auth=auth)
    claims = [AuthBlock(scheme="api_key", claim={"api_key": key, "key": key}) for key in ("wrong-secret", "right")]
    async with HubClient(LocalLink(stage.hub)) as client:
        with pytest.raises(AuthError):
            await client.register(None, Passport(name="bob", auth=claims[0]))
        bob = await client.register(None, Passport(name="bob", auth=claims[1]))
        with pytest.raises(AuthError):
            await client.attach(None, "bob", auth=claims[0])
    records = await stage.audit("access_denied")
    assert [(r["actor"], r["action"], r["target"], r["error"]) for r in records] == [
        ("bob", "register", "bob", "auth_failed"),
        (bob.agent_id, "attach", "bob", "auth_failed"),
    ]
    assert "wrong-secret" not in str(records)
    assert "wrong-secret" not in str(stage.log())


async def test_gov_6_through_a_link_the_refused_agent_is_the_actor(stage: Stage) -> None:
    async with HubClient(LocalLink(stage.hub)) as client:
        alice = await client.register(None, Passport(name="alice"))
        bob = await client.register(None, Passport(name="bob"))
        with pytest.raises(AccessDeniedError):
            await stage.hub.set_rule(bob.agent_id, Rule(), actor=alice.agent_id)
    (record,) = await stage.audit("access_denied")
    assert (record["actor"], record["action"], record["target"]) == (alice.agent_id, "set_rule", bob.agent_id)


@pytest.mark.parametrize("params", [{}, {"second": 5}, {"seconds": "5"}, {"seconds": -1}, {"seconds": True}])
async def test_trap_18_a_built_in_expectation_says_its_seconds(stage: Stage, params: dict[str, Any]) -> None:
    slip = watched(Expectation(name="max_silence", params=params))
    with pytest.raises(ProtocolError, match=r"'watched' expects 'max_silence' within params .*; give it"):
        stage.hub.register_adapter(slip)
