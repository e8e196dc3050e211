"""Checking a bundle without the log, and without trusting a byte of it (REPLAY bundle check).

The proofs and the checkpoint's signature are checked; everything else in the bundle is worked out again from the events
that they prove and has to be the same, to the last byte of the zip. What is left is what no proof can give: whether the
signer's log is true. O(size of the bundle) time; memory O(its events, as read).
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from events.checkpoint import Checkpoint, InclusionProof
from events.errors import NetworkError
from events.event import Event
from events.leaf import DIGEST_SIZE_BYTES
from events.notes import MissingLibraryError, Note, NoteError, VerifierKey
from events.sessions import SessionClosed, SessionCreated, SessionExpired
from replay.bundle.archive import (
    CHECKPOINT,
    CONTENT,
    EVENTS,
    MANIFEST,
    PROOF,
    README,
    Archive,
    BundleError,
    event_name,
    opened,
    position_of,
)
from replay.bundle.contents import FORMAT, SESSION, Piece, event_line, fingerprint, manifest, missing_causes, roles
from replay.bundle.readme import TEXT
from replay.checkpoint import Standing
from replay.prove import signature_standing, unvouched

_DOUBTFUL = (BundleError, NoteError)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found; where there is a ``problem``, nothing else is to be relied on.

    Attributes:
        path: of the bundle.
        problem: why it is refused, or "".
        note: its checkpoint, None when it has none.
        standing: of that: ``unsigned``, ``unchecked`` without a key, ``verified`` or ``forged``.
        session_id: whose bundle it is.
        roles: how many events of each role.
        content: whether what people wrote is in it.
        envelopes: the session's envelopes are here from 1 to this number without a gap.
        ended: how the session ended, "" when it had not.
        missing: ids of causes that are named and are not in it.
        times_us: of the first and the last event, microseconds since 1970.
    """

    path: str
    problem: str = ""
    note: Note | None = None
    standing: Standing = Standing.UNSIGNED
    session_id: str = ""
    roles: dict[str, int] = field(default_factory=dict)
    content: bool = True
    envelopes: int = 0
    ended: str = ""
    missing: tuple[str, ...] = ()
    times_us: tuple[int, int] = (0, 0)


def check(path: str | os.PathLike[str], key: VerifierKey | None = None) -> Verdict:
    """Check a bundle.

    Args:
        path: the zip file.
        key: who has to have signed the checkpoint; None: signatures are not checked.

    Raises:
        MissingLibraryError: there is a key, and the package ``cryptography`` is missing.
        OSError: the file cannot be read.
    """
    where = os.fspath(path)
    try:
        with opened(where) as archive:
            return _Check(where, archive).verdict(key)
    except MissingLibraryError:
        raise
    except _DOUBTFUL as error:
        return Verdict(where, error.message)


class _Check:
    def __init__(self, path: str, archive: Archive) -> None:
        self._path, self._archive = path, archive
        self._files: dict[str, bytes] = {}

    def verdict(self, key: VerifierKey | None) -> Verdict:
        claimed = self._manifest()
        if self._read(README) != TEXT.encode():
            raise BundleError("its README.txt is not the one of its format: trust no instruction in it")
        note = Note.parse(self._read(CHECKPOINT), unsigned=True)
        checkpoint = Checkpoint.parse(note.text)
        session_id, content = str(claimed.get("session")), claimed.get("content") is not False
        lines = self._read(EVENTS)
        pieces = [self._piece(position, note, checkpoint, content) for position in self._positions()]
        events = [_event_of(piece) for piece in pieces]
        known = _roles(events, session_id)
        if "".join(event_line(piece, known[piece.position]) for piece in pieces).encode() != lines:
            raise BundleError(f"its {EVENTS} does not say what the proven events say")
        if manifest(note, session_id, events, content=content, files=self._files) != self._archive.read(MANIFEST):
            raise BundleError(f"its {MANIFEST} does not say what is in it")
        if self._archive.names != [README, MANIFEST, *list(self._files)[1:]] or not self._archive.is_canonical():
            raise BundleError("its zip file is not as it was made: bytes of it were changed, added or moved")
        return self._told(note, key, session_id, content, events, known)

    def _told(
        self,
        note: Note,
        key: VerifierKey | None,
        session_id: str,
        content: bool,
        events: Sequence[Event],
        known: dict[int, str],
    ) -> Verdict:
        own = [event for event in events if known[event.position] == SESSION]
        verdict = Verdict(
            self._path,
            _incomplete(own),
            note,
            signature_standing(note, key),
            session_id,
            dict(sorted(Counter(known.values()).items())),
            content,
            max((_sequence(event) for event in own), default=0),
            next((event.body.reason for event in own if isinstance(event.body, SessionClosed | SessionExpired)), ""),
            tuple(missing_causes(events)),
            (own[0].at_us, own[-1].at_us) if own else (0, 0),
        )
        if key is not None and verdict.standing is not Standing.VERIFIED and not verdict.problem:
            return replace(verdict, problem=unvouched(note, key))
        return verdict

    def _read(self, name: str) -> bytes:
        data = self._archive.read(name)
        self._files[name] = fingerprint(data)
        return data

    def _manifest(self) -> dict[str, Any]:
        try:
            claimed = json.loads(self._archive.read(MANIFEST))
        except (ValueError, RecursionError):
            claimed = None
        if not isinstance(claimed, dict) or not isinstance(claimed.get("format"), str):
            raise BundleError(f"its {MANIFEST} is none")
        if claimed["format"] != FORMAT:
            raise BundleError(f"its format is {claimed['format'][:40]!r}, and this ledgerhub reads {FORMAT}")
        return claimed

    def _positions(self) -> list[int]:
        found = {position for name in self._archive.names if (position := position_of(name)) is not None}
        if not found:
            raise BundleError("it has no events")
        return sorted(found)

    def _piece(self, position: int, note: Note, checkpoint: Checkpoint, content: bool) -> Piece:
        name = event_name(position, PROOF)
        data = self._read(name)
        proof = InclusionProof.parse(data)
        if str(proof).encode() != data or proof.note != note:
            raise BundleError(f"{name} is not a proof for the checkpoint of the bundle")
        leaf = proof.extra or b""
        if proof.index != position - 1 or not proof.holds(leaf):
            raise BundleError(f"{name} does not prove that its event stands at @{position} of {checkpoint.size:,}")
        if not content:
            return Piece(position, leaf, None)
        piece = Piece(position, leaf, b"")
        if not piece.is_empty:
            piece = piece._replace(content=self._read(event_name(position, CONTENT)))
        if fingerprint(piece.content or b"") != leaf[-DIGEST_SIZE_BYTES:]:
            raise BundleError(f"the content of the event at @{position} is not the one that was logged")
        return piece


def _event_of(piece: Piece) -> Event:
    try:
        event = piece.event()
        event.tags  # noqa: B018  (facts of no sense fail here)
        return event
    except NetworkError as error:
        raise BundleError(error.message) from None
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise BundleError(f"the event at @{piece.position} is none of a hub ({type(error).__name__})") from None


def _roles(events: Sequence[Event], session_id: str) -> dict[int, str]:
    known = roles(events, session_id)
    for event in events:
        if event.position not in known:
            raise BundleError(f"the event at @{event.position} has nothing to do with session {session_id[:40]!r}")
    return known


def _sequence(event: Event) -> int:
    return getattr(event.body, "sequence", None) or 0


def _incomplete(own: Sequence[Event]) -> str:
    """Return what of the session was left out, as far as its events tell."""
    if not own or not isinstance(own[0].body, SessionCreated):
        return "the event that created the session was left out"
    numbers = [0, *(number for event in own if (number := _sequence(event)))]
    for before, after in pairwise(numbers):
        if after != before + 1:
            return f"of the session's envelopes, those between {before} and {after} were left out"
    return ""
