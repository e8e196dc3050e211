"""The shipped suite and the library's own, on both stores (SPEC LOG-3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from eventsourcing.dcb.tests import DCBRecorderTestCase

from events.stores import DiskKnowledgeStore, MemoryKnowledgeStore, lmdb_blocks, lmdb_writer
from events.stores.base import LogRecorder
from events.stores.conformance import RecorderConformance
from events.stores.lmdb import LmdbRecorder
from events.stores.memory import MemoryRecorder


class TestMemoryRecorder(RecorderConformance):
    def make_recorder(self) -> LogRecorder:
        return MemoryRecorder()


class OnDisk(RecorderConformance):
    durability = "fsync"

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.logs = (tmp_path / f"log{number}" for number in range(9))


class TestLmdbRecorder(OnDisk):
    def make_recorder(self) -> LogRecorder:
        return LmdbRecorder(next(self.logs))


class TestLmdbRecorderOs(OnDisk):
    def make_recorder(self) -> LogRecorder:
        return LmdbRecorder(next(self.logs), durability="os")


class TestLmdbRecorderSmallMap(OnDisk):
    def make_recorder(self) -> LogRecorder:
        return LmdbRecorder(next(self.logs), durability="os", map_size_bytes=1 << 20)


class TestLmdbRecorderShortTail(OnDisk):
    """The index written every few events, in small blocks: what takes thousands otherwise."""

    @pytest.fixture(autouse=True)
    def _short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lmdb_writer, "TAIL_EVENTS_MAX", 7)
        monkeypatch.setattr(lmdb_blocks, "POSITIONS_MAX", 5)

    def make_recorder(self) -> LogRecorder:
        return LmdbRecorder(next(self.logs), durability="os")


class TestMemoryKnowledgeStore(RecorderConformance):
    def make_recorder(self) -> LogRecorder:
        return MemoryKnowledgeStore()


class TestDiskKnowledgeStore(OnDisk):
    def make_recorder(self) -> LogRecorder:
        return DiskKnowledgeStore(next(self.logs), "os")


RECORDERS: dict[str, Callable[[Path], LogRecorder]] = {
    "memory": lambda path: MemoryRecorder(),
    "lmdb": LmdbRecorder,
    "MemoryKnowledgeStore": lambda path: MemoryKnowledgeStore(),
    "DiskKnowledgeStore": DiskKnowledgeStore,
}


@pytest.fixture(params=RECORDERS)
def recorder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LogRecorder]:
    made = RECORDERS[request.param](tmp_path / "log")
    yield made
    made.close()


def test_the_library_s_case_of_append_and_read(recorder: LogRecorder) -> None:
    DCBRecorderTestCase()._test_append_read(recorder)


def test_the_library_s_case_of_append_and_subscribe(recorder: LogRecorder) -> None:
    DCBRecorderTestCase()._test_append_subscribe(recorder)
