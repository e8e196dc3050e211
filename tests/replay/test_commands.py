"""A log implies its commands, and deciding them again gives the log back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from events.agents import AgentSkillSet
from events.event import HUB, OPERATOR, SCHEMAS, Event
from events.log import EventLog
from events.stores import DiskKnowledgeStore, MemoryKnowledgeStore
from events.values.rule import parse_duration
from hub import (
    AccessDeniedError,
    AdapterResult,
    Expectation,
    HubClient,
    LimitsBlock,
    LocalLink,
    Passport,
    ProtocolError,
    Rule,
    SessionManifest,
    Violation,
)
from hub.catalogue import Catalogue
from hub.decisions.closing import CloseSession
from hub.decisions.opening import CreateSession
from hub.decisions.posting import Acknowledge, Post
from hub.decisions.registration import Unregister
from hub.decisions.sweeping import CheckExpectations, Lapse, LapseTask
from hub.decisions.tasks import ObserveTask
from hub.protocols import ConversationAdapter, SessionAdapter, default_adapters
from projections.state import HubState
from replay import QuestionError
from replay.commands import Recorded, commands, first_difference, redecide, wal_of
from replay.implied import COMMANDS
from tests.conftest import OpenHub
from tests.spec.stage import Stage
from tests.support.scenario import perform


def known(*adapters: SessionAdapter) -> Catalogue:
    catalogue = Catalogue()
    for adapter in (*default_adapters(), *adapters):
        catalogue.register_adapter(adapter)
    return catalogue


def assert_decides_itself(log: EventLog, catalogue: Catalogue | None = None) -> list[Recorded]:
    """Every command decided again gives its events, and all events belong to a command."""
    catalogue = catalogue or known()
    state, found = HubState(catalogue), list(commands(log.read()))
    for recorded in found:
        decision = redecide(state, recorded, catalogue=catalogue, read_wal=wal_of(log))
        assert first_difference(decision.events, recorded.events) is None, recorded
        state.replay(recorded.events)
    assert state.position == log.head
    return found


@pytest.fixture
async def played() -> Sequence[Event]:
    """Every type of event."""
    stage = await perform(MemoryKnowledgeStore())
    events = stage.log()
    await stage.hub.close()
    return events


async def test_the_scenario_of_every_event_decides_itself() -> None:
    stage = await perform(MemoryKnowledgeStore())
    found = assert_decides_itself(stage.hub._log)
    assert {event.type for recorded in found for event in recorded.events} == {s.name for s in SCHEMAS.values()}
    await stage.hub.close()


@pytest.mark.parametrize("name", ["everything_path", "chat_path"])
def test_logs_of_agents_that_answer_decide_themselves(name: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(name)
    store = DiskKnowledgeStore(path)
    store.open(readonly=True)
    assert_decides_itself(EventLog(store))
    store.close()


async def test_a_custom_evaluator_finds_the_log_that_it_had(open_hub: OpenHub, clock: Any) -> None:
    class Talkative:
        name = "talkative"

        def evaluate(self, expectation: Any, context: Any) -> Violation | None:
            said = sum(1 for envelope in context.wal if envelope.event_type == "ag2.msg.text")
            return Violation(detail={"said": said}) if said > 1 else None

    class Watched(ConversationAdapter):
        manifest = SessionManifest("watched", 1, expectations=[Expectation("talkative", "audit")])

    stage = await Stage(open_hub, clock).raise_curtain()
    stage.hub.register_expectation_evaluator(Talkative())
    stage.hub.register_adapter(Watched())
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("watched", alice, bob)
    for text in ("one", "two"):
        await stage.say(session_id, alice, text)
        await stage.wait(1)
    await stage.say(session_id, alice, "three, which it did not see")
    catalogue = Catalogue()
    catalogue.evaluators["talkative"] = Talkative()
    for adapter in (*default_adapters(), Watched()):
        catalogue.register_adapter(adapter)
    found = assert_decides_itself(stage.hub._log, catalogue)
    assert [r.events[0].body.detail["said"] for r in found if isinstance(r.command, CheckExpectations)] == [2]


async def test_two_expectations_violated_in_one_look_are_one_command(stage_of_late: Stage) -> None:
    found = assert_decides_itself(stage_of_late.hub._log)
    checks = [recorded for recorded in found if isinstance(recorded.command, CheckExpectations)]
    types = ["expectation.violated", "expectation.violated", "session.participant_hidden"]
    assert [[event.type for event in recorded.events] for recorded in checks] == [types]
    assert checks[0].actor == HUB


@pytest.fixture
async def stage_of_late(open_hub: OpenHub, clock: Any) -> Stage:
    """A discussion that nobody looked at for ten minutes."""
    stage = await Stage(open_hub, clock).raise_curtain()
    alice, bob, carol = await stage.agents("alice", "bob", "carol")
    session_id = await stage.open("discussion", alice, bob, carol)
    await stage.say(session_id, alice, "first")
    await stage.wait(600)
    return stage


def test_every_event_type_has_its_place_in_the_table() -> None:
    assert set(COMMANDS) == set(SCHEMAS)


async def test_a_command_has_actor_time_position_and_consequences(played: Sequence[Event]) -> None:
    found = list(commands(played))
    answer = next(r for r in found if isinstance(r.command, Post) and len(r.events) > 1)
    assert [event.type for event in answer.consequences] == ["session.closed"]
    assert (answer.position, answer.at_us) == (answer.events[0].position, answer.events[0].at_us)
    assert answer.actor == OPERATOR
    left = next(r for r in found if isinstance(r.command, Unregister))
    assert [event.type for event in left.consequences] == ["session.participant_left"]


async def test_a_session_that_is_ended_with_open_tasks_is_one_command(played: Sequence[Event]) -> None:
    closing = next(r for r in commands(played) if isinstance(r.command, CloseSession))
    assert [event.type for event in closing.events] == ["task.expired", "agent.observed", "session.closed"]
    assert (closing.head, closing.command.reason, closing.actor) == (2, "that is all", OPERATOR)
    assert [event.type for event in closing.consequences] == ["task.expired", "agent.observed"]


async def test_what_time_did_is_the_hubs_command(played: Sequence[Event]) -> None:
    found = [r for r in commands(played) if isinstance(r.command, Lapse | LapseTask)]
    assert [type(r.command) for r in found] == [LapseTask, Lapse]
    assert {r.actor for r in found} == {HUB}


async def test_an_invite_that_nobody_answers_lapses(open_hub: OpenHub, clock: Any) -> None:
    stage = await Stage(open_hub, clock).raise_curtain()
    alice, bob = await stage.agents("alice", "bob")
    _, opening = await stage.invite("consulting", alice, bob)
    await stage.wait(30)
    with pytest.raises(ProtocolError, match="ack timeout"):
        await opening
    assert isinstance(assert_decides_itself(stage.hub._log)[-1].command, Lapse)


async def test_acknowledgements_that_gathered_are_one_command(open_hub: OpenHub, clock: Any) -> None:
    stage = await Stage(open_hub, clock).raise_curtain()
    alice, bob, carol = await stage.agents("alice", "bob", "carol")
    session_id = await stage.open("discussion", alice, bob, carol)
    first = await stage.say(session_id, alice)
    await stage.hub._committer.run(Acknowledge(((bob, first), (carol, first))), HUB)
    command = assert_decides_itself(stage.hub._log)[-1].command
    assert command == Acknowledge(((bob, first), (carol, first)))


async def test_an_agent_that_came_by_itself_is_its_own_actor(open_hub: OpenHub, clock: Any) -> None:
    hub = await open_hub()
    await HubClient(LocalLink(hub), hub=hub).register(None, Passport("alice"))
    came = assert_decides_itself(hub._log)[-1]
    assert came.command.by_itself
    assert (came.actor, came.events[0].actor) == (OPERATOR, came.events[0].id)


# TTLs that nobody asked for.


async def test_a_ttl_that_the_rule_gave_was_not_asked_for(played: Sequence[Event]) -> None:
    found = list(commands(played))
    asked = [r.command.ttl for r in found if isinstance(r.command, CreateSession)]
    assert asked == [None, None, None, 86400, None, 60, 0]
    assert [r.command.spec.ttl for r in found if isinstance(r.command, ObserveTask)] == [300] * 4 + [None]


async def test_without_the_rules_before_it_a_ttl_counts_as_asked_for(played: Sequence[Event]) -> None:
    at = next(index for index, event in enumerate(played) if event.type == "session.created")
    session_id = played[at].body.creator_id
    assert next(commands(played[at:])).command.ttl == parse_duration("4h")
    limits = {session_id: LimitsBlock("4h")}
    assert next(commands(played[at:], limits)).command.ttl is None


async def test_under_another_rule_a_session_gets_another_ttl(played: Sequence[Event]) -> None:
    catalogue = known()
    recorded = next(r for r in commands(played) if isinstance(r.command, CreateSession))
    state = HubState(catalogue).replay(played[: recorded.position - 1])
    state.registry.agents[recorded.command.creator_id].rule = Rule(limits=LimitsBlock("1h"))
    created = redecide(state, recorded, catalogue=catalogue).events[0]
    assert created.body.expires_us - created.at_us == 3600 * 1_000_000
    assert created.id == recorded.events[0].id


# What differs.


async def test_a_command_may_be_refused_now(played: Sequence[Event]) -> None:
    catalogue = known()
    recorded = next(r for r in commands(played) if isinstance(r.command, CreateSession))
    state = HubState(catalogue).replay(played[: recorded.position - 1])
    bob = recorded.command.participants[1]
    state.registry.agents[bob].rule = Rule.from_dict({"access": {"inbound_from": ["nobody"]}})
    with pytest.raises(AccessDeniedError, match="does not accept"):
        redecide(state, recorded, catalogue=catalogue)


async def test_more_events_than_were_recorded_get_ids_of_no_log(played: Sequence[Event]) -> None:
    class Curt(ConversationAdapter):
        def on_accepted(self, metadata: Any, envelope: Any, state: Any) -> Any:
            return AdapterResult(auto_close_reason="curt")

    catalogue = known(Curt())
    posts = (r for r in commands(played) if isinstance(r.command, Post))
    recorded = next(r for r in posts if r.command.envelope.event_data == {"text": "one"})
    state = HubState(catalogue).replay(played[: recorded.position - 1])
    first, more = redecide(state, recorded, catalogue=catalogue).events
    assert first.id == recorded.events[0].id
    assert (more.type, more.id[:12]) == ("session.closed", "f" * 12)


def test_the_first_difference_is_found_to_the_byte() -> None:
    def events(*texts: str) -> Iterator[Event]:
        for text in texts:
            yield Event(AgentSkillSet("0" * 32, False, text), "1" * 32, 1)

    assert first_difference(list(events("a", "b")), list(events("a", "b"))) is None
    assert first_difference(list(events("a", "b")), list(events("a", "c"))) == 1
    assert first_difference(list(events("a")), list(events("a", "c"))) == 1
    assert first_difference(list(events("a", "b")), list(events("a"))) == 1


# Events that are cut out of their append.


async def test_events_that_begin_in_the_middle_of_an_append_are_refused(played: Sequence[Event]) -> None:
    at = next(index for index, event in enumerate(played) if event.type == "session.invite_sent")
    with pytest.raises(QuestionError, match=rf"position {at + 1} .* in the middle") as refused:
        list(commands(played[at:]))
    assert refused.value.position == at + 1


async def test_events_that_end_before_the_end_of_a_session_are_refused(played: Sequence[Event]) -> None:
    at = next(i for i, e in enumerate(played) if e.type == "task.expired" and e.body.reason == "session_closed")
    with pytest.raises(QuestionError, match=r"in the middle"):
        list(commands(played[: at + 1]))


def test_no_events_are_no_commands() -> None:
    assert list(commands([])) == []
