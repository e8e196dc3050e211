"""Any query, any window, both directions, on both stores, against the plain filter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from eventsourcing.dcb.api import DCBAppendCondition, DCBEvent, DCBQuery, DCBQueryItem
from eventsourcing.persistence import IntegrityError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.stores.base import Batch, LogRecorder
from events.stores.conformance import matches, submit
from events.stores.lmdb import LmdbRecorder
from events.stores.memory import MemoryRecorder
from events.stores.query import END, Window, items_of, tag_label, type_label
from events.stores.record import decode

TYPES = ["a", "b", "c", "d"]
TAGS = [f"tag:{n}" for n in range(6)] + ["x" * 401, "x" * 402]
COUNT = 400

# Tag k stands on every (k + 1)th event, so that some are on all and some are rare.
EVENTS = [
    DCBEvent(TYPES[n * n % 7 % 4], b"%d" % n, [t for k, t in enumerate(TAGS) if n % (k + 1) == 0]) for n in range(COUNT)
]

items = st.builds(
    DCBQueryItem,
    types=st.lists(st.sampled_from([*TYPES, "nowhere"]), max_size=3),
    tags=st.lists(st.sampled_from([*TAGS, "nowhere"]), max_size=3),
)
queries = st.builds(DCBQuery, items=st.lists(items, max_size=4))


@pytest.fixture(scope="module", params=["memory", "lmdb"])
def recorder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LogRecorder]:
    folder: Path = tmp_path_factory.mktemp("query")
    made = MemoryRecorder() if request.param == "memory" else LmdbRecorder(folder, durability="os")
    made.append(EVENTS)
    yield made
    made.close()


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(queries, st.integers(0, COUNT + 3), st.integers(0, COUNT + 3), st.none() | st.integers(0, 30), st.booleans())
def test_a_scan_is_the_filter(
    recorder: LogRecorder, query: DCBQuery, after: int, until: int, limit: int | None, backwards: bool
) -> None:
    expected = [n for n, event in enumerate(EVENTS, 1) if after < n <= until and matches(query, event)]
    expected = expected[::-1] if backwards else expected
    found = list(recorder.scan(query, after=after, until=until, limit=limit, backwards=backwards))
    assert [each.position for each in found] == expected[:limit]
    assert [each.event for each in found] == [EVENTS[n - 1] for n in expected[:limit]]


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(queries, st.none() | st.integers(0, COUNT + 3))
def test_a_condition_is_the_filter(recorder: LogRecorder, query: DCBQuery, after: int | None) -> None:
    conflict = any(n > (after or 0) and matches(query, event) for n, event in enumerate(EVENTS, 1))
    # Behind a batch that fails, so that the condition decides between two errors and never writes.
    gate = Batch([DCBEvent("gate", b"")], DCBAppendCondition(after=0))
    batch = Batch([DCBEvent("probe", b"")], DCBAppendCondition(query, after))
    wanted = [gate, batch] if conflict else [gate]
    submit(recorder, wanted)
    assert all(isinstance(each.error, IntegrityError) for each in wanted)
    assert recorder.head == COUNT


def test_labels_of_types_and_tags_never_meet() -> None:
    texts = ["", "a", "session:1", "x" * 400, "x" * 401, "x" * 402, "é" * 200, "é" * 201]
    labels = [label(text) for text in texts for label in (type_label, tag_label)]
    assert len(set(labels)) == len(labels)
    assert all(2 - (not text) <= len(tag_label(text)) <= 401 for text in texts)


def test_a_query_that_matches_all_has_no_items() -> None:
    assert (
        items_of(None)
        is items_of(DCBQuery())
        is items_of(DCBQuery([DCBQueryItem(types=["a"]), DCBQueryItem()]))
        is None
    )
    assert items_of(DCBQuery([DCBQueryItem(types=["a", "a"], tags=["b"])])) == [([b"\x00\x01a"], [b"\x01\x01b"])]
    assert END > 2**63


@pytest.mark.parametrize(("limit", "taken"), [(None, 1), (3, 2), (100, 40)])
def test_only_what_is_taken_is_decoded(
    recorder: LogRecorder, monkeypatch: pytest.MonkeyPatch, limit: int | None, taken: int
) -> None:
    """A read costs what is read of it."""
    decoded: list[int] = []
    fetched: list[int] = []
    rows = recorder._rows

    def counting_rows(query: DCBQuery | None, window: Window) -> list[tuple[int, bytes]]:
        found = rows(query, window)
        fetched.append(len(found))
        return found

    def counting_decode(record: bytes, position: int, path: str) -> DCBEvent:
        decoded.append(position)
        return decode(record, position, path)

    monkeypatch.setattr(recorder, "_rule", recorder._rule._replace(decode=counting_decode))
    monkeypatch.setattr(recorder, "_rows", counting_rows)
    for query in (None, DCBQuery([DCBQueryItem(types=["a"])])):
        decoded.clear()
        fetched.clear()
        read = recorder.read(query, limit=limit)
        assert decoded == fetched == []
        for _ in range(taken):
            next(read)
        assert len(decoded) == taken
        assert sum(fetched) <= min(limit or COUNT, 16 if taken <= 16 else 80)
