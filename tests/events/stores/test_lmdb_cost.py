"""What the layout is for, as counts: calls into LMDB for a commit, bytes for an event, records read for a query."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from eventsourcing.dcb.api import DCBAppendCondition, DCBEvent, DCBQuery, DCBQueryItem

from events.stores import lmdb_writer
from events.stores.lmdb import LmdbRecorder
from events.stores.record import RECORD_RULES, RecordRule
from tests.support.lmdb_calls import count_calls

DATA = bytes(150)


def tagged(*tags: str) -> DCBQuery:
    return DCBQuery([DCBQueryItem(tags=list(tags))])


def envelopes(count: int, sessions: int = 64) -> list[DCBEvent]:
    """Events as a hub's are: of a session, a sender and a recipient."""
    return [
        DCBEvent("posted", DATA, [f"session:{n % sessions:032x}", f"agent:{n % sessions:032x}", f"agent:{n % 7:032x}"])
        for n in range(count)
    ]


@pytest.fixture
def recorder(tmp_path: Path) -> LmdbRecorder:
    return LmdbRecorder(tmp_path / "log", durability="os")


@pytest.mark.parametrize(("events", "puts"), [(1, 1), (10, 1), (64, 1), (250, 4)])
def test_a_commit_takes_a_handful_of_calls(
    recorder: LmdbRecorder, monkeypatch: pytest.MonkeyPatch, events: int, puts: int
) -> None:
    """However many events and labels it has; nothing is looked up first."""
    recorder.append(envelopes(1))
    commits = count_calls(monkeypatch)
    recorder.append(envelopes(events))
    (calls,) = commits
    assert calls == {"put": puts}
    recorder.close()


def test_a_condition_about_what_is_new_takes_no_call(recorder: LmdbRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came after the index was written is answered from memory, one call of ``put`` is for the record."""
    last = recorder.append(envelopes(300))
    commits = count_calls(monkeypatch)
    for _ in range(20):
        last = recorder.append([DCBEvent("noted", b"", ["mine"])], DCBAppendCondition(tagged("mine"), last))
    assert set(map(str, commits)) == {"Counter({'put': 1})"}
    recorder.close()


def test_the_index_takes_two_calls_a_label_when_it_is_written(
    recorder: LmdbRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lmdb_writer, "TAIL_EVENTS_MAX", 1000)
    commits = count_calls(monkeypatch)
    for _ in range(15):
        recorder.append(envelopes(100))
    labels = 1 + 64 + 64  # the type, the sessions, the agents
    written = [calls for calls in commits if "cursor.putmulti" in calls]
    assert [(calls["cursor.getmulti"], calls["cursor.putmulti"]) for calls in written] == [(labels, labels)]
    assert all(sum(calls.values()) <= 3 for calls in commits if calls not in written)
    recorder.close()


def test_an_event_takes_little_more_than_its_record_and_its_leaf_hash(tmp_path: Path) -> None:
    """Index, tree, heads and what is left empty: less than 48 bytes an event, in commits of 64."""
    sizes = []
    for commits in (100, 300):
        recorder = LmdbRecorder(tmp_path / str(commits), durability="os")
        for _ in range(commits):
            recorder.append(envelopes(64))
        recorder.close()
        sizes.append((tmp_path / str(commits) / "data.mdb").stat().st_size)
    record = len(RECORD_RULES["record"].encode(envelopes(1)[0]))
    assert (sizes[1] - sizes[0]) / (200 * 64) < record + 32 + 48


def decoded(recorder: LmdbRecorder) -> list[int]:
    """Return a list to which the position of every record that the recorder decodes from now on is added."""
    positions: list[int] = []
    rule = RECORD_RULES["record"]

    def decode(record: bytes, position: int, path: str) -> DCBEvent:
        positions.append(position)
        return rule.decode(record, position, path)

    recorder._rule = RecordRule(rule.encode, decode, rule.leaf)
    return positions


def test_the_writer_decodes_what_it_is_asked_for_and_no_more(recorder: LmdbRecorder) -> None:
    """Also of what the index does not have yet."""
    recorder.open()
    positions = decoded(recorder)
    for _ in range(70):
        recorder.append(envelopes(64))
    wanted = f"session:{5:032x}"
    found = [each.position for each in recorder.scan(tagged(wanted))]
    assert positions == found
    assert len(found) == 70
    recorder.close()


def test_a_reader_decodes_the_tail_once_and_then_what_is_new(recorder: LmdbRecorder) -> None:
    recorder.append(envelopes(100))
    reader = LmdbRecorder(recorder.path)
    reader.open(readonly=True)
    positions = decoded(reader)
    assert list(reader.scan(tagged("nobody"))) == []
    assert positions == list(range(1, 101))
    assert list(reader.scan(tagged("nobody"))) == []
    recorder.append(envelopes(3))
    assert list(reader.scan(tagged("nobody"))) == []
    assert positions == list(range(1, 104))
    recorder.close()  # which writes the index
    assert list(reader.scan(tagged("nobody"))) == []
    assert positions == list(range(1, 104))
    reader.close()


def test_a_closed_log_has_all_of_its_index(recorder: LmdbRecorder) -> None:
    recorder.append(envelopes(100))
    recorder.close()
    recorder.open(readonly=True)
    assert recorder._indexed() == 100
    positions = decoded(recorder)
    assert [found.position for found in recorder.scan(tagged(f"session:{5:032x}"))] == positions == [6, 70]
    recorder.close()


def test_scanning_reads_each_chunk_in_order(recorder: LmdbRecorder) -> None:
    for _ in range(10):
        recorder.append(envelopes(64))
    with recorder._snapshot() as snapshot:
        chunks = list(snapshot.chunks(1, 640))
    assert len(chunks) == 10
    assert all(after.first == before.last + 1 for before, after in pairwise(chunks))
    recorder.close()
