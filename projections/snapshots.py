"""Projection checkpoints: files beside the log that let opening cost what changed since (LOG-8).

A checkpoint is a cache. One that is missing, cut short, garbled, of another log, of other code or ahead of the log
is passed over, and the log is folded from the next older one, or from the start. Cost: O(what is live) to write
and to read.

====== ======= =============================================================================
offset type    meaning; what an unknown value does
====== ======= =============================================================================
0      8 bytes ``lhubckp1``; anything else: passed over
8      32      SHA-256 of the rest; a mismatch: passed over
40     msgpack map: fingerprint, origin, position, at_us, last_id, leaf, state
               leaf is the Merkle leaf hash of the event at position: a checkpoint of a log
               that was cut back or replaced does not match and is passed over
====== ======= =============================================================================
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple

import msgpack

from events.codec import canonical
from events.stores.base import LogRecorder
from projections.state import HubState

MAGIC = b"lhubckp1"
KEPT = 24
"""Checkpoints kept per log: half of them the newest, the others spread evenly over what came before.

Opening needs the newest one; who asks what was known at some point of the past needs one that is not far away.
"""


class Taken(NamedTuple):
    """A state as it was at a position that may not be on disk yet, to be saved once it is."""

    position: int
    at_us: int
    last_id: str
    packed: bytes

    def dump(self) -> Any:
        """Return what the state's ``dump`` returned then."""
        return msgpack.unpackb(self.packed)


def take(state: HubState) -> Taken:
    """Copy a state that goes on changing; O(what is live)."""
    return Taken(state.position, state.at_us, state.last_id, canonical(state.dump()))


def save(folder: Path, state: HubState | Taken, recorder: LogRecorder, fingerprint: str) -> Path:
    """Write a checkpoint of the state atomically and thin out old ones; O(what is live).

    Args:
        folder: made when it is not there.
        state: not ahead of the store.
        recorder: the log's store, which vouches for the position.
        fingerprint: names the code that folds; a checkpoint of other code is not used.
    """
    payload = canonical(
        {
            "fingerprint": fingerprint,
            "origin": recorder.origin,
            "position": state.position,
            "at_us": state.at_us,
            "last_id": state.last_id,
            "leaf": recorder.leaf_hash(state.position) if state.position else b"",
            "state": state.dump(),
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = _path(folder, state.position)
    draft = path.with_suffix(".draft")
    draft.write_bytes(MAGIC + hashlib.sha256(payload).digest() + payload)
    os.replace(draft, path)
    _thin(folder)
    return path


def positions(folder: Path) -> list[int]:
    """Return where there are checkpoints, usable or not, in ascending order."""
    return sorted(int(path.stem) for path in folder.glob("*.checkpoint") if path.stem.isdigit())


def newest(folder: Path, recorder: LogRecorder, fingerprint: str, until: int) -> dict[str, Any] | None:
    """Return the newest usable checkpoint at or before ``until``, or None; O(its size)."""
    for path in sorted(folder.glob("*.checkpoint"), reverse=True):
        if path.stem.isdigit() and int(path.stem) <= until:
            found = _read(path)
            if found is not None and _fits(found, recorder, fingerprint):
                return found
    return None


def restore(state: HubState, folder: Path, recorder: LogRecorder, fingerprint: str, until: int) -> bool:
    """Bring a fresh state to the newest usable checkpoint; says whether there was one."""
    found = newest(folder, recorder, fingerprint, until)
    if found is None:
        return False
    state.load(found["state"], found["position"], found["at_us"], found["last_id"])
    return True


def _read(path: Path) -> dict[str, Any] | None:
    try:
        data = path.read_bytes()
        if data[:8] != MAGIC or hashlib.sha256(data[40:]).digest() != data[8:40]:
            return None
        found: dict[str, Any] = msgpack.unpackb(data[40:])
        return found
    except (OSError, ValueError, msgpack.exceptions.UnpackException):
        return None  # a cache that cannot be read is no cache; the log is


def _fits(found: dict[str, Any], recorder: LogRecorder, fingerprint: str) -> bool:
    if found.get("fingerprint") != fingerprint or found.get("origin") != recorder.origin:
        return False
    position = found["position"]
    return 0 < position <= recorder.head and bool(recorder.leaf_hash(position) == found["leaf"])


def _thin(folder: Path) -> None:
    """While there are too many, drop the older one that is missed least: whose neighbours are nearest to each other."""
    places = positions(folder)
    while len(places) > KEPT:
        older = range(len(places) - KEPT // 2)
        least = min(older, key=lambda index: places[index + 1] - (places[index - 1] if index else 0))
        _path(folder, places.pop(least)).unlink(missing_ok=True)


def _path(folder: Path, position: int) -> Path:
    return folder / f"{position:020d}.checkpoint"
