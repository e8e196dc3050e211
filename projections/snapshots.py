"""Projection checkpoints: files beside the log that let opening cost what changed since (LOG-8).

A checkpoint is a cache. One that is missing, cut short, garbled, of another log, of other code or ahead of the log
is passed over, and the log is folded from the next older one, or from the start. It is whole (``*.checkpoint``), or
holds only what changed since the one before it (``*.changes``), which it names with its checksum; when changes have
come to a quarter of the whole, or to 64 files, they are merged into a new one. Cost: O(what changed) to write,
O(what is live) now and then; O(what is live) to read.

====== ======= =============================================================================
offset type    meaning; what an unknown value does
====== ======= =============================================================================
0      8 bytes ``lhubckp2``; anything else: passed over
8      32      SHA-256 of the rest; a mismatch: passed over
40     msgpack map: fingerprint, origin, position, at_us, last_id, leaf, after, state
               leaf is the Merkle leaf hash of the event at position: a checkpoint of a log
               that was cut back or replaced does not match and is passed over
               after: nil when it is whole, else position and checksum of the one before
               state: projection to key to part, see ``HubState.changes``; nil for a part
               that is no more
====== ======= =============================================================================
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgpack

from events.codec import canonical
from events.stores.base import LogRecorder
from projections.state import HubState, Parts

MAGIC = b"lhubckp2"
KEPT = 24
"""Whole checkpoints kept per log: half of them the newest, the others spread evenly over what came before.

Opening needs the newest one; who asks what was known at some point of the past needs one that is not far away.
"""
MERGED_AT, STEPS_MAX = 4, 64
"""Changes are merged into a whole once they are this part of one in bytes, or so many."""
WHOLE, CHANGES = ".checkpoint", ".changes"


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


class Link(NamedTuple):
    """A checkpoint on which the next one can build: that it is the one it was is seen by its checksum."""

    position: int
    checksum: bytes
    whole_bytes: int
    changes_bytes: int = 0
    steps: int = 0
    """How many changes there are on top of the whole."""


class Changes(NamedTuple):
    """What a checkpoint is written of: the parts that changed, up to a position that may not be on disk yet."""

    position: int
    at_us: int
    last_id: str
    parts: Parts
    after: Link | None
    """On what they build; None when they are all there is."""


class LostBaseError(Exception):
    """The checkpoint on which changes build is not there any more: write a whole one."""


def collect(state: HubState, after: Link | None) -> Changes:
    """Take what changed in a state since ``after``; with None, everything. O(that)."""
    if after is None:
        state.renew()
    return Changes(state.position, state.at_us, state.last_id, state.changes(), after)


def save(folder: Path, state: HubState, recorder: LogRecorder, fingerprint: str) -> Path:
    """Write a whole checkpoint of a state, which must not be ahead of the store; O(what is live)."""
    write(folder, collect(state, None), recorder, fingerprint)
    return _path(folder, state.position, WHOLE)


def write(folder: Path, changes: Changes, recorder: LogRecorder, fingerprint: str) -> Link:
    """Write a checkpoint atomically and thin out old ones; returns what the next one builds on.

    Args:
        folder: made when it is not there.
        changes: up to a position that is in the store.
        recorder: the log's store, which vouches for the position.
        fingerprint: names the code that folds; a checkpoint of other code is not used.

    Raises:
        LostBaseError: the changes build on what is not there; nothing is written.
        OSError: the folder cannot be written.
    """
    after, parts = changes.after, changes.parts
    if after is not None and _checksum(folder, after.position) != after.checksum:
        raise LostBaseError
    body = {
        "fingerprint": fingerprint,
        "origin": recorder.origin,
        "position": changes.position,
        "at_us": changes.at_us,
        "last_id": changes.last_id,
        "leaf": recorder.leaf_hash(changes.position) if changes.position else b"",
        "after": None if after is None else [after.position, after.checksum],
        "state": parts,
    }
    payload: bytes = msgpack.packb(body)
    if after is not None and _due(after, len(payload)):
        payload = msgpack.packb(body | {"after": None, "state": _merged([*_chain(folder, after), parts])})
        after = None
    folder.mkdir(parents=True, exist_ok=True)
    checksum = hashlib.sha256(payload).digest()
    path = _path(folder, changes.position, WHOLE if after is None else CHANGES)
    draft = path.with_suffix(".draft")
    draft.write_bytes(MAGIC + checksum + payload)
    os.replace(draft, path)
    if after is not None:
        return Link(changes.position, checksum, after.whole_bytes, after.changes_bytes + len(payload), after.steps + 1)
    _thin(folder)
    return Link(changes.position, checksum, len(payload))


def _due(after: Link, more_bytes: int) -> bool:
    return after.steps >= STEPS_MAX or (after.changes_bytes + more_bytes) * MERGED_AT > after.whole_bytes


def positions(folder: Path) -> list[int]:
    """Return where there are checkpoints, usable or not, in ascending order."""
    return sorted({int(path.stem) for path in _files(folder)})


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.ch*") if path.suffix in (WHOLE, CHANGES) and path.stem.isdigit()]


def newest(folder: Path, recorder: LogRecorder, fingerprint: str, until: int) -> dict[str, Any] | None:
    """Return the newest usable checkpoint at or before ``until``, or None; O(its size).

    It is the map of the table above, with ``state`` merged, and ``link``: what the next one builds on.
    """
    for path in sorted(_files(folder), key=lambda path: (path.stem, path.suffix), reverse=True):
        if int(path.stem) <= until:
            found = _read(path)
            if found is not None and _fits(found, recorder, fingerprint) and _completed(folder, found):
                return found
    return None


def restore(state: HubState, folder: Path, recorder: LogRecorder, fingerprint: str, until: int) -> Link | None:
    """Bring a fresh state to the newest usable checkpoint; returns what the next one builds on, None: there is none.

    Raises:
        KeyError, TypeError, ValueError, IndexError, AttributeError, struct.error: its parts are not those of a state.
    """
    found = newest(folder, recorder, fingerprint, until)
    if found is None:
        return None
    state.load_parts(found["state"], found["position"], found["at_us"], found["last_id"])
    link: Link = found["link"]
    return link


def _read(path: Path) -> dict[str, Any] | None:
    try:
        data = path.read_bytes()
        if data[:8] != MAGIC or hashlib.sha256(data[40:]).digest() != data[8:40]:
            return None
        found: dict[str, Any] = msgpack.unpackb(data[40:])
        return {**found, "checksum": data[8:40], "bytes": len(data) - 40}
    except (OSError, ValueError, TypeError, msgpack.exceptions.UnpackException):
        return None  # a cache that cannot be read is no cache; the log is


def _checksum(folder: Path, position: int) -> bytes:
    """Return the checksum that stands in a checkpoint's file; nothing when there is none. O(1)."""
    for suffix in (WHOLE, CHANGES):
        try:
            with open(_path(folder, position, suffix), "rb") as file:
                return file.read(40)[8:]
        except OSError:
            continue
    return b""


def _before(folder: Path, found: dict[str, Any]) -> dict[str, Any] | None:
    """Return the checkpoint on which changes build, or None when it is not there as it was."""
    position, checksum = found["after"]
    for suffix in (WHOLE, CHANGES):
        before = _read(_path(folder, position, suffix))
        if before is not None and before["checksum"] == checksum:
            return before
    return None


def _completed(folder: Path, found: dict[str, Any]) -> bool:
    """Put the parts of all that changes build on in place of theirs; says whether all of it is there."""
    states, changes_bytes, oldest = [found["state"]], 0, found
    while oldest.get("after") is not None:
        changes_bytes += oldest["bytes"]
        before = _before(folder, oldest)
        if before is None:
            return False
        states.append(before["state"])
        oldest = before
    found["state"] = _merged(reversed(states))
    found["link"] = Link(found["position"], found["checksum"], oldest["bytes"], changes_bytes, len(states) - 1)
    return True


def _chain(folder: Path, link: Link) -> Iterator[Parts]:
    """Give the parts of a whole checkpoint and of all that changed up to the one of the link."""
    found = _before(folder, {"after": [link.position, link.checksum]})
    if found is None or not _completed(folder, found):
        raise LostBaseError
    yield found["state"]


def _merged(states: Iterable[Parts]) -> Parts:
    """Return the first state with the later ones' changes, parts in order of their keys."""
    merged: Parts = {}
    for state in states:
        for name, parts in state.items():
            known = merged.setdefault(name, {})
            known.update(parts)
    return {name: {key: part for key, part in parts.items() if part is not None} for name, parts in merged.items()}


def _fits(found: dict[str, Any], recorder: LogRecorder, fingerprint: str) -> bool:
    if found.get("fingerprint") != fingerprint or found.get("origin") != recorder.origin:
        return False
    position = found["position"]
    return 0 < position <= recorder.head and bool(recorder.leaf_hash(position) == found["leaf"])


def _thin(folder: Path) -> None:
    """While there are too many whole ones, drop the older one that is missed least: whose neighbours are nearest.

    Of changes stay those that came after the last whole checkpoint but one: they serve when the last one is lost.
    """
    files = _files(folder)
    places = sorted(int(path.stem) for path in files if path.suffix == WHOLE)
    for path in files:
        if path.suffix == CHANGES and int(path.stem) < places[-2:][0]:
            path.unlink(missing_ok=True)
    while len(places) > KEPT:
        older = range(len(places) - KEPT // 2)
        least = min(older, key=lambda index: places[index + 1] - (places[index - 1] if index else 0))
        _path(folder, places.pop(least), WHOLE).unlink(missing_ok=True)


def _path(folder: Path, position: int, suffix: str) -> Path:
    return folder / f"{position:020d}{suffix}"
