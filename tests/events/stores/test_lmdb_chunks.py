"""Chunks: what goes in comes out, and pages are filled."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import CorruptLogError
from events.merkle import leaf_hash
from events.stores.lmdb_chunks import PAGE_BYTES, Chunk, cut, key_of, numbers, pack, packed

RECORDS = st.lists(st.binary(max_size=300), min_size=1, max_size=40)


@given(RECORDS, st.integers(0, 1 << 40), st.data())
def test_what_goes_in_comes_out(records: list[bytes], after: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(record) for record in records]
    chunk = Chunk(key_of(after + len(records)), pack(records, leaves), "log")
    assert (chunk.first, chunk.last) == (after + 1, after + len(records))
    low = data.draw(st.integers(0, len(records) - 1))
    high = data.draw(st.integers(low, len(records) - 1))
    first, last = chunk.first + low, chunk.first + high
    assert chunk.records(first, last) == records[low : high + 1]
    assert chunk.leaves(first, last) == leaves[low : high + 1]
    assert [chunk.record(position) for position in range(first, last + 1)] == records[low : high + 1]


def test_a_chunk_is_these_bytes() -> None:
    """LOG-7: the table in ``lmdb.py``; a change here is a new format."""
    assert pack([b"ab", b"", b"c"], [b"x" * 32, b"y" * 32, b"z" * 32]) == (
        b"\0\0\0\3\0\0\0\2\0\0\0\2\0\0\0\3" + b"x" * 32 + b"y" * 32 + b"z" * 32 + b"abc"
    )


@given(st.lists(st.integers(0, 9000), min_size=1, max_size=300))
def test_a_commit_is_cut_into_neighbours_that_fill_their_pages(sizes: list[int]) -> None:
    """All but the last two leave less than one more record would take, or have but one record, and that is large."""
    records = [bytes(size) for size in sizes]
    parts = list(cut(records))
    assert (parts[0].start, parts[-1].stop) == (0, len(records))
    assert all(before.stop == after.start for before, after in pairwise(parts))
    for part in parts[:-2]:
        size = 16 + len(pack(records[part], [bytes(32)] * (part.stop - part.start)))
        left = -size % PAGE_BYTES
        assert left < len(records[part.stop]) + 36 or part.stop - part.start == 1


def test_small_commits_are_one_chunk() -> None:
    for count in (1, 5, 9):
        assert list(cut([bytes(180)] * count)) == [slice(0, count)]


GOOD = pack([b"one", b"two"], [bytes(32)] * 2)


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (2, GOOD[:-1]),
        (2, GOOD + b"x"),
        (2, b"\0\0\0\0" + GOOD[4:]),
        (2, b"\0\0\0\3" + GOOD[4:]),
        (2, b"\xff\xff\xff\xff" + GOOD[4:]),
        (1, GOOD),
        (2, b""),
        (2, GOOD[:40]),
    ],
)
def test_what_is_no_chunk_is_named(position: int, value: bytes) -> None:
    with pytest.raises(CorruptLogError, match=f"the records up to position {position} of log are damaged") as caught:
        Chunk(key_of(position), value, "log")
    assert (caught.value.position, caught.value.path) == (position, "log")


@given(st.lists(st.integers(0, 0xFFFF)))
def test_numbers_are_big_endian(integers: list[int]) -> None:
    assert packed("H", integers) == b"".join(each.to_bytes(2, "big") for each in integers)
    assert list(numbers("H", packed("H", integers))) == integers
