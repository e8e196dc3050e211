"""Signed checkpoints: made of a log, kept beside it, held against it (SPEC LOG-6, REPLAY checkpoint and verify).

They are kept in the folder ``signed`` of the log's folder, one C2SP signed note a file, whose name is the tree's size
and the id of the key: ``00000000000000000144-c74f20a3.note``. A file is written whole, linked to its name, and never
written again, so that readers meet whole notes only, and the hub, which knows nothing of them, is not in the way.
Copies kept elsewhere are worth more: who may write the log may delete these.

Listing them costs O(their number), each comparison with the log O(log n).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from events.checkpoint import Checkpoint
from events.errors import CorruptLogError
from events.log import EventLog
from events.notes import Note, NoteError, SignerKey, VerifierKey
from hub.loading import checkpoint_folder
from replay.damage import Finding, Kind, Part
from replay.errors import QuestionError
from replay.render.text import printable

FOLDER = "signed"
SUFFIX = ".note"


class Standing(StrEnum):
    """What is known of a log's newest signed checkpoint."""

    VERIFIED = "verified"
    """The key at hand signed it, and the log still has that root at that size."""
    UNSIGNED = "unsigned"
    """There is none, or none of the key at hand."""
    UNCHECKED = "unchecked"
    """The log agrees with it, but no key was at hand to check its signature with."""
    FORGED = "forged"
    """It claims to be of the key at hand, which did not sign it."""
    CONTRADICTED = "contradicted"
    """The log is another one, shorter, or has another root at that size."""


class Kept(NamedTuple):
    """A signed checkpoint and where it was found."""

    where: str
    note: Note
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Vouched:
    """What signed checkpoints say of a log.

    Attributes:
        agreed: sizes of those that the log agrees with, ascending; of the key's alone when there is a key.
        others: how many are of other keys than the one at hand, and were passed over.
        findings: what they say against the log, or what is wrong with them.
    """

    agreed: tuple[int, ...] = ()
    others: int = 0
    findings: tuple[Finding, ...] = ()


def read_key(text: str) -> VerifierKey:
    """Return the verifier key that a text is, or that the file of that name holds.

    Raises:
        NoteError: it is none; the message names the file, but never the text, which may be a private key.
        OSError: the file cannot be read.
    """
    is_file = os.path.isfile(text)
    try:
        return VerifierKey.parse(_text_of(text).strip() if is_file else text)
    except NoteError as error:
        where = f"{text}:" if is_file else "no file has that name, and"
        raise NoteError(f"{where} {error.message}") from None


def read_signer(path: str | os.PathLike[str]) -> SignerKey:
    """Return the private key in a file.

    Raises:
        NoteError: it is none; the message names the file.
        OSError: the file cannot be read.
    """
    try:
        return SignerKey.parse(_text_of(path).strip())
    except NoteError as error:
        raise NoteError(f"{os.fspath(path)}: {error.message}") from None


def read_note(path: str | os.PathLike[str]) -> Kept:
    """Return the signed checkpoint in a file.

    Raises:
        NoteError: it is none; the message names the file.
        OSError: the file cannot be read.
    """
    data = Path(path).read_bytes()
    try:
        note = Note.parse(data)
        return Kept(os.fspath(path), note, Checkpoint.parse(note.text))
    except NoteError as error:
        raise NoteError(f"{os.fspath(path)}: {error.message}") from None


def checkpoint_at(log: EventLog, size: int) -> Checkpoint:
    """Return the checkpoint of a log's first ``size`` events; O(log n).

    Raises:
        CorruptLogError: the tree cannot be read.
    """
    recorder = log.recorder
    return Checkpoint(recorder.origin, size, recorder.root(size))


def files(log: EventLog, key: VerifierKey | None = None) -> list[Path]:
    """Return the files of a log's signed checkpoints, of one key or of all, the smallest tree first."""
    folder = _folder(log)
    tail = f"-{key.key_id.hex()}{SUFFIX}" if key is not None else SUFFIX
    return [] if folder is None else sorted(folder.glob(f"*{tail}"))


def newest(log: EventLog, head: int, key: VerifierKey | None = None) -> Kept | None:
    """Return the signed checkpoint of the largest tree, of a key's own when one is given; None without any.

    One that was signed after this reader looked at ``head``, and one that cannot be read, is passed over.

    Raises:
        MissingLibraryError: there is a key, and the package ``cryptography`` is missing.
    """
    for path in reversed(files(log, key)):
        try:
            kept = read_note(path)
        except (NoteError, OSError):
            continue  # verify tells of it
        mine = key is None or kept.note.verified(key) is not None
        if mine and not head < kept.checkpoint.size <= log.head:
            return kept
    return None


def standing(log: EventLog, kept: Kept, key: VerifierKey | None) -> Standing:
    """Return what is known of a signed checkpoint; O(log n)."""
    if key is not None and not kept.note.verified(key):
        return Standing.FORGED
    try:
        if _against(log, kept.checkpoint) is not None:
            return Standing.CONTRADICTED
    except CorruptLogError:
        return Standing.UNCHECKED
    return Standing.UNCHECKED if key is None else Standing.VERIFIED


def sign(log: EventLog, head: int, signer: SignerKey) -> Kept:
    """Sign the checkpoint of a log's first ``head`` events and keep it beside the log.

    A log must never sign what contradicts an earlier checkpoint of its own, so the newest is held against it first.

    Raises:
        CorruptLogError: it does.
        QuestionError: the log is in memory: there is no place beside it.
        MissingLibraryError: the package ``cryptography`` is missing.
        OSError: the file cannot be written.
    """
    last = newest(log, head)
    if last is not None and (problem := _against(log, last.checkpoint)) is not None:
        message = f"not signed: {problem.message}; find out why (replay verify), and sign nothing before that"
        raise CorruptLogError(message, path=log.recorder.path)
    checkpoint = checkpoint_at(log, head)
    note = Note(str(checkpoint)).signed(signer)
    folder = _folder(log)
    if folder is None:
        raise QuestionError("a log in memory has no place for signed checkpoints: sign one that is on disk")
    path = folder / f"{head:020}-{signer.verifier.key_id.hex()}{SUFFIX}"
    _write_once(path, str(note))
    return Kept(os.fspath(path), note, checkpoint)


def vouched(log: EventLog, head: int, key: VerifierKey | None, elsewhere: Iterable[Kept] = ()) -> Vouched:
    """Hold all signed checkpoints against a log, those beside it and copies from elsewhere; O(theirs · log n).

    Args:
        log: the log.
        head: up to where it is looked at.
        key: whose checkpoints count; None: all do, and no signature is checked.
        elsewhere: further ones, as ``read_note`` gives them.

    Raises:
        MissingLibraryError: there is a key, and the package ``cryptography`` is missing.
    """
    agreed, others, findings = set[int](), 0, list[Finding]()
    found = sorted([*elsewhere, *_readable(log, findings)], key=lambda kept: kept.checkpoint.size)
    against: dict[tuple[Kind, int], Finding] = {}  # what one says, the larger ones repeat
    for kept in found:
        size = kept.checkpoint.size
        if key is not None and not (verified := kept.note.verified(key)):
            others += verified is None
            if verified is False:
                message = f"{kept.where} was not signed by the key of {key.name}, whose id it has"
                findings.append(Finding(Kind.FLIP, Part.SIGNED, min(size, head), message))
        elif head < size <= log.head:
            continue  # signed while this reader was at work
        elif (finding := _against(log, kept.checkpoint, max(agreed, default=0))) is not None:
            against.setdefault((finding.kind, finding.position), finding)
        else:
            agreed.add(size)
    findings += against.values()
    if key is not None and not agreed and not findings:
        message = f"no checkpoint signed by {key.name} stands beside the log or was given: nothing vouches for it"
        findings.append(Finding(Kind.DELETE, Part.SIGNED, head, message))
    return Vouched(tuple(sorted(agreed)), others, tuple(findings))


def _readable(log: EventLog, findings: list[Finding]) -> Iterator[Kept]:
    for path in files(log):
        try:
            yield read_note(path)
        except (NoteError, OSError) as error:
            findings.append(Finding(Kind.FLIP, Part.SIGNED, log.head, f"a signed checkpoint cannot be read: {error}"))


def _against(log: EventLog, checkpoint: Checkpoint, agreed: int = 0) -> Finding | None:
    """Return what a checkpoint says against a log that agreed with all checkpoints up to a size, or None."""
    size, head = checkpoint.size, log.head
    if checkpoint.origin != log.recorder.origin:
        other = printable(checkpoint.origin[:40])
        message = f"the signed checkpoint of @{size} is of log {other}, and this is another one"
        return Finding(Kind.FORK, Part.EVENT, 1, message)
    if size > head:
        message = f"the log ends at @{head}, but a checkpoint of @{size} was signed"
        return Finding(Kind.ROLLBACK, Part.EVENT, head + 1, message)
    if log.recorder.root(size) != checkpoint.root:
        message = f"the events up to @{size} are not those that were signed: made anew somewhere from @{agreed + 1} on"
        return Finding(Kind.FORK, Part.EVENT, agreed + 1, message)
    return None


def _folder(log: EventLog) -> Path | None:
    folder = checkpoint_folder(log)
    return None if folder is None else folder.with_name(FOLDER)


def _text_of(path: str | os.PathLike[str]) -> str:
    with open(path, "rb") as file:
        return file.read(4096).decode(errors="replace")


def _write_once(path: Path, text: str) -> None:
    """Write a file whole or not at all; one that is there already stays as it is."""
    path.parent.mkdir(exist_ok=True)
    making = path.with_name(f".{path.name}.{os.getpid()}")
    with open(making, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        with suppress(FileExistsError):
            os.link(making, path)
    finally:
        os.unlink(making)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
