"""A log that is being made: beside where it will be, checked as it grows, put in its place when it is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eventsourcing.dcb.api import DCBEvent

from events.errors import CorruptLogError, NetworkError, StoreError
from events.event import Event
from events.stores import DiskKnowledgeStore
from events.stores.base import new_origin
from hub.catalogue import Catalogue
from hub.protocols import default_adapters
from projections.state import HubState
from replay.errors import QuestionError

BATCH_EVENTS = 1024
"""So many events share a commit."""


class Building:
    """A log in the making.

    Attributes:
        state: what a hub would know after the events so far, folded as a hub folds it.
    """

    def __init__(self, store: DiskKnowledgeStore) -> None:
        catalogue = Catalogue()
        for adapter in default_adapters():
            catalogue.register_adapter(adapter)
        self.state = HubState(catalogue)
        self._store = store
        self._batch: list[DCBEvent] = []

    def add(self, stored: DCBEvent, event: Event) -> None:
        """Fold an event and keep its record; O(1) beside the fold, memory O(one batch).

        Raises:
            CorruptLogError: it does not fold, so that no hub could open the log.
            StoreError: the log cannot be written.
        """
        if event.position != self.state.position + 1:
            expected = self.state.position + 1
            message = f"position {event.position} comes where {expected} should: what lies between is missing"
            raise CorruptLogError(message, position=expected)
        if event.id <= self.state.last_id or event.at_us < self.state.at_us:
            message = f"position {event.position} goes back in time or ids, which no log does"
            raise CorruptLogError(message, position=event.position)
        try:
            self.state.apply(event)
        except NetworkError:
            raise
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            message = f"position {event.position} ({event.type}) cannot be folded ({what}): no hub could open the log"
            raise CorruptLogError(message, position=event.position) from error
        self._batch.append(stored)
        if len(self._batch) >= BATCH_EVENTS:
            self.flush()

    def flush(self) -> None:
        """Write what was kept back."""
        if self._batch:
            self._store.append(self._batch)
            self._batch = []

    @property
    def origin(self) -> str:
        """The identity of the log."""
        return self._store.origin

    def root(self) -> str:
        """Return the Merkle root of all events so far, in hex."""
        self.flush()
        return self._store.root().hex()


@contextmanager
def building(path: str | os.PathLike[str], origin: str | None = None) -> Iterator[Building]:
    """Make a log at a path where nothing is; when the block raises, there is nothing still.

    Args:
        path: the new log's folder.
        origin: the identity of the log; a new one when None.

    Raises:
        QuestionError: there is something already.
        StoreError: the log cannot be written there.
    """
    target = Path(path)
    if target.exists():
        raise QuestionError(f"{target} is there already: an import makes a new log, give another path")
    beside = target.absolute().with_name(f".{target.name}.importing")
    shutil.rmtree(beside, ignore_errors=True)  # what is left of an import that was killed
    store = DiskKnowledgeStore(beside, new_origin=(lambda: origin) if origin else new_origin)
    try:
        store.open()
        made = Building(store)
        yield made
        made.flush()
        store.close()
        _put(beside, target)
    finally:
        store.close()
        shutil.rmtree(beside, ignore_errors=True)


def _put(beside: Path, target: Path) -> None:
    try:
        beside.rename(target)
        folder = os.open(target.absolute().parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise StoreError(f"{target} cannot be made ({error.strerror}): give another path", path=str(target)) from error
