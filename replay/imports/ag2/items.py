"""What becomes an event, in one order, with ids in that order.

An ag2 folder has a file for each channel and one for the audit, each in its own order. ``merged`` keeps that of every
file, and goes by time between them; at equal times by ``rank``, then by id, so that the same folder always gives the
same log. Ids ascend with positions in a log (docs/decisions/0004). Those of ag2 begin with the time, so nearly all
stay; one that is no id, or out of order, is replaced by one that fits.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from events.values.identity import AGENT_ID
from events.values.times import parse_iso
from replay.imports.ag2.report import Report
from replay.imports.ag2.source import Json

AGENT, CHANNEL, TASK, AUDIT, LAST = range(5)
"""Ranks: what comes first of things that happened in the same microsecond."""
_TIME_BITS = 64
_OWN_MAX = 1 << 127
"""Ids of ag2 are below this until the year 2262; one above it would leave a hub that goes on no room."""


class Item(NamedTuple):
    """What will be one event.

    ``own`` is the id that ag2 gave it, empty when it gave none. ``kind`` says which event; ``where`` is the file and
    line.
    """

    at_us: int
    rank: int
    own: str
    kind: str
    data: Json
    where: str


class Stream:
    """The items of one file, whose order stays: a time that goes back is that of the item before.

    Args:
        report: told of times that go back or cannot be read.
        start_us: the time of what has none, at the beginning.
    """

    def __init__(self, report: Report, start_us: int = 0) -> None:
        self._report = report
        self._last_us = start_us
        self.items: list[Item] = []

    def add(self, at: object, rank: int, own: object, kind: str, data: Json, where: str) -> None:
        """Append an item; ``at`` is ISO-8601, as ag2 writes it."""
        try:
            at_us = parse_iso(at if isinstance(at, str) else "")
        except ValueError:
            self._report.note("bad_time", f"{where}: {at!r}")
            at_us = self._last_us
        if at_us < self._last_us:
            self._report.note("clamped", f"{where}: {at}")
        self._last_us = max(at_us, self._last_us)
        self.items.append(Item(self._last_us, rank, own if isinstance(own, str) else "", kind, data, where))


def merged(streams: Iterable[Sequence[Item]]) -> Iterator[Item]:
    """Give the items of all streams by time; O(n log streams)."""
    heap = [(items[0][:3], number, 0, items) for number, items in enumerate(streams) if items]
    heapq.heapify(heap)
    while heap:
        _, number, place, items = heap[0]
        yield items[place]
        if place + 1 < len(items):
            heapq.heapreplace(heap, (items[place + 1][:3], number, place + 1, items))
        else:
            heapq.heappop(heap)


def assigned(items: Sequence[Item], report: Report) -> list[str]:
    """Return an id for each item, ascending: its own where that fits, else one between its neighbours.

    The own ids that stay are a longest ascending subsequence, so that one id out of place costs one id and not all
    after it. O(n log n).
    """
    kept = _longest_ascending(items)
    ceiling, ceilings = _OWN_MAX, list[int]()
    for place in reversed(range(len(items))):
        ceilings.append(ceiling)
        ceiling = kept.get(place, ceiling)
    found: list[str] = []
    last = 0
    for place, (item, above) in enumerate(zip(items, reversed(ceilings), strict=True)):
        own, by_time = kept.get(place, 0), item.at_us * 1000 << _TIME_BITS
        last = own if own > last else by_time if last < by_time < above else last + 1
        found.append(f"{last:032x}")
        if item.own and item.own != found[-1]:
            report.note("changed_id", f"{item.where}: {item.own}")
    return found


def _longest_ascending(items: Sequence[Item]) -> dict[int, int]:
    """Return the places of the ids that stay, each with its value."""
    tails: list[int] = []
    ends: list[int] = []
    before: dict[int, int] = {}
    for place, item in enumerate(items):
        if not AGENT_ID.fullmatch(item.own):
            continue
        value = int(item.own, 16)
        if value >= _OWN_MAX:
            continue
        length = bisect_left(tails, value)
        before[place] = ends[length - 1] if length else -1
        if length == len(tails):
            tails.append(value)
            ends.append(place)
        else:
            tails[length], ends[length] = value, place
    place, kept = ends[-1] if ends else -1, dict[int, int]()
    while place >= 0:
        kept[place] = int(items[place].own, 16)
        place = before[place]
    return kept
