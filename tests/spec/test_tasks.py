"""TASK-1 to TASK-4 on the hub: a task is recorded from its start to its one end, and what it shows is counted once."""

from __future__ import annotations

import asyncio
from statistics import median
from typing import Any

import pytest

from events.errors import AccessDeniedError, NotFoundError, ProtocolError
from events.event import HUB, OPERATOR
from hub import HubClient, LimitsBlock, LocalLink, ObservedStat, Passport, Rule, TaskMetadata, TaskSpec
from tests.spec.stage import Stage, assert_one_append, of_type

SPEC = TaskSpec(title="sum up", capability="analysis", payload={"pages": 3})


async def at_work(stage: Stage, spec: TaskSpec = SPEC, **options: Any) -> tuple[str, str, TaskMetadata]:
    """A conversation, who works in it, and the task."""
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", alice, bob, ttl="1d")
    return session_id, bob, await stage.hub.observe_task(session_id, bob, spec, **options)


async def observed(stage: Stage, agent_id: str, capability: str = "analysis") -> ObservedStat:
    return (await stage.hub.get_resume(agent_id)).observed.get(capability, ObservedStat())


async def test_task_1_states_and_what_a_snapshot_tells(any_stage: Stage) -> None:
    session_id, bob, task = await at_work(any_stage, task_id="t-1")
    assert (task.task_id, task.session_id, task.owner_id, task.spec) == ("t-1", session_id, bob, SPEC)
    assert (task.state, task.started_at, task.ended_at) == ("created", "2026-01-01T00:00:00Z", None)
    any_stage.clock.advance(1)
    for page in (1, 2):
        task = await any_stage.hub.update_task("t-1", "running", progress={"page": page})
        assert (task.state, task.progress) == ("running", {"page": page})
    any_stage.clock.advance(0.5)
    task = await any_stage.hub.update_task("t-1", "completed", result={"ok": True})
    assert (task.state, task.result, task.progress, task.latency_ms) == ("completed", {"ok": True}, {"page": 2}, 1500)
    assert task.ended_at == "2026-01-01T00:00:01.500000Z"
    assert (await any_stage.wal(session_id))[3:] == [
        "task.started",
        "task.progress",
        "task.progress",
        "task.completed",
    ]
    await any_stage.restart()
    assert await any_stage.hub.get_task("t-1") == task


ENDS = [
    ("completed", {"result": {"x": 1}}, "", ObservedStat(n=1, completed=1, p50_latency_ms=2000)),
    ("failed", {"error": "no ink"}, "no ink", ObservedStat(n=1, failed=1, p50_latency_ms=2000)),
    ("cancelled", {"error": "never mind"}, "never mind", ObservedStat(n=1, p50_latency_ms=2000)),
]


@pytest.mark.parametrize(("state", "outcome", "error", "seen"), ENDS)
async def test_trap_26_task_3_an_end_is_one_append_with_what_it_shows_and_one_record(
    any_stage: Stage, state: str, outcome: dict[str, Any], error: str, seen: ObservedStat
) -> None:
    session_id, bob, task = await at_work(any_stage)
    (started,) = of_type(any_stage.log(), "task.started")
    any_stage.clock.advance(2)
    before = any_stage.hub.position
    ended = await any_stage.hub.update_task(task.task_id, state, **outcome)
    assert (ended.state, ended.error, ended.latency_ms) == (state, error, 2000)
    events = any_stage.log(before)
    assert [e.type for e in events] == [f"task.{state}", "agent.observed"]
    assert_one_append(events, started.id, events[0].id)
    assert [e.actor for e in events] == [OPERATOR, HUB]
    assert await observed(any_stage, bob) == seen
    (record,) = await any_stage.audit("task_terminated")
    assert {k: record[k] for k in ("task_id", "owner_id", "session_id", "capability", "outcome", "reason")} == {
        "task_id": task.task_id,
        "owner_id": bob,
        "session_id": session_id,
        "capability": "analysis",
        "outcome": state,
        "reason": error,
    }
    assert record["latency_ms"] == 2000


async def test_task_3_without_a_capability_nothing_is_learnt(stage: Stage) -> None:
    _, bob, task = await at_work(stage, TaskSpec(title="tidy up"))
    before = stage.hub.position
    await stage.hub.update_task(task.task_id, "completed")
    assert stage.types(before) == ["task.completed"]
    assert (await stage.hub.get_resume(bob)).observed == {}
    assert len(await stage.audit("task_terminated")) == 1


@pytest.mark.parametrize(
    ("spec_ttl", "rule_ttl", "expires_in_s"),
    [
        (None, None, None),
        (None, "15m", 900),
        (None, "2m", 120),
        ("30s", "2m", 30),
        (45, "2m", 45),
        ("", "2m", None),
        (0, "2m", None),
        (None, 0, None),
    ],
)
async def test_gov_5_task_ttl_of_the_task_then_of_its_owners_rule(
    any_stage: Stage, spec_ttl: Any, rule_ttl: Any, expires_in_s: int | None
) -> None:
    """Expired at its time and not before, with one record; ``None`` in the rule is no expiry for a task."""
    alice, bob = await any_stage.agents("alice", "bob", rule=Rule(limits=LimitsBlock(task_ttl_default=rule_ttl)))
    session_id = await any_stage.open("conversation", alice, bob, ttl="")
    spec = TaskSpec(title="t", capability="analysis", ttl=spec_ttl)
    task = await any_stage.hub.observe_task(session_id, bob, spec)
    if expires_in_s is None:
        await any_stage.wait(10**6)
        assert (await any_stage.hub.get_task(task.task_id)).state == "created"
        return
    await any_stage.wait(expires_in_s - 0.001)
    assert (await any_stage.hub.get_task(task.task_id)).state == "created"
    await any_stage.restart()
    before = any_stage.hub.position
    await any_stage.wait(0.001)
    await any_stage.wait(900)
    assert any_stage.types(before) == ["task.expired", "agent.observed"]
    ended = await any_stage.hub.get_task(task.task_id)
    assert (ended.state, ended.error, ended.latency_ms) == ("expired", "ttl_expired", expires_in_s * 1000)
    assert (await observed(any_stage, bob)).expired == 1
    (record,) = await any_stage.audit("task_terminated")
    assert (record["outcome"], record["reason"], record["actor"]) == ("expired", "ttl_expired", HUB)


async def test_trap_25_p50_is_the_exact_median_of_the_last_256(stage: Stage) -> None:
    """TASK-3, by the hub's clock; the counts go on beyond the window, and all survive a restart."""
    session_id, bob, task = await at_work(stage)
    await stage.hub.update_task(task.task_id, "completed")
    latencies_ms: list[float] = [0]
    for number in range(300):
        task = await stage.hub.observe_task(session_id, bob, SPEC)
        latencies_ms.append((number * 7919) % 1009)
        stage.clock.advance(latencies_ms[-1] / 1000)
        await stage.hub.update_task(task.task_id, "failed" if number % 3 else "completed")
        if number in (0, 1, 2, 254, 255, 299):
            assert (await observed(stage, bob)).p50_latency_ms == median(latencies_ms[-256:])
    before = await observed(stage, bob)
    assert (before.n, before.completed, before.failed) == (301, 101, 200)
    await stage.restart()
    assert await observed(stage, bob) == before


@pytest.mark.parametrize(
    "reports",
    [
        ["completed", "completed", "completed"],
        ["failed", "completed", "cancelled"],
        ["running", "completed", "running"],
    ],
)
async def test_trap_40_parallel_reports_count_once(any_stage: Stage, reports: list[str]) -> None:
    """TASK-3, TASK-4: the first that ends it does, the others are told how it ended; also across restarts."""
    _, bob, task = await at_work(any_stage)
    outcomes = await asyncio.gather(*(any_stage.hub.update_task(task.task_id, state) for state in reports))
    first = next(state for state in reports if state != "running")
    assert [o.state for o in outcomes][reports.index(first) :] == [first] * (3 - reports.index(first))
    for _ in range(2):
        assert (await observed(any_stage, bob)).n == 1
        assert len(await any_stage.audit("task_terminated")) == 1
        await any_stage.restart()
        for state in reports:
            assert (await any_stage.hub.update_task(task.task_id, state)).state == first


async def test_trap_40_a_task_that_starts_and_ends_before_either_is_on_disk_counts_once(any_stage: Stage) -> None:
    session_id, bob, _ = await at_work(any_stage)
    outcomes = await asyncio.gather(
        any_stage.hub.observe_task(session_id, bob, SPEC, task_id="quick"),
        any_stage.hub.update_task("quick", "completed"),
        any_stage.hub.observe_task(session_id, bob, SPEC, task_id="quick"),
        any_stage.hub.update_task("quick", "completed"),
    )
    assert outcomes[1].state == outcomes[2].state == outcomes[3].state == "completed"
    assert (await observed(any_stage, bob)).n == 1
    assert [e.body.task_id for e in of_type(any_stage.log(), "task.started")].count("quick") == 1


async def test_trap_56_observing_a_known_task_again_leaves_it_as_it_is(any_stage: Stage) -> None:
    session_id, bob, task = await at_work(any_stage, task_id="t-1")
    other = TaskSpec(title="something else")
    before = any_stage.hub.position
    assert await any_stage.hub.observe_task(session_id, bob, other, task_id="t-1") == task
    ended = await any_stage.hub.update_task("t-1", "completed")
    assert await any_stage.hub.observe_task(session_id, bob, SPEC, task_id="t-1") == ended
    await any_stage.restart()
    assert await any_stage.hub.observe_task(session_id, bob, SPEC, task_id="t-1") == ended
    types = any_stage.types(before)
    assert [t for t in types if t != "hub.opened"] == ["task.completed", "agent.observed"]


async def test_task_4_terminal_on_terminal_is_ignored(any_stage: Stage) -> None:
    _, _, task = await at_work(any_stage)
    ended = await any_stage.hub.update_task(task.task_id, "failed", error="no ink")
    before = any_stage.hub.position
    for state in ("completed", "failed", "cancelled", "running"):
        assert await any_stage.hub.update_task(task.task_id, state, error="later", result={"late": True}) == ended
    assert any_stage.hub.position == before


@pytest.mark.parametrize("command", [lambda hub: hub.get_task("t-0"), lambda hub: hub.update_task("t-0", "completed")])
async def test_task_4_an_unknown_task_is_not_found(stage: Stage, command: Any) -> None:
    await at_work(stage)
    before = stage.hub.position
    with pytest.raises(NotFoundError, match="no task 't-0'"):
        await command(stage.hub)
    assert stage.hub.position == before


@pytest.mark.parametrize("task_id", ["a", "9", "A.b_c-d", "x" * 128])
async def test_task_4_ids_that_are_fine(stage: Stage, task_id: str) -> None:
    _, _, task = await at_work(stage, task_id=task_id)
    assert (await stage.hub.update_task(task_id, "completed")).task_id == task.task_id == task_id


@pytest.mark.parametrize("task_id", ["-a", ".a", "_a", "a b", "a/b", "x" * 129, "ä", "a\n", "task:a"])
async def test_task_4_ids_that_are_refused(stage: Stage, task_id: str) -> None:
    session_id, bob, _ = await at_work(stage)
    before = stage.hub.position
    with pytest.raises(ProtocolError, match=r"task id .* is not valid"):
        await stage.hub.observe_task(session_id, bob, SPEC, task_id=task_id)
    assert stage.hub.position == before


async def test_tasks_are_of_participants_in_active_sessions(stage: Stage) -> None:
    alice, bob, eve = await stage.agents("alice", "bob", "eve")
    pending, opening = await stage.invite("conversation", alice, bob)
    with pytest.raises(ProtocolError, match="is pending"):
        await stage.hub.observe_task(pending, alice, SPEC)
    await stage.accept(pending, bob)
    await opening
    with pytest.raises(ProtocolError, match="'eve' does not take part"):
        await stage.hub.observe_task(pending, eve, SPEC)
    await stage.hub.close_session(pending)
    with pytest.raises(ProtocolError, match="is closed"):
        await stage.hub.observe_task(pending, alice, SPEC)
    assert of_type(stage.log(), "task.started") == []


@pytest.mark.parametrize(
    ("state", "outcome", "match"),
    [
        ("expired", {}, "only the hub lets a task end as 'expired'"),
        ("running", {"progress": {"x": float("inf")}}, "progress.x is inf"),
        ("completed", {"result": {"x": object()}}, "result.x is a object"),
        ("completed", {"result": [1]}, "result is of the type list"),
    ],
)
async def test_task_updates_of_the_wrong_shape_are_refused(
    stage: Stage, state: str, outcome: dict[str, Any], match: str
) -> None:
    _, _, task = await at_work(stage)
    before = stage.hub.position
    with pytest.raises(ProtocolError, match=match):
        await stage.hub.update_task(task.task_id, state, **outcome)
    assert stage.hub.position == before


async def test_a_task_is_its_owners_own(stage: Stage) -> None:
    """Trap 33: another agent neither reports it nor starts one in somebody's name."""
    async with HubClient(LocalLink(stage.hub)) as client:
        alice, bob = [await client.register(None, Passport(name=name)) for name in ("alice", "bob")]
        session = await alice.open(type="conversation", target="bob")
        async with session.task("hers") as task:
            assert task.metadata is not None
            with pytest.raises(AccessDeniedError, match="'bob' may not report on task"):
                await stage.hub.update_task(task.metadata.task_id, "failed", actor=bob.agent_id)
        with pytest.raises(AccessDeniedError, match="'bob' may not report tasks of 'alice'"):
            await stage.hub.observe_task(session.session_id, alice.agent_id, SPEC, actor=bob.agent_id)
    ended = of_type(stage.log(), "task.completed")
    assert [e.actor for e in ended] == [alice.agent_id]


async def test_tasks_are_listed_in_order_filtered_first_and_then_limited(any_stage: Stage) -> None:
    session_id, bob, _ = await at_work(any_stage, task_id="t-0")
    alice = any_stage.hub.find_agent_id("alice") or ""
    for number in range(1, 6):
        await any_stage.hub.observe_task(session_id, (alice, bob)[number % 2], SPEC, task_id=f"t-{number}")
    for number in (1, 3, 4):
        await any_stage.hub.update_task(f"t-{number}", "completed")

    async def listed(**filters: Any) -> str:
        return " ".join(t.task_id for t in await any_stage.hub.list_tasks(**filters))

    assert await listed() == "t-0 t-1 t-2 t-3 t-4 t-5"
    assert await listed(owner_id=bob) == "t-0 t-1 t-3 t-5"
    assert await listed(state="completed") == "t-1 t-3 t-4"
    assert await listed(owner_id=bob, state="completed", limit=2) == "t-1 t-3"
    assert await listed(session_id=session_id, state="created", limit=1) == "t-0"
    assert await listed(session_id="f" * 32) == ""


async def test_what_is_observed_outside_of_tasks_counts_alike(stage: Stage) -> None:
    (bob,) = await stage.agents("bob")
    for outcome, latency_ms in (("completed", 10), ("failed", 30), ("expired", None), ("completed", 20.5)):
        await stage.hub.record_observation(bob, "analysis", outcome, latency_ms=latency_ms)
    assert await observed(stage, bob) == ObservedStat(n=4, completed=2, failed=1, expired=1, p50_latency_ms=20.5)
    with pytest.raises(ProtocolError, match="'great' is none of"):
        await stage.hub.record_observation(bob, "analysis", "great")
    with pytest.raises(NotFoundError):
        await stage.hub.record_observation("f" * 32, "analysis", "completed")
