"""SESS-1 to SESS-4: what a session is, its handshake, and what is refused before anything is written."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from events.errors import AccessDeniedError, NetworkError, NotFoundError, ProtocolError
from events.event import HUB
from hub import (
    EV_SESSION_INVITE,
    EV_SESSION_INVITE_ACK,
    EV_SESSION_INVITE_REJECT,
    EV_SESSION_OPENED,
    AccessBlock,
    AdapterResult,
    ConversationAdapter,
    Envelope,
    Expectation,
    HubClient,
    LimitsBlock,
    LocalLink,
    Passport,
    Rule,
    SessionAdapter,
    SessionManifest,
    SessionMetadata,
)
from hub.clock import yield_once
from hub.testing import settle
from tests.spec.stage import Act, Stage, assert_one_append

START = "2026-01-01T00:00:00Z"
GHOST = "f" * 32


class Diary(SessionAdapter):
    """Any number, oneself included; whoever says "end" ends it."""

    manifest = SessionManifest(type="diary", ttl_default="1d")

    def on_accepted(self, metadata: SessionMetadata, envelope: Envelope, state: Any) -> AdapterResult:
        return AdapterResult(auto_close_reason="sequence_complete" if envelope.text == "end" else "")


# What a session is.


async def test_sess_1_metadata_tells_the_life_of_a_session(stage: Stage) -> None:
    alice, bob, carol = await stage.agents("alice", "bob", "carol")
    knobs = {"ordering": "round_robin"}
    session_id, opening = await stage.invite(
        "discussion", alice, bob, carol, ttl="1h", knobs=knobs, intent="plan", labels={"team": "x"}
    )
    pending = await stage.hub.get_session(session_id)
    assert (pending.state, pending.pending_acks, pending.creator_id) == ("pending", (bob, carol), alice)
    assert [(p.agent_id, p.role, p.order, p.joined_at) for p in pending.participants] == [
        (alice, "initiator", 0, START),
        (bob, "participant", 1, None),
        (carol, "participant", 2, None),
    ]
    assert (pending.created_at, pending.expires_at) == (START, "2026-01-01T01:00:00Z")
    assert (pending.knobs, pending.labels) == ({"ordering": "round_robin"}, {"team": "x", "intent": "plan"})
    stage.clock.advance(5)
    await stage.accept(session_id, bob)
    stage.clock.advance(5)
    await stage.accept(session_id, carol)
    active = await opening
    assert (active.state, active.pending_acks) == ("active", ())
    assert [p.joined_at for p in active.participants] == [START, "2026-01-01T00:00:05Z", "2026-01-01T00:00:10Z"]
    closed = await stage.hub.close_session(session_id, "done")
    assert (closed.state, closed.close_reason, closed.closed_at) == ("closed", "done", "2026-01-01T00:00:10Z")
    assert await stage.hub.get_session(session_id) == closed, "folded from the log it is the same"


async def test_sess_1_the_manifest_is_the_one_of_its_creation(stage: Stage) -> None:
    class Longer(ConversationAdapter):
        manifest = SessionManifest(type="conversation", ttl_default="9d")

    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", alice, bob)
    stage.hub.register_adapter(Longer())
    assert (await stage.hub.get_session(session_id)).manifest == ConversationAdapter.manifest


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("bob", "alice initiator, bob respondent"),
        (["bob"], "alice initiator, bob respondent"),
        (["bob", "carol"], "alice initiator, bob participant, carol participant"),
        (["carol", "alice", "bob"], "carol participant, alice initiator, bob participant"),
        (["bob", "alice"], "bob respondent, alice initiator"),
        ("alice", "alice initiator"),
    ],
)
@pytest.mark.parametrize("by", ["name", "id"])
async def test_sess_2_targets_roles_and_order(stage: Stage, target: str | list[str], expected: str, by: str) -> None:
    stage.hub.register_adapter(Diary())
    ids = dict(zip(("alice", "bob", "carol"), await stage.agents("alice", "bob", "carol"), strict=True))
    named = target if by == "name" else ids[target] if isinstance(target, str) else [ids[name] for name in target]
    opening = asyncio.create_task(stage.hub.create_session(type="diary", creator_id=ids["alice"], target=named))
    await settle(stage.hub)
    (session,) = await stage.hub.list_sessions()
    assert ", ".join(f"{stage.hub.name_for(p.agent_id)} {p.role}" for p in session.participants) == expected
    await stage.accept(session.session_id, *session.pending_acks)
    await opening


@pytest.mark.parametrize(
    ("per_open", "rule", "manifest", "expires_in_s"),
    [
        ("30s", "4h", "2h", 30),
        (None, "4h", "2h", 4 * 3600),
        (None, None, "2h", 7200),
        (None, None, None, None),
        ("", "4h", "2h", None),
        (0, "4h", "2h", None),
        (None, 0, "2h", None),
        (45, "", "2h", 45),
    ],
)
async def test_sess_2_ttl_of_the_open_then_of_the_rule_then_of_the_manifest(
    stage: Stage, per_open: Any, rule: Any, manifest: Any, expires_in_s: int | None
) -> None:
    class Timed(SessionAdapter):
        pass

    Timed.manifest = SessionManifest(type="timed", ttl_default=manifest)
    stage.hub.register_adapter(Timed())
    (alice,) = await stage.agents("alice", rule=Rule(limits=LimitsBlock(session_ttl_default=rule)))
    session = await stage.hub.create_session(type="timed", creator_id=alice, target=alice, ttl=per_open)
    if expires_in_s is None:
        assert session.expires_at is None
    else:
        await stage.wait(expires_in_s - 0.001)
        assert (await stage.hub.get_session(session.session_id)).state == "active"
        await stage.wait(0.001)
        assert (await stage.hub.get_session(session.session_id)).state == "expired"


# The handshake.


async def test_sess_3_one_invite_each_and_one_opened_for_all(stage: Stage) -> None:
    alice, bob, carol = await stage.agents("alice", "bob", "carol")
    session_id, opening = await stage.invite("discussion", alice, bob, carol)
    await stage.accept(session_id, carol)
    await settle(stage.hub)
    assert not opening.done(), "one answer is still missing"
    with pytest.raises(ProtocolError, match="pending, not active"):
        await stage.say(session_id, alice)
    await stage.accept(session_id, bob)
    assert (await opening).state == "active"
    wal = await stage.hub.read_wal(session_id)
    assert [(e.event_type, e.sender_id, e.audience) for e in wal] == [
        (EV_SESSION_INVITE, HUB, [bob]),
        (EV_SESSION_INVITE, HUB, [carol]),
        (EV_SESSION_INVITE_ACK, carol, None),
        (EV_SESSION_INVITE_ACK, bob, None),
        (EV_SESSION_OPENED, HUB, None),
    ]


async def test_sess_3_opened_is_delivered_to_all_the_creator_included(stage: Stage) -> None:
    heard: list[tuple[str, str]] = []
    async with HubClient(LocalLink(stage.hub)) as client:
        alice, bob = [await client.register(None, Passport(name=name)) for name in ("alice", "bob")]
        for agent in (alice, bob):
            agent.on_envelope(lambda e, agent=agent: heard.append((agent.passport.name, e.event_type)))  # type: ignore[misc]
        await alice.open(type="conversation", target="bob")
        await settle(stage.hub)
    assert heard.count(("alice", EV_SESSION_OPENED)) == heard.count(("bob", EV_SESSION_OPENED)) == 1


ENDINGS: list[tuple[str, Act, str, str, str]] = [
    (
        "a reject",
        lambda s, i, a: s.answer(i, a[1], EV_SESSION_INVITE_REJECT, reason="busy"),
        r"rejected the invite.*: busy",
        "closed",
        "invite_rejected",
    ),
    ("silence", lambda s, i, a: advance(s, 30), "ack timeout", "closed", "invite_timeout"),
    (
        "a close",
        lambda s, i, a: s.hub.close_session(i, "enough"),
        "closed during handshake: enough",
        "closed",
        "enough",
    ),
    (
        "the TTL",
        lambda s, i, a: s.wait(20),
        "closed during handshake: ttl_expired",
        "expired",
        "ttl_expired",
    ),
    (
        "an expectation",
        lambda s, i, a: s.wait(10),
        "closed during handshake: expectation_violated:acks_within",
        "closed",
        "expectation_violated:acks_within",
    ),
    (
        "an invitee that leaves",
        lambda s, i, a: s.hub.unregister(a[1]),
        "closed during handshake: participant_left",
        "closed",
        "participant_left",
    ),
    (
        "a creator that leaves",
        lambda s, i, a: s.hub.unregister(a[0]),
        "closed during handshake: participant_left",
        "closed",
        "participant_left",
    ),
]


async def advance(stage: Stage, seconds: float) -> None:
    """Time passes and no sweeper looks: the timer of the handshake does."""
    stage.clock.advance(seconds)
    await settle(stage.hub)


@pytest.mark.parametrize(("act", "error", "state", "reason"), [e[1:] for e in ENDINGS], ids=[e[0] for e in ENDINGS])
async def test_sess_3_whatever_ends_a_handshake_releases_the_opener_at_once(
    any_stage: Stage, act: Act, error: str, state: str, reason: str
) -> None:
    class Hasty(Diary):
        manifest = SessionManifest(
            type="hasty", expectations=[Expectation("acks_within", "auto_close", {"seconds": 10})]
        )

    any_stage.hub.register_adapter(Hasty())
    people = await any_stage.agents("alice", "bob", "carol")
    kind = "hasty" if "expectation" in reason else "discussion"
    session_id, opening = await any_stage.invite(kind, *people, ttl=20 if state == "expired" else None)
    await any_stage.accept(session_id, people[2])
    await act(any_stage, session_id, people)
    with pytest.raises(ProtocolError, match=error) as refused:
        await asyncio.wait_for(opening, 1)
    assert refused.value.facts["session_id"] == session_id
    session = await any_stage.hub.get_session(session_id)
    assert (session.state, session.close_reason) == (state, reason)
    assert session.rejected_by == (people[1] if reason == "invite_rejected" else None)
    assert any_stage.hub._handshakes._waiting == {}


async def test_sess_3_the_time_for_acks_is_the_hubs_and_ends_at_the_boundary(open_hub: Any, clock: Any) -> None:
    stage = await Stage(open_hub, clock).raise_curtain(invite_ack_timeout=7.5)
    alice, bob = await stage.agents("alice", "bob")
    session_id, opening = await stage.invite("conversation", alice, bob)
    await advance(stage, 7.499)
    assert not opening.done()
    await advance(stage, 0.001)
    with pytest.raises(ProtocolError, match="ack timeout"):
        await opening
    with pytest.raises(ProtocolError, match="closed"):
        await stage.accept(session_id, bob)


async def test_trap_05_the_handshake_is_folded_from_the_log(any_stage: Stage) -> None:
    """An ack that was recorded counts after a restart; the last one opens the session."""
    alice, bob, carol = await any_stage.agents("alice", "bob", "carol")
    session_id, opening = await any_stage.invite("discussion", alice, bob, carol)
    await any_stage.accept(session_id, bob)
    await any_stage.restart()
    with pytest.raises(ProtocolError, match="hub was closed during the handshake"):
        await opening
    assert (await any_stage.hub.get_session(session_id)).pending_acks == (carol,)
    with pytest.raises(ProtocolError, match="no open invite"):
        await any_stage.accept(session_id, bob)
    await any_stage.accept(session_id, carol)
    assert (await any_stage.hub.get_session(session_id)).state == "active"


async def test_trap_06_a_cancelled_opener_leaves_nothing_open(any_stage: Stage) -> None:
    alice, bob = await any_stage.agents("alice", "bob", rule=Rule(limits=LimitsBlock(max_concurrent_sessions=1)))
    session_id, opening = await any_stage.invite("conversation", alice, bob)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert (await any_stage.hub.get_session(session_id)).close_reason == "open_cancelled"
    assert await any_stage.open("conversation", alice, bob), "it does not count against the cap"


async def test_trap_06_an_opener_cancelled_before_the_creation_is_on_disk_leaves_nothing_open(any_stage: Stage) -> None:
    alice, bob = await any_stage.agents("alice", "bob")
    opening = asyncio.create_task(any_stage.hub.create_session(type="conversation", creator_id=alice, target=bob))
    await yield_once()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert await any_stage.hub.list_sessions(state="pending") == []
    assert any_stage.hub._handshakes._waiting == {}


async def test_trap_06_pending_sessions_found_at_start_time_out_when_due(any_stage: Stage) -> None:
    """SESS-3: with nobody waiting any more, ``_ttl_tick`` notices."""
    alice, bob = await any_stage.agents("alice", "bob")
    session_id, opening = await any_stage.invite("conversation", alice, bob)
    any_stage.clock.advance(29)
    await any_stage.restart()
    with pytest.raises(ProtocolError, match="hub was closed during the handshake"):
        await opening
    await any_stage.wait(0.999)
    assert (await any_stage.hub.get_session(session_id)).state == "pending"
    await any_stage.wait(0.001)
    assert (await any_stage.hub.get_session(session_id)).close_reason == "invite_timeout"


# What is refused.


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"creator_id": GHOST}, NotFoundError, f"creator '{GHOST}' is not registered"),
        ({"target": "nobody"}, NotFoundError, "participant 'nobody' is not registered"),
        ({"target": ["bob", "bob"]}, ProtocolError, "listed twice"),
        ({"target": ["alice", "bob", "alice"]}, ProtocolError, "listed twice"),
        ({"target": []}, ProtocolError, "at least one"),
        ({"type": "seance"}, ProtocolError, "no adapter for session type 'seance'"),
        ({"type": "consulting", "target": ["bob", "carol"]}, ProtocolError, "exactly 2 participants, not 3"),
        ({"target": "alice"}, ProtocolError, "exactly 2 participants, not 1"),
        ({"type": "discussion", "target": ["alice"]}, ProtocolError, "at least 2 participants, not 1"),
        ({"type": "discussion", "knobs": {"ordering": "chaos"}}, ProtocolError, "no ordering 'chaos'"),
        ({"ttl": "soon"}, ProtocolError, "'soon' is not a duration"),
        ({"knobs": {"x": float("nan")}}, ProtocolError, "knobs.x is nan"),
        ({"labels": {"x": 1}}, ProtocolError, "labels are text"),
        ({"target": "hermit"}, AccessDeniedError, "'hermit' does not accept sessions from 'alice'"),
        ({"creator_id": "hermit"}, AccessDeniedError, "'hermit' may not reach 'bob'"),
    ],
)
async def test_sess_4_refused_before_anything_is_written(
    stage: Stage, options: dict[str, Any], error: type[NetworkError], match: str
) -> None:
    await stage.agents("alice", "bob", "carol")
    await stage.agents("hermit", rule=Rule(access=AccessBlock(inbound_from=[], outbound_to=[])))
    before, digest = stage.hub.position, stage.hub.state_digest()
    with pytest.raises(error, match=match):
        await stage.hub.create_session(**({"type": "conversation", "creator_id": "alice", "target": "bob"} | options))
    if error is AccessDeniedError:
        assert stage.types(before) == ["access.denied"]
    else:
        assert (stage.hub.position, stage.hub.state_digest()) == (before, digest)
    assert await stage.hub.list_sessions() == []


async def test_sess_4_a_session_with_oneself_is_active_at_once(stage: Stage) -> None:
    stage.hub.register_adapter(Diary())
    (alice,) = await stage.agents("alice")
    before = stage.hub.position
    session = await stage.hub.create_session(type="diary", creator_id=alice, target=alice)
    assert session.state == "active"
    assert_one_append(stage.log(before), None, session.session_id)
    assert await stage.wal(session.session_id) == ["session.opened"]


class Broken(Diary):
    """A session type that cannot start."""

    manifest = SessionManifest(type="broken")

    def initial_state(self, metadata: SessionMetadata) -> Any:
        raise KeyError("no state")


async def test_trap_10_a_start_that_fails_leaves_no_ghost(stage: Stage) -> None:
    stage.hub.register_adapter(Broken())
    alice, bob = await stage.agents("alice", "bob", rule=Rule(limits=LimitsBlock(max_concurrent_sessions=1)))
    before, digest = stage.hub.position, stage.hub.state_digest()
    for _ in range(3):
        with pytest.raises(ProtocolError, match="initial_state of session type 'broken' failed with KeyError"):
            await stage.hub.create_session(type="broken", creator_id=alice, target=bob)
    assert (stage.hub.position, stage.hub.state_digest(), stage.hub.health()["live_sessions"]) == (before, digest, 0)
    assert await stage.open("conversation", alice, bob)
