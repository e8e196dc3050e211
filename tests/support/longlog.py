"""A long log, made once and kept between runs: many lives of one recorded session (``benchmarks.history``).

It has the projection checkpoints that a hub which lived through it would have left. What is kept is found by a hash of
the code that writes and folds logs, so a change of it makes a new one; what was not used for hours is thrown away.
``python -m tests.support.longlog EVENTS`` makes one and says where it is.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.history import Stamp, Tape, write
from events.log import EventLog
from events.stores import DiskKnowledgeStore
from hub.catalogue import Catalogue
from hub.loading import save_checkpoint
from hub.protocols import default_adapters
from projections.state import HubState
from tests.house.sources import ROOT

LONG = int(os.environ.get("LEDGERHUB_LONG_EVENTS", "100000"))
"""How many events the suite's long log has; a million takes a minute and a half of CPU to make."""
POSTS, PAIRS, LIVE = 4, 100, 200
CHECKPOINT_EVENTS = 50_000
"""How far apart its checkpoints are: as those of a long past, of which most were thinned out."""
UNUSED_HOURS_MAX = 3
_WRITTEN_BY = ("events", "projections", "hub", "benchmarks/history.py", "tests/support/longlog.py")


def long_log(events: int = LONG) -> Path:
    """Return the folder of a log of about so many events; only to be read.

    Waits while another process makes it.
    """
    kept = Path(tempfile.gettempdir()) / f"ledgerhub-long-{os.getuid()}"
    kept.mkdir(exist_ok=True)
    folder = kept / f"{events}-{_key()}"
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _throw_away(kept)
            draft = folder.with_suffix(".draft")
            shutil.rmtree(draft, ignore_errors=True)
            _make(draft, events)
            os.replace(draft, folder)
        os.utime(folder)
    return folder


def _key() -> str:
    digest = hashlib.sha256()
    for name in _WRITTEN_BY:
        path = ROOT / name
        for source in [path] if path.is_file() else sorted(path.rglob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _throw_away(kept: Path) -> None:
    for path in kept.iterdir():
        if time.time() - path.stat().st_mtime <= UNUSED_HOURS_MAX * 3600:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _make(folder: Path, events: int) -> None:
    tape = asyncio.run(Tape.record(posts=POSTS))
    closed = (events - PAIRS * len(tape.agents) - LIVE * len(tape.session)) // (len(tape.session) + len(tape.closing))
    write(DiskKnowledgeStore(folder, durability="os"), Stamp(tape, PAIRS).past(closed, LIVE))
    store = DiskKnowledgeStore(folder, durability="os")
    store.open(readonly=True)
    _checkpoint(EventLog(store))
    store.close()


def _checkpoint(log: EventLog) -> None:
    catalogue = Catalogue()
    for adapter in default_adapters():
        catalogue.register_adapter(adapter)
    state = HubState(catalogue)
    for until in range(CHECKPOINT_EVENTS, log.head + 1, CHECKPOINT_EVENTS):
        state.replay(log.read(after=state.position, until=until, content=False))
        save_checkpoint(log, state, catalogue)


if __name__ == "__main__":
    print(long_log(int(sys.argv[1]) if len(sys.argv) > 1 else LONG))
