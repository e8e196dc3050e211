"""What if: what would have been refused or let in, what rested on that, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from events.sessions import EnvelopePosted
from hub import (
    AccessBlock,
    Allow,
    ConversationAdapter,
    Deny,
    Expectation,
    InboxFull,
    LimitsBlock,
    NetworkError,
    RateBlock,
    RateLimitedError,
    RuleBasedArbiter,
    SessionManifest,
    TaskSpec,
    Violation,
)
from hub import Rule as HubRule
from replay import History
from replay.whatif import Change, Difference, Kind, Report, whatif
from replay.whatif.run import Variants
from tests.conftest import OpenHub
from tests.replay.flood import FLOOD, ROOM
from tests.spec.stage import Stage

RATE_10 = "agents/mallory/rule.rate.envelopes_per_minute=10"


@pytest.fixture
async def stage(open_hub: OpenHub, clock: Any) -> Stage:
    return await Stage(open_hub, clock).raise_curtain()


class Found(list[Difference]):
    """The differences of a run, and its report."""

    report: Report

    def of(self, kind: Kind) -> list[Difference]:
        return [each for each in self if each.kind is kind]


def told(source: Stage | History, *sets: str, point: str | int = 0, **options: Any) -> Found:
    """Ask a log, or what is on a stage by now."""
    history = source if isinstance(source, History) else History(source.store, options.pop("known", None))
    found = Found()
    found.report = whatif(history, point, [Change.parse(each) for each in sets], told=found.append, **options)
    return found


def texts(found: Iterable[Difference]) -> list[str]:
    return [each.event.body.rest.get("text", "") for each in found if isinstance(each.event.body, EnvelopePosted)]


async def denied(what: Any) -> None:
    with pytest.raises(NetworkError):
        await what


# The case of the issue.


def test_a_rate_says_which_envelopes_of_a_flood_would_have_been_refused(flood_path: Path) -> None:
    with History.open(flood_path) as history:
        found = told(history, RATE_10)
        mallory = history.at().registry.names["mallory"]
        posts = [e for e in history.events() if isinstance(e.body, EnvelopePosted) and e.body.sender_id == mallory]
        refused = found.of(Kind.REFUSED)
        assert [each.position for each in refused] == [event.position for event in posts[10:]], "all but the first ten"
        assert {each.error for each in refused} == {RateLimitedError.code}
        assert found.report.first == refused[0]


def test_and_that_the_inbox_would_never_have_filled(flood_path: Path) -> None:
    with History.open(flood_path) as history:
        report = told(history, RATE_10).report
        state = history.at()
        (inbox,) = [cap for cap in report.caps if cap.kind == "inbox"]
        assert inbox.agent_id == state.registry.names["dave"]
        assert (inbox.was > 0, inbox.high_was, inbox.cap_was) == (True, ROOM, ROOM)
        assert (inbox.now, inbox.high_now) == (0, 9)


def test_and_that_alice_would_have_got_through(flood_path: Path) -> None:
    with History.open(flood_path) as history:
        (let_in,) = told(history, RATE_10).of(Kind.LET_IN)
        assert history.names.agent(let_in.event.body.subject) == "alice"
        assert let_in.event.body.error == InboxFull.code


def test_what_was_answered_is_moot_and_so_is_what_rests_on_that(flood_path: Path) -> None:
    with History.open(flood_path) as history:
        moot = told(history, RATE_10).of(Kind.MOOT)
        assert [each.command for each in moot] == ["Post", "Acknowledge"] * 2
        for answer, acknowledgement in zip(moot[::2], moot[1::2], strict=True):
            assert (answer.because, acknowledgement.because) == (answer.position - 1, answer.position)


def test_a_refusal_on_record_may_come_for_another_reason(flood_path: Path) -> None:
    with History.open(flood_path) as history:
        (changed,) = told(history, RATE_10).of(Kind.CHANGED)
        assert (changed.event.body.error, changed.error) == (InboxFull.code, RateLimitedError.code)
        assert changed.now[0].body.error == RateLimitedError.code
        assert changed.now[0].id == changed.recorded[0].id


# Who is refused, who is let in.


async def test_a_full_inbox_that_was_larger(stage: Stage) -> None:
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", alice, bob)
    for number in range(4):
        await stage.say(session_id, alice, f"{number}")
    found = told(stage, "agents/bob/rule.inbox.max_pending=2")
    assert texts(found) == ["2", "3"]
    assert {(each.kind, each.error) for each in found} == {(Kind.REFUSED, "inbox_full")}
    (cap,) = found.report.caps
    assert (cap.kind, cap.was, cap.high_was, cap.high_now) == ("inbox", 0, 4, 2)


async def test_an_answer_by_turn_is_moot_without_a_cause(stage: Stage) -> None:
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("consulting", alice, bob)
    await stage.say(session_id, alice, "question")
    await stage.say(session_id, bob, "answer")
    found = told(stage, 'agents/alice/rule.access.outbound_to=["nobody"]')
    opened = found[0]
    assert (opened.kind, opened.command, opened.error) == (Kind.REFUSED, "CreateSession", "access_denied")
    assert {each.kind for each in found[1:]} == {Kind.MOOT}
    at_open = next(event.position for event in stage.log() if event.type == "session.opened")
    found = told(stage, 'agents/alice/rule.access.outbound_to=["nobody"]', point=at_open)
    assert [(each.kind, each.because) for each in found] == [(Kind.REFUSED, 0), (Kind.MOOT, found[0].position)]
    assert [(end.was, end.now) for end in found.report.endings] == [("consulting_complete", None)]


async def test_who_owed_a_reply_to_what_does_not_happen_does_not_answer(stage: Stage) -> None:
    alice, bob, carol = await stage.agents("alice", "bob", "carol")
    session_id = await stage.open("conversation", alice, bob)
    await stage.say(session_id, alice, "to you", [bob])
    await stage.say(session_id, bob, "answer")
    await stage.say(session_id, bob, "of my own accord")
    assert carol
    found = told(stage, "agents/alice/rule.limits.delegation_depth=5", "agents/bob/rule.inbox.max_pending=0")
    assert found == []
    found = told(stage, 'agents/alice/rule.access.outbound_to=["carol"]', point="@7")
    assert [(each.kind, text) for each, text in zip(found, texts(found), strict=True)] == [
        (Kind.REFUSED, "to you"),
        (Kind.MOOT, "answer"),
    ]


async def test_words_of_ones_own_accord_are_asked_again(stage: Stage) -> None:
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", alice, bob)
    await stage.say(session_id, alice, "one")
    await stage.say(session_id, bob, "two")
    found = told(stage, "agents/alice/rule.rate.envelopes_per_minute=1", "agents/bob/rule.rate.envelopes_per_minute=1")
    assert found == []
    await stage.say(session_id, alice, "three")
    await stage.say(session_id, bob, "four")
    found = told(stage, "agents/alice/rule.rate.envelopes_per_minute=1")
    assert texts(found) == ["three"]
    assert found.report.renumbered == 1, "four has another place in the session now"


async def test_a_rule_stays_as_set_whatever_is_given_later(stage: Stage) -> None:
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", alice, bob)
    await stage.hub.set_rule(alice, HubRule(rate=RateBlock(100), access=AccessBlock(outbound_to=["bob"])))
    for number in range(3):
        await stage.say(session_id, alice, f"{number}")
    found = told(stage, "agents/alice/rule.rate.envelopes_per_minute=2", point="@6")
    assert texts(found) == ["2"]
    assert found.report.counts == {Kind.REFUSED: 1}, "the rule that is set is no difference"


async def test_an_agent_that_registers_later_and_a_glob(stage: Stage) -> None:
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", alice, bob)
    for speaker in (alice, bob) * 2:
        await stage.say(session_id, speaker, "x")
    assert len(told(stage, "agents/alice/rule.rate.envelopes_per_minute=1", point=0)) == 1
    assert len(told(stage, f"agents/{alice}/rule/rate/envelopes_per_minute=1", point=0)) == 1
    assert len(told(stage, "agents/*/rule.rate.envelopes_per_minute=1", point=0)) == 2


async def test_many_in_a_minute_are_counted_exactly(stage: Stage) -> None:
    """A cap above what the window keeps of agents without one is exact from the point on."""
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", alice, bob)
    for number in range(310):
        await stage.say(session_id, alice, f"{number}")
    found = told(stage, "agents/alice/rule.rate.envelopes_per_minute=300")
    assert texts(found) == [str(number) for number in range(300, 310)]


async def test_refusals_on_record_are_asked_again(stage: Stage) -> None:
    (alice,) = await stage.agents(
        "alice", rule=HubRule(AccessBlock(outbound_to=["bob"]), LimitsBlock(max_concurrent_tasks=1))
    )
    bob, carol = await stage.agents("bob", "carol")
    session_id = await stage.open("conversation", alice, bob)
    await denied(stage.invite("conversation", alice, carol))
    await stage.hub.observe_task(session_id, bob, TaskSpec("fine"))
    await stage.hub.observe_task(session_id, alice, TaskSpec("one"))
    await denied(stage.hub.observe_task(session_id, alice, TaskSpec("two")))
    await denied(stage.hub.set_rule(alice, HubRule(), actor=bob))
    await denied(stage.say(session_id, alice, "deep", depth=7))
    assert [event.body.action for event in stage.log() if event.type == "access.denied"] == [
        "open",
        "task",
        "set_rule",
        "post",
    ]
    found = told(stage)
    assert (found, found.report.taken_over) == (
        [],
        {"a refused set_rule: the log does not keep what was asked": 1},
    )

    def let_in(*sets: str) -> list[str]:
        return [each.event.body.action for each in told(stage, *sets).of(Kind.LET_IN)]

    assert let_in('agents/alice/rule.access.outbound_to=["bob", "carol"]') == ["open"]
    assert let_in("agents/alice/rule.limits.max_concurrent_tasks=0") == ["task"]
    assert let_in("agents/alice/rule.limits.delegation_depth=7") == ["post"]
    assert let_in("agents/alice/rule.limits.delegation_depth=6") == []


async def test_an_arbiter_of_ones_own(stage: Stage) -> None:
    class Quiet(RuleBasedArbiter):
        def authorize_send(self, request: Any) -> Any:
            return Deny("nobody speaks") if request.sender.name == "bob" else Allow()

    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", alice, bob)
    await stage.say(session_id, alice, "one")
    await stage.say(session_id, bob, "two")
    found = told(stage, arbiter=Quiet())
    assert (texts(found), found[0].message) == (["two"], "nobody speaks")


# Time.


async def test_a_shorter_patience_is_looked_at_when_it_is_due(stage: Stage) -> None:
    alice, bob, carol = await stage.agents("alice", "bob", "carol")
    session_id = await stage.open("discussion", alice, bob, carol)
    await stage.say(session_id, alice, "first")
    await stage.wait(125)
    start = stage.log()[-1].at_us
    await stage.say(session_id, bob, "late")
    found = told(stage, "expectations/discussion/turn_within:warn.seconds=60")
    assert [each.kind for each in found] == [Kind.NEW, Kind.UNDUE]
    assert found[0].now[0].type == "expectation.violated"
    assert found[0].at_us == start - 65_000_000
    assert found[0].now[0].id.startswith("f" * 12)
    found = told(stage, "expectations/discussion/turn_within.seconds=60")
    assert [each.type for each in found[0].now] == ["expectation.violated"] * 2 + ["session.participant_hidden"]
    assert texts(found.of(Kind.REFUSED)) == ["late"], "the turn has passed on"


async def test_a_longer_patience_finds_nothing_at_the_recorded_moment(stage: Stage) -> None:
    alice, bob, carol = await stage.agents("alice", "bob", "carol")
    session_id = await stage.open("discussion", alice, bob, carol)
    await stage.say(session_id, alice, "first")
    await stage.wait(125)
    await stage.wait(100)
    await stage.say(session_id, bob, "late")
    found = told(stage, "expectations/discussion/turn_within:warn.seconds=200")
    assert [each.kind for each in found] == [Kind.UNDUE, Kind.NEW]
    assert found[1].at_us - found[0].at_us == 75_000_000
    found = told(stage, "expectations/discussion/turn_within:warn.seconds=300")
    assert [each.kind for each in found] == [Kind.UNDUE]


async def test_a_session_that_ends_earlier_refuses_what_comes_later(stage: Stage) -> None:
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", alice, bob)
    await stage.say(session_id, alice, "one")
    stage.clock.advance(90)
    await stage.say(session_id, alice, "two")
    await stage.hub.close_session(session_id, "done")
    found = told(stage, "agents/alice/rule.limits.session_ttl_default=1m")
    kinds = [each.kind for each in found]
    assert kinds == [Kind.CHANGED, Kind.NEW, Kind.REFUSED, Kind.REFUSED]
    assert found[2].message == f"session {session_id} is over (ttl_expired)"
    assert [(end.was, end.now) for end in found.report.endings] == [("done", "ttl_expired")]
    assert found.report.reasons == {("done", "ttl_expired"): 1}


async def test_one_session_alone(stage: Stage) -> None:
    alice, bob = await stage.agents("alice", "bob")
    one = await stage.open("conversation", alice, bob)
    other = await stage.open("conversation", alice, bob)
    at = stage.hub.position
    stage.clock.advance(90)
    await stage.say(one, alice, "in one")
    await stage.say(other, alice, "in the other")
    found = told(stage, f"sessions/{one}/expires_at=2026-01-01T00:00:30Z", point=at)
    assert texts(found) == ["in one"]
    created = told(stage, f"sessions/{one}/expires_at=2026-01-01T00:00:30Z")
    assert texts(created) == ["in one"], "set when it is created"
    found = told(stage, f"sessions/{one}/manifest.expectations.0.params.seconds=30", point=at)
    assert [each.now[0].body.expectation for each in found] == ["max_silence"]


async def test_a_session_type_that_takes_fewer(stage: Stage) -> None:
    alice, bob, carol = await stage.agents("alice", "bob", "carol")
    session_id = await stage.open("discussion", alice, bob, carol)
    await stage.say(session_id, alice, "one")
    found = told(stage, "types/discussion/participants.max=2")
    assert (found[0].kind, found[0].error) == (Kind.REFUSED, "protocol_error")
    assert {each.kind for each in found[1:]} == {Kind.MOOT}
    assert [path.path for path in found.report.paths if path.path.startswith("sessions/")]


async def test_a_log_keeps_what_its_own_session_types_expected(stage: Stage) -> None:
    class Patient(ConversationAdapter):
        manifest = replace(
            ConversationAdapter.manifest, expectations=[Expectation("max_silence", "auto_close", {"seconds": 60})]
        )

    stage.hub.register_adapter(Patient())
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", alice, bob)
    await stage.say(session_id, alice, "one")
    await stage.wait(60)
    assert told(stage) == [], "though today's conversations are more patient"
    found = told(stage, "expectations/conversation/max_silence.seconds=30")
    assert found.report.settings == [("expectations/conversation/max_silence:auto_close.seconds", 60, 30)]
    assert [each.kind for each in found] == [Kind.NEW, Kind.UNDUE]
    assert found.report.endings == [], "for the same reason, earlier"
    found = told(stage, "expectations/conversation/max_silence.on_violation=audit")
    assert [(end.was, end.now) for end in found.report.endings] == [("expectation_violated:max_silence", None)]


async def test_a_task_ends_by_another_ttl(stage: Stage) -> None:
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", alice, bob)
    task = await stage.hub.observe_task(session_id, bob, TaskSpec("slow", "patience"))
    stage.clock.advance(120)
    await stage.hub.update_task(task.task_id, "completed")
    found = told(stage, "agents/bob/rule.limits.task_ttl_default=1m")
    assert [each.kind for each in found] == [Kind.CHANGED, Kind.NEW, Kind.REFUSED]
    assert [event.type for event in found[1].now] == ["task.expired", "agent.observed"]
    paths = {path.path: (path.was, path.now) for path in found.report.paths}
    assert paths["observed/bob/patience/expired"] == (0, 1)


async def test_a_hub_that_did_not_look_does_not_look_now(stage: Stage) -> None:
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", alice, bob)
    await stage.say(session_id, alice, "one")
    stage.clock.advance(1)
    await stage.say(session_id, alice, "two")
    stage.clock.advance(3660 + 61)
    await stage.hub.close_session(session_id)
    found = told(stage, "agents/alice/rule.rate.envelopes_per_minute=1")
    assert texts(found) == ["two"]
    assert found.report.taken_over == {"a deadline at which the hub did not look then, either": 1}


async def test_a_custom_evaluator_reads_what_still_happens(stage: Stage) -> None:
    class Talkative:
        name = "talkative"

        def evaluate(self, expectation: Any, context: Any) -> Violation | None:
            said = sum(1 for envelope in context.wal if envelope.event_type == "ag2.msg.text")
            return Violation(detail={"said": said}) if said > 1 else None

    class Watched(ConversationAdapter):
        manifest = SessionManifest("watched", 1, expectations=[Expectation("talkative", "audit")])

    stage.hub.register_expectation_evaluator(Talkative())
    stage.hub.register_adapter(Watched())
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("watched", alice, bob)
    for _ in range(2):
        await stage.say(session_id, alice)
    await stage.wait(1)
    history = History(stage.store)
    history.catalogue.evaluators["talkative"] = Talkative()
    history.catalogue.register_adapter(Watched())
    assert told(history) == []
    found = told(history, "agents/alice/rule.rate.envelopes_per_minute=1")
    assert [each.kind for each in found] == [Kind.REFUSED, Kind.UNDUE]


# The changed world.


def test_events_that_happen_again_keep_their_ids(flood_path: Path) -> None:
    with History.open(flood_path) as history:
        variants = Variants(history)
        report = Report(0, history.head, [])
        world = variants.world(report, [Change.parse(RATE_10)])
        ids = {event.id for event in history.events()}
        for recorded in history.commands():
            list(world.step(recorded))
            known = [event.id for event in world.decided if event.id in ids]
            assert known == [event.id for event in recorded.events if event.id in known]
        assert world.now.position < world.was.position
        assert world.was.digest() == history.at().digest()


async def test_a_consequence_that_is_new_does_not_take_anothers_id(stage: Stage) -> None:
    """The task that expires at the end of the session, now, comes in front of the end, which keeps its id."""
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("consulting", alice, bob)
    await stage.hub.observe_task(session_id, bob, TaskSpec("count", ttl=10), task_id="count")
    await stage.say(session_id, alice, "question")
    await stage.wait(10)
    await stage.say(session_id, bob, "answer")
    history = History(stage.store)
    expired = next(event for event in stage.log() if event.type == "task.expired")
    found = told(history, 'agents/bob/rule.limits.task_ttl_default="1h"')
    assert found == [], "it was asked for"
    variants = Variants(history)
    world = variants.world(Report(0, 0, []))
    last = None
    for recorded in history.commands():
        if recorded.events[0].id == expired.id:
            world.now.tasks.open["count"] = replace(world.now.tasks.open["count"], expires_us=None)
        last = list(world.step(recorded))
    assert last
    (changed,) = last
    assert [event.type for event in changed.now] == ["envelope.posted", "task.expired", "session.closed"]
    assert [changed.now[0].id, changed.now[2].id] == [event.id for event in changed.recorded]
    assert changed.now[1].id.startswith("f" * 12)


def test_a_point_in_the_middle_of_an_append_is_moved_to_its_end(flood_path: Path) -> None:
    with History.open(flood_path) as history:
        created = next(event.position for event in history.events() if event.type == "session.created")
        assert told(history, point=created).report.point == created + 1


def test_the_flood_is_one(flood_path: Path) -> None:
    assert FLOOD > ROOM
    with History.open(flood_path) as history:
        full = [event.body for event in history.events() if event.type == "access.denied"]
        assert {(body.error, history.names.agent(body.subject)) for body in full} == {
            ("inbox_full", "mallory"),
            ("inbox_full", "alice"),
        }
