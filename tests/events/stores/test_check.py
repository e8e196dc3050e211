"""The check finds what is damaged, and says where."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb
import pytest

from events.errors import CorruptLogError
from events.stores.conformance import sample_events, sample_queries
from events.stores.lmdb import LmdbRecorder
from events.stores.lmdb_index import key_of, node_key


class Raw:
    """The log's databases, open for damage."""

    def __init__(self, env: lmdb.Environment, txn: lmdb.Transaction[bytes]) -> None:
        self.txn = txn
        self.events, self.index, self.nodes = (env.open_db(name, txn) for name in (b"events", b"index", b"nodes"))

    def value(self, position: int) -> bytes:
        value = self.txn.get(key_of(position), db=self.events)
        assert value is not None
        return value

    def put(self, position: int, value: bytes) -> None:
        self.txn.put(key_of(position), value, db=self.events)


@contextmanager
def damaged(path: Path) -> Iterator[Raw]:
    with lmdb.open(os.fspath(path), max_dbs=4) as env, env.begin(write=True) as txn:
        yield Raw(env, txn)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[LmdbRecorder]:
    made = LmdbRecorder(tmp_path / "log", durability="os")
    made.append(sample_events(600))
    made.close()
    yield made
    made.close()


def flip(value: bytes, at: int) -> bytes:
    return value[:at] + bytes((value[at] ^ 1,)) + value[at + 1 :]


def damage_record(raw: Raw) -> None:
    raw.put(8, flip(raw.value(8), len(raw.value(8)) - 1))


def damage_leaf(raw: Raw) -> None:
    raw.put(8, flip(raw.value(8), 0))


def damage_shape(raw: Raw) -> None:
    raw.put(8, raw.value(8)[:32] + b"\xc1")


def delete_event(raw: Raw) -> None:
    raw.txn.delete(key_of(8), db=raw.events)


def delete_index(raw: Raw) -> None:
    raw.txn.delete(b"\x00posted", key_of(8), db=raw.index)


def stray_index(raw: Raw) -> None:
    raw.txn.put(b"\x01nobody", key_of(8), db=raw.index)


def swap_index(raw: Raw) -> None:
    delete_index(raw)
    stray_index(raw)


def damage_node(raw: Raw) -> None:
    raw.txn.put(node_key(1, 1), bytes(32), db=raw.nodes)


@pytest.mark.parametrize(
    ("damage", "sentences"),
    [
        (damage_record, ["the event at position 8 is not the one its leaf hash was made of"]),
        (
            damage_leaf,
            [
                "the event at position 8 is not the one its leaf hash was made of",
                "the tree's node over positions 1 to 256 is wrong",
            ],
        ),
        (
            damage_shape,
            ["the event at position 8 of {path} is not a record: restore the log from a copy, or run verify"],
        ),
        (delete_event, ["positions 8 to 8 are missing"]),
        (delete_index, ["the event at position 8 is missing in the index under type 'posted'"]),
        (stray_index, ["the index has position 8 under tag 'nobody', but the event there has it not"]),
        (
            swap_index,
            [
                "the event at position 8 is missing in the index under type 'posted'",
                "the index has position 8 under tag 'nobody', but the event there has it not",
            ],
        ),
        (damage_node, ["the tree's node over positions 257 to 512 is wrong"]),
    ],
)
def test_each_kind_of_damage(recorder: LmdbRecorder, damage: Callable[[Raw], None], sentences: list[str]) -> None:
    with damaged(Path(recorder.path)) as raw:
        damage(raw)
    recorder.open(readonly=True)
    found = list(recorder.check_indexes())
    assert found[: len(sentences)] == [sentence.format(path=recorder.path) for sentence in sentences]
    # A missing event also leaves its index entries and the nodes above it without their reason.
    assert len(found) == len(sentences) or damage in {delete_event, damage_shape}


def test_the_last_events_are_missing(recorder: LmdbRecorder) -> None:
    with damaged(Path(recorder.path)) as raw:
        for position in range(300, 601):
            raw.txn.delete(key_of(position), db=raw.events)
    recorder.open(readonly=True)
    assert recorder.head == 299
    assert "the tree" not in " ".join(recorder.check_indexes())
    recorder.close()
    with pytest.raises(CorruptLogError, match="holds positions after its last one"):
        recorder.append(sample_events(1))


def test_reading_damage_names_the_position(recorder: LmdbRecorder) -> None:
    with damaged(Path(recorder.path)) as raw:
        damage_shape(raw)
    with pytest.raises(CorruptLogError) as caught:
        list(recorder.scan())
    assert (caught.value.position, caught.value.path) == (8, recorder.path)
    assert recorder.get(9) is not None


def test_an_index_that_points_nowhere_is_named(recorder: LmdbRecorder) -> None:
    with damaged(Path(recorder.path)) as raw:
        delete_event(raw)
    with pytest.raises(CorruptLogError) as caught:
        list(recorder.scan(sample_queries()[8]))
    assert caught.value.position == 8


def test_a_tree_that_lacks_a_node_is_named(recorder: LmdbRecorder) -> None:
    with damaged(Path(recorder.path)) as raw:
        raw.txn.delete(node_key(1, 0), db=raw.nodes)
    recorder.open(readonly=True)
    with pytest.raises(CorruptLogError, match="lacks nodes of tile level 1"):
        recorder.root()
