"""The raw side writes what the log holds, byte for byte."""

from __future__ import annotations

from pathlib import Path

import lmdb
import pytest

from benchmarks.network import Network
from benchmarks.peers.raw_lmdb import Rows, last_commit, rows_after, spread, write
from events.stores.lmdb_chunks import key_of
from events.stores.query import tag_label, type_label
from hub import DiskKnowledgeStore


async def test_rows_are_the_logs_own_records_and_index_entries(tmp_path: Path) -> None:
    network = await Network.open(DiskKnowledgeStore(tmp_path), 2)
    head, commit = network.hub.position, last_commit(str(tmp_path))
    await network.post(2)
    rows = rows_after(str(tmp_path), head)
    assert last_commit(str(tmp_path)) > commit
    assert [row.position for row in rows] == list(range(head + 1, network.hub.position + 1))
    stored = {found.position: found.event for found in network.hub.store.scan()}
    for row in rows:
        event = stored[row.position]
        assert row.record == network.hub.store.leaf_hash(row.position) + event.data
        assert row.labels == [type_label(event.type), *map(tag_label, event.tags)]
    write(tmp_path / "raw", [rows])
    assert _rows(tmp_path / "raw", b"events") == [(key_of(row.position), row.record) for row in rows]
    entries = sorted((label, key_of(row.position)) for row in rows for label in row.labels)
    assert _rows(tmp_path / "raw", b"index") == entries
    await network.close()


def _rows(folder: Path, database: bytes) -> list[tuple[bytes, bytes]]:
    """Everything in a database, read from a copy: LMDB wants a file opened once in a process."""
    copy = folder / "copy.mdb"
    copy.write_bytes((folder / "data.mdb").read_bytes())
    with lmdb.open(str(copy), subdir=False, readonly=True, lock=False, max_dbs=4) as env:
        db = env.open_db(database, create=False)
        with env.begin() as txn:
            return list(txn.cursor(db))


def test_writing_takes_one_commit_a_group(tmp_path: Path) -> None:
    rows = [Rows(at, b"record %d" % at, [b"label", b"own %d" % at]) for at in range(1, 8)]
    seconds = write(tmp_path, spread(rows, 3))
    assert len(seconds) == 3
    assert [value for _, value in _rows(tmp_path, b"events")] == [row.record for row in rows]
    assert len(_rows(tmp_path, b"index")) == 14


@pytest.mark.parametrize(
    ("count", "parts", "sizes"), [(7, 3, [2, 2, 3]), (3, 7, [1, 1, 1]), (4, 1, [4]), (6, 3, [2, 2, 2])]
)
def test_spreading_is_even(count: int, parts: int, sizes: list[int]) -> None:
    cut = spread(list(range(count)), parts)
    assert [len(part) for part in cut] == sizes
    assert [item for part in cut for item in part] == list(range(count))
