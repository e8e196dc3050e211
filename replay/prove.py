"""Proofs of a log: that an event stands in it, that it begins with what it was before (SPEC LOG-6, REPLAY prove).

A proof is made around a checkpoint, the newest signed one that covers it or one that is asked for. It is checked with
nothing but itself and the signer's verifier key: ``read`` looks at no log. Making one costs O(log n).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from events.checkpoint import PROOF_HEADER, Checkpoint, ConsistencyProof, InclusionProof
from events.codec import leaf_bytes, record_of
from events.errors import CorruptLogError
from events.leaf import Leaf, read_leaf
from events.log import EventLog
from events.merkle import leaf_hash
from events.notes import Note, NoteError, VerifierKey
from replay.checkpoint import Kept, Standing, checkpoint_at, files, newest, read_note, standing
from replay.errors import QuestionError
from replay.history import Evidence, History


def inclusion(history: History, point: str | int, size: int | None = None) -> InclusionProof:
    """Return the proof that the event at a point is in the log; its ``extra`` is the leaf, which says the facts.

    Args:
        history: the log; its ``key`` chooses whose signed checkpoints count.
        point: which event.
        size: in the tree of so many events; None: in the newest signed one, or the whole log's, unsigned.

    Raises:
        QuestionError: no such event, or it is not among the first ``size``.
        CorruptLogError: the log does not agree with itself or with the checkpoint, so that nothing can be proven.
    """
    event = history.event(point)
    return proof_of(history.log, event.position, tree(history, event.position, size))


def proof_of(log: EventLog, position: int, note: Note, path: Sequence[bytes] | None = None) -> InclusionProof:
    """Return the proof that the event at a position stands in a checkpoint's tree; O(log n).

    Args:
        log: where the event is.
        position: of it.
        note: the checkpoint.
        path: its audit path, where it is known.

    Raises:
        CorruptLogError: the event's bytes, the tree and the checkpoint do not agree.
    """
    stored, recorder = log.stored(position), log.recorder
    leaf = b"" if stored is None else leaf_bytes(record_of(stored.event))
    size = Checkpoint.parse(note.text).size
    path = recorder.inclusion_proof(position, size) if path is None else path
    proof = InclusionProof(position - 1, tuple(path), note, leaf)
    if leaf_hash(leaf) != recorder.leaf_hash(position) or not proof.holds(leaf):
        message = f"the event at @{position} of {recorder.path} cannot be proven: run replay verify"
        raise CorruptLogError(message, position=position, path=recorder.path)
    return proof


def consistency(history: History, old: int, size: int | None = None) -> ConsistencyProof:
    """Return the proof that the log begins with its first ``old`` events.

    Args:
        history: the log.
        old: how many events it had then.
        size: how many it has now, as in ``inclusion``.

    Raises:
        QuestionError: the sizes are not in order, or the log is not that long.
        CorruptLogError: the log does not agree with itself.
    """
    note, recorder = tree(history, old, size), history.log.recorder
    path = recorder.consistency_proof(old, Checkpoint.parse(note.text).size)
    proof = ConsistencyProof(old, tuple(path), note)
    if not proof.holds(recorder.root(old)):
        message = f"the tree of {recorder.path} does not agree with itself: run replay verify"
        raise CorruptLogError(message, path=recorder.path)
    return proof


def tree(history: History, least: int, size: int | None = None) -> Note:
    """Return the checkpoint to prove with: of ``size``, or the newest signed one of at least ``least`` events.

    Without one it is unsigned.

    Raises:
        QuestionError: the log has fewer events than asked for, or the size is below ``least``.
        CorruptLogError: the signed checkpoint says that this is not the log that was signed.
    """
    log, head = history.log, history.head
    if max(least, size or 0) > head:
        raise QuestionError(f"the log has {head} events, not {max(least, size or 0)}: give a size up to that")
    if size is not None and size < least:
        raise QuestionError(f"@{least} is not among the first {size} events: give a size of {least} to {head}")
    kept = newest(log, head, history.key) if size is None else _signed_at(history, size)
    if kept is None or kept.checkpoint.size < least:
        return Note(str(checkpoint_at(log, head if size is None else size)))
    if standing(log, kept, history.key) in (Standing.CONTRADICTED, Standing.FORGED):
        message = f"the signed checkpoint {kept.where} does not belong to this log: run replay verify"
        raise CorruptLogError(message, path=log.recorder.path)
    return kept.note


def _signed_at(history: History, size: int) -> Kept | None:
    found = (path for path in files(history.log, history.key) if path.name.startswith(f"{size:020}-"))
    kept = [read_note(path) for path in found]
    return next((each for each in kept if history.key is None or each.note.verified(history.key)), None)


@dataclass(frozen=True, slots=True)
class Read:
    """A proof that was handed over, and what is true of it.

    Attributes:
        proof: as it was written.
        leaf: what the event is that it proves, None for a proof of consistency.
        problem: why it proves nothing, or "".
        standing: of its checkpoint: ``unsigned``, ``unchecked`` without a key, ``verified`` or ``forged``.
    """

    proof: InclusionProof | ConsistencyProof
    leaf: Leaf | None
    problem: str
    standing: Standing

    @property
    def evidence(self) -> Evidence:
        """What the proof is pinned to: its checkpoint."""
        return evidence_of(self.proof.note, self.standing)


def read(data: bytes, key: VerifierKey | None = None, old: Note | None = None) -> Read:
    """Read a proof and check it, without any log.

    Args:
        data: a proof of inclusion with its leaf, or one of consistency.
        key: who has to have signed the checkpoint; None: the signature is not checked.
        old: the checkpoint of the smaller tree, which a proof of consistency is about.

    Raises:
        NoteError: it is not written as a proof, or the package ``cryptography`` is missing.
        QuestionError: a proof of consistency is given without the earlier checkpoint.
    """
    if data.startswith(PROOF_HEADER.encode()):
        proof = InclusionProof.parse(data)
        if proof.extra is None:
            raise NoteError("the proof has no line “extra” with the leaf: it was not made by replay prove")
        leaf, problem = read_leaf(proof.extra), ""
        if not proof.holds(proof.extra):
            problem = f"the hashes do not lead from the event at index {proof.index} to the checkpoint's root"
        return _judged(proof, leaf, problem, key)
    grown = ConsistencyProof.parse(data)
    if old is None:
        raise QuestionError("this is a proof of consistency: give the earlier signed checkpoint, too, with --old FILE")
    return _judged(grown, None, _not_grown_from(grown, old, key), key)


def _not_grown_from(proof: ConsistencyProof, old: Note, key: VerifierKey | None) -> str:
    before, after = Checkpoint.parse(old.text), proof.checkpoint
    if before.origin != after.origin:
        return "the two checkpoints are of two logs"
    if before.size != proof.old_size:
        return f"the earlier checkpoint is of @{before.size}, and the proof is about @{proof.old_size}"
    if key is not None and not old.verified(key):
        return f"{key.name} did not sign the earlier checkpoint"
    if not proof.holds(before.root):
        return f"the tree of @{after.size} does not begin with the one of @{before.size}"
    return ""


def _judged(proof: InclusionProof | ConsistencyProof, leaf: Leaf | None, problem: str, key: VerifierKey | None) -> Read:
    known = signature_standing(proof.note, key)
    if key is not None and known is not Standing.VERIFIED and not problem:
        problem = unvouched(proof.note, key)
    return Read(proof, leaf, problem, known)


def signature_standing(note: Note, key: VerifierKey | None) -> Standing:
    """Return what is known of a checkpoint's signatures, without its log."""
    if key is None:
        return Standing.UNCHECKED if note.signatures else Standing.UNSIGNED
    verified = note.verified(key)
    if verified is None:
        return Standing.UNSIGNED
    return Standing.VERIFIED if verified else Standing.FORGED


def unvouched(note: Note, key: VerifierKey) -> str:
    """Return the sentence that a key did not sign a checkpoint."""
    if not note.signatures:
        return "its checkpoint is not signed: it could be of a log that was made for it"
    others = ", ".join(sorted({signature.name for signature in note.signatures}))
    if signature_standing(note, key) is Standing.FORGED:
        return f"its checkpoint claims to be signed by {key.name} and is not"
    return f"its checkpoint is not signed by the key {key.key_id.hex()} of {key.name}, but in the name of {others}"


def evidence_of(note: Note, known: Standing) -> Evidence:
    """Return what a checkpoint pins down."""
    checkpoint = Checkpoint.parse(note.text)
    signed = checkpoint.size if note.signatures else None
    return Evidence(checkpoint.origin, checkpoint.size, checkpoint.root.hex(), signed, known)
