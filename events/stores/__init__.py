"""Where a log is kept. ``MemoryKnowledgeStore`` and ``DiskKnowledgeStore`` are the hub's two (SPEC LOG-3)."""

from __future__ import annotations

import os
from collections.abc import Callable

import events.codec  # noqa: F401  (registers the record rule ``event``)
from events.stores.base import Batch, LogRecorder, new_origin
from events.stores.fork import ForkRecorder
from events.stores.lmdb import Durability, LmdbRecorder
from events.stores.lmdb_env import MAP_SIZE_BYTES
from events.stores.memory import MemoryRecorder

__all__ = [
    "Batch",
    "DiskKnowledgeStore",
    "Durability",
    "ForkRecorder",
    "LmdbRecorder",
    "LogRecorder",
    "MemoryKnowledgeStore",
    "MemoryRecorder",
]


class MemoryKnowledgeStore(MemoryRecorder):
    """A hub's log in memory: it lives as long as the object, so opening another hub on it is a restart.

    Args:
        new_origin: makes the log's identity; give one to have the same log each time.
    """

    def __init__(self, *, new_origin: Callable[[], str] = new_origin) -> None:
        super().__init__(record_rule="event", new_origin=new_origin)


class DiskKnowledgeStore(LmdbRecorder):
    """A hub's log on disk.

    Args:
        path: the log's folder; made when a hub opens there.
        durability: ``fsync``, acknowledged is on disk; ``os``, acknowledged survives a killed process, not a power cut.
        map_size: address space to ask for, in bytes; it costs no disk, and grows by itself.
        new_origin: makes the identity of a new log.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        durability: Durability = "fsync",
        map_size: int = MAP_SIZE_BYTES,
        *,
        new_origin: Callable[[], str] = new_origin,
    ) -> None:
        super().__init__(
            path, durability=durability, map_size_bytes=map_size, record_rule="event", new_origin=new_origin
        )
