"""Bringing a state up from a log, by the newest projection checkpoint where there is one (LOG-8)."""

from __future__ import annotations

from pathlib import Path

from events.log import EventLog
from events.stores import ForkRecorder, LmdbRecorder, LogRecorder
from hub.catalogue import Catalogue
from projections.archive import fold_session
from projections.sessions import UNREADABLE
from projections.snapshots import Link, restore, save
from projections.state import HubState


def checkpoint_folder(log: EventLog) -> Path | None:
    """Return where the log's checkpoints are; None for a log in memory, which needs none."""
    recorder = log.recorder
    return Path(recorder.path) / "checkpoints" if isinstance(recorder, LmdbRecorder) else None


def load_state(log: EventLog, catalogue: Catalogue, until: int | None = None) -> HubState:
    """Return the state at a position (default: the head); O(events since the nearest checkpoint).

    Raises:
        StoreError, CorruptLogError: the log cannot be read.
    """
    until = log.head if until is None else until
    state, _ = load_linked(log, catalogue, until)
    return state


def load_linked(log: EventLog, catalogue: Catalogue, until: int | None = None) -> tuple[HubState, Link | None]:
    """Return the state, and the checkpoint from which it was loaded; None when it was folded from the start."""
    until = log.head if until is None else until
    state, (source, usable) = HubState(catalogue), _under(log, until)
    folder = checkpoint_folder(source)
    link = None if folder is None else restored(state, folder, source, catalogue, usable)
    if link is None:
        state = HubState(catalogue)
    return state.replay(log.read(after=state.position, until=until, content=False)), link


def _under(log: EventLog, until: int) -> tuple[EventLog, int]:
    """Return the log whose checkpoints are of use up to a position: of a fork that of its base (REPLAY)."""
    recorder: LogRecorder = log.recorder
    while isinstance(recorder, ForkRecorder):
        until = min(until, recorder.forked_at)
        recorder = recorder.base
    return EventLog(recorder), until


def restored(state: HubState, folder: Path, log: EventLog, catalogue: Catalogue, until: int) -> Link | None:
    """Bring a fresh state to a checkpoint; one that does not load is passed over as if it were not there.

    Sessions stay packed until somebody looks; one that cannot be unpacked then is folded from the log (LOG-8).
    """
    try:
        link = restore(state, folder, log.recorder, catalogue.fingerprint(), until)
    except UNREADABLE:
        return None
    position = state.position
    state.sessions.rescue = lambda session_id: fold_session(log, session_id, catalogue, until=position)
    return link


def save_checkpoint(log: EventLog, state: HubState, catalogue: Catalogue) -> None:
    """Write a whole checkpoint of a state that is on disk to its last event; nothing for a log in memory."""
    folder = checkpoint_folder(log)
    if folder is not None:
        save(folder, state, log.recorder, catalogue.fingerprint())
