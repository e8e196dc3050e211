"""What can stand for a log: a hub, a folder, a golden file, a history, or the log itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from events.log import EventLog
from hub.hub import Hub
from replay.errors import QuestionError
from replay.golden_file import open_golden
from replay.history import History

Source = Hub | History | EventLog | str | os.PathLike[str]


@contextmanager
def opened(source: Source) -> Iterator[EventLog]:
    """Give a source's log to read, and close what was opened for it.

    Of a hub it is what is recorded now: ``await settle(hub)`` first, and nothing more is on its way.

    Raises:
        QuestionError: it is no log.
        StoreError, CorruptLogError: the log cannot be read.
    """
    if isinstance(source, EventLog):
        yield source
    elif isinstance(source, History):
        yield source.log
    elif isinstance(source, Hub):
        yield from _of_hub(source)
    elif isinstance(source, str | os.PathLike):
        yield from _of_path(Path(source))
    else:
        raise QuestionError(f"{type(source).__name__} is no log: give a hub, a log's folder, or a golden's file")


def _of_hub(hub: Hub) -> Iterator[EventLog]:
    was_open = hub.store.is_open
    hub.store.open(readonly=not was_open)
    try:
        yield EventLog(hub.store)
    finally:
        if not was_open:
            hub.store.close()


def _of_path(path: Path) -> Iterator[EventLog]:
    if path.is_file():
        yield EventLog(open_golden(path))
        return
    with History.open(path) as history:
        yield history.log
