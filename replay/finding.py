"""Which log is meant when none is named: the only one below the current folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

from events.errors import CorruptLogError, StoreError
from events.stores import DiskKnowledgeStore
from replay.errors import QuestionError

FOLDERS_MAX = 20_000
"""A search gives up beyond so many folders."""
_DATA = "data.mdb"
_SHOWN_MAX = 5


def find_log(start: str = ".") -> str:
    """Return the path of the only log in a folder or below it, hidden folders and links aside; O(folders).

    A damaged log is one, too. Raises:
        QuestionError: there is none, there are several, or there are too many folders to search.
    """
    found = sorted(path for path in _folders_with_data(start) if _is_log(path))
    if not found:
        raise QuestionError("there is no log in this folder or below it: name one with --log PATH or LEDGERHUB_LOG")
    if len(found) > 1:
        some = ", ".join(found[:_SHOWN_MAX]) + (" and more" if len(found) > _SHOWN_MAX else "")
        raise QuestionError(f"there are {len(found)} logs below this folder ({some}): name one with --log PATH")
    return found[0]


def _folders_with_data(start: str) -> Iterator[str]:
    for count, (folder, folders, files) in enumerate(os.walk(start)):
        if count == FOLDERS_MAX:
            raise QuestionError(f"there are over {FOLDERS_MAX} folders below this one: name the log with --log PATH")
        folders[:] = [name for name in folders if not name.startswith(".")]
        if _DATA in files:
            yield os.path.normpath(folder)


def _is_log(path: str) -> bool:
    """Whether an LMDB folder is a log of ours, readable by this version or not."""
    recorder = DiskKnowledgeStore(path)
    try:
        recorder.open(readonly=True)
    except CorruptLogError:
        return True
    except StoreError as error:
        return "format" in error.facts
    recorder.close()
    return True
