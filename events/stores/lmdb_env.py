"""One LMDB environment of this process: opening it, reading and writing in it, growing it.

LMDB wants a file opened once per process and nothing in flight while its map changes. So recorders on one file
share an ``Environment``, and its gate lets reads run side by side but lets a remap or a reopening run alone.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import ClassVar, NamedTuple, TypeAlias, TypeVar

import lmdb
from lmdb.verify import verify

from events.errors import CorruptLogError, StoreError
from events.stores.lmdb_header import Header, not_a_log

T = TypeVar("T")
Transaction: TypeAlias = "lmdb.Transaction[bytes]"
Cursor: TypeAlias = "lmdb.Cursor[bytes]"

MAP_SIZE_BYTES = 1 << 40
_MAP_SIZE_BYTES_MIN = 1 << 20
_DATABASES = 4
_READERS_MAX = 4096
_MAKING = ".making"
_DAMAGE = (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.InvalidError, lmdb.VersionMismatchError)


@dataclass(frozen=True, slots=True)
class Databases:
    """The handles of the named databases; what is in them is the table in ``lmdb.py``."""

    events: lmdb._Database
    index: lmdb._Database
    nodes: lmdb._Database
    meta: lmdb._Database


class Environment:
    """The environment of one log folder, shared by the recorders of this process.

    Get one with ``attach``; give it back with ``detach``.
    """

    _shared: ClassVar[dict[tuple[int, int], Environment]] = {}
    _registry: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, path: str, key: tuple[int, int]) -> None:
        self.path = path
        self._key = key
        self._users = 0
        self._gate = _Gate()
        self._options = _Options(readonly=True, sync=True, map_size_bytes=0)
        self._env: lmdb.Environment | None = None
        self._dbs: Databases | None = None

    @classmethod
    def attach(cls, path: str, *, readonly: bool, sync: bool = True, map_size_bytes: int = 0) -> Environment:
        """Return the open environment of a log that exists, opening it if need be.

        A writer must hold the writer's lock; a shared environment is reopened with its options.

        Raises:
            CorruptLogError: the file is damaged.
            StoreError: it cannot be opened.
        """
        with cls._registry:
            stat = os.stat(os.path.join(path, "data.mdb"))
            key = (stat.st_dev, stat.st_ino)
            shared = cls._shared.get(key) or cls(path, key)
            if not readonly or not shared._users:
                shared._options = _Options(readonly, sync, map_size_bytes)
                shared.reopen()
            shared._users += 1
            cls._shared[key] = shared
            return shared

    def detach(self) -> None:
        """Give it back: the last user closes it."""
        with self._registry:
            self._users -= 1
            if not self._users:
                del self._shared[self._key]
                with self._gate.alone():
                    self._close()

    @property
    def dbs(self) -> Databases:
        """The database handles."""
        if self._dbs is None:
            raise closed(self.path)
        return self._dbs

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A read transaction. Keep it short: while it is open, pages of old versions cannot be used again.

        Raises:
            CorruptLogError: LMDB finds damage.
            StoreError: it cannot be read.
        """
        txn = self._begin()
        try:
            with txn:
                yield txn
        except lmdb.Error as error:
            raise store_error(error, self.path) from error
        finally:
            self._gate.leave()

    def _begin(self) -> Transaction:
        while True:
            env = self._live()
            self._gate.enter()
            try:
                if env is self._env:
                    return env.begin()
                self._gate.leave()  # reopened meanwhile
            except lmdb.MapResizedError:
                self._gate.leave()
                self._remap(0)  # the writer, in another process, has grown the map: adopt its size
            except lmdb.Error as error:
                self._gate.leave()
                raise store_error(error, self.path) from error

    def write(self, work: Callable[[Transaction], T], map_size_bytes_max: int | None) -> T:
        """Run ``work`` in a write transaction and commit; when the map is full, grow it and run ``work`` again.

        Only for the holder of the writer's lock, always on one thread.

        Raises:
            CorruptLogError: LMDB finds damage; nothing is written.
            StoreError: disk full, map at its limit, I/O error; nothing is written, and a later call may succeed.
        """
        while True:
            try:
                with self._live().begin(write=True) as txn:
                    return work(txn)
            except lmdb.MapFullError:
                self._grow(map_size_bytes_max)
            except lmdb.MapResizedError:
                self._remap(0)
            except lmdb.Error as error:
                # After a failed write LMDB may refuse all others until it is opened anew.
                with self._gate.alone():
                    self._close()
                raise store_error(error, self.path) from error

    def _grow(self, map_size_bytes_max: int | None) -> None:
        size = self._live().info()["map_size"]
        if map_size_bytes_max is not None and size >= map_size_bytes_max:
            raise StoreError(
                f"the log {self.path} is full: its map has reached the {map_size_bytes_max} bytes it may have;"
                " allow more with map_size_max_bytes",
                path=self.path,
                map_size_bytes=size,
            )
        self._remap(min(size * 2, map_size_bytes_max or size * 2))

    def _remap(self, size_bytes: int) -> None:
        with self._gate.alone():
            try:
                if self._env is not None:
                    self._env.set_mapsize(size_bytes)
            except lmdb.Error as error:
                self._close()
                raise store_error(error, self.path) from error

    def reopen(self) -> None:
        """Close what is open and open it with the options of now."""
        with self._gate.alone():
            self._close()
            self._reopen()

    def _live(self) -> lmdb.Environment:
        """Return LMDB's environment, opened anew if a failure had closed it."""
        if (env := self._env) is not None:
            return env
        with self._gate.alone():
            if not self._users:
                raise closed(self.path)
            if self._env is None:
                self._reopen()
            assert self._env is not None
            return self._env

    def _reopen(self) -> None:
        try:
            self._env = self._options.open(self.path)
            _refuse_truncated(self._env, self.path)
            self._env.reader_check()
            self._dbs = _open_databases(self._env, self.path)
        except BaseException:
            self._close()
            raise

    def sync(self) -> None:
        """Put on disk what the system still holds (durability ``os``).

        Raises:
            StoreError: the disk fails.
        """
        try:
            self._live().sync(True)
        except lmdb.Error as error:
            raise store_error(error, self.path) from error

    def _close(self) -> None:
        if self._env is not None:
            self._env.close()
        self._env = self._dbs = None


class _Options(NamedTuple):
    readonly: bool
    sync: bool
    map_size_bytes: int

    def open(self, path: str) -> lmdb.Environment:
        """Open the environment, with half the map as often as the address space refuses it."""
        # 0, a reader's, adopts what the writer asked for.
        size = self.map_size_bytes and max(self.map_size_bytes, _MAP_SIZE_BYTES_MIN)
        # A copy of data.mdb alone has no writer to keep out, and reading it must make no file beside it.
        lock = not self.readonly or os.path.exists(os.path.join(path, "lock.mdb"))
        while True:
            try:
                return lmdb.open(
                    path,
                    map_size=size,
                    readonly=self.readonly,
                    lock=lock,
                    create=False,
                    sync=self.sync,
                    max_readers=_READERS_MAX,
                    max_dbs=_DATABASES,
                    max_spare_txns=0,  # a spare one keeps its reader slot, which others may clear
                )
            except (lmdb.MemoryError, OverflowError) as error:
                size = (size or MAP_SIZE_BYTES) // 2
                if size < _MAP_SIZE_BYTES_MIN:
                    message = f"the log {path} cannot be mapped: the address space is used up"
                    raise StoreError(message, path=path) from error
            except lmdb.Error as error:
                raise store_error(error, path) from error


class _Gate:
    """Many inside, or one alone."""

    def __init__(self) -> None:
        self._condition = threading.Condition(threading.Lock())
        self._inside = 0
        self._closed = False

    def enter(self) -> None:
        with self._condition:
            while self._closed:
                self._condition.wait()
            self._inside += 1

    def leave(self) -> None:
        with self._condition:
            self._inside -= 1
            if not self._inside:
                self._condition.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._condition:
            while self._closed:
                self._condition.wait()
            self._closed = True
            while self._inside:
                self._condition.wait()
        try:
            yield
        finally:
            with self._condition:
                self._closed = False
                self._condition.notify_all()


def make(path: str, header: Header) -> None:
    """Make a new log in an existing folder, at once: after a crash there is a whole one or none.

    Raises:
        StoreError: the folder cannot be written.
    """
    making = os.path.join(path, _MAKING)
    try:
        shutil.rmtree(making, ignore_errors=True)
        with (
            lmdb.open(making, map_size=_MAP_SIZE_BYTES_MIN, max_dbs=_DATABASES) as env,
            env.begin(write=True) as txn,
        ):
            env.open_db(b"events", txn)
            env.open_db(b"index", txn)
            env.open_db(b"nodes", txn)
            txn.put(b"header", header.pack(), db=env.open_db(b"meta", txn))
        os.replace(os.path.join(making, "data.mdb"), os.path.join(path, "data.mdb"))
        shutil.rmtree(making)
        _sync_folder(path)
    except lmdb.Error as error:
        raise store_error(error, path) from error
    except OSError as error:
        raise StoreError(f"no log can be made in {path} ({error.strerror})", path=path) from error


def closed(path: str) -> StoreError:
    """Return the error for a call that came too late."""
    return StoreError(f"the log {path} was closed meanwhile: open it again", path=path)


def store_error(error: lmdb.Error, path: str) -> StoreError:
    """Return what LMDB's error means to the log's user."""
    if isinstance(error, _DAMAGE):
        return CorruptLogError(f"the log {path} is damaged ({error}): restore it from a copy", path=path)
    return StoreError(f"the log {path} cannot be used now ({error}): see to the disk, then try again", path=path)


def _open_databases(env: lmdb.Environment, path: str) -> Databases:
    try:
        return Databases(*(env.open_db(each.name.encode(), create=False) for each in fields(Databases)))
    except (lmdb.NotFoundError, lmdb.ReadonlyError, lmdb.IncompatibleError) as error:
        raise not_a_log(path) from error
    except lmdb.Error as error:
        raise store_error(error, path) from error


def _refuse_truncated(env: lmdb.Environment, path: str) -> None:
    """Reading past the end of a mapped file would kill the process, so a file that is too short is walked first.

    It may be whole: pages that were given and freed in one transaction, at the very end, are never written.
    """
    data = os.path.join(path, "data.mdb")
    size, needed = os.path.getsize(data), (env.info()["last_pgno"] + 1) * env.stat()["psize"]
    if size < needed:
        problems: list[str] = verify(data)  # type: ignore[no-untyped-call]
        if problems:
            raise CorruptLogError(
                f"the log {path} is cut short, {size} of {needed} bytes ({problems[0]}): restore it from a copy",
                path=path,
            )


def _sync_folder(path: str) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
