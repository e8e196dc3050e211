"""A fork is a log like any other, on top of one that it never changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from eventsourcing.dcb.api import DCBAppendCondition, DCBEvent, DCBQuery, DCBQueryItem
from eventsourcing.persistence import IntegrityError
from hypothesis import given
from hypothesis import strategies as st

from events import merkle
from events.errors import StoreError
from events.stores import Batch, ForkRecorder, LmdbRecorder, LogRecorder, MemoryRecorder
from events.stores.conformance import RecorderConformance

PLACES = (0, 1, 5, 255, 256, 257, 300)


def event(number: int) -> DCBEvent:
    return DCBEvent(type="even" if number % 2 == 0 else "odd", data=b"%d" % number, tags=[f"third:{number % 3}"])


def filled(store: LogRecorder, first: int, last: int) -> LogRecorder:
    if last >= first:
        store.append([event(number) for number in range(first, last + 1)])
    return store


@pytest.fixture(params=["memory", "disk"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LogRecorder]:
    """A log of 300 events; more than one tile of the tree."""
    store: LogRecorder = MemoryRecorder() if request.param == "memory" else LmdbRecorder(tmp_path, durability="os")
    yield filled(store, 1, 300)
    store.close()


QUERIES = {
    "all": None,
    "type": DCBQuery([DCBQueryItem(types=["odd"])]),
    "tag": DCBQuery([DCBQueryItem(tags=["third:1"])]),
    "both": DCBQuery([DCBQueryItem(types=["even"], tags=["third:2"]), DCBQueryItem(tags=["third:0"])]),
    "nothing": DCBQuery([DCBQueryItem(types=["none"])]),
}


@pytest.mark.parametrize("place", PLACES)
def test_it_reads_as_one_log(base: LogRecorder, place: int) -> None:
    fork = filled(ForkRecorder(base, place), place + 1, 600)
    whole = filled(MemoryRecorder(), 1, 600)
    assert fork.head == 600
    for query in QUERIES.values():
        for backwards in (False, True):
            for after, until, limit in ((0, None, None), (place - 3, place + 3, None), (0, None, 7), (290, 310, 12)):
                window = {"after": after, "until": until, "limit": limit, "backwards": backwards}
                assert list(fork.scan(query, **window)) == list(whole.scan(query, **window))  # type: ignore[arg-type]
    assert fork.get(place + 1) == event(place + 1)
    assert fork.get(place or 1) == event(place or 1)


@pytest.mark.parametrize("place", PLACES)
def test_its_tree_goes_on_from_the_tree_below(base: LogRecorder, place: int) -> None:
    fork = filled(ForkRecorder(base, place), place + 1, 600)
    whole = filled(MemoryRecorder(), 1, 600)
    assert [fork.root(size) for size in (place, place + 1, 600)] == [
        whole.root(size) for size in (place, place + 1, 600)
    ]
    assert fork.root(place) == base.root(place)
    assert list(fork.leaf_hashes()) == list(whole.leaf_hashes())
    proof = fork.consistency_proof(place)
    assert merkle.verify_consistency(place, 600, base.root(place), fork.root(), proof)
    for position in (1, place + 1, 600):
        path = fork.inclusion_proof(position)
        assert merkle.verify_inclusion(fork.leaf_hash(position), position - 1, 600, path, fork.root())
    assert list(fork.check_indexes()) == []


def test_what_is_below_never_changes(base: LogRecorder) -> None:
    before, root = list(base.scan()), base.root()
    fork = ForkRecorder(base, 100)
    fork.append([event(1), event(2)])
    fork.close()
    assert (list(base.scan()), base.root(), base.is_open) == (before, root, True)
    assert fork.origin != base.origin


def test_what_comes_to_the_base_is_not_in_the_fork(base: LogRecorder) -> None:
    fork = ForkRecorder(base, 300)
    filled(base, 301, 310)
    assert (fork.head, fork.get(301)) == (300, None)
    fork.append([event(7)])
    assert [stored.event for stored in fork.scan(after=299)] == [event(300), event(7)]
    assert base.get(301) == event(301)


def test_conditions_hold_on_both_sides_of_the_place(base: LogRecorder) -> None:
    fork, query = ForkRecorder(base, 100), DCBQuery([DCBQueryItem(types=["odd"])])
    for after in (None, 98):
        with pytest.raises(IntegrityError):
            fork.append([event(2)], DCBAppendCondition(query, after))
    assert fork.append([event(2)], DCBAppendCondition(query, 99)) == 101
    assert fork.append([event(3)], DCBAppendCondition(query, 101)) == 102
    with pytest.raises(IntegrityError):
        fork.append([event(4)], DCBAppendCondition(query, 101))
    late = Batch([event(5)], follows=100)
    fork.submit(late)
    assert isinstance(late.error, StoreError)


def test_a_fork_of_a_fork(base: LogRecorder) -> None:
    first = filled(ForkRecorder(base, 257), 258, 400)
    second = filled(ForkRecorder(first, 300), 301, 600)
    whole = filled(MemoryRecorder(), 1, 600)
    assert (list(second.scan()), second.root()) == (list(whole.scan()), whole.root())
    assert first.head == 400


def test_a_place_beyond_the_end_is_refused(base: LogRecorder) -> None:
    with pytest.raises(ValueError, match="has 300 events, not 301"):
        ForkRecorder(base, 301)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 80), st.integers(0, 80), st.integers(1, 9), st.booleans())
def test_any_window_is_read_as_of_one_log(
    below: int, more: int, after: int, until: int, limit: int, backwards: bool
) -> None:
    fork = filled(ForkRecorder(filled(MemoryRecorder(), 1, 50), below), below + 1, below + more)
    whole = filled(MemoryRecorder(), 1, below + more)
    window = {"after": after, "until": until, "limit": limit, "backwards": backwards}
    for query in QUERIES.values():
        assert list(fork.scan(query, **window)) == list(whole.scan(query, **window))  # type: ignore[arg-type]


class TestFork(RecorderConformance):
    def make_recorder(self) -> LogRecorder:
        return ForkRecorder(MemoryRecorder(), 0)
