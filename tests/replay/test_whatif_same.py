"""What if nothing were otherwise: every log at hand comes out as it is, event for event, to the byte."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from rich.console import Console

from events.codec import event_of
from events.stores import LogRecorder, MemoryKnowledgeStore
from hub import AdapterResult, ConversationAdapter
from hub.demo.acts import Stage as DemoStage
from hub.demo.acts import act_one, act_two
from hub.demo.stage import BriskDiscussion, Narrator, Pace
from hub.protocols import default_adapters
from projections.snapshots import take
from projections.state import HubState
from replay import History
from replay.commands import commands
from replay.golden_file import find, open_golden
from replay.whatif import Change, Kind, Report, Variants, whatif
from tests.conftest import OpenHub
from tests.replay.conftest import play
from tests.replay.flood import flood
from tests.replay.same_again import assert_same_again
from tests.spec.stage import Stage
from tests.stateful.test_machine import Network as Machine
from tests.support.scenario import perform

GOLDEN = Path(__file__).parent.parent / "golden"


def of_store(store: LogRecorder, **options: Any) -> History:
    store.open(readonly=True)
    return History(store, **options)


@pytest.mark.parametrize("name", ["everything_path", "chat_path", "troubles_path"])
def test_the_logs_of_scenarios(name: str, request: pytest.FixtureRequest) -> None:
    with History.open(request.getfixturevalue(name)) as history:
        report = assert_same_again(history)
        assert report.asked == report.again
        for point in range(0, history.head + 1, 7 if history.head < 100 else 80):
            assert_same_again(history, point)


def test_the_log_of_a_flood_from_anywhere(tmp_path: Path) -> None:
    play(flood(tmp_path / "log"))
    with History.open(tmp_path / "log") as history:
        for point in range(0, history.head + 1, 3):
            assert assert_same_again(history, point).taken_over == {}


@pytest.mark.parametrize(
    "path", [path for path in find(GOLDEN) if path.stem == "everything"], ids=lambda path: path.stem
)
def test_the_goldens(path: Path) -> None:
    with History(open_golden(path)) as history:
        for point in range(history.head + 1):
            assert_same_again(history, point)


def test_the_log_of_format_1() -> None:
    store = MemoryKnowledgeStore()
    records = json.loads((GOLDEN / "format-1" / "log.json").read_text())["records"]
    for position, record in enumerate(records, 1):
        store.append([event_of(bytes.fromhex(record), position, "golden")])
    assert_same_again(of_store(store))


async def test_the_scenario_of_every_event() -> None:
    stage = await perform(MemoryKnowledgeStore())
    await stage.hub.close()
    assert_same_again(of_store(stage.store))


async def test_the_demo(tmp_path: Path) -> None:
    """Both acts, without the crash between them."""
    pace = Pace.make(live=False, start="2026-01-01T09:00:00Z")
    stage = await DemoStage.open(str(tmp_path), pace, Narrator(Console(file=io.StringIO())))
    await act_one(stage)
    await stage.hub.close()
    stage = await DemoStage.open(str(tmp_path), pace, Narrator(Console(file=io.StringIO())))
    await act_two(stage, [])
    await stage.hub.close()
    for adapters in (None, [*default_adapters(), BriskDiscussion(pace)]):
        with History.open(tmp_path, adapters) as history:
            assert assert_same_again(history).asked > 40, "its own types expect other things than today's"


class Again(Machine):
    """Any sequence of commands, and at its end everything asked again, from the start and from the middle."""

    def teardown(self) -> None:
        store = self.store
        super().teardown()
        with of_store(store) as history:
            assert_same_again(history)
            assert_same_again(history, history.head // 2)
            for number, variant in enumerate(VARIANTS):
                assert_adds_up(history, history.head // 2 if number % 2 else 0, variant)


VARIANTS = [
    [],
    ["agents/*/rule.rate.envelopes_per_minute=1"],
    ["agents/*/rule.rate.envelopes_per_minute=0", "agents/*/rule.inbox.max_pending=0"],
    ["agents/*/rule.inbox.max_pending=1", "agents/*/rule.limits.max_concurrent_sessions=1"],
    ['agents/*/rule.access.outbound_to=["alice"]'],
    ['agents/*/rule.access.inbound_from=["bob"]'],
    ["agents/*/rule.limits.session_ttl_default=30s", "agents/*/rule.limits.task_ttl_default=5s"],
    ["expectations/discussion/turn_within.seconds=1", "expectations/conversation/max_silence.on_violation=auto_close"],
    ["types/discussion/participants.max=2", "types/conversation/ttl_default=10s"],
]


def assert_adds_up(history: History, point: int, sets: list[str]) -> None:
    """Whatever is changed, every command is accounted for, and the changed state is one that a hub could be in."""
    variants = Variants(history, point)
    report = Report(variants.point, history.head, [])
    world = variants.world(report, [Change.parse(each) for each in sets])
    events = history.log.read(after=variants.point, until=history.head)
    asked = 0
    for recorded in commands(events, variants.limits):
        asked += 1
        for found in world.step(recorded):
            assert bool(found.recorded) == (found.kind is not Kind.NEW)
            assert bool(found.error) <= (found.kind in (Kind.REFUSED, Kind.CHANGED))
            assert found.because < found.position or not found.recorded
    told = sum(count for kind, count in report.counts.items() if kind is not Kind.NEW)
    taken = sum(count for why, count in report.taken_over.items() if why.startswith("session type"))
    assert (report.asked, report.again + told + taken) == (asked, asked)
    assert world.was.digest() == history.at().digest()
    state = world.now
    copy = HubState(state.catalogue)
    copy.load(take(state).dump(), state.position, state.at_us, state.last_id)
    assert copy.digests() == state.digests()
    for agent_id in state.registry.agents:
        cap = state.registry.agents[agent_id].rule.inbox.max_pending
        assert not cap or point or state.inboxes.depth(agent_id) <= cap


TestAgain = Again.TestCase
TestAgain.settings = settings(max_examples=8, stateful_step_count=20, deadline=None)


# Logs that were not made by this code.


class Curt(ConversationAdapter):
    """A conversation that ends with its first word."""

    def on_accepted(self, metadata: Any, envelope: Any, state: Any) -> AdapterResult:
        return AdapterResult(auto_close_reason="curt")


class Odd(ConversationAdapter):
    manifest = ConversationAdapter.manifest.__class__("odd", 1)


async def test_a_session_type_that_is_not_loaded_is_taken_as_it_is(open_hub: OpenHub, clock: Any) -> None:
    stage = await Stage(open_hub, clock).raise_curtain()
    stage.hub.register_adapter(Odd())
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("odd", alice, bob)
    for number in range(3):
        await stage.say(session_id, alice, f"{number}")
    await stage.hub.close_session(session_id)
    await stage.hub.close()
    with of_store(stage.store) as history:
        report = assert_same_again(history)
        assert report.taken_over == {"session type odd is not loaded": 6}
    with of_store(stage.store, adapters=[Odd()]) as history:
        assert assert_same_again(history).taken_over == {}


async def test_another_adapter_is_found_where_it_decides_otherwise(open_hub: OpenHub, clock: Any) -> None:
    stage = await Stage(open_hub, clock).raise_curtain()
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", alice, bob)
    first = await stage.say(session_id, alice, "one")
    await stage.say(session_id, alice, "two")
    await stage.hub.close()
    with of_store(stage.store) as history:
        report = whatif(history, adapters=[Curt()])
        assert report.first is not None
        assert (report.first.kind, report.first.recorded[0].id) == (Kind.CHANGED, first)
        assert report.counts == {Kind.CHANGED: 1, Kind.REFUSED: 1}
        assert [(end.was, end.now) for end in report.endings] == [(None, "curt")]
