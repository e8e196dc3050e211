"""GOV-1 to GOV-3: what is expected, what happens otherwise, and that it is noticed once and in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from events.event import HUB
from hub import (
    EV_CONTEXT_SET,
    EV_EXPECTATION_VIOLATED,
    EV_PACKET,
    EV_TEXT,
    HubClient,
    LocalLink,
    Passport,
    ProtocolError,
    TaskSpec,
)
from hub.testing import MockClock, settle
from tests.spec.stage import OpenHub, Stage, assert_one_append, of_type
from tests.spec.watching import NOTE, Recorder, expects, network, violated, watched

# When it is noticed.


async def _nothing(stage: Stage, session_id: str, people: list[str]) -> None:
    stage.clock.advance(0)


async def _addressed(stage: Stage, session_id: str, people: list[str]) -> None:
    await stage.say(session_id, people[0], audience=[people[1]])


async def _said(stage: Stage, session_id: str, people: list[str]) -> None:
    stage.clock.advance(10)
    await stage.say(session_id, people[0])


Arm = Callable[[Stage, str, list[str]], Awaitable[None]]


@pytest.mark.parametrize("seconds", [30, 0.25, 0])
@pytest.mark.parametrize(
    ("name", "arm", "late"),
    [
        ("reply_within", _addressed, "bob"),
        ("reply_within", _said, "bob"),
        ("max_silence", _nothing, ""),
        ("max_silence", _said, ""),
        ("turn_within", _nothing, "alice"),
        ("turn_within", _said, "bob"),
    ],
)
async def test_gov_1_fires_at_the_boundary_and_not_before(
    stage: Stage, name: str, arm: Arm, late: str, seconds: float
) -> None:
    """Elapsed >= seconds, from when it was owed; 0 fires at the first tick."""
    session_id, people = await network(stage, expects(name, seconds=seconds))
    await arm(stage, session_id, people)
    since = stage.clock()
    if seconds:
        await stage.wait(seconds - 0.001)
        assert await violated(stage) == []
        await stage.wait(0.001)
    else:
        await stage.wait(0)
    assert await violated(stage) == [(name, late)]
    (record,) = await stage.audit("expectation_violated")
    assert record["detail"] == {"seconds": seconds, "since": since}


@pytest.mark.parametrize("seconds", [30, 0])
async def test_gov_1_acks_within_lists_all_who_are_pending(stage: Stage, seconds: float) -> None:
    stage.hub.register_adapter(watched(expects("acks_within", seconds=seconds)))
    people = await stage.agents("alice", "bob", "carol", "dave")
    session_id, opening = await stage.invite("watched", *people, ttl=3600)
    await stage.accept(session_id, people[2])
    opening.cancel() if seconds else None
    await stage.hub._expectation_tick()
    assert await violated(stage) == ([] if seconds else [("acks_within", "bob dave")])
    if not seconds:
        await stage.accept(session_id, people[1], people[3])
        await stage.wait(100)
        assert len(await violated(stage)) == 1, "active sessions wait for no acks"


@pytest.mark.parametrize(
    ("script", "late"),
    [
        ([("a", "b", EV_TEXT)], "bob"),
        ([("a", "bc", EV_TEXT)], "bob carol"),
        ([("a", "bc", EV_TEXT), ("b", "a", EV_TEXT)], "carol alice"),
        ([("a", "bc", EV_TEXT), ("b", None, EV_TEXT)], "carol"),
        ([("b", None, EV_TEXT), ("a", "b", EV_TEXT)], "bob"),
        ([("a", None, EV_TEXT), ("b", None, EV_TEXT)], ""),
        ([("a", "", EV_TEXT)], ""),
        ([("a", "b", EV_PACKET), ("b", None, EV_PACKET)], ""),
        ([("a", "b", NOTE)], ""),
        ([("a", "b", EV_CONTEXT_SET)], ""),
        ([("a", "b", EV_TEXT), ("b", "a", NOTE)], "bob"),
    ],
)
async def test_trap_58_only_who_was_addressed_by_name_owes_a_reply(
    stage: Stage, script: list[tuple[str, str | None, str]], late: str
) -> None:
    """GOV-1: newest text addressed to it against its own newest text; not whoever lacks the last word."""
    session_id, people = await network(stage, expects("reply_within"), turns=False)
    ids = dict(zip("abc", people, strict=True))
    for sender, audience, event_type in script:
        to = None if audience is None else [ids[letter] for letter in audience]
        await stage.say(session_id, ids[sender], audience=to, event_type=event_type)
    await stage.wait(30)
    assert await violated(stage) == ([("reply_within", late)] if late else [])


async def test_trap_58_of_a_broadcast_the_next_speaker_owes_a_reply(stage: Stage) -> None:
    session_id, people = await network(stage, expects("reply_within"))
    await stage.say(session_id, people[0])
    await stage.say(session_id, people[1])
    await stage.wait(30)
    assert await violated(stage) == [("reply_within", "carol")]


async def test_gov_1_reply_within_counts_from_the_newest_text(stage: Stage) -> None:
    session_id, (alice, bob, _) = await network(stage, expects("reply_within"), turns=False)
    await stage.say(session_id, alice, audience=[bob])
    stage.clock.advance(20)
    await stage.say(session_id, alice, audience=[bob])
    await stage.wait(29.999)
    assert await violated(stage) == []
    await stage.wait(0.001)
    assert await violated(stage) == [("reply_within", "bob")]


async def test_gov_1_max_silence_is_the_whole_sessions_and_any_content_breaks_it(stage: Stage) -> None:
    session_id, (_, bob, _) = await network(stage, expects("max_silence"))
    stage.clock.advance(20)
    await stage.say(session_id, bob, event_type=NOTE)
    await stage.wait(20)
    await stage.hub.observe_task(session_id, bob, TaskSpec(title="t"))
    await stage.wait(9.999)
    assert await violated(stage) == []
    await stage.wait(0.001)
    assert await violated(stage) == [("max_silence", "")], "a task's envelope is no content"


@pytest.mark.parametrize(
    ("role", "late"), [("initiator", ""), ("participant", "bob carol"), ("respondent", ""), (None, "bob carol")]
)
async def test_gov_1_applies_to_a_role(stage: Stage, role: str | None, late: str) -> None:
    session_id, (alice, bob, carol) = await network(stage, expects("reply_within", applies_to=role), turns=False)
    await stage.say(session_id, alice, audience=[bob, carol])
    await stage.wait(30)
    assert await violated(stage) == ([("reply_within", late)] if late else [])


# What it does.


@pytest.mark.parametrize(
    ("handler", "follows"),
    [
        ("audit", []),
        ("warn", []),
        ("notify_session", []),
        ("hide", ["session.participant_hidden"]),
        ("auto_close", ["session.closed"]),
    ],
)
async def test_gov_2_a_violation_and_its_effect_are_one_append(
    any_stage: Stage, handler: str, follows: list[str]
) -> None:
    session_id, (_, bob, _) = await network(any_stage, expects("turn_within", handler))
    await any_stage.say(session_id, (await any_stage.hub.get_session(session_id)).creator_id)
    before = any_stage.hub.position
    await any_stage.wait(30)
    events = any_stage.log(before)
    assert [e.type for e in events] == ["expectation.violated", *follows]
    assert_one_append(events, None, *[events[0].id] * len(follows))
    assert {e.actor for e in events} == {HUB}
    session = await any_stage.hub.get_session(session_id)
    assert session.close_reason == ("expectation_violated:turn_within" if handler == "auto_close" else "")
    assert session.hidden == ((bob,) if handler == "hide" else ())
    tail = {"warn": ["expectation.violated"], "notify_session": ["expectation.violated"]}.get(handler, [])
    assert (await any_stage.wal(session_id))[6:] == tail + ["session.closed"] * (handler == "auto_close")


async def test_gov_2_all_violations_of_a_tick_are_one_append_and_the_first_that_closes_gives_the_reason(
    stage: Stage,
) -> None:
    kinds = [expects("max_silence", "warn"), expects("turn_within", "auto_close"), expects("max_silence", "auto_close")]
    session_id, _ = await network(stage, *kinds)
    before = stage.hub.position
    await stage.wait(30)
    events = stage.log(before)
    assert [e.type for e in events] == ["expectation.violated"] * 3 + ["session.closed"]
    assert_one_append(events, None, None, None, events[1].id)
    assert (await stage.hub.get_session(session_id)).close_reason == "expectation_violated:turn_within"


@pytest.mark.parametrize("pending", [True, False])
async def test_trap_48_a_warning_reaches_every_participant_pending_and_creator_included(
    stage: Stage, pending: bool
) -> None:
    kind = "acks_within" if pending else "max_silence"
    stage.hub.register_adapter(watched(expects(kind, "warn", seconds=10)))
    people = await stage.agents("alice", "bob", "carol")
    endpoints = {agent_id: Recorder() for agent_id in people}
    for agent_id, endpoint in endpoints.items():
        stage.hub.delivery.bind(agent_id, endpoint)
    session_id, opening = await stage.invite("watched", *people)
    await stage.accept(session_id, people[1], *([] if pending else [people[2]]))
    await stage.wait(10)
    await settle(stage.hub)
    warnings = [[e for e in r.got if e.event_type == EV_EXPECTATION_VIOLATED] for r in endpoints.values()]
    assert [len(each) for each in warnings] == [1, 1, 1]
    (warning,) = {each[0].envelope_id for each in warnings}
    shown = next(e for e in await stage.hub.read_wal(session_id) if e.envelope_id == warning)
    assert shown.sender_id == HUB
    assert shown.event_data["expectation"] == kind
    assert shown.event_data["violators"] == ([people[2]] if pending else [])
    assert (await stage.hub.get_session(session_id)).state == ("pending" if pending else "active")
    if pending:
        await stage.accept(session_id, people[2])
    await opening


async def test_gov_2_hide_takes_the_turn_and_shows_nothing_later(any_stage: Stage) -> None:
    """Live, through its link and after a reconnect; it is recorded, and the inbox of the hidden one stays empty."""
    hub = any_stage.hub
    hub.register_adapter(watched(expects("turn_within", "hide", seconds=600)))
    async with HubClient(LocalLink(hub)) as client:
        people = [await client.register(None, Passport(name=name)) for name in ("alice", "bob", "carol")]
        alice, bob, carol = people
        seen: list[str] = []
        bob.on_envelope(lambda e: seen.append(e.event_type))
        session = await alice.open(type="watched", target=["bob", "carol"])
        await session.send("to bob and carol")
        await any_stage.wait(600)
        await settle(hub)
        assert hub.expected_next(session.session_id) == carol.agent_id
        before = list(seen)
        await carol.session(session.session_id).send("without bob")
        await session.send("nor this", audience=["bob", "carol"])
        await hub.observe_task(session.session_id, carol.agent_id, TaskSpec(title="secret"))
        await session.close()
        await settle(hub)
        assert seen == before
        assert hub.inbox_depth(bob.agent_id) == 0
        texts = [e.text for e in await bob.session(session.session_id).read_wal() if e.event_type == EV_TEXT]
        assert texts == ["to bob and carol"]
        assert (await bob.session(session.session_id).read_wal())[-1].event_type == EV_TEXT
    (record,) = await any_stage.audit("participant_hidden")
    assert (record["agent_id"], record["expectation"]) == (bob.agent_id, "turn_within")


async def test_gov_2_who_is_hidden_can_take_no_turn_and_the_last_one_left_goes_on(stage: Stage) -> None:
    session_id, (alice, bob, carol) = await network(stage, expects("turn_within", "hide", seconds=10))
    for hidden in (alice, bob):
        await stage.wait(10)
        with pytest.raises(ProtocolError, match="expects"):
            await stage.say(session_id, hidden)
    assert stage.hub.expected_next(session_id) == carol
    await stage.say(session_id, carol)
    assert stage.hub.expected_next(session_id) == carol
    await stage.wait(10)
    assert stage.hub.expected_next(session_id) is None
    await stage.wait(1000)
    assert [late for _, late in await violated(stage)] == ["alice", "bob", "carol"]


async def test_adp_3_an_agent_that_falls_silent_is_warned_and_then_hidden(stage: Stage) -> None:
    """The discussion's own expectations: turn_within 120 s warn, 600 s hide (trap 18: they work)."""
    alice, bob, carol = await stage.agents("alice", "bob", "carol")
    session_id = await stage.open("discussion", alice, bob, carol)
    await stage.say(session_id, alice)
    await stage.wait(119.999)
    assert await violated(stage) == []
    await stage.wait(0.001)
    await stage.wait(479.999)
    assert (stage.hub.expected_next(session_id), (await stage.wal(session_id))[-1]) == (bob, "expectation.violated")
    await stage.wait(0.001)
    assert (stage.hub.expected_next(session_id), await violated(stage)) == (carol, [("turn_within", "bob")] * 2)
    await stage.wait(119.999)
    assert len(await violated(stage)) == 2, "the next one's time begins when the turn became hers"
    await stage.wait(0.001)
    assert (await violated(stage))[2:] == [("turn_within", "carol")]


@pytest.mark.parametrize(
    ("asked", "after_s", "reason"),
    [(False, 30, "expectation_violated:acks_within"), (True, 600, "expectation_violated:reply_within")],
)
async def test_adp_1_the_consultings_own_expectations_close_it(
    open_hub: OpenHub, clock: MockClock, asked: bool, after_s: float, reason: str
) -> None:
    stage = await Stage(open_hub, clock).raise_curtain(invite_ack_timeout=60)
    alice, bob = await stage.agents("alice", "bob")
    session_id, opening = await stage.invite("consulting", alice, bob)
    if asked:
        await stage.accept(session_id, bob)
        await stage.say(session_id, alice)
    await stage.wait(after_s - 0.001)
    assert not (await stage.hub.get_session(session_id)).state.terminal
    await stage.wait(0.001)
    assert (await stage.hub.get_session(session_id)).close_reason == reason
    await asyncio.gather(opening, return_exceptions=True)


# Once, and again when there is reason to.


@pytest.mark.parametrize("name", ["acks_within", "reply_within", "max_silence", "turn_within"])
async def test_gov_3_fires_once_also_across_restarts(any_stage: Stage, name: str) -> None:
    hub = any_stage.hub
    hub.register_adapter(watched(expects(name, seconds=5)))
    people = await any_stage.agents("alice", "bob", "carol")
    session_id, opening = await any_stage.invite("watched", *people)
    if name != "acks_within":
        await any_stage.accept(session_id, *people[1:])
        await any_stage.say(session_id, people[0], audience=[people[1]])
    for _ in range(3):
        await any_stage.wait(5)
    assert len(await violated(any_stage)) == 1
    digest = any_stage.hub.state_digest()
    await any_stage.restart()
    any_stage.hub.register_adapter(watched(expects(name, seconds=5)))
    assert any_stage.hub.state_digest() == digest
    for _ in range(2):
        await any_stage.wait(5)
    assert len(await violated(any_stage)) == 1
    await asyncio.gather(opening, return_exceptions=True)


async def test_gov_3_per_place_in_the_list_and_per_violator(stage: Stage) -> None:
    twice = [expects("reply_within"), expects("reply_within")]
    session_id, (alice, bob, carol) = await network(stage, *twice, turns=False)
    await stage.say(session_id, alice, audience=[bob])
    stage.clock.advance(10)
    await stage.say(session_id, alice, audience=[carol])
    await stage.wait(20)
    await stage.wait(10)
    assert await violated(stage) == [("reply_within", "bob")] * 2 + [("reply_within", "carol")] * 2
    assert [e.body.ordinal for e in of_type(stage.log(), "expectation.violated")] == [0, 1, 0, 1]


@pytest.mark.parametrize("name", ["reply_within", "max_silence", "turn_within"])
async def test_trap_46_what_happened_rearms_it(any_stage: Stage, name: str) -> None:
    """GOV-3: a new turn, a new question, a new silence is a new violation; a restart in between changes nothing."""
    adapter = watched(expects(name, seconds=5))
    any_stage.hub.register_adapter(adapter)
    alice, bob = await any_stage.agents("alice", "bob")
    session_id = await any_stage.open("watched", alice, bob)
    for turn in range(1, 4):
        await any_stage.say(session_id, alice, audience=[bob])
        await any_stage.wait(5)
        await any_stage.wait(5)
        assert len(await violated(any_stage)) == turn
        await any_stage.restart()
        any_stage.hub.register_adapter(adapter)
        await any_stage.say(session_id, bob)
    late = "" if name == "max_silence" else "bob"
    assert await violated(any_stage) == [(name, late)] * 3


async def test_trap_47_many_violators_are_one_record(stage: Stage) -> None:
    stage.hub.register_adapter(watched(expects("acks_within", seconds=5)))
    people = await stage.agents(*(f"agent {n}" for n in range(20)))
    _, opening = await stage.invite("watched", *people)
    await stage.wait(5)
    (record,) = await stage.audit("expectation_violated")
    assert record["violators"] == people[1:]
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
