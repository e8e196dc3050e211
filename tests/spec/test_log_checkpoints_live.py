"""LOG-8: projection checkpoints beside a running hub: what its loop pays for them, and what can go wrong."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from events.stores import DiskKnowledgeStore
from hub import checkpointing
from hub.testing import MockClock
from projections.snapshots import CHANGES, WHOLE, Changes, write
from tests.spec.stage import OpenHub, Stage

SESSIONS = 8
EVERY = 40


class Writing:
    """Writes checkpoints as they are written, and takes note of them."""

    def __init__(self) -> None:
        self.changes: list[Changes] = []
        self.threads: set[int] = set()
        self.fails = False
        self.stage: Stage
        self.alice = ""
        self._write = write

    def __call__(self, folder: Path, changes: Changes, *rest: Any) -> Any:
        self.changes.append(changes)
        self.threads.add(threading.get_ident())
        if self.fails:
            raise OSError("no space left on device")
        return self._write(folder, changes, *rest)


@pytest.fixture
def writing(monkeypatch: pytest.MonkeyPatch) -> Writing:
    writing = Writing()
    monkeypatch.setattr(checkpointing, "write", writing)
    monkeypatch.setattr(checkpointing, "CHECKPOINT_EVENTS", EVERY)
    monkeypatch.setattr("projections.snapshots.MERGED_AT", 0)
    return writing


@pytest.fixture
async def talks(writing: Writing, open_hub: OpenHub, clock: MockClock, tmp_path: Path) -> list[str]:
    """Sessions of two on a hub on disk that was opened from a checkpoint; the stage is kept in ``writing``."""
    stage = await Stage(open_hub, clock, DiskKnowledgeStore(tmp_path / "log", "os")).raise_curtain()
    alice, bob = await stage.agents("alice", "bob")
    talks = [await stage.open("conversation", alice, bob) for _ in range(SESSIONS)]
    writing.stage, writing.alice = stage, alice
    await stage.restart()
    writing.changes.clear()
    return talks


async def rest(stage: Stage) -> None:
    """Until no checkpoint is being written."""
    while (under_way := stage.hub._checkpointer._writing) is not None:
        await asyncio.wait([under_way])


async def chat(writing: Writing, session_id: str, count: int = EVERY) -> None:
    stage: Stage = writing.stage
    for _ in range(count):
        await stage.say(session_id, writing.alice, audience=[])
    await rest(stage)


def kept(tmp_path: Path) -> list[str]:
    return [path.suffix for path in sorted((tmp_path / "log" / "checkpoints").iterdir(), key=lambda path: path.stem)]


async def test_log_8_the_loop_copies_what_changed_and_a_thread_writes_it(
    writing: Writing, talks: list[str], tmp_path: Path
) -> None:
    await chat(writing, talks[3], EVERY - 1)
    (changes,) = writing.changes
    assert list(changes.parts["sessions"]) == [talks[3]], "of eight sessions, the one in which somebody spoke"
    assert list(changes.parts["registry"]) == []
    assert threading.get_ident() not in writing.threads
    assert kept(tmp_path)[-1] == CHANGES


async def test_log_8_one_that_was_deleted_is_missed_and_a_whole_one_written(
    writing: Writing, talks: list[str], tmp_path: Path
) -> None:
    for path in (tmp_path / "log" / "checkpoints").iterdir():
        path.unlink()
    await chat(writing, talks[0], EVERY - 1)  # one event was the opening
    assert kept(tmp_path) == []
    await chat(writing, talks[0], 1)
    assert kept(tmp_path) == [WHOLE]
    assert [len(changes.parts["sessions"]) for changes in writing.changes] == [1, SESSIONS]
    await check(writing)


async def test_log_8_one_that_could_not_be_written_is_told_of_and_made_up_for(
    writing: Writing, talks: list[str], tmp_path: Path
) -> None:
    before = kept(tmp_path)
    writing.fails = True
    await chat(writing, talks[0], EVERY - 1)
    assert kept(tmp_path) == before
    stage: Stage = writing.stage
    assert [type(error) for error in stage.heard.errors] == [OSError]
    stage.heard.errors.clear()
    writing.fails = False
    await chat(writing, talks[1])
    assert len(writing.changes[-1].parts["sessions"]) == SESSIONS, "what the failed one had is not lost"
    await check(writing)


async def check(writing: Writing) -> None:
    """The next hub knows what this one knew, and folds nothing."""
    stage: Stage = writing.stage
    digest = stage.hub.state_digest()
    await stage.restart()
    assert stage.hub.state_digest() == digest
