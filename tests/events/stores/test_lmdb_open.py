"""Opening: what is there, what is not, and what is something else (SPEC LOG-5, LOG-7, §12)."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest
from eventsourcing.dcb.api import DCBEvent

from events.errors import CorruptLogError, StoreError, StoreLockedError
from events.stores import DiskKnowledgeStore, MemoryKnowledgeStore
from events.stores.conformance import sample_events
from events.stores.lmdb import LmdbRecorder
from events.stores.lmdb_header import Header


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A closed log with 100 events."""
    path = tmp_path / "log"
    recorder = LmdbRecorder(path, new_origin=lambda: "0123456789abcdef" * 2)
    recorder.append(sample_events(100))
    recorder.close()
    return path


def put_header(path: Path, change: Callable[[bytes], bytes]) -> None:
    with lmdb.open(os.fspath(path), max_dbs=4) as env:
        meta = env.open_db(b"meta", create=False)
        with env.begin(write=True) as txn:
            txn.put(b"header", change(txn.get(b"header", db=meta) or b""), db=meta)


def refusal(path: Path, readonly: bool = False, **options: str) -> StoreError:
    recorder = LmdbRecorder(path, **options)  # type: ignore[arg-type]
    with pytest.raises(StoreError) as caught:
        recorder.open(readonly=readonly)
    assert not recorder.is_open
    assert "\n" not in str(caught.value)
    return caught.value


def test_the_folder_has_what_it_says(log: Path) -> None:
    assert sorted(os.listdir(log)) == ["data.mdb", "lock.mdb", "writer.lock"]
    assert (log / "writer.lock").read_text() == f"{os.getpid()}\n"


def test_the_header_is_the_table_in_the_docstring(log: Path) -> None:
    with lmdb.open(os.fspath(log), max_dbs=4) as env, env.begin() as txn:
        header = txn.get(b"header", db=env.open_db(b"meta", txn, create=False))
    assert header is not None
    assert header[:8] == b"ledgrhub"
    assert struct.unpack(">II", header[8:16]) == (2, 0)
    assert header[16:32].hex() == "0123456789abcdef" * 2
    assert header[32:] == b"\x0dledgerhub 0.1\x06record"


def test_the_origin_is_made_once(log: Path) -> None:
    recorder = LmdbRecorder(log, new_origin=lambda: pytest.fail("a log that exists has its origin"))
    assert recorder.origin == "0123456789abcdef" * 2
    recorder.close()


def test_reading_what_is_not_there_creates_nothing(tmp_path: Path) -> None:
    error = refusal(tmp_path / "nothing", readonly=True)
    assert str(error) == f"there is no log in {tmp_path / 'nothing'}: check the path"
    (tmp_path / "empty").mkdir()
    refusal(tmp_path / "empty", readonly=True)
    assert list(tmp_path.iterdir()) == [tmp_path / "empty"]
    assert not list((tmp_path / "empty").iterdir())


@pytest.mark.parametrize("readonly", [True, False])
def test_a_path_that_is_a_file(tmp_path: Path, readonly: bool) -> None:
    (tmp_path / "file").write_text("mine")
    assert str(tmp_path / "file") in str(refusal(tmp_path / "file", readonly=readonly))
    assert (tmp_path / "file").read_text() == "mine"
    assert isinstance(refusal(tmp_path / "file" / "below", readonly=readonly), StoreError)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        assert "cannot be" in str(refusal(Path("/proc/nowhere")))
        return
    tmp_path.chmod(0o500)
    assert "cannot be" in str(refusal(tmp_path / "log"))


@pytest.mark.parametrize("readonly", [True, False])
def test_a_file_that_is_not_lmdb_s(tmp_path: Path, readonly: bool) -> None:
    (tmp_path / "data.mdb").write_bytes(b"no database at all" * 1000)
    assert isinstance(refusal(tmp_path, readonly=readonly), CorruptLogError)
    assert (tmp_path / "data.mdb").read_bytes() == b"no database at all" * 1000


@pytest.mark.parametrize("readonly", [True, False])
@pytest.mark.parametrize("named", [True, False])
def test_an_lmdb_file_that_is_not_a_log(tmp_path: Path, readonly: bool, named: bool) -> None:
    with lmdb.open(os.fspath(tmp_path), max_dbs=4) as env:
        for name in (b"events", b"index", b"nodes", b"meta") if named else ():
            env.open_db(name)
        with env.begin(write=True) as txn:
            txn.put(b"somebody", b"else's")
    assert "not a ledgerhub log" in str(refusal(tmp_path, readonly=readonly))


@pytest.mark.parametrize("readonly", [True, False])
@pytest.mark.parametrize("kept", [0, 5000, 9000, 40_000])
def test_a_file_cut_short(log: Path, readonly: bool, kept: int) -> None:
    """A truncated file is refused by name: read past its end, the process would die."""
    os.truncate(log / "data.mdb", kept)
    error = refusal(log, readonly=readonly)
    assert isinstance(error, CorruptLogError)
    assert str(log) in str(error)


@pytest.mark.parametrize("readonly", [True, False])
def test_a_file_whose_pages_are_gone(log: Path, readonly: bool) -> None:
    with (log / "data.mdb").open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(8192)
        file.write(bytes(size - 8192))
    assert isinstance(refusal(log, readonly=readonly), CorruptLogError)


@pytest.mark.parametrize("readonly", [True, False])
def test_an_unknown_format_names_the_version_that_reads_it(log: Path, readonly: bool) -> None:
    """LOG-7: a clear error, never a guess."""
    put_header(log, lambda header: header[:8] + struct.pack(">II", 7, 0) + header[16:32] + b"\x0dledgerhub 9.9" + b"?")
    error = refusal(log, readonly=readonly)
    assert (
        str(error)
        == f"the log {log} has format 7, which this version does not know: open it with ledgerhub 9.9 or later"
    )
    assert error.format == 7


def test_a_format_of_before_the_first_release_is_refused_by_name(log: Path) -> None:
    """LOG-7: nobody was given such a log, so nothing reads one."""
    put_header(log, lambda header: header[:8] + struct.pack(">I", 1) + header[12:])
    error = refusal(log)
    assert str(error) == f"the log {log} has format 1, of a version before the first release: make the log anew"
    assert error.format == 1


def test_an_unknown_flag_is_named(log: Path) -> None:
    put_header(log, lambda header: header[:12] + struct.pack(">I", 0x10) + header[16:])
    assert "has flag 0x10, which this version does not know" in str(refusal(log))


@pytest.mark.parametrize("change", [lambda h: b"", lambda h: b"otherone" + h[8:], lambda h: h[:33], lambda h: h[:-1]])
def test_a_garbled_header(log: Path, change: Callable[[bytes], bytes]) -> None:
    put_header(log, change)
    assert "not a ledgerhub log" in str(refusal(log))


def test_a_log_keeps_its_record_rule(log: Path) -> None:
    error = refusal(log, record_rule="event")
    assert "'record'" in str(error)
    assert "'event'" in str(error)
    assert "unknown record rule 'mine'" in str(refusal(log, record_rule="mine"))


def test_a_durability_has_a_name(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="'fsync' or 'os', not 'maybe'"):
        LmdbRecorder(tmp_path, durability="maybe")  # type: ignore[arg-type]


def test_headers_come_back() -> None:
    header = Header("ab" * 16, "event")
    assert Header.unpack(header.pack(), "log") == header


def test_a_map_too_large_for_the_address_space(tmp_path: Path) -> None:
    """It asks for half as often as it is refused."""
    recorder = LmdbRecorder(tmp_path, map_size_bytes=1 << 62)
    assert recorder.append(sample_events(3)) == 3
    recorder.close()


def test_a_crash_while_a_log_is_made_leaves_none(tmp_path: Path) -> None:
    (tmp_path / ".making").mkdir()
    (tmp_path / ".making" / "data.mdb").write_bytes(b"half")
    refusal(tmp_path, readonly=True)
    recorder = LmdbRecorder(tmp_path)
    assert recorder.append(sample_events(1)) == 1
    recorder.close()
    assert not (tmp_path / ".making").exists()


def test_one_process_opens_a_log_many_times(log: Path) -> None:
    """One writes, others read, whoever came first; a second writer is refused with the holder's pid (LOG-4)."""
    early, writer, late, second = (LmdbRecorder(log) for _ in range(4))
    early.open(readonly=True)
    writer.open()
    late.open(readonly=True)
    with pytest.raises(StoreLockedError) as caught:
        second.open()
    assert (caught.value.pid, caught.value.path) == (os.getpid(), str(log))
    assert str(os.getpid()) in str(caught.value)
    writer.append(sample_events(5))
    assert early.head == late.head == 105
    writer.close()
    assert len(list(early.scan())) == 105
    early.close()
    assert second.append(sample_events(1)) == 106
    assert late.head == 106
    second.close()
    late.close()


def test_the_hub_s_two_stores(tmp_path: Path) -> None:
    """LOG-3: as the SPEC writes them."""
    for store in (MemoryKnowledgeStore(), DiskKnowledgeStore(tmp_path / "log", "os", map_size=1 << 30)):
        store.open()
        assert len(store.origin) == 32
        stranger = DCBEvent("t", b"data", ["tag"])  # an event that is not the hub's
        assert store.append([stranger]) == 1
        assert [found.event for found in store.read()] == [stranger]
        assert list(store.check_indexes()) == []
        store.close()
