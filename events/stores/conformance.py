"""The suite that a store must pass (SPEC LOG-3): run it on one of your own.

Derive ``RecorderConformance`` in a test module and say how an empty recorder is made; pytest finds the rest::

    class TestMyRecorder(RecorderConformance):
        def make_recorder(self) -> LogRecorder:
            return MyRecorder(...)

It needs nothing but ``assert``. The two stores here run it, and the eventsourcing library's own case beside it.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product

from eventsourcing.dcb.api import DCBAppendCondition, DCBEvent, DCBQuery, DCBQueryItem, DCBSequencedEvent
from eventsourcing.persistence import IntegrityError, ProgrammingError

from events import merkle
from events.errors import StoreError
from events.stores.base import Batch, LogRecorder

_TYPES = ["opened", "posted", "closed"]
_TAGS = ["session:1", "session:2", "agent:1", "agent:2", "näme:日本", "long:" + "x" * 500, "long:" + "x" * 500 + "y"]
_WAIT_S = 30.0


def matches(query: DCBQuery | None, event: DCBEvent) -> bool:
    """Tell whether the event matches, as the DCB port words it: the meaning that indexes must keep."""
    items = query.items if query is not None else []
    return not items or any(
        (not item.types or event.type in item.types) and set(item.tags) <= set(event.tags) for item in items
    )


def sample_events(count: int) -> list[DCBEvent]:
    """Return events that differ in type, tags and data, the same ones each time."""
    return [
        DCBEvent(
            _TYPES[n % 3], b"\x00" * (n % 7) + str(n).encode(), [t for k, t in enumerate(_TAGS) if n % (k + 2) == 0]
        )
        for n in range(count)
    ]


def sample_queries() -> list[DCBQuery | None]:
    """Return queries by type, by tag, by both and by several of each, with and without an answer."""
    types: list[list[str]] = [[], ["posted"], ["opened", "closed"], ["unheard of"]]
    tags: list[list[str]] = [[], [_TAGS[0]], [_TAGS[2], _TAGS[0]], [_TAGS[5]], ["unheard of"], [_TAGS[4], _TAGS[4]]]
    items = [DCBQueryItem(types=a, tags=b) for a, b in product(types, tags)]
    return [None, DCBQuery(), *(DCBQuery([item]) for item in items), DCBQuery(items[7:9]), DCBQuery(items[5:])]


@contextmanager
def refused(error: type[BaseException]) -> Iterator[None]:
    """Assert that the block raises the error."""
    try:
        yield
    except error:
        return
    raise AssertionError(f"{error.__name__} was not raised")


def submit(recorder: LogRecorder, batches: Sequence[Batch]) -> list[Sequence[Batch]]:
    """Submit batches, wait for all, and return the calls of their one ``completed``."""
    calls: list[Sequence[Batch]] = []
    done = threading.Semaphore(0)

    def completed(some: Sequence[Batch]) -> None:
        calls.append(some)
        done.release(len(some))

    for batch in batches:
        batch.completed = completed
        recorder.submit(batch)
    for _ in batches:
        assert done.acquire(timeout=_WAIT_S), "a batch was never completed"
    return calls


def in_threads(works: Sequence[Callable[[], None]]) -> None:
    """Run the functions at once, one thread each, and raise what one of them raised."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        try:
            start.wait(_WAIT_S)
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


class RecorderConformance:
    """What every ``LogRecorder`` does. One test a promise; each makes its own recorder."""

    @abstractmethod
    def make_recorder(self) -> LogRecorder:
        """Return a recorder on a new, empty log, with the record rule ``record``."""
        raise NotImplementedError

    @contextmanager
    def recorder(self, events: int = 0) -> Iterator[LogRecorder]:
        """Give a recorder with so many sample events in it, and close it."""
        recorder = self.make_recorder()
        try:
            if events:
                recorder.append(sample_events(events))
            yield recorder
        finally:
            recorder.close()

    def test_an_empty_log_has_nothing(self) -> None:
        """Head 0, no events, the empty root."""
        with self.recorder() as recorder:
            assert recorder.head == recorder.tree_size == 0
            assert list(recorder.scan()) == list(recorder.scan(backwards=True)) == []
            assert recorder.get(0) is recorder.get(1) is None
            assert recorder.read().head is None
            assert recorder.root() == merkle.EMPTY_ROOT

    def test_positions_are_gapless_from_one(self) -> None:
        """LOG-1: whatever the sizes of appends, refused ones in between included."""
        with self.recorder() as recorder:
            last = 0
            for size in (1, 3, 2, 20):
                last += size
                assert recorder.append(sample_events(size)) == last == recorder.head
                with refused(IntegrityError):
                    recorder.append(sample_events(2), DCBAppendCondition())
            assert [found.position for found in recorder.scan()] == list(range(1, last + 1))

    def test_events_come_back_as_they_were(self) -> None:
        """Type, data and tags in their order; by scan, by read and one by one."""
        events = [*sample_events(20), DCBEvent("", b"", []), DCBEvent("t", b"\xff" * 100_000, ["b", "a", "b"])]
        with self.recorder() as recorder:
            recorder.append(events)
            assert [found.event for found in recorder.scan()] == events
            assert [found.event for found in recorder.read()] == events
            assert [recorder.get(position) for position in range(1, 23)] == events
            assert recorder.get(23) is None
            assert not list(recorder.check_indexes())

    def test_what_was_given_or_got_can_change_without_harm(self) -> None:
        """The log holds values, not the caller's objects."""
        event = DCBEvent("posted", b"1", ["a"])
        with self.recorder() as recorder:
            recorder.append([event])
            event.tags.append("b")
            got = recorder.get(1)
            assert got == DCBEvent("posted", b"1", ["a"])
            assert got is not None
            got.tags.clear()
            assert recorder.get(1) == DCBEvent("posted", b"1", ["a"])

    def test_wrong_events_are_refused(self) -> None:
        """An empty append or a wrong type raises at once and leaves nothing."""
        wrong = [
            [],
            [DCBEvent("t", b"ok"), DCBEvent("t", "text")],  # type: ignore[arg-type]
            [DCBEvent(b"t", b"")],  # type: ignore[arg-type]
            [DCBEvent("t", b"", [1])],  # type: ignore[list-item]
            [DCBEvent("t", b"", "tag")],  # type: ignore[arg-type]
            [DCBEvent("t", b"", ["\ud800"])],
        ]
        with self.recorder() as recorder:
            for events in wrong:
                with refused(ProgrammingError):
                    recorder.append(events)
            assert recorder.head == 0

    def test_queries_mean_what_the_port_says(self) -> None:
        """Every query, both directions, against the plain filter."""
        with self.recorder(60) as recorder:
            everything = list(recorder.scan())
            for query in sample_queries():
                expected = [found for found in everything if matches(query, found.event)]
                assert list(recorder.read(query)) == expected
                assert list(recorder.scan(query)) == expected
                assert list(recorder.scan(query, backwards=True)) == expected[::-1]

    def test_windows_and_limits(self) -> None:
        """After, until and limit cut the same answer, from its start in scan order."""
        with self.recorder(60) as recorder:
            everything = list(recorder.scan())
            bounds = [(0, 60), (0, 1), (13, 41), (59, 60), (30, 30), (50, 20), (60, 99), (0, 0)]
            for query, (after, until), backwards in product(sample_queries()[:9], bounds, (False, True)):
                expected = [f for f in everything if after < f.position <= until and matches(query, f.event)]
                ordered = expected[::-1] if backwards else expected
                for limit in (None, 0, 1, 5):
                    found = recorder.scan(query, after=after, until=until, limit=limit, backwards=backwards)
                    assert list(found) == ordered[:limit]

    def test_the_head_of_a_read(self) -> None:
        """Without a limit the log's; with one the last event's; None for nothing."""
        with self.recorder(40) as recorder:
            assert recorder.read(DCBQuery([DCBQueryItem(types=["unheard of"])])).head == 40
            limited = recorder.read(after=10, limit=2)
            assert limited.head is None
            next(limited)
            assert limited.head == 11
            assert list(limited)[-1].position == limited.head == 12

    def test_a_scan_sees_the_log_as_it_was(self) -> None:
        """Events recorded while it runs are not in it, and it does not keep anyone from recording."""
        with self.recorder(40) as recorder:
            forwards, backwards, read = recorder.scan(), recorder.scan(backwards=True), recorder.read()
            assert next(forwards).position == next(read).position == 1
            assert next(backwards).position == 40
            assert recorder.append(sample_events(300)) == 340
            assert [found.position for found in forwards] == [found.position for found in read] == list(range(2, 41))
            assert [found.position for found in backwards] == list(range(39, 0, -1))

    def test_long_scans_have_every_event_once(self) -> None:
        """Across the pieces in which a store reads."""
        with self.recorder(1500) as recorder:
            posted = DCBQuery([DCBQueryItem(types=["posted"])])
            assert [found.position for found in recorder.scan()] == list(range(1, 1501))
            assert [found.position for found in recorder.scan(posted)] == list(range(2, 1501, 3))
            assert [found.position for found in recorder.scan(posted, backwards=True)] == list(range(1499, 0, -3))

    def test_conditions(self) -> None:
        """An append fails if, and only if, an event matches after the position given."""
        with self.recorder(60) as recorder:
            for query, after in product(sample_queries(), (None, 0, 30, 57, 60, 99)):
                found = list(recorder.scan())
                conflict = any(each.position > (after or 0) and matches(query, each.event) for each in found)
                batch = Batch([DCBEvent("other", b"")], DCBAppendCondition(query or DCBQuery(), after))
                submit(recorder, [batch])
                assert isinstance(batch.error, IntegrityError) == conflict
                assert batch.position == (0 if conflict else len(found) + 1)
                assert recorder.head == len(found) + (not conflict)

    def test_an_append_is_all_or_nothing(self) -> None:
        """A refused batch leaves nothing; those before and after it, in the same commit or not, stand."""
        named = DCBAppendCondition(DCBQuery([DCBQueryItem(tags=["name:bob"])]))
        batches = [Batch([DCBEvent("registered", b"%d" % n, ["name:bob"])] * 3, named) for n in range(5)]
        batches.insert(3, Batch(sample_events(2)))
        with self.recorder() as recorder:
            submit(recorder, batches)
            assert [batch.position for batch in batches] == [3, 0, 0, 5, 0, 0]
            assert all(isinstance(batch.error, IntegrityError) for batch in batches if not batch.position)
            assert [found.event.data for found in recorder.scan()][:3] == [b"0"] * 3
            assert recorder.head == 5

    def test_completed_is_told_in_order_and_once(self) -> None:
        """Each batch once, in the order submitted, with the positions already readable."""
        batches = [Batch(sample_events(1 + n % 3)) for n in range(50)]
        with self.recorder() as recorder:
            calls = submit(recorder, batches)
            assert [batch for call in calls for batch in call] == batches
            assert [batch.position for batch in batches] == sorted({batch.position for batch in batches})
            assert batches[-1].position == recorder.head == len(list(recorder.scan()))

    def test_a_batch_that_follows_another_falls_with_it(self) -> None:
        """What a sole writer decided on top of a failed append is not written."""
        head_taken = DCBAppendCondition(after=0)
        with self.recorder(1) as recorder:
            chain = [Batch(sample_events(1), follows=1), Batch(sample_events(1), head_taken, follows=2)]
            chain += [Batch(sample_events(1), follows=3), Batch(sample_events(1), follows=2)]
            submit(recorder, chain)
            assert [batch.position for batch in chain] == [2, 0, 0, 3]
            assert isinstance(chain[1].error, IntegrityError)
            assert isinstance(chain[2].error, StoreError)

    def test_threads_that_append_do_not_mix(self) -> None:
        """Positions stay gapless and each append's events neighbours."""

        def work(name: bytes) -> Callable[[], None]:
            def append() -> None:
                for _ in range(10):
                    last = recorder.append([DCBEvent("posted", name)] * 3)
                    assert [found.event.data for found in recorder.scan(after=last - 3, until=last)] == [name] * 3

            return append

        with self.recorder() as recorder:
            in_threads([work(b"%d" % n) for n in range(8)])
            assert [found.position for found in recorder.scan()] == list(range(1, 241))
            assert not list(recorder.check_indexes())

    def test_of_many_that_race_one_wins(self) -> None:
        """A conditional append is decided against the log of its own moment."""
        won: list[int] = []

        def work(number: int) -> Callable[[], None]:
            def register() -> None:
                for name in range(10):
                    tag = f"name:{name}"
                    condition = DCBAppendCondition(DCBQuery([DCBQueryItem(tags=[tag])]), after=0)
                    try:
                        recorder.append([DCBEvent("registered", b"%d" % number, [tag])], condition)
                    except IntegrityError:
                        continue
                    won.append(name)

            return register

        with self.recorder() as recorder:
            in_threads([work(number) for number in range(8)])
            assert sorted(won) == list(range(10))
            assert recorder.head == 10

    def test_readers_beside_a_writer_see_whole_appends(self) -> None:
        """At any moment the log read is a beginning of the log written, cut between appends."""
        with self.recorder() as recorder:
            finished = threading.Event()

            def write() -> None:
                for number in range(60):
                    recorder.append([DCBEvent("posted", b"%d" % number, ["a"])] * 5)
                finished.set()

            def read() -> None:
                query = DCBQuery([DCBQueryItem(tags=["a"])])
                while not finished.is_set():
                    found: list[DCBSequencedEvent] = list(recorder.scan(query))
                    assert len(found) % 5 == 0
                    assert [each.event.data for each in found] == [b"%d" % (n // 5) for n in range(len(found))]

            in_threads([write, read, read])

    def test_reopening_changes_nothing(self) -> None:
        """Events, head, root and origin are what they were; positions go on."""
        with self.recorder(300) as recorder:
            before = list(recorder.scan()), recorder.head, recorder.root(), recorder.origin
            recorder.close()
            recorder.close()
            recorder.open()
            recorder.open()
            assert (list(recorder.scan()), recorder.head, recorder.root(), recorder.origin) == before
            assert recorder.append(sample_events(1)) == 301
            assert not list(recorder.check_indexes())

    def test_close_waits_for_what_was_submitted(self) -> None:
        """Nothing that was taken is lost by closing."""
        batches = [Batch(sample_events(2)) for _ in range(40)]
        with self.recorder() as recorder:
            for batch in batches:
                recorder.submit(batch)
            recorder.close()
            assert [batch.position for batch in batches] == list(range(2, 81, 2))
            assert recorder.head == 80

    def test_completed_may_read_while_the_log_closes(self) -> None:
        """Closing waits for callbacks, and they for nothing."""
        heads: list[int] = []
        with self.recorder() as recorder:
            for _ in range(20):
                recorder.submit(Batch(sample_events(1), completed=lambda _: heads.append(len(list(recorder.scan())))))
            recorder.close()
            assert heads[-1] == 20

    def test_open_for_reading_only(self) -> None:
        """It reads, and refuses to write."""
        with self.recorder(5) as recorder:
            recorder.close()
            recorder.open(readonly=True)
            assert recorder.readonly
            assert len(list(recorder.scan())) == recorder.head == 5
            with refused(StoreError):
                recorder.append(sample_events(1))
            with refused(StoreError):
                recorder.open()
            assert recorder.head == 5

    def test_an_origin_is_a_name_of_its_own(self) -> None:
        """32 lower-case hex characters, another for each log."""
        with self.recorder() as one, self.recorder() as other:
            assert one.origin != other.origin
            assert len(one.origin) == 32
            assert set(one.origin) <= set("0123456789abcdef")

    def test_every_event_is_a_leaf(self) -> None:
        """LOG-6: roots, inclusion and consistency at many sizes, beyond a tile of 256."""
        with self.recorder(700) as recorder:
            leaves = list(recorder.leaf_hashes())
            assert recorder.tree_size == len(leaves) == 700
            assert (
                list(recorder.leaf_hashes(255, 258))
                == leaves[255:258]
                == [recorder.leaf_hash(p) for p in (256, 257, 258)]
            )
            root = recorder.root()
            assert root == merkle.root_of(leaves)
            for size in (1, 2, 7, 255, 256, 257, 511, 512, 600, 700):
                assert recorder.root(size) == merkle.root_of(leaves[:size])
                proof = recorder.inclusion_proof(size)
                assert merkle.verify_inclusion(leaves[size - 1], size - 1, 700, proof, root)
                assert merkle.verify_consistency(size, 700, recorder.root(size), root, recorder.consistency_proof(size))
            with refused(ValueError):
                recorder.root(701)
            with refused(ValueError):
                recorder.inclusion_proof(9, 8)
            with refused(ValueError):
                recorder.consistency_proof(9, 8)
            with refused(ValueError):
                recorder.leaf_hash(701)

    def test_subscriptions_follow_the_log(self) -> None:
        """What is there, then what comes, filtered; closing the log ends them."""
        posted = DCBQuery([DCBQueryItem(types=["posted"])])
        with self.recorder(6) as recorder:
            with recorder.subscribe(posted, after=2) as subscription:
                assert next(subscription).position == 5
                recorder.append(sample_events(3))
                assert next(subscription).position == 8
            left = recorder.subscribe()
            recorder.close()
            assert list(left) == []

    def test_indexes_and_tree_agree_with_the_records(self) -> None:
        """The check that verify runs finds nothing, and tells how far it is."""
        with self.recorder(5000) as recorder:
            told: list[int] = []
            assert list(recorder.check_indexes(told.append)) == []
            assert told
