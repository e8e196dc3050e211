"""The check finds what is damaged, and says where."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from events.errors import CorruptLogError
from events.stores.conformance import sample_events, sample_queries
from events.stores.lmdb import LmdbRecorder
from events.stores.query import tag_label, type_label
from tests.support.damage import Raw, flip, raw


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[LmdbRecorder]:
    made = LmdbRecorder(tmp_path / "log", durability="os")
    made.append(sample_events(600))
    made.close()
    yield made
    made.close()


def damage_record(log: Raw) -> None:
    log.values[8] = flip(log.values[8], len(log.values[8]) - 1)


def damage_leaf(log: Raw) -> None:
    log.values[8] = flip(log.values[8], 0)


def damage_shape(log: Raw) -> None:
    log.values[8] = log.values[8][:32] + b"\xc1"


def delete_event(log: Raw) -> None:
    del log.values[8]


def delete_index(log: Raw) -> None:
    log.index[type_label("posted")].remove(8)


def stray_index(log: Raw) -> None:
    log.index[tag_label("nobody")].add(8)


def swap_index(log: Raw) -> None:
    delete_index(log)
    stray_index(log)


def damage_node(log: Raw) -> None:
    log.put_node(1, 1, bytes(32))


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
    with raw(Path(recorder.path)) as log:
        damage(log)
    recorder.open(readonly=True)
    found = list(recorder.check_indexes())
    assert found[: len(sentences)] == [sentence.format(path=recorder.path) for sentence in sentences]
    # A missing event also leaves its index entries and the nodes above it without their reason.
    assert len(found) == len(sentences) or damage in {delete_event, damage_shape}


def test_the_last_events_are_missing(recorder: LmdbRecorder) -> None:
    with raw(Path(recorder.path)) as log:
        for position in range(300, 601):
            del log.values[position]
    recorder.open(readonly=True)
    assert recorder.head == 299
    assert "the tree" not in " ".join(recorder.check_indexes())
    recorder.close()
    with pytest.raises(CorruptLogError, match="holds positions after its last one"):
        recorder.append(sample_events(1))


def test_reading_damage_names_the_position(recorder: LmdbRecorder) -> None:
    with raw(Path(recorder.path)) as log:
        damage_shape(log)
    with pytest.raises(CorruptLogError) as caught:
        list(recorder.scan())
    assert (caught.value.position, caught.value.path) == (8, recorder.path)
    assert recorder.get(9) is not None


def test_an_index_that_points_nowhere_is_named(recorder: LmdbRecorder) -> None:
    with raw(Path(recorder.path)) as log:
        delete_event(log)
    with pytest.raises(CorruptLogError) as caught:
        list(recorder.scan(sample_queries()[8]))
    assert caught.value.position == 8


def test_a_tree_that_lacks_a_node_is_named(recorder: LmdbRecorder) -> None:
    with raw(Path(recorder.path)) as log:
        log.drop_node(1, 0)
    recorder.open(readonly=True)
    with pytest.raises(CorruptLogError, match="lacks nodes of tile level 1"):
        recorder.root()
