"""A chunk: the records of neighbouring positions in one value of LMDB, with their leaf hashes (table in ``lmdb.py``).

A commit is one chunk or a few, so that it costs a handful of calls however many events it has: each call into LMDB
gives the interpreter's lock away, and while another thread computes it takes a switch interval to get it back.

LMDB puts a value of up to half a page beside others, and a larger one on pages of its own. So a chunk is cut where the
pages that it takes are full, and what is left of a commit goes beside others if it is small enough.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from events.errors import CorruptLogError
from events.merkle import HASH_SIZE_BYTES

PAGE_BYTES = 4096
"""LMDB's page where the system's has this size; where it is larger, chunks waste a little of it."""
PAGES_MAX = 8
_PAGE_HEADER_BYTES = 16
_SHARED_BYTES_MAX = 2022
"""The largest value, under a key of 8 bytes, that shares a page of 4096 bytes."""
_SPARED_BYTES = 512
"""So much of a page may stay empty where it spares a chunk of its own."""
_COUNT_BYTES = _END_BYTES = 4
_EACH_BYTES = _END_BYTES + HASH_SIZE_BYTES
_ONE = (1).to_bytes(_COUNT_BYTES, "big")


def key_of(position: int) -> bytes:
    """Return the key of a position: 8 bytes, big-endian, so that byte order is number order."""
    return position.to_bytes(8, "big")


def position_of(key: bytes) -> int:
    """Return the position of a key."""
    return int.from_bytes(key, "big")


def numbers(code: str, data: bytes) -> array[int]:
    """Return big-endian unsigned integers: ``H`` of 2 bytes, ``I`` of 4."""
    found = array(code, data)
    if sys.byteorder == "little":
        found.byteswap()
    return found


def packed(code: str, integers: Sequence[int]) -> bytes:
    """Return what ``numbers`` reads."""
    given = array(code, integers)
    if sys.byteorder == "little":
        given.byteswap()
    return given.tobytes()


def cut(records: Sequence[bytes]) -> Iterator[slice]:
    """Yield the parts of a commit's records that make a chunk each; O(records)."""
    ends = list(accumulate((len(record) + _EACH_BYTES for record in records), initial=_COUNT_BYTES))
    start, last = 0, len(records)
    while start < last:
        taken, left = ends[start], ends[last] - ends[start] + _COUNT_BYTES
        stop = last
        if left > _SHARED_BYTES_MAX:
            pages = min(PAGES_MAX, max(1, (left + _PAGE_HEADER_BYTES + _SPARED_BYTES) // PAGE_BYTES))
            room = pages * PAGE_BYTES - _PAGE_HEADER_BYTES - _COUNT_BYTES
            stop = max(start + 1, bisect_right(ends, taken + room) - 1)
        yield slice(start, stop)
        start = stop


def pack(records: Sequence[bytes], leaves: Sequence[bytes]) -> bytes:
    """Return the value of a chunk; O(bytes)."""
    head = packed("I", [len(records), *accumulate(map(len, records))])
    return b"".join((head, *leaves, *records))


def only_record(value: bytes) -> bytes | None:
    """Return the record of a chunk that has just one, None for any other; O(its bytes)."""
    start = _COUNT_BYTES + _EACH_BYTES
    if value[:_COUNT_BYTES] != _ONE or int.from_bytes(value[_COUNT_BYTES : _COUNT_BYTES + _END_BYTES], "big") != (
        len(value) - start
    ):
        return None
    return value[start:]


class Chunk:
    """A chunk as it was read.

    Args:
        key: of its last position.
        value: as ``pack`` made it.
        path: of the log, for messages.

    Raises:
        CorruptLogError: its size is not what its head says.
    """

    __slots__ = ("_ends", "_records_start", "_value", "first", "last")

    def __init__(self, key: bytes, value: bytes, path: str) -> None:
        self.last = position_of(key)
        count = int.from_bytes(value[:_COUNT_BYTES], "big")
        self.first = self.last - count + 1
        self._value = value
        self._records_start = start = _COUNT_BYTES + count * _EACH_BYTES
        if not 0 < count <= self.last or start > len(value):
            self._ends: Sequence[int] = ()
        elif count == 1:  # as whoever posts alone writes them
            self._ends = (int.from_bytes(value[_COUNT_BYTES : _COUNT_BYTES + _END_BYTES], "big"),)
        else:
            self._ends = numbers("I", value[_COUNT_BYTES : _COUNT_BYTES + count * _END_BYTES])
        if not self._ends or start + self._ends[-1] != len(value):
            raise CorruptLogError(
                f"the records up to position {self.last} of {path} are damaged: restore the log from a copy",
                position=self.last,
                path=path,
            )

    def record(self, position: int) -> bytes:
        """Return the record at a position of it."""
        at = position - self.first
        start = self._ends[at - 1] if at else 0
        return self._value[self._records_start + start : self._records_start + self._ends[at]]

    def records(self, first: int, last: int) -> list[bytes]:
        """Return the records from one of its positions to another."""
        value, start = self._value, self._records_start
        ends = [start, *[start + end for end in self._ends]]
        return [value[low:high] for low, high in pairwise(ends[first - self.first : last - self.first + 2])]

    def leaves(self, first: int, last: int) -> list[bytes]:
        """Return the leaf hashes from one of its positions to another."""
        start = _COUNT_BYTES + len(self._ends) * _END_BYTES
        low, high = start + (first - self.first) * HASH_SIZE_BYTES, start + (last - self.first + 1) * HASH_SIZE_BYTES
        return [self._value[at : at + HASH_SIZE_BYTES] for at in range(low, high, HASH_SIZE_BYTES)]
