"""SESS-5 to SESS-9: how sessions end, who may act in them, and those whose type is not loaded or whose people leave."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from events.errors import NotFoundError, ProtocolError
from events.event import HUB, OPERATOR
from hub import (
    EV_EXPECTATION_VIOLATED,
    EV_SESSION_CLOSED,
    EV_SESSION_EXPIRED,
    EV_SESSION_INVITE,
    EV_SESSION_INVITE_ACK,
    EV_SESSION_INVITE_REJECT,
    EV_SESSION_OPENED,
    EV_TASK_CANCELLED,
    EV_TASK_COMPLETED,
    EV_TASK_EXPIRED,
    EV_TASK_FAILED,
    EV_TASK_PROGRESS,
    EV_TASK_STARTED,
    AdapterResult,
    ConsultingAdapter,
    Envelope,
    HubClient,
    LocalLink,
    Passport,
    SessionAdapter,
    SessionManifest,
    SessionMetadata,
    TaskSpec,
)
from tests.spec.stage import Act, Stage, assert_one_append, of_type

START = "2026-01-01T00:00:00Z"
GHOST = "f" * 32


class Diary(SessionAdapter):
    """Any number, oneself included; whoever says "end" ends it."""

    manifest = SessionManifest(type="diary", ttl_default="1d")

    def on_accepted(self, metadata: SessionMetadata, envelope: Envelope, state: Any) -> AdapterResult:
        return AdapterResult(auto_close_reason="sequence_complete" if envelope.text == "end" else "")


# The end.


@pytest.mark.parametrize(("given", "reason"), [("", "explicit_close"), ("done", "done")])
async def test_sess_5_close_and_close_again(any_stage: Stage, given: str, reason: str) -> None:
    alice, bob = await any_stage.agents("alice", "bob")
    session_id = await any_stage.open("conversation", alice, bob)
    first = await any_stage.hub.close_session(session_id, given)
    any_stage.clock.advance(60)
    before = any_stage.hub.position
    assert await any_stage.hub.close_session(session_id, "later") == first
    assert (first.state, first.close_reason, any_stage.hub.position) == ("closed", reason, before)
    assert [e.event_data for e in await any_stage.hub.read_wal(session_id) if e.event_type == EV_SESSION_CLOSED] == [
        {"reason": reason}
    ]


async def test_trap_37_many_closes_at_once_are_one(any_stage: Stage) -> None:
    """SESS-5: each caller gets the first outcome, the ones that were decided before it was on disk too."""
    alice, bob = await any_stage.agents("alice", "bob")
    session_id = await any_stage.open("conversation", alice, bob)
    closes = [any_stage.hub.close_session(session_id, f"reason {n}") for n in range(10)]
    outcomes = await asyncio.gather(*closes)
    assert {(o.state, o.close_reason) for o in outcomes} == {("closed", "reason 0")}
    assert len(of_type(any_stage.log(), "session.closed")) == 1
    assert len(await any_stage.audit("session_closed")) == 1


async def test_trap_37_a_close_after_the_ttl_returns_the_expiry(any_stage: Stage) -> None:
    alice, bob = await any_stage.agents("alice", "bob")
    session_id = await any_stage.open("conversation", alice, bob, ttl=10)
    await any_stage.wait(10)
    outcome = await any_stage.hub.close_session(session_id, "late")
    assert (outcome.state, outcome.close_reason) == ("expired", "ttl_expired")


async def test_trap_38_a_post_is_decided_against_the_state_of_its_moment(any_stage: Stage) -> None:
    """Decided after the close, refused, even though the close was not on disk yet."""
    alice, bob = await any_stage.agents("alice", "bob")
    session_id = await any_stage.open("conversation", alice, bob)
    before = any_stage.hub.position
    outcomes = await asyncio.gather(
        any_stage.say(session_id, alice, "in time"),
        any_stage.hub.close_session(session_id),
        any_stage.say(session_id, bob, "too late"),
        return_exceptions=True,
    )
    assert isinstance(outcomes[0], str)
    assert isinstance(outcomes[2], ProtocolError)
    assert "closed (explicit_close)" in str(outcomes[2])
    assert any_stage.types(before) == ["envelope.posted", "session.closed"]


@pytest.mark.parametrize(("state", "reason"), [("closed", "explicit_close"), ("expired", "ttl_expired")])
async def test_sess_5_posts_to_what_ended_are_refused_by_state(any_stage: Stage, state: str, reason: str) -> None:
    alice, bob = await any_stage.agents("alice", "bob")
    session_id = await any_stage.open("conversation", alice, bob, ttl=10)
    await (any_stage.wait(10) if state == "expired" else any_stage.hub.close_session(session_id))
    before = any_stage.hub.position
    with pytest.raises(ProtocolError, match=rf"session {session_id} is {state} \({reason}\)") as refused:
        await any_stage.say(session_id, alice)
    assert (refused.value.state, any_stage.hub.position) == (state, before)
    await any_stage.restart()
    with pytest.raises(ProtocolError, match=f"is {state}"):
        await any_stage.say(session_id, alice)


@pytest.mark.parametrize(
    "command",
    [
        lambda hub, alice: hub.close_session(GHOST),
        lambda hub, alice: hub.get_session(GHOST),
        lambda hub, alice: hub.read_wal(GHOST),
        lambda hub, alice: hub.post_envelope(Envelope(GHOST, alice)),
        lambda hub, alice: hub.post_envelope(Envelope(GHOST, alice, event_type=EV_SESSION_INVITE_ACK)),
        lambda hub, alice: hub.observe_task(GHOST, alice, TaskSpec(title="t")),
        lambda hub, alice: hub.close_session("no id at all"),
    ],
)
async def test_sess_5_an_unknown_session_is_not_found(stage: Stage, command: Any) -> None:
    (alice,) = await stage.agents("alice")
    with pytest.raises(NotFoundError, match="no session '"):
        await command(stage.hub, alice)


async def with_tasks(stage: Stage, kind: str = "consulting", **options: Any) -> tuple[list[str], str]:
    """A consulting whose respondent is at work on two tasks, one with a capability."""
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open(kind, alice, bob, **options)
    await stage.say(session_id, alice)
    await stage.hub.observe_task(session_id, bob, TaskSpec(title="t", capability="analysis"), task_id="t-1")
    await stage.hub.observe_task(session_id, bob, TaskSpec(title="t"), task_id="t-2")
    return [alice, bob], session_id


TASK_ENDINGS: dict[str, Act] = {
    "explicit_close": lambda s, i, a: s.hub.close_session(i),
    "consulting_complete": lambda s, i, a: s.say(i, a[1]),
    "ttl_expired": lambda s, i, a: s.wait(300),
    "expectation_violated:reply_within": lambda s, i, a: s.wait(600),
    "participant_left": lambda s, i, a: s.hub.unregister(a[1]),
}


@pytest.mark.parametrize("reason", TASK_ENDINGS)
async def test_sess_6_the_end_expires_open_tasks_first_in_the_same_append(any_stage: Stage, reason: str) -> None:
    people, session_id = await with_tasks(any_stage, ttl=300 if reason == "ttl_expired" else "2h")
    before = any_stage.hub.position
    await TASK_ENDINGS[reason](any_stage, session_id, people)
    events = any_stage.log(before)
    tail = ["task.expired", "agent.observed", "task.expired"]
    end = "session.expired" if reason == "ttl_expired" else "session.closed"
    assert [event.type for event in events][-4:] == [*tail, end]
    assert len({event.at_us for event in events}) == 1
    for task_id in ("t-1", "t-2"):
        task = await any_stage.hub.get_task(task_id)
        assert (task.state, task.error) == ("expired", "session_closed")
    assert any_stage.hub.health()["open_tasks"] == 0


async def test_trap_03_reply_and_close_are_one_append(any_stage: Stage) -> None:
    """Contiguous positions, one moment, and everything that follows has the reply as its cause."""
    people, session_id = await with_tasks(any_stage)
    before = any_stage.hub.position
    reply = await any_stage.say(session_id, people[1])
    events = any_stage.log(before)
    assert [e.type for e in events] == [
        "envelope.posted",
        "task.expired",
        "agent.observed",
        "task.expired",
        "session.closed",
    ]
    assert_one_append(events, None, reply, events[1].id, reply, reply)
    assert [e.actor for e in events] == [OPERATOR, HUB, HUB, HUB, HUB]


# Who may.


async def test_sess_7_through_a_link_an_agent_acts_as_itself_and_the_holder_of_the_hub_as_operator(
    stage: Stage,
) -> None:
    async with HubClient(LocalLink(stage.hub)) as client:
        alice, bob = [await client.register(None, Passport(name=name)) for name in ("alice", "bob")]
        session = await alice.open(type="conversation", target="bob")
        await session.send("mine")
        await stage.say(session.session_id, bob.agent_id, "in his name")
        posted = of_type(stage.log(), "envelope.posted")
    assert [(e.actor, e.body.sender_id) for e in posted] == [
        (alice.agent_id, alice.agent_id),
        (OPERATOR, bob.agent_id),
    ]


async def test_sess_7_only_participants_post(stage: Stage) -> None:
    alice, bob, eve = await stage.agents("alice", "bob", "eve")
    session_id = await stage.open("conversation", alice, bob)
    before = stage.hub.position
    with pytest.raises(ProtocolError, match="only accepts sends from participants"):
        await stage.say(session_id, eve)
    assert stage.hub.position == before


@pytest.mark.parametrize(
    "event_type",
    [
        EV_SESSION_INVITE,
        EV_SESSION_OPENED,
        EV_SESSION_CLOSED,
        EV_SESSION_EXPIRED,
        "ag2.session.of.my.own",
        EV_EXPECTATION_VIOLATED,
        EV_TASK_STARTED,
        EV_TASK_PROGRESS,
        EV_TASK_COMPLETED,
        EV_TASK_FAILED,
        EV_TASK_EXPIRED,
        EV_TASK_CANCELLED,
    ],
)
async def test_sess_7_only_the_hub_emits_its_own(stage: Stage, event_type: str) -> None:
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", alice, bob)
    before = stage.hub.position
    with pytest.raises(ProtocolError, match=f"only the hub emits '{event_type}'"):
        await stage.say(session_id, alice, event_type=event_type)
    assert stage.hub.position == before


@pytest.mark.parametrize("event_type", [EV_SESSION_INVITE_ACK, EV_SESSION_INVITE_REJECT])
async def test_sess_7_only_an_invitee_whose_invite_is_open_answers_it(stage: Stage, event_type: str) -> None:
    alice, bob, eve = await stage.agents("alice", "bob", "eve")
    session_id, opening = await stage.invite("conversation", alice, bob)
    for stranger in (alice, eve):
        with pytest.raises(ProtocolError, match="no open invite"):
            await stage.answer(session_id, stranger, event_type)
    await stage.accept(session_id, bob)
    await opening
    with pytest.raises(ProtocolError, match="no open invite"):
        await stage.answer(session_id, bob, event_type)
    assert (await stage.hub.get_session(session_id)).state == "active"


async def test_sess_8_a_session_type_gives_a_reason_of_its_own(stage: Stage) -> None:
    """The hub's own reasons are in the other tests of this module and in those of the adapters."""
    stage.hub.register_adapter(Diary())
    (alice,) = await stage.agents("alice")
    session_id = await stage.open("diary", alice)
    await stage.say(session_id, alice, "end")
    assert (await stage.hub.get_session(session_id)).close_reason == "sequence_complete"


# A type that is not loaded.


async def test_trap_09_sess_9_a_session_whose_type_is_not_loaded_is_dormant_and_comes_back(any_stage: Stage) -> None:
    """It is listed and readable, it can lapse and be closed, and registering the type revives it without a restart."""
    hub = any_stage.hub
    hub.register_adapter(Diary())
    alice, bob, carol = await any_stage.agents("alice", "bob", "carol")
    diary = await any_stage.open("diary", alice, bob)
    lapsing = await any_stage.open("diary", alice, bob, ttl=60)
    closing = await any_stage.open("diary", alice, bob)
    talk = await any_stage.open("consulting", alice, bob)
    await any_stage.say(talk, alice, "?")
    whole = hub.state_digest()

    await any_stage.restart(register_default_adapters=False)
    hub = any_stage.hub
    assert [s.session_id for s in await hub.list_sessions(state="active")] == [diary, lapsing, closing, talk]
    assert len(await hub.read_wal(talk)) == 4
    assert not hub.can_send(talk, bob)
    assert (hub.expected_next(talk), hub.pending_turns_for(bob)) == (None, [])
    with pytest.raises(ProtocolError, match="no registered adapter for 'consulting' version 1"):
        await any_stage.say(talk, bob)
    with pytest.raises(ProtocolError, match="no adapter for session type 'diary'"):
        await hub.create_session(type="diary", creator_id=alice, target=carol)
    hub.register_adapter(ConsultingAdapter())
    assert (hub.expected_next(talk), hub.pending_turns_for(bob)) == (bob, [talk])
    hub.register_adapter(Diary())
    assert hub.state_digest() == whole

    await any_stage.restart(register_default_adapters=False)
    hub = any_stage.hub
    await any_stage.wait(60)
    assert (await hub.get_session(lapsing)).close_reason == "ttl_expired"
    await hub.close_session(closing)
    await hub.unregister(carol)
    hub.register_adapter(ConsultingAdapter())
    await any_stage.say(talk, bob, "!")
    assert (await hub.get_session(talk)).close_reason == "consulting_complete"
    hub.register_adapter(Diary())


async def test_sess_9_another_version_of_a_type_does_not_revive_it(stage: Stage) -> None:
    class Second(Diary):
        manifest = SessionManifest(type="diary", version=2)

    stage.hub.register_adapter(Diary())
    (alice,) = await stage.agents("alice")
    old = await stage.open("diary", alice)
    await stage.restart()
    stage.hub.register_adapter(Second())
    with pytest.raises(ProtocolError, match="no registered adapter for 'diary' version 1"):
        await stage.say(old, alice)
    new = await stage.open("diary", alice)
    assert (await stage.hub.get_session(new)).manifest.version == 2
    stage.hub.register_adapter(Diary())
    assert await stage.say(old, alice)
    assert (await stage.hub.get_session(await stage.open("diary", alice))).manifest.version == 2, "the newest"


# When somebody leaves.


@pytest.mark.parametrize(
    ("kind", "leaver", "outcome"),
    [
        ("consulting", "respondent", "participant_left"),
        ("consulting", "initiator", ""),
        ("conversation", "respondent", ""),
        ("conversation", "initiator", ""),
    ],
)
async def test_trap_51_two_party_sessions_that_nobody_can_move_on_close(
    stage: Stage, kind: str, leaver: str, outcome: str
) -> None:
    """The question is asked. Without its respondent the consulting is stuck; anything else goes on (REG-8)."""
    people = await stage.agents("alice", "bob")
    session_id = await stage.open(kind, *people)
    await stage.say(session_id, people[0], "?")
    gone, stays = people[::-1] if leaver == "respondent" else people
    before = stage.hub.position
    await stage.hub.unregister(gone)
    session = await stage.hub.get_session(session_id)
    assert session.close_reason == outcome
    unregistered, *events = stage.log(before)
    assert_one_append([unregistered, *events], None, *[unregistered.id] * len(events))
    assert [e.type for e in events] == ["session.participant_left", *["session.closed"] * bool(outcome)]
    if not outcome:
        await stage.say(session_id, stays, "still here")
    assert [r["agent_id"] for r in await stage.audit("participant_left")] == [gone]


async def test_trap_51_a_consulting_whose_respondent_left_before_the_question_is_stuck_too(stage: Stage) -> None:
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("consulting", alice, bob)
    await stage.hub.unregister(bob)
    assert (await stage.hub.get_session(session_id)).close_reason == "participant_left"


async def test_trap_51_the_turn_of_who_leaves_a_discussion_passes_on(stage: Stage) -> None:
    alice, bob, carol = await stage.agents("alice", "bob", "carol")
    session_id = await stage.open("discussion", alice, bob, carol)
    await stage.say(session_id, alice)
    await stage.hub.unregister(bob)
    assert stage.hub.expected_next(session_id) == carol
    await stage.say(session_id, carol)
    assert stage.hub.expected_next(session_id) == alice
    await stage.hub.unregister(carol)
    await stage.hub.unregister(alice)
    assert (await stage.hub.get_session(session_id)).close_reason == "participant_left", "nobody is left"


async def test_trap_04_the_state_is_the_fold_of_the_log(any_stage: Stage) -> None:
    """No state says closed without a close event: every ended session has exactly one, every live one none."""
    alice, bob = await any_stage.agents("alice", "bob")
    ids = [await any_stage.open("consulting", alice, bob, ttl=ttl) for ttl in (5, None, None, None)]
    await any_stage.say(ids[1], alice)
    await any_stage.say(ids[1], bob)
    await any_stage.hub.close_session(ids[2])
    await any_stage.wait(5)
    for _ in range(2):
        ends = [e.body.session_id for e in of_type(any_stage.log(), "session.closed", "session.expired")]
        sessions = await any_stage.hub.list_sessions()
        assert sorted(ends) == sorted(s.session_id for s in sessions if s.state.terminal) == sorted(ids[:3])
        await any_stage.restart()


async def test_trap_14_what_ended_leaves_memory(any_stage: Stage) -> None:
    """LOG-9: after many sessions with tasks and envelopes, as many live objects as before."""
    alice, bob = await any_stage.agents("alice", "bob")
    hub, state = any_stage.hub, any_stage.hub._state

    def sizes() -> dict[str, int]:
        return {
            "sessions": len(state.sessions.live),
            "created_by": len(state.sessions.created_by),
            "by_agent": len(state.sessions._by_agent),
            "tasks": len(state.tasks.open),
            "tasks_in_session": len(state.tasks._in_session),
            "task_deadlines": len(state.tasks.deadlines._heap),
            "inboxes_in_session": len(state.inboxes._in_session),
            "pending": state.inboxes.depth(bob),
            "lapses": len(state.lapses),
            "expectations": len(state.expectations),
            "handshakes": len(hub._handshakes._waiting),
            "lanes": len(hub.delivery._lanes),
            "watches": len(hub.delivery._watches),
            "in flight": len(hub._committer._in_flight),
        }

    before = sizes()
    for _ in range(300):
        session_id = await any_stage.open("conversation", alice, bob)
        await any_stage.say(session_id, alice)
        await hub.observe_task(session_id, bob, TaskSpec(title="t"))
        await hub.close_session(session_id)
    after = sizes()
    assert after.pop("task_deadlines") < 200
    before.pop("task_deadlines")
    assert after == before
    assert len(state.lapses._heap) < 200
    assert len(state.expectations._heap) < 200
