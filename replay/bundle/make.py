"""Making a bundle of a session: its events, their causes outside it, who is named, a proof of each (REPLAY bundle)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from events.checkpoint import Checkpoint
from events.codec import leaf_bytes, record_of
from events.event import Event
from events.leaf import DIGEST_SIZE_BYTES
from events.log import tagged
from events.notes import Note
from projections.archive import find_registration
from replay.bundle.archive import CHECKPOINT, CONTENT, EVENTS, MANIFEST, PROOF, README, event_name, write
from replay.bundle.contents import Piece, event_line, fingerprint, manifest, named_agents, roles
from replay.bundle.readme import TEXT
from replay.files import written
from replay.history import History, Progress
from replay.prove import proof_of, tree


@dataclass(frozen=True, slots=True)
class Made:
    """A bundle that was made: how many events of each role it has, and the checkpoint that they are proven with."""

    path: str
    session_id: str
    note: Note
    roles: tuple[tuple[int, str], ...]
    content: bool
    size_bytes: int

    def count(self, role: str) -> int:
        """Return how many events have a role."""
        return sum(each == role for _, each in self.roles)


def make(
    history: History,
    session: str,
    path: str | os.PathLike[str],
    *,
    content: bool = True,
    force: bool = False,
    told: Progress | None = None,
) -> Made:
    """Write the bundle of a session as a zip file; the same log gives the same bytes.

    It is proven with the newest signed checkpoint that covers the whole session, unsigned without one.

    Args:
        history: the log; its ``key`` chooses whose checkpoints count.
        session: its id, a beginning of it, or ``@N``.
        path: the file to write.
        content: False leaves out what people wrote. The proofs do not need it.
        force: overwrite the file.
        told: told how many events are proven.

    Raises:
        QuestionError: no such session, or the file is there already.
        CorruptLogError: the log does not agree with itself or with its checkpoint.
        BundleError: the session is too large.
        OSError: the file cannot be written.

    Cost: O(events of the session · log n), memory O(the same), without the contents.
    """
    target = os.fspath(path)
    with written(target, force=force) as file:
        session_id = history.session_id(session)
        events = _collect(history, session_id)
        note = tree(history, max(event.position for event in events))
        write(file, _members(history, session_id, events, note, content, told or (lambda done: None)))
    size = os.path.getsize(target)
    return Made(target, session_id, note, tuple(roles(events, session_id).items()), content, size)


def _collect(history: History, session_id: str) -> list[Event]:
    """Return all that belongs in the bundle, in order, without content."""
    log, head = history.log, history.head
    found = {event.position: event for event in log.read(tagged(f"session:{session_id}"), until=head, content=False)}
    waiting, looked_up = list(found.values()), set[str]()
    while waiting:
        cause_id = waiting.pop().cause
        if cause_id is None or cause_id in looked_up:
            continue
        looked_up.add(cause_id)
        cause = log.find(cause_id)
        if cause is not None and found.setdefault(cause.position, cause) is cause:
            waiting.append(cause)
    for agent_id in sorted(set[str]().union(*map(named_agents, found.values()))):
        registration = find_registration(log, agent_id)
        if registration is not None and registration.position <= head:
            found.setdefault(registration.position, registration)
    return [found[position] for position in sorted(found)]


def _members(
    history: History, session_id: str, events: list[Event], note: Note, content: bool, told: Progress
) -> Iterator[tuple[str, bytes]]:
    """Give the members in order. The manifest and the readable events stand in front, so contents are read twice."""
    known, size = roles(events, session_id), Checkpoint.parse(note.text).size
    paths = list(history.log.recorder.inclusion_proofs((event.position for event in events), size))
    lines: list[str] = []
    files: dict[str, bytes] = {}
    for count, (event, path) in enumerate(zip(events, paths, strict=True), 1):
        piece = _piece(history, event.position, content)
        lines.append(event_line(piece, known[event.position]))
        for name, data in _files(history, piece, note, path):
            files[name] = fingerprint(data)
        told(count)
    first = {README: TEXT.encode(), CHECKPOINT: str(note).encode(), EVENTS: "".join(lines).encode()}
    del lines
    prints = {name: fingerprint(data) for name, data in first.items()} | files
    yield README, first[README]
    yield MANIFEST, manifest(note, session_id, events, content=content, files=prints)
    yield CHECKPOINT, first[CHECKPOINT]
    yield EVENTS, first[EVENTS]
    for event, path in zip(events, paths, strict=True):
        yield from _files(history, _piece(history, event.position, content), note, path)


def _piece(history: History, position: int, content: bool) -> Piece:
    stored = history.log.stored(position)
    assert stored is not None
    record = record_of(stored.event)
    leaf = leaf_bytes(record)
    return Piece(position, leaf, record[len(leaf) - DIGEST_SIZE_BYTES :] if content else None)


def _files(history: History, piece: Piece, note: Note, path: list[bytes]) -> Iterator[tuple[str, bytes]]:
    yield event_name(piece.position, PROOF), str(proof_of(history.log, piece.position, note, path)).encode()
    if piece.content:
        yield event_name(piece.position, CONTENT), piece.content
