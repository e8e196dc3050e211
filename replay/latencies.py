"""How long something took, many times: percentiles in bounded memory, exact as long as that fits.

Up to ``EXACT_MAX`` values are kept as they are, and percentiles are theirs. From then on values are counted in buckets
that grow with the value: whole microseconds below 256, above that 128 buckets for each doubling, as in an HDR
histogram (http://hdrhistogram.org). A percentile is then the top of its bucket: at most ``ERROR_MAX`` too high, never
too low. Number, sum and maximum stay exact. A value costs O(1); a percentile O(n log n) of what is kept.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from math import ceil
from typing import NamedTuple

EXACT_MAX = 16_384
ERROR_MAX = 1 / 128
_BITS = 7
_LINEAR = 2 << _BITS


class Summary(NamedTuple):
    """Percentiles by nearest rank in microseconds: the smallest value that so many per cent do not exceed.

    ``exact`` is False when they may be up to ``ERROR_MAX`` too high.
    """

    n: int
    p50_us: int
    p95_us: int
    p99_us: int
    max_us: int
    mean_us: int
    exact: bool


class Latencies:
    """Collects values in microseconds, 0 or more; memory at most ``EXACT_MAX`` values, then at most 7,424 counts."""

    __slots__ = ("_buckets", "_kept", "_max_us", "_sum_us", "n")

    def __init__(self) -> None:
        self.n = self._sum_us = self._max_us = 0
        self._kept: array[int] | None = array("q")
        self._buckets: dict[int, int] = {}

    def add(self, us: int) -> None:
        """Take a value."""
        self.n += 1
        self._sum_us += us
        self._max_us = max(self._max_us, us)
        if self._kept is None:
            self._count(us)
            return
        self._kept.append(us)
        if len(self._kept) > EXACT_MAX:
            for kept in self._kept:
                self._count(kept)
            self._kept = None

    def _count(self, us: int) -> None:
        bucket = _bucket(us)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1

    @property
    def exact(self) -> bool:
        """Whether percentiles are those of the values themselves."""
        return self._kept is not None

    def summary(self) -> Summary | None:
        """Return what the values came to, or None when there are none."""
        if not self.n:
            return None
        p50, p95, p99 = self._percentiles(0.50, 0.95, 0.99)
        return Summary(self.n, p50, p95, p99, self._max_us, self._sum_us // self.n, self.exact)

    def _percentiles(self, *shares: float) -> Iterator[int]:
        if self._kept is not None:
            ordered = sorted(self._kept)
            return (ordered[_rank(self.n, share) - 1] for share in shares)
        return (self._bucketed(_rank(self.n, share)) for share in shares)

    def _bucketed(self, rank: int) -> int:
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= rank:
                return min(_top(bucket), self._max_us)
        return self._max_us


def _rank(n: int, share: float) -> int:
    return max(ceil(share * n), 1)


def _bucket(us: int) -> int:
    """Return the number of a value's bucket, ascending with the value."""
    if us < _LINEAR:
        return us
    shift = us.bit_length() - _BITS - 1
    return (shift << _BITS) + (us >> shift)


def _top(bucket: int) -> int:
    """Return the largest value of a bucket."""
    if bucket < _LINEAR:
        return bucket
    shift = (bucket >> _BITS) - 1
    return ((bucket - (shift << _BITS) + 1) << shift) - 1
