"""The infrastructure factory by which any DCB application of the eventsourcing library keeps its events here.

Set in the application's environment ``PERSISTENCE_MODULE`` to ``events.stores.factory`` and

- ``LMDB_PATH``: the log's folder (required; made when it is new),
- ``LMDB_DURABILITY``: ``fsync`` (default) or ``os``, as in ``LmdbRecorder``.

As elsewhere in the library, ``<APPLICATION NAME>_LMDB_PATH`` goes before ``LMDB_PATH``.
"""

from __future__ import annotations

from typing import cast

from eventsourcing.dcb.persistence import DCBInfrastructureFactory
from eventsourcing.persistence import InfrastructureFactoryError, TrackingRecorder

from events.stores.base import LogRecorder
from events.stores.lmdb import Durability, LmdbRecorder

__all__ = ["LmdbDCBFactory"]

LMDB_PATH = "LMDB_PATH"
LMDB_DURABILITY = "LMDB_DURABILITY"


class LmdbDCBFactory(DCBInfrastructureFactory[TrackingRecorder]):
    """Makes the one recorder of an application, and closes it with the application."""

    _recorder: LogRecorder | None = None

    def dcb_recorder(self) -> LogRecorder:
        """Return the recorder, open for writing; the same one each time.

        Raises:
            InfrastructureFactoryError: ``LMDB_PATH`` is not set.
            StoreError: the log cannot be opened.
        """
        if self._recorder is None:
            path = self.env.get(LMDB_PATH)
            if not path:
                raise InfrastructureFactoryError(f"{LMDB_PATH} is not set: give the folder of the log in it")
            durability = cast(Durability, self.env.get(LMDB_DURABILITY) or "fsync")
            self._recorder = LmdbRecorder(path, durability=durability)
            self._recorder.open()
        return self._recorder

    def close(self) -> None:
        """Close the log."""
        if self._recorder is not None:
            self._recorder.close()
