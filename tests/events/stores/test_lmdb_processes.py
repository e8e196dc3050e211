"""Several processes on one log: one writes, others read, any may be killed (SPEC LOG-4, LOG-5)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from eventsourcing.dcb.api import DCBEvent, DCBQuery, DCBQueryItem

from events.errors import StoreLockedError
from events.stores.conformance import matches, sample_events, sample_queries
from events.stores.lmdb import LmdbRecorder

# Writes appends of three events, as many as lines come in or without end, and says each position once acknowledged.
WRITER = """
import sys
from events.stores.conformance import sample_events
from events.stores.lmdb import LmdbRecorder
recorder = LmdbRecorder(sys.argv[1], durability=sys.argv[2], map_size_bytes=1 << 20)
recorder.open()
print(recorder.head, flush=True)
while sys.argv[3] == "free" or sys.stdin.readline():
    print(recorder.append(sample_events(3)), flush=True)
"""

# Writes appends of three events with an index that is written every few of them.
SHORT_TAIL = f"from events.stores import lmdb_writer\nlmdb_writer.TAIL_EVENTS_MAX = 10\n{WRITER}"

# Once told to, grows the map from a megabyte to more.
GROW = """
import sys
from eventsourcing.dcb.api import DCBEvent
from events.stores.lmdb import LmdbRecorder
recorder = LmdbRecorder(sys.argv[1], durability="os", map_size_bytes=1 << 20)
sys.stdin.readline()
for _ in range(10):
    recorder.append([DCBEvent("big", bytes(100_000), ["big"])] * 4)
print(recorder.head, flush=True)
"""

# Meets a limit on the size of files, which is what a full disk looks like to a process; then has room again.
FULL = """
import resource, sys
from eventsourcing.dcb.api import DCBEvent
from events.errors import StoreError
from events.stores.lmdb import LmdbRecorder
recorder = LmdbRecorder(sys.argv[1])
recorder.open()
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
try:
    while True:
        recorder.append([DCBEvent("t", bytes(50_000), ["a"])] * 2)
except StoreError as error:
    print(type(error).__name__, recorder.head, recorder.head == len(list(recorder.scan())))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
before = recorder.head
print(recorder.append([DCBEvent("t", bytes(50_000), ["a"])] * 2) == before + 2, list(recorder.check_indexes()))
recorder.close()
"""


@contextmanager
def child(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def stdin(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdin is not None
    return process.stdin


def assert_queries_are_answered(reader: LmdbRecorder, head: int) -> None:
    """By the index on disk and what it lacks, both ways."""
    everything = list(reader.scan(until=head))
    for query in sample_queries():
        expected = [found.position for found in everything if matches(query, found.event)]
        assert [found.position for found in reader.scan(query, until=head)] == expected
        assert [found.position for found in reader.scan(query, until=head, backwards=True)] == expected[::-1]


def test_a_second_process_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    """LOG-4: and may write once the first is gone, however it went."""
    path = os.fspath(tmp_path / "log")
    recorder = LmdbRecorder(path)
    with child(WRITER, path, "fsync", "free") as process:
        told(process)
        with pytest.raises(StoreLockedError) as caught:
            recorder.open()
        assert (caught.value.pid, caught.value.path, caught.value.code) == (process.pid, path, "store_locked")
        assert f"is written by process {process.pid}" in str(caught.value)
        process.kill()
    assert recorder.append(sample_events(3)) % 3 == 0
    recorder.close()


def test_a_reader_in_another_process_sees_the_log_grow(tmp_path: Path) -> None:
    """LOG-4: while it is written, past the end of the map it first had."""
    path = os.fspath(tmp_path / "log")
    recorder = LmdbRecorder(path, durability="os", map_size_bytes=1 << 20)
    with child(WRITER, path, "os", "by line") as process:
        assert told(process) == "0"
        reader = LmdbRecorder(path)
        reader.open(readonly=True)
        for position in range(3, 31, 3):
            stdin(process).write("\n")
            stdin(process).flush()
            assert told(process) == str(position)
            assert reader.head == position
            assert [found.event for found in reader.scan(after=position - 3)] == sample_events(3)
        with reader.subscribe(after=28) as subscription:
            assert [next(subscription).position for _ in range(2)] == [29, 30]
            stdin(process).write("\n")
            stdin(process).flush()
            assert next(subscription).position == 31
        process.kill()
        process.wait()
        recorder.open()
        recorder.append([DCBEvent("big", bytes(100_000), ["big"])] * 30)
        assert len(list(reader.scan(DCBQuery([DCBQueryItem(tags=["big"])])))) == 30
    reader.close()
    recorder.close()


def test_a_reader_adopts_a_map_that_another_process_has_grown(tmp_path: Path) -> None:
    with child(GROW, os.fspath(tmp_path / "new")) as process:
        maker = LmdbRecorder(tmp_path / "new", map_size_bytes=1 << 20)
        maker.open()
        maker.close()
        reader = LmdbRecorder(tmp_path / "new")
        reader.open(readonly=True)
        assert reader.head == 0
        stdin(process).write("\n")
        stdin(process).close()
        assert told(process) == "40"
        assert reader.head == 40
        assert len(list(reader.scan())) == 40
        reader.close()


@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_a_killed_writer_leaves_whole_appends(tmp_path: Path, durability: str) -> None:
    """LOG-3: what was acknowledged is there, and nothing by half, at whatever moment it dies."""
    path = os.fspath(tmp_path / "log")
    acknowledged = 0
    for lines in (1, 7, 20, 43):
        with child(WRITER, path, durability, "free") as process:
            for _ in range(lines):
                acknowledged = int(told(process))
            process.kill()
        reader = LmdbRecorder(path)
        reader.open(readonly=True)
        assert reader.head >= acknowledged
        assert reader.head % 3 == 0
        assert [found.event for found in reader.scan()] == sample_events(3) * (reader.head // 3)
        assert_queries_are_answered(reader, reader.head)
        assert not list(reader.check_indexes())
        reader.close()


def test_a_reader_in_another_process_finds_what_the_index_does_not_have_yet(tmp_path: Path) -> None:
    """LOG-4: at whatever moment of the index's own it looks, and after the writer has died with a part unwritten."""
    path = os.fspath(tmp_path / "log")
    reader = LmdbRecorder(path)
    with child(SHORT_TAIL, path, "os", "by line") as process:
        told(process)
        reader.open(readonly=True)
        for _ in range(10):
            stdin(process).write("\n" * 7)
            stdin(process).flush()
            assert_queries_are_answered(reader, reader.head)
        while int(told(process)) < 210:
            pass
        process.kill()
        process.wait()
        assert reader._indexed() <= reader.head < reader._indexed() + 13
        assert_queries_are_answered(reader, reader.head)
        assert not list(reader.check_indexes())
    writer = LmdbRecorder(path, durability="os")
    writer.append(sample_events(3))
    assert_queries_are_answered(writer, writer.head)
    writer.close()
    assert reader._indexed() == reader.head
    assert_queries_are_answered(reader, reader.head)
    assert not list(reader.check_indexes())
    reader.close()


def test_a_full_disk_loses_nothing_and_the_log_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """LOG-5."""
    with child(FULL, os.fspath(tmp_path / "log")) as process:
        name, head, consistent = told(process).split()
        assert (name, consistent) == ("StoreError", "True")
        assert int(head) > 0
        assert told(process) == "True []"
        assert process.wait() == 0
