"""SPEC §4, RULE-1 to RULE-6 and RULE-11: who may do what, how deep, and for how long; traps 19, 21, 23."""

from __future__ import annotations

from typing import Any

import pytest

from hub import (
    AccessBlock,
    AccessDeniedError,
    Envelope,
    HubClient,
    InboxBlock,
    LimitsBlock,
    LocalLink,
    Passport,
    RateLimitedError,
    Rule,
    TaskSpec,
    parse_duration,
)
from tests.spec.acting import access, denied, limits, rate
from tests.spec.stage import Stage


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
NO_DURATIONS: list[Any] = [
    *("30", "30 s", "2H", "-1s", "1w", "s", "٣s", "1h30m", " 1h", "9" * 12 + "d"),
    *(-1, 1.5, True, [], b"1h"),
]


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
    ("of_task", "by_rule", "lives_s"),
    [(None, "15m", 900), (None, "1m", 60), ("3s", "1m", 3), (None, "", None), (0, "1m", None)],
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


@pytest.mark.parametrize(
    ("cap", "depth", "fits"), [(2, 2, True), (2, 3, False), (0, 4_000_000_000, True), (1, 2, False)]
)
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


async def test_rule_6_gov_6_an_agent_that_makes_sessions_up_cannot_flood_the_log(stage: Stage) -> None:
    """Depth is looked at before existence is: a refusal at invented ids is one refusal, and names none of them."""
    (a,) = await stage.agents("alice")
    before = stage.hub.position
    for number in range(50):
        with pytest.raises(AccessDeniedError, match="depth 6"):
            await stage.say(f"{number:032x}", a, depth=6)
    assert stage.types(before) == ["access.denied"]
    (record,) = await stage.audit("access_denied")
    assert (record["session_id"], record["target"]) == (None, "")


# RULE-11.


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


@pytest.mark.parametrize("globs", ["bob", [""], [5], None, {"bob": 1}])
def test_globs_are_a_list_of_text(globs: Any) -> None:
    with pytest.raises(ValueError, match=r"AccessBlock\.outbound_to"):
        AccessBlock(outbound_to=globs)


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
