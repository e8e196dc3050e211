"""Group commit, and what happens when a commit fails (SPEC LOG-4, LOG-5)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import lmdb
import pytest
from eventsourcing.dcb.api import DCBAppendCondition, DCBEvent
from eventsourcing.persistence import IntegrityError, ProgrammingError

from events.errors import StoreError
from events.stores import lmdb_writer
from events.stores.base import Batch
from events.stores.conformance import sample_events, sample_queries, submit
from events.stores.lmdb import LmdbRecorder
from events.stores.lmdb_env import Environment

WAIT_S = 30.0


class Held:
    """Holds the writer in a callback, so that what is submitted meanwhile waits for one commit."""

    def __init__(self, recorder: LmdbRecorder) -> None:
        self._recorder = recorder
        self._entered, self._go = threading.Event(), threading.Event()

    def __enter__(self) -> None:
        def hold(_: Sequence[Batch]) -> None:
            self._entered.set()
            self._go.wait(WAIT_S)

        self._recorder.submit(Batch(sample_events(1), completed=hold))
        assert self._entered.wait(WAIT_S)

    def __exit__(self, *_: object) -> None:
        self._go.set()


def collect(recorder: LmdbRecorder, batches: Sequence[Batch]) -> list[list[Batch]]:
    """Submit all batches while the writer is held; return the calls of ``completed``."""
    calls: list[list[Batch]] = []
    done = threading.Semaphore(0)

    def completed(some: Sequence[Batch]) -> None:
        calls.append(list(some))
        done.release(len(some))

    with Held(recorder):
        for batch in batches:
            batch.completed = completed
            recorder.submit(batch)
    for _ in batches:
        assert done.acquire(timeout=WAIT_S)
    return calls


@pytest.fixture
def recorder(tmp_path: Path) -> LmdbRecorder:
    return LmdbRecorder(tmp_path / "log", durability="os")


def test_all_that_waits_shares_a_commit(recorder: LmdbRecorder) -> None:
    """LOG-4: 50 appends, one call, one transaction."""
    batches = [Batch(sample_events(2)) for _ in range(50)]
    assert collect(recorder, batches) == [batches]
    assert [batch.position for batch in batches] == list(range(3, 102, 2))
    recorder.close()


def test_callers_who_stand_still_are_waited_for_once_they_have_been_told(
    recorder: LmdbRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LOG-4: four threads that append one after the other share each commit."""
    monkeypatch.setattr(lmdb_writer, "GATHERING_S", WAIT_S)
    sizes: list[int] = []
    commit = lmdb_writer.Writer._commit

    def noting(self: lmdb_writer.Writer, batches: list[Batch]) -> None:
        sizes.append(len(batches))
        commit(self, batches)

    def append() -> None:
        for _ in range(10):
            recorder.append(sample_events(1))

    recorder.append(sample_events(1))
    monkeypatch.setattr(lmdb_writer.Writer, "_commit", noting)
    threads = [threading.Thread(target=append) for _ in range(4)]
    with Held(recorder):
        for thread in threads:
            thread.start()
        assert recorder._writer is not None
        while recorder._writer._queue.qsize() < len(threads):
            threads[0].join(0.001)
    for thread in threads:
        thread.join(WAIT_S)
    assert sizes == [1, *[4] * 10]
    recorder.close()


def test_who_is_alone_waits_for_nobody(recorder: LmdbRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """One caller, and callers who do not stand still: a commit takes what is there."""
    waited: list[bool] = []
    monkeypatch.setattr(lmdb_writer, "GATHERING_S", WAIT_S)
    recorder.open()
    assert recorder._writer is not None
    for number in range(5):
        recorder.append(sample_events(1))
        waited.append(recorder._writer._awaited > 1)
        submit(recorder, [Batch(sample_events(1)) for _ in range(number)])
        recorder.append(sample_events(1))
        waited.append(recorder._writer._awaited > 1)
    assert not any(waited)
    recorder.close()


def test_a_commit_takes_no_more_than_its_cap(recorder: LmdbRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdb_writer, "COMMIT_EVENTS_MAX", 10)
    batches = [Batch(sample_events(4)) for _ in range(7)]
    assert collect(recorder, batches) == [batches[:3], batches[3:6], batches[6:]]
    recorder.close()


def test_callables_are_told_of_their_own(recorder: LmdbRecorder) -> None:
    calls: list[tuple[str, list[bytes]]] = []
    done = threading.Semaphore(0)

    def listener(name: str) -> Callable[[Sequence[Batch]], None]:
        def completed(batches: Sequence[Batch]) -> None:
            calls.append((name, [batch.events[0].data for batch in batches]))
            done.release()

        return completed

    first, second = listener("first"), listener("second")
    with Held(recorder):
        for number, completed in enumerate([first, second, None, first, second]):
            recorder.submit(Batch([DCBEvent("t", b"%d" % number)], completed=completed))
    assert done.acquire(timeout=WAIT_S)
    assert done.acquire(timeout=WAIT_S)
    assert calls == [("first", [b"0", b"3"]), ("second", [b"1", b"4"])]
    recorder.close()


def test_a_condition_sees_what_is_before_it_in_the_commit(recorder: LmdbRecorder) -> None:
    batches = [Batch(sample_events(1), DCBAppendCondition(after=n)) for n in (1, 2, 2, 3)]
    assert collect(recorder, batches) == [batches]
    assert [batch.position for batch in batches] == [2, 3, 0, 4]
    assert isinstance(batches[2].error, IntegrityError)
    recorder.close()


def test_a_callback_that_raises_is_told_of_and_harms_nobody(
    recorder: LmdbRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_value))
    error = RuntimeError("a listener's own")

    def raising(_: Sequence[Batch]) -> None:
        raise error

    recorder.submit(Batch(sample_events(1), completed=raising))
    assert recorder.append(sample_events(1)) == 2
    assert told == [error]
    recorder.close()


def test_nobody_waits_for_the_writer_on_its_own_thread(recorder: LmdbRecorder) -> None:
    refused: list[str] = []
    done = threading.Event()

    def completed(_: Sequence[Batch]) -> None:
        for wait in (recorder.close, lambda: recorder.append(sample_events(1))):
            try:
                wait()
            except ProgrammingError as error:
                refused.append(str(error))
        recorder.submit(Batch(sample_events(1), completed=lambda _: done.set()))

    recorder.submit(Batch(sample_events(1), completed=completed))
    assert done.wait(WAIT_S)
    assert len(refused) == 2
    assert recorder.head == 2
    recorder.close()


def test_the_map_grows_by_itself(tmp_path: Path) -> None:
    """LOG-5: from a megabyte to what is needed, with a reader beside it."""
    recorder, reader = (LmdbRecorder(tmp_path / "log", durability="os", map_size_bytes=1 << 20) for _ in range(2))
    recorder.open()
    reader.open(readonly=True)
    big = [DCBEvent("big", bytes(100_000), ["a"])] * 4
    for number in range(1, 21):
        assert recorder.append(big) == number * 4
        assert len(list(reader.scan(backwards=True, limit=3))) == 3
    assert (tmp_path / "log" / "data.mdb").stat().st_size > 8_000_000
    assert not list(recorder.check_indexes())
    reader.close()
    recorder.close()


def test_a_full_map_loses_nothing(tmp_path: Path) -> None:
    """LOG-5: every batch of the commit fails with StoreError, nothing of it is visible, smaller ones go on."""
    recorder = LmdbRecorder(tmp_path / "log", map_size_bytes=1 << 20, map_size_max_bytes=2 << 20)
    recorder.append(sample_events(10))
    root = recorder.root()
    huge = [Batch([DCBEvent("huge", bytes(1_500_000), ["huge"])]) for _ in range(2)]
    collect(recorder, huge)  # with one small batch in a commit before them
    for batch in huge:
        assert isinstance(batch.error, StoreError)
        assert "map_size_max_bytes" in str(batch.error)
        assert batch.position == 0
    assert recorder.head == 11
    assert recorder.root(10) == root
    assert not [found for found in recorder.scan() if found.event.type == "huge"]
    assert recorder.append(sample_events(3)) == 14
    assert not list(recorder.check_indexes())
    recorder.close()
    roomy = LmdbRecorder(tmp_path / "log")
    assert roomy.append(huge[0].events) == 15
    assert not list(roomy.check_indexes())
    roomy.close()


def test_an_i_o_error_fails_the_commit_and_the_log_goes_on(
    recorder: LmdbRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LOG-5: what followed the failed append falls with it; reads and later appends work, opened anew."""
    recorder.append(sample_events(5))
    reader = recorder.scan()
    next(reader)
    write = lmdb_writer._Commit.flush

    def failing(self: lmdb_writer._Commit) -> None:
        write(self)
        raise lmdb.Error("mdb_txn_commit: Input/output error")

    monkeypatch.setattr(lmdb_writer._Commit, "flush", failing)
    batch = Batch(sample_events(1))
    submit(recorder, [batch])
    assert isinstance(batch.error, StoreError)
    assert "Input/output error" in str(batch.error)
    monkeypatch.undo()
    assert [found.position for found in reader] == [2, 3, 4, 5]
    late = Batch(sample_events(1), follows=6)
    submit(recorder, [late])
    assert isinstance(late.error, StoreError)
    assert recorder.append(sample_events(1)) == 6
    assert recorder.append(sample_events(300)) == 306
    assert not list(recorder.check_indexes())
    recorder.close()


def test_an_index_that_cannot_be_written_fails_its_commit_alone(
    recorder: LmdbRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LOG-5: the index and the records that complete it are one commit; what it lacks is read from the records."""
    monkeypatch.setattr(lmdb_writer, "TAIL_EVENTS_MAX", 10)
    recorder.append(sample_events(9))
    query = sample_queries()[8]
    before = [found.position for found in recorder.scan(query)]

    def failing(self: lmdb_writer._Commit) -> None:
        raise lmdb.DiskError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(lmdb_writer._Commit, "index", failing)
        with pytest.raises(StoreError, match="No space left on device"):
            recorder.append(sample_events(3))
        assert [found.position for found in recorder.scan(query)] == before
        assert recorder.head == 9
        recorder.close()
    recorder.open()
    assert recorder._indexed() == 0
    assert [found.position for found in recorder.scan(query)] == before
    assert recorder.append(sample_events(300)) == 309
    assert recorder._indexed() == 309
    assert not list(recorder.check_indexes())
    recorder.close()


def test_an_environment_that_cannot_be_opened_again_is_tried_again(
    recorder: LmdbRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder.append(sample_events(5))

    def failing(*_: object) -> None:
        raise StoreError("no")

    with monkeypatch.context() as patch:
        patch.setattr(lmdb_writer._Commit, "flush", lambda self: (_ for _ in ()).throw(lmdb.Error("broken")))
        patch.setattr(Environment, "_reopen", failing)
        with pytest.raises(StoreError):
            recorder.append(sample_events(1))
        with pytest.raises(StoreError):
            recorder.get(1)
    assert recorder.get(1) == sample_events(1)[0]
    assert recorder.append(sample_events(1)) == 6
    recorder.close()


def test_a_mistake_of_our_own_fails_the_batch_and_not_the_thread(
    recorder: LmdbRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lmdb_writer, "key_of", None)
    with pytest.raises(TypeError):
        recorder.append(sample_events(1))
    monkeypatch.undo()
    assert recorder.append(sample_events(1)) == 1
    recorder.close()
