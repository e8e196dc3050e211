"""``replay prove``: proofs that an event is in the log, and that the log only grew."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from events.checkpoint import ConsistencyProof, InclusionProof
from events.leaf import Leaf
from events.log import EventLog
from events.merkle import leaf_hash
from events.notes import Note, NoteError, VerifierKey
from events.stores import MemoryKnowledgeStore
from events.values.times import iso
from replay.checkpoint import Standing, read_key, read_note
from replay.cli.common import CLEAN, FOUND, KEY_OPTION, Asked, asks, tells
from replay.cli.default import WithDefault
from replay.errors import QuestionError
from replay.names import Names
from replay.prove import Read, consistency, evidence_of, inclusion, read, signature_standing
from replay.render.screen import Screen
from replay.render.sentences import sentence
from replay.render.text import printable
from replay.render.values import INDENT, value_lines

Proof = InclusionProof | ConsistencyProof
PROOF_SIZE_MAX_BYTES = 64 * 1024 * 1024


@click.group("prove", cls=WithDefault, short_help="Proofs: an event is in the log, the log only grew.")
def command() -> None:
    """Prove that the event at POINT is in the log, or with --from N that the log begins with what it was at @N.

    A proof is made for the newest signed checkpoint that covers it, so that whoever has the signer's verifier key can
    check it without the log, with replay prove check or any other tool: the files are C2SP tlog-proofs.
    """


@command.command(
    "event",
    short_help="Make a proof: the usual one, whose name may be left out.",
    context_settings={"ignore_unknown_options": True},
)  # -15m is a point
@click.argument("point", required=False)
@click.option("--from", "old", type=click.IntRange(min=0), metavar="N", help="Prove that the log only grew since @N.")
@click.option("--size", type=click.IntRange(min=0), metavar="N", help="In the tree of the first N events.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, allow_dash=True), help="Write the proof to this file.")
@asks
def event_command(asked: Asked, point: str | None, old: int | None, size: int | None, output: str | None) -> None:
    """Make a proof; see replay prove --help."""
    if (point is None) == (old is None):
        raise click.UsageError("give a POINT for a proof of inclusion, or --from N for one of consistency")
    history, screen = asked.history, asked.screen
    proof: Proof = inclusion(history, point, size) if point is not None else consistency(history, old or 0, size)
    if output == "-":
        sys.stdout.write(str(proof))
        return
    if output is not None:
        Path(output).write_text(str(proof), encoding="utf-8", newline="\n")
    if screen.as_json:
        screen.json(_proof_json(proof, history.key) | {"file": output})
    else:
        lines = _made(asked, proof, output)
        screen.show(lines, lambda: evidence_of(proof.note, signature_standing(proof.note, history.key)))


@command.command("check", short_help="Check a proof without the log.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--old", type=click.Path(exists=True, dir_okay=False), help="The earlier signed checkpoint.")
@KEY_OPTION
@tells
def check_command(screen: Screen, file: str, old: str | None, key: str | None) -> int:
    """Check the proof in FILE, without any log.

    With --key the checkpoint in it has to be signed by that key. Without, the proof is worth what you know of the
    checkpoint from elsewhere.
    """
    verifier = None if key is None else read_key(key)
    earlier = None if old is None else read_note(old).note
    try:
        found = read(_proof_in(file), verifier, earlier)
    except NoteError as error:
        raise NoteError(f"{file}: {error.message}; give what replay prove wrote") from None
    if screen.as_json:
        shown = {"ok": not found.problem, "problem": found.problem, "standing": found.standing}
        screen.json(shown | _proof_json(found.proof, verifier) | _leaf_json(found.leaf))
    else:
        screen.show(_checked(screen, found, verifier), lambda: found.evidence)
    return FOUND if found.problem else CLEAN


def _proof_in(file: str) -> bytes:
    with open(file, "rb") as opened:
        data = opened.read(PROOF_SIZE_MAX_BYTES + 1)
    if len(data) > PROOF_SIZE_MAX_BYTES:
        raise QuestionError(f"{file} has over {PROOF_SIZE_MAX_BYTES:,} bytes: this is no proof of one event")
    return data


def _made(asked: Asked, proof: Proof, output: str | None) -> Iterator[str]:
    history, screen = asked.history, asked.screen
    if isinstance(proof, InclusionProof):
        event = history.event(proof.index + 1)
        yield screen.paint(f"@{event.position} {event.type}, {iso(event.at_us)}", "bold")
        yield from screen.item(sentence(event, history.names))
        yield f"leaf {leaf_hash(proof.extra or b'').hex()}"
    yield from screen.item(_claim(proof))
    yield from (f"{INDENT}{each.hex()}" for each in proof.path)
    yield from screen.item(signers(proof.note, signature_standing(proof.note, history.key)))
    if output is not None:
        earlier = "" if isinstance(proof, InclusionProof) else " --old THE_EARLIER_CHECKPOINT"
        yield from screen.item(f"written to {output}; check it with: replay prove check {output}{earlier}")


def _claim(proof: Proof) -> str:
    size, hashes = proof.checkpoint.size, f"by {len(proof.path)} hashes"
    if isinstance(proof, InclusionProof):
        return f"it is entry {proof.index:,}, from 0, in the tree of {size:,} events, {hashes}"
    return f"the tree of {size:,} events begins with that of {proof.old_size:,}, {hashes}"


def signers(note: Note, known: Standing) -> str:
    """Return the sentence that says who signed a checkpoint."""
    if known is Standing.UNSIGNED and not note.signatures:
        return "the checkpoint is NOT SIGNED: who made the proof could have made the log for it"
    names = printable(", ".join(signature.name for signature in note.signatures))
    if known is Standing.UNCHECKED:
        return f"the checkpoint is signed in the name of {names}, which was not checked: give --key"
    return f"the checkpoint is signed by {names}"


def _checked(screen: Screen, found: Read, key: VerifierKey | None) -> Iterator[str]:
    if found.problem:
        yield from screen.item(printable(found.problem), "✗", "bold red")
        return
    yield from screen.item(_claim(found.proof), "✓", "green")
    yield from screen.item(signers(found.proof.note, found.standing), *(("✓", "green") if key is not None else ()))
    if isinstance(found.proof, InclusionProof) and (leaf := found.leaf) is not None:
        yield screen.paint(f"@{found.proof.index + 1} {leaf.type}, {leaf.at}", "bold")
        yield from value_lines(_leaf_json(leaf)["event"], Names(EventLog(MemoryKnowledgeStore())))


def _leaf_json(leaf: Leaf | None) -> dict[str, Any]:
    return {} if leaf is None else {"event": leaf._asdict() | {"content_sha256": leaf.content_sha256.hex()}}


def _proof_json(proof: Proof, key: VerifierKey | None) -> dict[str, Any]:
    checkpoint = proof.checkpoint
    if isinstance(proof, InclusionProof):
        leaf = leaf_hash(proof.extra or b"").hex()
        about: dict[str, Any] = {"kind": "inclusion", "position": proof.index + 1, "leaf_hash": leaf}
    else:
        about = {"kind": "consistency", "old_size": proof.old_size}
    return about | {
        "path": [each.hex() for each in proof.path],
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "signed_by": [signature.name for signature in proof.note.signatures],
        "standing": signature_standing(proof.note, key),
        "proof": str(proof),
    }
