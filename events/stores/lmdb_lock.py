"""The writer's lock: one process, and one recorder in it, writes a log at a time (SPEC LOG-4)."""

from __future__ import annotations

import fcntl
import os

from events.errors import StoreError, StoreLockedError

LOCK_NAME = "writer.lock"


class WriterLock:
    """An exclusive ``flock`` on ``writer.lock``, whose text is the holder's pid.

    The system frees it when the holder dies, however it dies, so a lock file left behind locks nothing.

    Args:
        folder: the log's folder; must exist.

    Raises:
        StoreLockedError: someone holds it; ``pid`` is theirs, None when it cannot be read.
        StoreError: the folder cannot be written.
    """

    def __init__(self, folder: str) -> None:
        path = os.path.join(folder, LOCK_NAME)
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            message = f"the log {folder} cannot be written ({error.strerror}): allow it, or open it for reading"
            raise StoreError(message, path=folder) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, b"%d\n" % os.getpid(), 0)
        except OSError as error:
            pid = _pid(self._file)
            os.close(self._file)
            if not isinstance(error, BlockingIOError):
                raise StoreError(f"the log {folder} cannot be locked ({error.strerror})", path=folder) from error
            raise StoreLockedError(
                f"the log {folder} is written by process {pid or 'unknown'}: stop it, or open the log for reading",
                pid=pid,
                path=folder,
            ) from None

    def release(self) -> None:
        """Let go of it."""
        os.close(self._file)


def _pid(file: int) -> int | None:
    text = os.pread(file, 32, 0).strip()
    return int(text) if text.isdigit() else None
