"""A copy of a log's data file is a log, and reading it leaves the folder as it was."""

from __future__ import annotations

import shutil
from pathlib import Path

from eventsourcing.dcb.api import DCBEvent

from events.stores.lmdb import LmdbRecorder


def test_reading_a_copy_makes_no_file(tmp_path: Path) -> None:
    log = LmdbRecorder(tmp_path / "log")
    log.append([DCBEvent("t", b"data", ["tag"])])
    log.close()
    (tmp_path / "copy").mkdir()
    shutil.copy(tmp_path / "log" / "data.mdb", tmp_path / "copy")
    copy = LmdbRecorder(tmp_path / "copy")
    copy.open(readonly=True)
    assert [found.event.data for found in copy.read()] == [b"data"]
    assert list(copy.check_indexes()) == []
    copy.close()
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["data.mdb"]
