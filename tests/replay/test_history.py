"""``History``: what the hub knew at any point, by the production folds, and a log that goes on meanwhile."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from events.errors import CorruptLogError, StoreError
from events.stores import MemoryKnowledgeStore
from hub.catalogue import Catalogue
from hub.protocols import ConsultingAdapter, default_adapters
from projections.state import HubState
from replay import History, Query, QuestionError, look
from tests.conftest import OpenHub
from tests.replay.asking import ask
from tests.replay.scenario import Network, chat
from tests.support.damage import raw


def folded(history: History, position: int) -> HubState:
    """The state from zero, past every short cut."""
    catalogue = Catalogue()
    for adapter in default_adapters():
        catalogue.register_adapter(adapter)
    return HubState(catalogue).replay(history.log.read(until=position))


def test_at_every_point_the_state_is_the_fold_up_to_there(history: History) -> None:
    """DET-2."""
    for position in range(history.head + 1):
        state = history.at(position)
        assert state.position == position
        assert state.digest() == folded(history, position).digest()


def test_the_nearest_checkpoint_is_used_and_changes_nothing(chat_copy: Path) -> None:
    """LOG-8."""
    with History.open(chat_copy) as history:
        at_head, before = history.rebuild(), history.rebuild("@606")
        assert (at_head.checkpoint, at_head.folded) == (607, 0)
        assert (before.checkpoint, before.folded) == (0, 606)
        shutil.rmtree(chat_copy / "checkpoints")
        again = history.rebuild()
        assert (again.checkpoint, again.folded) == (0, 607)
        assert again.state.digest() == at_head.state.digest()


def test_progress_is_told(chat_path: Path) -> None:
    told: list[int] = []
    with History.open(chat_path) as history, pytest.MonkeyPatch.context() as patch:
        patch.setattr("replay.history.PROGRESS_EVENTS", 100)
        history.rebuild("@606", told.append)
    assert told == [100, 200, 300, 400, 500, 600]


def test_a_session_type_that_is_not_loaded_is_dormant_and_folds(everything_path: Path) -> None:
    """SESS-9."""
    with History.open(everything_path, adapters=[ConsultingAdapter()]) as history:
        session = look(history, history.at("@24"), "sessions/@18")
        assert (session["dormant"], session["adapter_state"], session["expected_next"]) == (True, None, None)
        assert (session["state"], session["envelopes"]) == ("active", 6)
        assert look(history, history.at(), "sessions/@18/state") == "expired"


async def test_a_history_of_a_log_in_memory(open_hub: OpenHub) -> None:
    store = MemoryKnowledgeStore()
    hub = await open_hub(store)
    digest = hub.state_digest()
    with History(store) as history:
        assert history.at().digest() == digest
        assert [event.type for event in history.events()] == ["hub.opened"]
        assert (history.evidence().origin, history.evidence().head) == (store.origin, 1)
        await hub.close()


async def test_a_log_that_is_written_is_read_as_of_its_opening(tmp_path: Path) -> None:
    """LOG-4: the history stands where it was opened until it is refreshed."""
    net = await Network.open(tmp_path / "log")
    with History.open(tmp_path / "log") as history:
        await net.enter("alice")
        assert (history.head, len(list(history.events()))) == (1, 1)
        assert history.evidence().root == history.log.recorder.root(1).hex()
        assert history.refresh() == 2
        assert [event.type for event in history.events()] == ["hub.opened", "agent.registered"]
        await net.close()


async def test_following_gives_what_is_there_and_then_what_comes(tmp_path: Path) -> None:
    net = await Network.open(tmp_path / "log")
    idled: list[int] = []
    with History.open(tmp_path / "log") as history:
        following = history.follow(Query(types=("agent.*",)), idle=lambda: idled.append(history.head))
        await net.enter("alice")
        await net.enter("bob")
        assert [next(following).body.name for _ in range(2)] == ["alice", "bob"]
        await net.enter("carol")
        assert next(following).body.name == "carol"
        assert idled == [3]
        await net.close()


def test_nothing_is_ever_created(everything_path: Path, tmp_path: Path) -> None:
    log = Path(shutil.copytree(everything_path, tmp_path / "log"))
    before = sorted(os.walk(log)), (log / "data.mdb").read_bytes()
    for words in (("log",), ("verify",), ("state",), ("show", "@3"), ("wal", "@6"), ("audit",)):
        assert ask(*words, "--log", os.fspath(log)).code == 0
    assert (sorted(os.walk(log)), (log / "data.mdb").read_bytes()) == before


def test_opening_what_is_not_there_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no log"):
        History.open(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_events_before_the_first_are_refused(history: History) -> None:
    with pytest.raises(QuestionError, match="'@0' is before the log's first event: give @1 or later"):
        history.event("@0")


def test_a_gap_is_not_passed_over(chat_copy: Path) -> None:
    with raw(chat_copy) as log:
        del log.values[300]
    with History.open(chat_copy) as history, pytest.raises(CorruptLogError) as caught:
        history.rebuild("@400")
    assert (caught.value.position, caught.value.message.endswith("run replay verify")) == (300, True)


async def test_two_runs_of_one_scenario_are_one_log(tmp_path: Path) -> None:
    """DET-1."""
    roots: list[Any] = []
    for name in ("one", "two"):
        await chat(tmp_path / name, 20)
        with History.open(tmp_path / name) as history:
            roots.append(history.evidence())
    assert roots[0] == roots[1]
