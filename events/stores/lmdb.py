"""The log on disk, in LMDB (SPEC LOG-3, LOG-4, LOG-5).

A log is a folder: ``data.mdb`` and ``lock.mdb`` are LMDB's, ``writer.lock`` names the process that writes.
Integers are big-endian and unsigned. ``data.mdb`` has four named databases:

========  ===============================  =================================================================
database  key                              value
========  ===============================  =================================================================
events    last position of a chunk,        the chunk: positions from 1 on, without gaps
          8 bytes
index     label, 2 to 257 bytes, then the  the block: positions of events that have the label
          last position of a block, or
          8 bytes of 0xff for the label's
          open one, which is its last
nodes     tile level, 1 byte, then index,  root of the complete subtree of 256**level leaves with that
          8 bytes                          index, 32 bytes; level 1 and up, the leaf hashes are level 0
meta      ``header``                       the header, written once
meta      ``indexed``                      the last position that the index has, 8 bytes; 0 when missing
========  ===============================  =================================================================

Nothing of these has room for what is unknown: a value of another size is a CorruptLogError.

======  ===================  ======================================================================================
offset  a chunk's fields     meaning
======  ===================  ======================================================================================
0       u32                  n, the number of records
4       n times u32          where each record ends, counted from the first one's start
4+4n    n times 32 bytes     their leaf hashes
4+36n   bytes                the records, one behind the other (``record.py``)
======  ===================  ======================================================================================

======  ===================  ======================================================================================
offset  a block's fields     meaning
======  ===================  ======================================================================================
0       u64                  the first position
8       u16 each             how far each other position, ascending, is behind the first one
======  ===================  ======================================================================================

A label is a byte of kind, a byte of length, and a text in UTF-8 of that length: kind 0x00 an event's type, 0x01 a tag,
0x02 a tag that ends in a colon and 32 lower-case hex digits, which stand behind the text as 16 bytes. With 0x80 added
to its kind, a label is that byte and the SHA-256 of a text of more than 255 bytes. Of the Merkle tree nothing but its
nodes and leaf hashes is stored (``merkle.py``).

A commit writes its events as one chunk or a few. The index follows, for some thousand events at once and when the log
is closed; what it does not have yet, the *tail*, is read from the records (``lmdb_tail.py``).

The header, whose first five fields stay where they are in every format:

======  ===========  ===================  =======================================================================
offset  type         meaning              an unknown value
======  ===========  ===================  =======================================================================
0       8 bytes      ``ledgrhub``         StoreError: not a ledgerhub log
8       u32          format, 2            StoreError that names it, and the version that reads it
12      u32          flags, none yet      StoreError that names the bit, and the version that reads it
16      16 bytes     origin               any value is one
32      u8, ASCII    first version that   said in the two errors above
                     reads this format
then    u8, ASCII    name of record rule    StoreError naming the log's rule and the one asked for
======  ===========  ===================  =======================================================================

Durability ``fsync``: a commit is acknowledged when it is on disk. ``os``: when the system has it, which survives
the death of the process however it dies, but not a power cut: that may lose the last commits and, where the file
system writes pages out of order, damage the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, TypeAlias

from eventsourcing.dcb.api import DCBQuery
from eventsourcing.persistence import ProgrammingError

from events.errors import CorruptLogError, StoreError
from events.stores.base import Batch, LogRecorder, new_origin
from events.stores.lmdb_blocks import label_of
from events.stores.lmdb_env import MAP_SIZE_BYTES, Environment, closed, make
from events.stores.lmdb_header import Header, not_a_log
from events.stores.lmdb_lock import WriterLock
from events.stores.lmdb_snapshot import Snapshot
from events.stores.lmdb_tail import Tail
from events.stores.lmdb_writer import Writer
from events.stores.query import Window, items_of

Durability: TypeAlias = Literal["fsync", "os"]

_READ_EVENTS = 1024
_READ_BLOCKS = 256


class LmdbRecorder(LogRecorder):
    """A log in a folder, written by one process at a time and read by any number.

    Args:
        path: the folder; made when a log is opened there for writing.
        durability: what an acknowledged append survives, ``fsync`` or ``os``: see above.
        map_size_bytes: address space to ask for, not disk; halved as often as the system refuses it. The map doubles
            when it is full.
        map_size_max_bytes: how far it may grow; None for as far as it goes.
        record_rule: the name in ``RECORD_RULES`` of how events are written; kept in the header.
        new_origin: makes the identity of a new log.

    Raises:
        StoreError: the durability has no such name.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Durability = "fsync",
        map_size_bytes: int = MAP_SIZE_BYTES,
        map_size_max_bytes: int | None = None,
        record_rule: str = "record",
        new_origin: Callable[[], str] = new_origin,
    ) -> None:
        super().__init__(record_rule=record_rule, new_origin=new_origin)
        if durability not in {"fsync", "os"}:
            raise StoreError(f"durability is 'fsync' or 'os', not {durability!r}", durability=durability)
        self._path = os.fspath(path)
        self._durability = durability
        self._map_size_bytes = map_size_bytes
        self._map_size_max_bytes = map_size_max_bytes
        self._origin = ""
        self._environment: Environment | None = None
        self._lock: WriterLock | None = None
        self._writer: Writer | None = None
        self._tail: Tail | None = None

    @property
    def path(self) -> str:
        """The log's folder, as given."""
        return self._path

    @property
    def origin(self) -> str:
        """The identity of this log, from its header."""
        self._ensure_open()
        return self._origin

    def _open(self, readonly: bool) -> None:
        try:
            if readonly:
                self._refuse_missing()
            else:
                self._make_folder()
                self._lock = WriterLock(self._path)
                if not self._has_data():
                    make(self._path, Header(self._new_origin(), self._record_rule_name))
            self._environment = Environment.attach(
                self._path,
                readonly=readonly,
                sync=self._durability == "fsync",
                map_size_bytes=0 if readonly else self._map_size_bytes,
            )
            self._read_header(self._environment)
            if not readonly:
                self._writer = Writer(self._environment, self._rule, self._map_size_max_bytes, self._notify)
        except BaseException:
            self._close()
            raise

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._environment is not None:
            if self._writer is not None:
                self._environment.sync()
            self._environment.detach()
        if self._lock is not None:
            self._lock.release()
        self._writer = self._environment = self._lock = self._tail = None

    def _make_folder(self) -> None:
        try:
            os.makedirs(self._path, exist_ok=True)
        except OSError as error:
            message = f"{self._path} cannot be the folder of a log ({error.strerror}): give another path"
            raise StoreError(message, path=self._path) from error

    def _refuse_missing(self) -> None:
        if os.path.exists(self._path) and not os.path.isdir(self._path):
            raise StoreError(f"{self._path} is a file; a log is a folder: give its path", path=self._path)
        if not self._has_data():
            raise StoreError(f"there is no log in {self._path}: check the path", path=self._path)

    def _has_data(self) -> bool:
        """Whether there is a log. One is made whole (``make``), so an empty file is what is left of one."""
        data = os.path.join(self._path, "data.mdb")
        try:
            size = os.stat(data).st_size
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(f"the log {self._path} cannot be read ({error.strerror})", path=self._path) from error
        if not size:
            message = f"the log {self._path} is cut short, to 0 bytes: restore it from a copy"
            raise CorruptLogError(message, path=self._path)
        return True

    def _read_header(self, environment: Environment) -> None:
        with environment.reading() as txn:
            data = txn.get(b"header", db=environment.dbs.meta)
        if data is None:
            raise not_a_log(self._path)
        header = Header.unpack(data, self._path)
        if header.record_rule != self._record_rule_name:
            raise StoreError(
                f"the log {self._path} has the record rule {header.record_rule!r}, not {self._record_rule_name!r}:"
                " open it with its own, or its tree would not be one",
                path=self._path,
                record_rule=header.record_rule,
            )
        self._origin = header.origin

    def _submit(self, batch: Batch) -> None:
        if self._writer is None or not self._writer.submit(batch):
            raise closed(self._path)

    def _refuse_waiting(self) -> None:
        if self._writer is not None and self._writer.is_current_thread():
            raise ProgrammingError(
                "in `completed` there is no waiting for the log: submit there, append and close elsewhere"
            )

    def _head(self) -> int:
        if self._writer is not None:
            return self._writer.head
        with self._snapshot() as snapshot:
            return snapshot.last_position()

    @contextmanager
    def _snapshot(self) -> Iterator[Snapshot]:
        if (environment := self._environment) is None:
            raise closed(self._path)
        with environment.reading() as txn:
            yield Snapshot(txn, environment)

    def _rows(self, query: DCBQuery | None, window: Window) -> list[tuple[int, bytes]]:
        items = items_of(query)
        if items is None:
            return self._span(window)
        while True:
            with self._snapshot() as snapshot:
                if (tail := self._tail_of(snapshot, window.last)) is not None:
                    return snapshot.rows(snapshot.matches(items, window, tail))

    def _span(self, window: Window) -> list[tuple[int, bytes]]:
        positions = window.positions()
        if not positions:
            return []
        with self._snapshot() as snapshot:
            rows = snapshot.span(min(positions), max(positions))
        return rows[::-1] if window.backwards else rows

    def _tail_of(self, snapshot: Snapshot, last: int) -> Tail | None:
        """Return the tail up to a position, or None if the index has been written since the snapshot was taken."""
        indexed = snapshot.indexed()
        tail = self._tail if self._writer is None else self._writer.tail
        if tail is None or (self._writer is None and tail.base < indexed):
            self._tail = tail = Tail(indexed, self._rule)
        if tail.base > indexed:
            return None
        tail.extend(snapshot, last)
        return tail

    def _hashes(self, tile_level: int, start: int, count: int) -> Sequence[bytes]:
        with self._snapshot() as snapshot:
            return snapshot.hashes(tile_level, start, count)

    def _stored(self, after: int, until: int) -> Iterator[tuple[int, bytes, bytes]]:
        for first in range(after + 1, until + 1, _READ_EVENTS):
            last = min(first + _READ_EVENTS - 1, until)
            with self._snapshot() as snapshot:
                chunks = list(snapshot.chunks(first, last))
            for chunk in chunks:
                low, high = max(first, chunk.first), min(last, chunk.last)
                yield from zip(range(low, high + 1), chunk.leaves(low, high), chunk.records(low, high), strict=True)

    def _indexed(self) -> int:
        with self._snapshot() as snapshot:
            return snapshot.indexed()

    def _index_entries(self) -> Iterator[tuple[bytes, Sequence[int]]]:
        key = b""
        while True:
            with self._snapshot() as snapshot:
                blocks = snapshot.blocks_after(key, _READ_BLOCKS)
            for key, block in blocks:
                yield label_of(key), block.positions()
            if len(blocks) < _READ_BLOCKS:
                return

    def _in_index(self, label: bytes, position: int) -> bool:
        with self._snapshot() as snapshot:
            return snapshot.in_blocks(label, position)
