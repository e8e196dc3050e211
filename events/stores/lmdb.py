"""The log on disk, in LMDB (SPEC LOG-3, LOG-4, LOG-5).

A log is a folder: ``data.mdb`` and ``lock.mdb`` are LMDB's, ``writer.lock`` names the process that writes.
Integers are big-endian and unsigned. ``data.mdb`` has four named databases:

========  ============================  ====================================================================
database  key                           value
========  ============================  ====================================================================
events    position, 8 bytes, from 1,    leaf hash, 32 bytes, then the record (``record.py``)
          without gaps
index     label, 2 to 401 bytes         positions, 8 bytes each, ascending (DUPSORT, DUPFIXED)
nodes     tile level, 1 byte, then      root of the complete subtree of 256**level leaves with that index,
          index, 8 bytes                32 bytes; level 1 and up, the leaf hashes are level 0
meta      ``header``                    the header, written once
========  ============================  ====================================================================

A label is one byte of kind and a text in UTF-8: 0x00 an event's type, 0x01 a tag; with 0x80 added, the SHA-256 of
a text of more than 400 bytes. The index has no table of numbers for labels: LMDB keeps a label once for all of its
positions anyhow, and a table would cost a second tree. Of the Merkle tree nothing else is stored (``merkle.py``).

The header, whose first five fields stay where they are in every format:

======  ===========  ===================  =======================================================================
offset  type         meaning              an unknown value
======  ===========  ===================  =======================================================================
0       8 bytes      ``ledgrhub``         StoreError: not a ledgerhub log
8       u32          format, 1            StoreError that names it, and the version that reads it
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
from events.merkle import HASH_SIZE_BYTES
from events.stores.base import Batch, LogRecorder, new_origin
from events.stores.lmdb_env import MAP_SIZE_BYTES, Environment, closed, make
from events.stores.lmdb_header import Header, not_a_log
from events.stores.lmdb_index import Snapshot, position_of
from events.stores.lmdb_lock import WriterLock
from events.stores.lmdb_writer import Writer
from events.stores.query import Window, items_of

Durability: TypeAlias = Literal["fsync", "os"]

_CHUNK_ENTRIES = 1024


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
                self._writer = Writer(self._environment, self._map_size_max_bytes, self._notify)
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
        self._writer = self._environment = self._lock = None

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
        with self._snapshot() as snapshot:
            if items is None:
                values = snapshot.values(window.positions())
            else:
                values = snapshot.indexed_values(snapshot.matches(items, window))
        return [(position_of(key), value[HASH_SIZE_BYTES:]) for key, value in values]

    def _hashes(self, tile_level: int, start: int, count: int) -> Sequence[bytes]:
        with self._snapshot() as snapshot:
            return snapshot.hashes(tile_level, start, count)

    def _stored(self, after: int, until: int) -> Iterator[tuple[int, bytes, bytes]]:
        for start in range(after, until, _CHUNK_ENTRIES):
            with self._snapshot() as snapshot:
                values = snapshot.values(range(start + 1, min(start + _CHUNK_ENTRIES, until) + 1))
            for key, value in values:
                yield position_of(key), value[:HASH_SIZE_BYTES], value[HASH_SIZE_BYTES:]

    def _index_entries(self) -> Iterator[tuple[bytes, int]]:
        last = b"\x00", 0  # the first label there can be: the type without a name
        while True:
            with self._snapshot() as snapshot:
                entries = snapshot.index_entries(last, _CHUNK_ENTRIES)
            yield from entries
            if len(entries) < _CHUNK_ENTRIES:
                return
            last = entries[-1]

    def _in_index(self, label: bytes, position: int) -> bool:
        with self._snapshot() as snapshot:
            return snapshot.in_index(label, position)
