"""Blocks of the index, against a plain list of positions."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from tempfile import TemporaryDirectory

import lmdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import CorruptLogError
from events.stores import lmdb_blocks
from events.stores.lmdb_blocks import OPEN, POSITIONS_MAX, Block, Blocks, label_of, merged
from events.stores.query import END, tag_label, type_label

LABEL = tag_label("session:" + "5" * 32)
NEIGHBOURS = [tag_label("session:" + "4" * 32), tag_label("session:" + "5" * 31 + "6"), type_label("posted")]
POSITIONS = st.lists(st.integers(1, 300_000), min_size=1, max_size=60, unique=True).map(sorted)


@contextmanager
def index(*parts: dict[bytes, list[int]]) -> Iterator[lmdb.Cursor[bytes]]:
    """An index to which these were added one after the other."""
    with TemporaryDirectory() as folder, lmdb.open(folder, sync=False) as env:
        for part in parts:
            with env.begin(write=True) as txn:
                cursor = txn.cursor()
                cursor.putmulti(merged(cursor, part, "log"))
        with env.begin() as txn:
            yield txn.cursor()


@given(
    POSITIONS, st.lists(st.integers(0, 60), max_size=3), st.lists(st.integers(0, 310_000), max_size=9), st.booleans()
)
def test_seeks_find_what_is_there(positions: list[int], cuts: list[int], asked: list[int], small: bool) -> None:
    """However it was added, in blocks of any number, beside neighbours; forwards, backwards and criss-cross."""
    ends = [0, *sorted(min(cut, len(positions)) for cut in cuts), len(positions)]
    parts = [positions[low:high] for low, high in pairwise(ends)]
    others = {label: [7] for label in NEIGHBOURS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lmdb_blocks, "POSITIONS_MAX", 4 if small else POSITIONS_MAX)
        with index(others, *({LABEL: part} for part in parts if part)) as cursor:
            blocks = Blocks(cursor, LABEL, "log")
            for position in [*asked, *positions[::7], *positions[::-5]]:
                after, before = bisect_left(positions, position), bisect_right(positions, position)
                assert blocks.at_or_after(position) == (positions[after] if after < len(positions) else END)
                assert blocks.at_or_before(position) == (positions[before - 1] if before else 0)
            assert Blocks(cursor, tag_label("nobody"), "log").at_or_after(1) == END
            assert Blocks(cursor, tag_label("nobody"), "log").at_or_before(END - 1) == 0
            found = (
                [Block(value, "").positions() for key, value in cursor.iternext() if label_of(key) == LABEL]
                if cursor.first()
                else []
            )
            assert [position for part in found for position in part] == positions


def test_a_full_block_is_closed_and_fills_a_page() -> None:
    positions = list(range(1, 2 * POSITIONS_MAX + 2))
    with index({LABEL: positions[:100]}, {LABEL: positions[100:]}) as cursor:
        sizes = {key[len(LABEL) :]: len(value) for key, value in cursor}
    closed = [POSITIONS_MAX.to_bytes(8, "big"), (2 * POSITIONS_MAX).to_bytes(8, "big")]
    assert sizes == {closed[0]: 4080, closed[1]: 4080, OPEN: 8}


def test_a_block_spans_no_more_than_two_bytes_can_say() -> None:
    with index({LABEL: [1, 65_536, 65_537]}) as cursor:
        assert [list(Block(value, "").positions()) for _, value in cursor] == [[1, 65_536], [65_537]]


def test_a_block_is_these_bytes() -> None:
    """LOG-7: the table in ``lmdb.py``; a change here is a new format."""
    with index({LABEL: [258, 259]}, {LABEL: [600]}) as cursor:
        assert list(cursor) == [(LABEL + OPEN, b"\0\0\0\0\0\0\1\2\0\1\1\x56")]


@pytest.mark.parametrize("value", [b"", bytes(7), bytes(9), bytes(4081)])
def test_what_is_no_block_is_named(value: bytes) -> None:
    with pytest.raises(CorruptLogError, match="the index of log is damaged"):
        Block(value, "log")


def test_no_label_is_the_beginning_of_another() -> None:
    texts = [
        "",
        "a",
        "a\0",
        "a\0\0\0\0\0\0\0\0",
        "\0",
        "session:" + "a" * 32,
        "session:" + "A" * 32,
        ":" + "0" * 32,
        "x" * 256,
    ]
    labels = [label(text) for text in texts for label in (type_label, tag_label)]
    assert not [(one, other) for one in labels for other in labels if one is not other and other.startswith(one)]
