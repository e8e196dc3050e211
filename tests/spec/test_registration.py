"""SPEC §2: REG-1 to REG-8, and the traps of identity: 7, 8, 34, 35, 55."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from events.agents import AgentRegistered
from events.log import tagged
from hub import (
    Envelope,
    HubClient,
    LocalLink,
    NotFoundError,
    ObservedStat,
    Passport,
    ProtocolError,
    Resume,
    ResumeExample,
    Rule,
    TaskSpec,
    parse_skill_frontmatter,
    render_fallback_skill,
)
from tests.spec.stage import Stage

NOBODY = "f" * 32
CLAIMED = ObservedStat(n=1000, completed=1000, p50_latency_ms=0.1)


# REG-1, REG-2: names and papers.


def test_reg_1_a_passport_has_these_fields_and_defaults() -> None:
    papers = Passport(name="alice").to_dict()
    auth = papers.pop("auth")
    assert papers == {
        "name": "alice",
        "owner": "",
        "provider": None,
        "model": None,
        "cost": None,
        "region": None,
        "kind": "agent",
        "version": 1,
        "agent_id": "",
        "created_at": "",
    }
    assert auth == {"scheme": "", "issuer": None, "audience": None, "key_fingerprint": None, "claim": {}}


async def test_reg_1_the_hub_stamps_id_and_date_whatever_the_tenant_says(stage: Stage) -> None:
    stage.clock.advance(0.25)
    mine = Passport(name="alice", owner="acme", model="m", cost="low", region="eu", kind="human", version=3)
    forged = Passport.from_dict(mine.to_dict() | {"agent_id": NOBODY, "created_at": "1999-01-01T00:00:00Z"})
    stamped = await stage.hub.register_identity(forged)
    assert len(stamped.agent_id) == 32
    assert set(stamped.agent_id) <= set("0123456789abcdef")
    assert stamped.agent_id != NOBODY
    assert stamped.created_at == "2026-01-01T00:00:00.250000Z"
    assert stamped.to_dict() | {"agent_id": "", "created_at": ""} == mine.to_dict()
    await stage.restart()
    assert await stage.hub.get_passport(stamped.agent_id) == stamped


@pytest.mark.parametrize("kind", ["agent", "human", "remote_agent"])
def test_reg_1_kinds(kind: Any) -> None:
    assert Passport(name="a", kind=kind).kind == kind


@pytest.mark.parametrize("kind", ["robot", "", "Agent", None, 1])
def test_reg_1_another_kind_is_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match="kind"):
        Passport(name="a", kind=kind)


NAMES = {
    "missing": None,
    "empty": "",
    "129 characters": "a" * 129,
    "leading space": " a",
    "trailing space": "a ",
    "no-break space around": "\u00a0a",
    "newline": "a\nb",
    "zero width": "a\u200bb",
    "control": "a\x00b",
    "lone surrogate": "a\ud800",
    "shape of an id": "0123456789abcdef" * 2,
    "not text": 5,
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_reg_2_trap_35_what_is_no_name(name: Any) -> None:
    with pytest.raises(ValueError, match="name"):
        Passport(**({} if name is None else {"name": name}))


@pytest.mark.parametrize("name", ["a", "a" * 128, "Zoë Ünal", "李", "a b", "*", "F" * 32, "f" * 31, "hub", "operator"])
async def test_reg_2_what_is_a_name(stage: Stage, name: str) -> None:
    """The hub's own words for actors are names like any other: actors are ids."""
    passport = await stage.hub.register_identity(Passport(name=name))
    assert (stage.hub.find_agent_id(name), passport.name) == (passport.agent_id, name)


async def test_reg_2_names_are_compared_as_given(stage: Stage) -> None:
    """Case, and composed and decomposed letters, make different names."""
    ids = await stage.agents("alice", "Alice", "Zo\u00eb", "Zoe\u0308")
    assert len(set(ids)) == 4


async def test_reg_2_a_live_duplicate_is_refused_and_names_the_holder(stage: Stage) -> None:
    (holder,) = await stage.agents("alice")
    before = stage.hub.position
    with pytest.raises(ProtocolError, match=f"already registered.*{holder}") as caught:
        await stage.hub.register_identity(Passport(name="alice", owner="other"))
    assert (caught.value.name, caught.value.agent_id) == ("alice", holder)
    assert stage.hub.position == before


async def test_reg_2_of_many_concurrent_registrations_of_a_name_exactly_one_wins(any_stage: Stage) -> None:
    hub = any_stage.hub
    tried = await asyncio.gather(
        *(hub.register_identity(Passport(name="alice", owner=str(i))) for i in range(100)), return_exceptions=True
    )
    winners = [one for one in tried if isinstance(one, Passport)]
    assert [w.agent_id for w in winners] == [hub.find_agent_id("alice")]
    assert sum(isinstance(one, ProtocolError) for one in tried) == 99
    assert any_stage.types().count("agent.registered") == 1


async def test_trap_35_a_name_never_wins_over_an_id(stage: Stage) -> None:
    a, b = await stage.agents("alice", "bob")
    with pytest.raises(ValueError, match="shape of an agent id"):
        Passport(name=b)
    assert (await stage.hub.get_agent(b)).name == "bob"
    session = await stage.hub.get_session(await stage.open("conversation", a, b))
    assert [p.agent_id for p in session.participants] == [a, b]


async def test_trap_07_a_registration_is_one_event_with_resume_rule_and_skill(any_stage: Stage) -> None:
    hub, before = any_stage.hub, any_stage.hub.position
    a = await hub.register_identity(
        Passport(name="alice"),
        Resume(claimed_capabilities=["x"], summary="s"),
        rule=Rule.from_dict({"limits": {"delegation_depth": 2}}),
        skill="# Alice",
    )
    assert any_stage.types(before) == ["agent.registered"]
    await any_stage.restart()
    hub = any_stage.hub
    assert (await hub.get_resume(a.agent_id)).summary == "s"
    assert (await hub.get_rule(a.agent_id)).limits.delegation_depth == 2
    assert await hub.get_skill(a.agent_id) == "# Alice"
    assert hub.agents_with_capability("x") == [a.agent_id]
    assert [r["agent_id"] for r in await any_stage.audit("agent_registered")] == [a.agent_id]


async def test_trap_08_the_audit_log_is_a_view_of_the_actions_themselves(stage: Stage) -> None:
    """Each change is one event, and the audit record is built from that very event."""
    hub = stage.hub
    (a,) = await stage.agents("alice")
    first = hub.position
    await hub.set_resume(a, Resume())
    await hub.set_skill(a, "x")
    await hub.set_rule(a, Rule())
    await hub.unregister(a)
    records = await hub.audit_log.read_all()
    assert [(r["position"], r["kind"]) for r in records if r["position"] > first] == [
        (first + 1, "resume_set"),
        (first + 2, "skill_set"),
        (first + 3, "rule_set"),
        (first + 4, "agent_unregistered"),
    ]
    events = {event.position: event for event in stage.log()}
    assert all(events[r["position"]].id == r["event_id"] for r in records)


# REG-3: a name comes back, an id does not.


async def test_reg_3_the_old_id_stays_in_history_and_is_gone_for_every_live_call(stage: Stage) -> None:
    hub = stage.hub
    old, b = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", old, b)
    await stage.say(session_id, old, "I was here")
    await hub.unregister(old)
    (new,) = await stage.agents("alice")
    assert new != old
    assert (hub.find_agent_id("alice"), hub.name_for(old), hub.name_for(new)) == (new, "alice", "alice")
    said = [e.sender_id for e in await hub.read_wal(session_id) if e.text]
    assert said == [old]
    assert [r["agent_id"] for r in await stage.audit("agent_unregistered")] == [old]
    assert [r["kind"] for r in await hub.audit_log.read(agent_id=old)][:2] == ["agent_registered", "session_created"]
    for call in (
        hub.get_passport(old),
        hub.get_agent(old),
        hub.get_resume(old),
        hub.get_rule(old),
        hub.get_skill(old),
        hub.unregister(old),
        hub.acknowledge(old, NOBODY),
        hub.observe_task(session_id, old, TaskSpec("t")),
        hub.create_session(type="conversation", creator_id=old, target=b),
        hub.create_session(type="conversation", creator_id=b, target=old),
    ):
        with pytest.raises(NotFoundError):
            await call
    with pytest.raises(NotFoundError, match="sender not registered"):
        await stage.say(session_id, old)
    assert hub.agents_with_capability("x") == hub.pending_turns_for(old) == []
    assert (hub.inbox_depth(old), hub.can_send(session_id, old)) == (0, False)


# REG-4: the resume, half the tenant's, half the hub's.


async def test_reg_4_trap_34_a_tenant_cannot_write_its_own_track_record(stage: Stage) -> None:
    hub = stage.hub
    boast = Resume(summary="the best", observed={"x": CLAIMED}, version=99, last_updated="1999-01-01T00:00:00Z")
    a = (await hub.register_identity(Passport(name="alice"), boast)).agent_id
    resume = await hub.get_resume(a)
    assert (resume.observed, resume.version, resume.last_updated) == ({}, 1, "2026-01-01T00:00:00Z")
    client = await HubClient(LocalLink(hub)).attach(None, "alice")
    stage.clock.advance(60)
    await client.set_resume(boast)
    resume = await hub.get_resume(a)
    assert (resume.observed, resume.version, resume.last_updated) == ({}, 2, "2026-01-01T00:01:00Z")
    assert hub.agents_with_capability("x") == []


async def test_reg_4_set_resume_keeps_what_was_observed(stage: Stage) -> None:
    hub = stage.hub
    (a,) = await stage.agents("alice")
    await hub.record_observation(a, "x", "completed", latency_ms=2.5)
    await hub.set_resume(a, Resume(claimed_capabilities=["y"], domains=["d"], examples=[ResumeExample("t", "n")]))
    resume = await hub.get_resume(a)
    assert resume.observed == {"x": ObservedStat(n=1, completed=1, p50_latency_ms=2.5)}
    assert (resume.claimed_capabilities, resume.domains, resume.version) == (("y",), ("d",), 3)
    assert resume.examples == (ResumeExample("t", "n"),)
    records = await stage.audit("resume_set")
    assert [(r["version"], r["source"], r.get("capability")) for r in records] == [
        (2, "observed", "x"),
        (3, "tenant", None),
    ]


# REG-5: looking agents up.


async def test_reg_5_capabilities_are_claimed_or_observed_and_change_at_once(stage: Stage) -> None:
    hub = stage.hub
    a, b, c = await stage.agents("alice", "bob", "carol")
    await hub.set_resume(b, Resume(claimed_capabilities=["tax"]))
    await hub.record_observation(a, "tax", "failed")
    await hub.set_resume(c, Resume(claimed_capabilities=["tax law", "Tax", "ta"]))
    assert hub.agents_with_capability("tax") == [a, b]
    assert [p.agent_id for p in await hub.list_agents(capability="tax")] == [a, b]
    await hub.set_resume(b, Resume())
    await hub.set_resume(a, Resume())
    assert hub.agents_with_capability("tax") == [a]
    await hub.unregister(a)
    assert hub.agents_with_capability("tax") == []
    await stage.restart()
    assert stage.hub.agents_with_capability("Tax") == [c]


async def test_reg_5_trap_55_listing_filters_then_limits(stage: Stage) -> None:
    hub = stage.hub
    for i, name in enumerate(["zoe", "alice", "mia", "bob"]):
        await hub.register_identity(
            Passport(name=name, owner="acme" if i % 2 else "umbrella", kind="human" if i == 3 else "agent"),
            Resume(claimed_capabilities=["x"] if i >= 2 else [], summary=f"Straße of {name.upper()}"),
        )

    async def names(**filters: Any) -> list[str]:
        return [p.name for p in await hub.list_agents(**filters)]

    assert await names() == ["zoe", "alice", "mia", "bob"]
    assert await names(sort_by="name") == ["alice", "bob", "mia", "zoe"]
    assert await names(sort_by="name", limit=1, query="OF M") == ["mia"]
    assert await names(query="STRASSE", limit=2) == ["zoe", "alice"]
    assert await names(owner="acme", capability="x", limit=1) == ["bob"]
    assert await names(kind="human", limit=1) == ["bob"]
    assert await names(kind="human", owner="umbrella") == []
    assert await names(limit=None, query="zo.") == []
    with pytest.raises(ValueError, match="sort_by"):
        await names(sort_by="owner")


async def test_trap_55_sessions_and_tasks_are_filtered_then_limited(stage: Stage) -> None:
    hub = stage.hub
    a, b, c = await stage.agents("alice", "bob", "carol")
    sessions = [await stage.open("conversation", a, other) for other in (b, b, c)]
    await hub.close_session(sessions[0])
    for i, owner in enumerate((a, b, c)):
        await hub.observe_task(sessions[2 if owner == c else 1], owner, TaskSpec("t"), task_id=f"t{i}")
    await hub.update_task("t0", "completed")

    async def listed(**filters: Any) -> list[str]:
        return [s.session_id for s in await hub.list_sessions(**filters)]

    assert await listed(agent_id=c, limit=1) == sessions[2:]
    assert await listed(state="closed", limit=1) == sessions[:1]
    assert await listed(state="active", agent_id=a, limit=1) == sessions[1:2]
    assert [t.task_id for t in await hub.list_tasks(state="created", limit=1)] == ["t1"]
    assert [t.task_id for t in await hub.list_tasks(owner_id=c, limit=1)] == ["t2"]
    assert [t.task_id for t in await hub.list_tasks(session_id=sessions[1], state="completed", limit=1)] == ["t0"]


async def test_trap_55_the_audit_log_is_filtered_then_limited(stage: Stage) -> None:
    a, _, c = await stage.agents("alice", "bob", "carol")
    await stage.hub.set_skill(c, "x")
    assert [r["agent_id"] for r in await stage.audit("agent_registered", agent_id=c, limit=1)] == [c]
    assert [r["agent_id"] for r in await stage.audit("agent_registered", limit=1)] == [a]
    assert await stage.audit("skill_set", limit=0) == []


# REG-6, REG-7: skills and setters.


async def test_reg_6_a_skill_is_set_read_and_removed(stage: Stage) -> None:
    hub = stage.hub
    (a,) = await stage.agents("alice")
    assert await hub.get_skill(a) is None
    await hub.set_skill(a, "---\nname: alice\n---\nDoes things. 💡")
    assert parse_skill_frontmatter(await hub.get_skill(a) or "").frontmatter == {"name": "alice"}
    await stage.restart()
    assert (await stage.hub.get_skill(a) or "").endswith("💡")
    await stage.hub.set_skill(a, "")
    assert await stage.hub.get_skill(a) == ""
    await stage.hub.set_skill(a, None)
    assert await stage.hub.get_skill(a) is None
    assert [r["removed"] for r in await stage.audit("skill_set")] == [False, False, True]
    fallback = render_fallback_skill(await stage.hub.get_passport(a), await stage.hub.get_resume(a))
    assert parse_skill_frontmatter(fallback).frontmatter["name"] == "alice"


@pytest.mark.parametrize(("size", "fits"), [(1 << 20, True), ((1 << 20) + 1, False)])
async def test_reg_6_a_skill_has_a_size(stage: Stage, size: int, fits: bool) -> None:
    (a,) = await stage.agents("alice")
    if fits:
        await stage.hub.set_skill(a, "x" * size)
        assert len(await stage.hub.get_skill(a) or "") == size
        return
    skill = "x" * size
    for refused in (stage.hub.set_skill(a, skill), stage.hub.register_identity(Passport(name="b"), skill=skill)):
        with pytest.raises(ProtocolError, match="1048576 bytes"):
            await refused


async def test_reg_7_setters_on_an_unknown_id_are_refused(stage: Stage) -> None:
    hub, before = stage.hub, stage.hub.position
    for refused in (
        hub.set_resume(NOBODY, Resume()),
        hub.set_skill(NOBODY, "x"),
        hub.set_rule(NOBODY, Rule()),
        hub.unregister(NOBODY),
        hub.record_observation(NOBODY, "x", "completed"),
    ):
        with pytest.raises(NotFoundError, match=NOBODY) as caught:
            await refused
        assert caught.value.agent_id == NOBODY
    assert hub.position == before


async def test_reg_7_examples_added_at_once_are_all_kept(stage: Stage) -> None:
    client = await HubClient(LocalLink(stage.hub)).register(None, Passport(name="alice"))
    await asyncio.gather(*(client.add_example(ResumeExample(str(i))) for i in range(20)))
    assert [e.title for e in (await stage.hub.get_resume(client.agent_id)).examples] == [str(i) for i in range(20)]


# REG-8: leaving in the middle.


async def test_reg_8_sessions_of_who_left_stay_and_the_others_go_on(stage: Stage) -> None:
    hub = stage.hub
    a, b, c = await stage.agents("alice", "bob", "carol")
    session_id = await stage.open("discussion", a, b, c)
    await stage.say(session_id, a, "one")
    before = await hub.read_wal(session_id)
    await hub.unregister(b)
    assert (await hub.get_session(session_id)).state == "active"
    assert await hub.read_wal(session_id) == before
    envelope_id = await stage.say(session_id, c, "two")
    assert hub.inbox_depth(a) == 1
    assert [e.envelope_id for e in await hub.read_wal(session_id)][-1] == envelope_id
    assert [p.agent_id for p in (await hub.get_session(session_id)).participants] == [a, b, c]
    assert [r["agent_id"] for r in await stage.audit("participant_left")] == [b]


async def test_reg_8_who_left_is_not_reached_and_fills_no_inbox(stage: Stage) -> None:
    hub = stage.hub
    a, b, c = await stage.agents("alice", "bob", "carol")
    session_id = await stage.open("discussion", a, b, c)
    await hub.unregister(b)
    await hub.post_envelope(Envelope(session_id, a, [b, c], "note"))
    posted = [event for event in stage.log() if event.type == "envelope.posted"][-1]
    assert posted.body.recipients == (c,)
    await stage.restart()
    await stage.hub.close_session(session_id)


async def test_registrations_are_found_by_name_in_the_log(stage: Stage) -> None:
    """DESIGN: ``name:`` is a tag, so that who held a name can be asked of the log."""
    (a,) = await stage.agents("alice")
    await stage.hub.unregister(a)
    (b,) = await stage.agents("alice")
    found = stage.hub._log.read(tagged("name:alice", types=(AgentRegistered,)))
    assert [event.body.agent_id for event in found] == [a, b]
