"""GOV-7: the audit log, a view of the log: its records, its filters, and who is told of new ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from events.errors import AccessDeniedError, NotFoundError
from hub import (
    AccessBlock,
    Envelope,
    Passport,
    Resume,
    Rule,
    TaskSpec,
)
from hub.testing import settle
from projections.audit import KINDS
from tests.spec.stage import Stage
from tests.spec.watching import expects, watched

STAMP = {"kind", "at", "position", "event_id", "actor"}
KEYS: dict[str, set[str]] = {
    "agent_registered": {"agent_id", "name", "owner"},
    "agent_unregistered": {"agent_id", "name"},
    "resume_set": {"agent_id", "version", "source"},
    "skill_set": {"agent_id", "removed"},
    "rule_set": {"agent_id", "version", "rule"},
    "session_created": {"session_id", "creator_id", "manifest_type", "manifest_version", "participants"},
    "session_closed": {"session_id", "reason"},
    "session_expired": {"session_id", "reason"},
    "task_terminated": {"task_id", "owner_id", "session_id", "capability", "outcome", "latency_ms", "reason"},
    "expectation_violated": {"session_id", "expectation", "on_violation", "params", "violators", "detail"},
    "access_denied": {"action", "target", "session_id", "error", "message", "left_out"},
    "turn_failed": {"agent_id", "session_id", "envelope_id", "attempt", "final", "error"},
    "participant_hidden": {"session_id", "agent_id", "expectation"},
    "participant_left": {"session_id", "agent_id"},
}


async def everything(stage: Stage) -> list[str]:
    """A history in which everything happens that has an audit record; alice, bob and the sessions, in that order."""
    hub = stage.hub
    hub.register_adapter(watched(expects("turn_within", "hide", seconds=60)))
    alice = (await hub.register_identity(Passport(name="alice", owner="acme"))).agent_id
    bob = (await hub.register_identity(Passport(name="bob"), rule=Rule(access=AccessBlock(outbound_to=[])))).agent_id
    await hub.set_resume(alice, Resume(summary="hers"))
    await hub.set_skill(alice, "# skill")
    await hub.set_skill(alice, None)
    await hub.set_rule(alice, Rule(access=AccessBlock(outbound_to=["b*"])))
    talk = await stage.open("conversation", alice, bob, ttl=3600)
    await hub.observe_task(talk, bob, TaskSpec(title="t", capability="analysis"), task_id="t-1")
    stage.clock.advance(1)
    await hub.update_task("t-1", "failed", error="no ink")
    asked = await stage.say(talk, alice, audience=[bob])
    await hub.report_turn_failure(bob, talk, asked, "ValueError: no idea")
    with pytest.raises(AccessDeniedError):
        await stage.say(talk, bob)
    round_ = await stage.open("watched", alice, bob)
    await stage.wait(60)
    await hub.close_session(round_, "done")
    await stage.wait(3600)
    last = await stage.open("conversation", alice, bob)
    await hub.unregister(bob)
    return [alice, bob, talk, round_, last]


async def test_gov_7_records_have_these_keys_and_no_others(stage: Stage) -> None:
    await everything(stage)
    records = await stage.hub.audit_log.read_all()
    assert {record["kind"] for record in records} == KEYS.keys() == KINDS.keys()
    for record in records:
        observed = {"capability", "outcome"} if record.get("source") == "observed" else set()
        assert record.keys() == STAMP | KEYS[record["kind"]] | observed


async def test_gov_7_records_tell_what_happened(stage: Stage) -> None:
    alice, bob, talk, round_, _ = await everything(stage)
    records: dict[str, list[dict[str, Any]]] = {}
    for record in await stage.hub.audit_log.read_all():
        records.setdefault(record["kind"], []).append({k: v for k, v in record.items() if k not in STAMP - {"actor"}})
    operator, hub = {"actor": "operator"}, {"actor": "hub"}
    assert records["agent_registered"][0] == operator | {"agent_id": alice, "name": "alice", "owner": "acme"}
    assert records["resume_set"] == [
        operator | {"agent_id": alice, "version": 2, "source": "tenant"},
        hub | {"agent_id": bob, "version": 2, "source": "observed", "capability": "analysis", "outcome": "failed"},
    ]
    assert [r["removed"] for r in records["skill_set"]] == [False, True]
    (rule_set,) = records["rule_set"]
    assert (rule_set["version"], rule_set["rule"]["access"]["outbound_to"]) == (2, ["b*"])
    assert records["session_created"][1] == operator | {
        "session_id": round_,
        "creator_id": alice,
        "manifest_type": "watched",
        "manifest_version": 1,
        "participants": [alice, bob],
    }
    assert records["session_closed"] == [operator | {"session_id": round_, "reason": "done"}]
    assert records["session_expired"] == [hub | {"session_id": talk, "reason": "ttl_expired"}]
    assert records["expectation_violated"] == [
        hub
        | {
            "session_id": round_,
            "expectation": "turn_within",
            "on_violation": "hide",
            "params": {"seconds": 60},
            "violators": [alice],
            "detail": {"seconds": 60, "since": "2026-01-01T00:00:01Z"},
        }
    ]
    (failed,) = records["turn_failed"]
    assert (failed["agent_id"], failed["attempt"], failed["final"]) == (bob, 1, False)
    assert records["participant_hidden"] == [
        hub | {"session_id": round_, "agent_id": alice, "expectation": "turn_within"}
    ]
    assert [r["agent_id"] for r in records["participant_left"]] == [bob]


async def test_gov_7_a_record_is_one_event(stage: Stage) -> None:
    await everything(stage)
    events = {event.id: event for event in stage.log()}
    records = await stage.hub.audit_log.read_all()
    assert [r["position"] for r in records] == sorted({r["position"] for r in records})
    for record in records:
        event = events[record["event_id"]]
        assert event.position == record["position"]
        assert record["kind"] == "access_denied" or event.actor == record["actor"]


async def test_gov_7_read_filters_by_index(any_stage: Stage) -> None:
    alice, bob, talk, round_, _ = await everything(any_stage)
    log = any_stage.hub.audit_log
    records = await log.read_all()
    assert await log.read() == records

    for kind in KEYS:
        assert await log.read(kind=kind) == [r for r in records if r["kind"] == kind]
    for session_id in (talk, round_):
        found = await log.read(session_id=session_id)
        assert found == [r for r in records if r.get("session_id") == session_id]
        assert found
    of_bob = await log.read(agent_id=bob)
    assert [r["kind"] for r in of_bob] == [
        "agent_registered",
        "session_created",
        "task_terminated",
        "resume_set",
        "turn_failed",
        "access_denied",
        "session_created",
        "session_created",
        "agent_unregistered",
        "participant_left",
    ]
    assert await log.read(kind="session_created", agent_id=bob, session_id=talk) == [
        r for r in of_bob if r.get("session_id") == talk and r["kind"] == "session_created"
    ]
    assert await log.read(agent_id="f" * 32) == []
    assert alice in str(await log.read(agent_id=alice, kind="agent_registered"))


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (None, None, "abcd"),
        ("2026-01-01T00:00:00Z", None, "abcd"),
        ("2026-01-01T00:00:00.000001Z", None, "bcd"),
        ("2026-01-01T00:00:10Z", None, "bcd"),
        (None, "2026-01-01T00:00:10Z", "a"),
        ("2026-01-01T00:00:10Z", "2026-01-01T00:00:20Z", "bc"),
        ("2026-01-01T02:00:10+02:00", "2025-12-31T19:00:20-05:00", "bc"),
        ("2026-01-01T00:00:20.000001Z", None, ""),
        (None, "2026-01-01T00:00:00Z", ""),
    ],
)
async def test_gov_7_since_is_inclusive_until_is_exclusive_in_any_notation(
    stage: Stage, since: str | None, until: str | None, expected: str
) -> None:
    """Trap 57: times are compared as times."""
    for name, wait_s in (("a", 10), ("b", 0), ("c", 10), ("d", 0)):
        await stage.agents(name)
        stage.clock.advance(wait_s)
    found = await stage.audit("agent_registered", since=since, until=until)
    assert "".join(r["name"] for r in found) == expected


async def test_gov_7_limit_comes_after_the_filter(stage: Stage) -> None:
    await everything(stage)
    log = stage.hub.audit_log
    for limit in range(4):
        assert await log.read(kind="session_created", limit=limit) == (await log.read(kind="session_created"))[:limit]


@pytest.mark.parametrize("options", [{"kind": "gossip"}, {"since": "2026-01-01T00:00:00"}, {"until": "yesterday"}])
async def test_gov_7_a_filter_that_makes_no_sense_is_refused(stage: Stage, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"gossip|no offset|not an ISO-8601 time"):
        await stage.hub.audit_log.read(**options)


async def test_gov_7_the_record_outlives_hubs(any_stage: Stage) -> None:
    await everything(any_stage)
    before = await any_stage.hub._audit_log.read_all()
    await any_stage.restart()
    assert await any_stage.hub.audit_log.read_all() == before


async def test_gov_7_a_record_given_out_is_a_copy(stage: Stage) -> None:
    await everything(stage)
    before = await stage.hub.audit_log.read_all()
    for record in await stage.hub.audit_log.read_all():
        record["kind"] = "forged"
        for value in record.values():
            if isinstance(value, dict | list):
                value.clear()
    assert await stage.hub.audit_log.read_all() == before


# Being told.


async def test_gov_7_subscribers_hear_of_each_record_in_order_after_its_commit(any_stage: Stage) -> None:
    heard: list[dict[str, Any]] = []
    heard_async: list[dict[str, Any]] = []

    def subscriber(record: dict[str, Any]) -> None:
        assert record["position"] <= any_stage.hub.position
        heard.append(record)

    async def async_subscriber(record: dict[str, Any]) -> None:
        heard_async.append(record)

    end = any_stage.hub.audit_log.subscribe(subscriber)
    any_stage.hub.audit_log.subscribe(async_subscriber)
    await everything(any_stage)
    await settle(any_stage.hub)
    end()
    end()
    await any_stage.agents("late")
    await settle(any_stage.hub)
    records = await any_stage.hub.audit_log.read_all()
    assert (heard, heard_async) == (records[:-1], records)


async def test_gov_7_a_subscriber_that_raises_or_meddles_harms_nobody(stage: Stage) -> None:
    heard: list[str] = []

    def meddler(record: dict[str, Any]) -> None:
        record["kind"] = "forged"
        raise RuntimeError("sync")

    async def failing(record: dict[str, Any]) -> None:
        raise RuntimeError("async")

    for subscriber in (meddler, failing, lambda record: heard.append(record["kind"])):
        stage.hub.audit_log.subscribe(subscriber)
    await stage.agents("alice", "bob")
    await settle(stage.hub)
    assert heard == ["agent_registered"] * 2
    assert sorted(map(str, stage.heard.errors)) == ["async", "async", "sync", "sync"]


async def collect(records: AsyncIterator[dict[str, Any]], into: list[str], pause: asyncio.Event | None = None) -> None:
    async for record in records:
        into.append(record["name"])
        if pause is not None:
            await pause.wait()


async def test_gov_7_following_from_a_position_gives_the_past_and_each_new_record_once(any_stage: Stage) -> None:
    """Several followers at their own pace: none misses a record that came while it was busy, or another waited."""
    await any_stage.agents("a", "b")
    after = any_stage.hub.position
    await any_stage.agents("c")
    log = any_stage.hub.audit_log
    all_, later, slow, pause = [], [], [], asyncio.Event()  # type: list[str], list[str], list[str], asyncio.Event
    followers = [
        asyncio.create_task(collect(aiter(log), all_)),
        asyncio.create_task(collect(log.follow(after), later)),
        asyncio.create_task(collect(log.follow(after), slow, pause)),
    ]
    await settle(any_stage.hub)
    assert (all_, later, slow) == (["a", "b", "c"], ["c"], ["c"])
    await any_stage.agents("d", "e")
    await settle(any_stage.hub)
    assert (all_, slow) == (["a", "b", "c", "d", "e"], ["c"])
    pause.set()
    await settle(any_stage.hub)
    assert (later, slow) == (["c", "d", "e"], ["c", "d", "e"])
    await any_stage.agents("f")
    await any_stage.hub.close()
    await asyncio.wait_for(asyncio.gather(*followers), 1)
    assert (all_[-1], later[-1], slow[-1]) == ("f", "f", "f")


async def test_gov_7_a_follower_in_the_middle_ends_with_its_hub(any_stage: Stage) -> None:
    """It was given what there was when it read; it neither hangs nor raises."""
    await any_stage.agents(*(f"agent {n}" for n in range(40)))
    followed, pause = [], asyncio.Event()  # type: list[str], asyncio.Event
    follower = asyncio.create_task(collect(aiter(any_stage.hub.audit_log), followed, pause))
    await settle(any_stage.hub)
    await any_stage.hub.close()
    pause.set()
    await asyncio.wait_for(follower, 1)
    assert followed[0] == "agent 0"


# The other view.


async def test_env_5_a_slice_of_the_write_ahead_log_is_a_python_slice(any_stage: Stage) -> None:
    alice, bob = await any_stage.agents("alice", "bob")
    ids = [await any_stage.open("conversation", alice, bob) for _ in range(3)]
    for number in range(40):
        for session_id in ids:
            await any_stage.say(session_id, alice, str(number))
            if number % 7 == 0:
                await any_stage.hub.observe_task(session_id, bob, TaskSpec(title="t"))
    for session_id in ids:
        whole = await any_stage.hub.read_wal(session_id)
        assert [e.sequence for e in whole] == list(range(1, 50))
        for since, until in ((0, None), (0, 5), (3, 3), (7, 20), (48, 60), (49, None), (100, None), (5, 2)):
            assert await any_stage.hub.read_wal(session_id, since, until) == whole[since:until]
    with pytest.raises(NotFoundError):
        await any_stage.hub.read_wal("f" * 32)


async def test_env_5_an_envelope_in_the_log_is_the_one_that_was_posted(any_stage: Stage) -> None:
    alice, bob = await any_stage.agents("alice", "bob")
    session_id = await any_stage.open("conversation", alice, bob)
    first = await any_stage.say(session_id, alice)
    posted = Envelope(
        session_id,
        bob,
        [alice],
        "acme.note",
        {"text": "hi", "n": [1, {"x": None}]},
        task_id="t-1",
        causation_id=first,
        trace_id="trace",
        priority="high",
        depth=2,
        idempotency_key="key",
        ttl_seconds=60,
    )
    envelope_id = await any_stage.hub.post_envelope(posted)
    read = (await any_stage.hub.read_wal(session_id))[-1]
    assert (read.envelope_id, read.sequence, read.created_at) == (envelope_id, 5, "2026-01-01T00:00:00Z")
    given = posted.to_dict() | {"envelope_id": envelope_id, "sequence": 5, "created_at": read.created_at}
    assert read.to_dict() == given
