"""Checkpoints of the log: what its Merkle tree was at a size, as C2SP writes them (SPEC LOG-6).

A checkpoint (https://c2sp.org/tlog-checkpoint) is the text of a signed note, three lines or more:

====  ======================================================================
line  what
====  ======================================================================
1     origin: the log's identity, 32 hex characters here
2     size: how many events the tree has, in decimal
3     root: base64 of the RFC 6962 root over them
4…    extensions, not used here; kept when read
====  ======================================================================

Two proofs are written around one. A proof of inclusion (https://c2sp.org/tlog-proof) says that an entry stands in the
tree: ``c2sp.org/tlog-proof@v1``, a line ``extra`` with the bytes of the leaf here, a line ``index``, the hashes from
the leaf upwards, an empty line, the checkpoint. A proof of consistency says that a tree begins with a smaller one; it
is the body that a witness is sent (https://c2sp.org/tlog-witness, add-checkpoint): a line ``old``, the hashes, an empty
line, the checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from events.merkle import HASH_SIZE_BYTES, leaf_hash, verify_consistency, verify_inclusion
from events.notes import Note, NoteError, from_base64, to_base64

SIZE_MAX = (1 << 63) - 1
"""The largest tree whose size is read; a proof in it has at most 63 hashes."""
PATH_MAX = 64
PROOF_HEADER = "c2sp.org/tlog-proof@v1"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: ``str(checkpoint)`` is the text that is signed.

    Args:
        origin: the log's identity; one line.
        size: of the tree, its number of leaves.
        root: 32 bytes.
        extensions: further lines, none of them empty.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read the text of a note as a checkpoint.

        Raises:
            NoteError: it is none.
        """
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() or not all(lines):
            raise NoteError("this is no checkpoint: its lines are origin, size, root, and none is empty")
        origin, size, root, *extensions = lines
        found, root_bytes = _number(size), from_base64(root)
        if found is None:
            raise NoteError(f"this is no checkpoint: {size[:40]!r} is not the size of a tree")
        if root_bytes is None or len(root_bytes) != HASH_SIZE_BYTES:
            raise NoteError(f"this is no checkpoint: {root[:60]!r} is not a root in base64")
        return cls(origin, found, root_bytes, tuple(extensions))

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in (self.origin, self.size, to_base64(self.root), *self.extensions))


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """The proof that an entry stands in a tree; ``str(proof)`` is a C2SP tlog-proof.

    Args:
        index: of the leaf, from 0: the event's position less one.
        path: the hashes from the leaf's sibling up to the root's child.
        note: the checkpoint, signed or not.
        extra: with it, the bytes that the leaf hash is made of. The format gives them no authority: only that the
            proof holds for them does.
    """

    index: int
    path: tuple[bytes, ...]
    note: Note
    extra: bytes | None = None

    @classmethod
    def parse(cls, data: str | bytes) -> InclusionProof:
        """Read a proof; its checkpoint may be unsigned.

        Raises:
            NoteError: it is none.
        """
        lines, note = _split(data)
        if not lines or lines.pop(0) != PROOF_HEADER:
            raise NoteError(f"this is no proof of inclusion: one begins with {PROOF_HEADER}")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = from_base64(lines.pop(0).removeprefix("extra "))
            if extra is None:
                raise NoteError("the proof's line “extra” is not base64")
        index = _number(lines.pop(0).removeprefix("index ")) if lines and lines[0].startswith("index ") else None
        if index is None:
            raise NoteError("the proof has no line “index” with the number of its leaf")
        return cls(index, _hashes(lines), note, extra)

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint in the note; NoteError when it is none."""
        return Checkpoint.parse(self.note.text)

    def holds(self, leaf: bytes) -> bool:
        """Whether the bytes of a leaf stand at the index in the checkpoint's tree; O(log n) hashes."""
        checkpoint = self.checkpoint
        return verify_inclusion(leaf_hash(leaf), self.index, checkpoint.size, self.path, checkpoint.root)

    def __str__(self) -> str:
        extra = [] if self.extra is None else [f"extra {to_base64(self.extra)}"]
        return _lines([PROOF_HEADER, *extra, f"index {self.index}", *map(to_base64, self.path)]) + f"\n{self.note}"


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """The proof that a tree begins with a smaller one; ``str(proof)`` is what a C2SP witness is sent.

    Args:
        old_size: of the smaller tree.
        path: the hashes of RFC 6962 §2.1.2.
        note: the checkpoint of the larger one, signed or not.
    """

    old_size: int
    path: tuple[bytes, ...]
    note: Note

    @classmethod
    def parse(cls, data: str | bytes) -> ConsistencyProof:
        """Read a proof; its checkpoint may be unsigned.

        Raises:
            NoteError: it is none.
        """
        lines, note = _split(data)
        old_size = _number(lines.pop(0).removeprefix("old ")) if lines and lines[0].startswith("old ") else None
        if old_size is None:
            raise NoteError("this is no proof of consistency: one begins with a line “old” and a size")
        return cls(old_size, _hashes(lines), note)

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint in the note; NoteError when it is none."""
        return Checkpoint.parse(self.note.text)

    def holds(self, old_root: bytes) -> bool:
        """Whether the checkpoint's tree begins with the old one; O(log n) hashes."""
        checkpoint = self.checkpoint
        return verify_consistency(self.old_size, checkpoint.size, old_root, checkpoint.root, self.path)

    def __str__(self) -> str:
        return _lines([f"old {self.old_size}", *map(to_base64, self.path)]) + f"\n{self.note}"


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _split(data: str | bytes) -> tuple[list[str], Note]:
    """Return the lines before the first empty one, and the note behind it."""
    try:
        text = data if isinstance(data, str) else data.decode()
    except UnicodeDecodeError:
        raise NoteError("this is no proof: it is not UTF-8") from None
    head, empty, rest = text.partition("\n\n")
    if not empty:
        raise NoteError("this is no proof: it has no checkpoint behind an empty line")
    return head.split("\n"), Note.parse(rest, unsigned=True)


def _number(text: str) -> int | None:
    """Return a number in decimal without leading zeros, up to SIZE_MAX; None for any other text."""
    number = int(text) if _NUMBER.fullmatch(text) else SIZE_MAX + 1
    return number if number <= SIZE_MAX else None


def _hashes(lines: Sequence[str]) -> tuple[bytes, ...]:
    hashes = tuple(found for line in lines if (found := from_base64(line)) is not None)
    if len(lines) > PATH_MAX or len(hashes) != len(lines) or any(len(each) != HASH_SIZE_BYTES for each in hashes):
        raise NoteError(f"the proof's hashes are not at most {PATH_MAX} lines of 32 bytes in base64")
    return hashes
