"""``replay checkpoint``: the log's tree head, signed on demand."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from events.checkpoint import Checkpoint
from events.notes import Note
from replay.checkpoint import checkpoint_at, read_signer, sign
from replay.cli.common import Asked, asks
from replay.render.screen import footer


@click.command("checkpoint", short_help="The log's tree head, signed on demand.")
@click.option(
    "--sign", "key_file", metavar="FILE", help="Sign with the private key in FILE, and keep it beside the log."
)
@asks
def command(asked: Asked, key_file: str | None) -> None:
    """Print the log's checkpoint: its id, its number of events and the root of its Merkle tree, as C2SP writes them.

    It is printed to the byte, for other tools; the line of evidence goes to stderr. With --sign it is a signed note,
    kept in the folder "signed" of the log. Keep a copy elsewhere, too: it tells whether the log was rolled back or made
    anew.
    """
    history, screen = asked.history, asked.screen
    if key_file is None:
        checkpoint = checkpoint_at(history.log, history.head)
        note, where = Note(str(checkpoint)), None
    else:
        signer = read_signer(key_file)
        _warn_if_open(key_file)
        where, note, checkpoint = sign(history.log, history.head, signer)
        history.key = history.key or signer.verifier
    if screen.as_json:
        screen.json(_json(checkpoint, note, where))
        return
    sys.stdout.write(str(note))
    sys.stdout.flush()
    print(screen.paint(footer(history.evidence()), "dim"), file=sys.stderr)


def _json(checkpoint: Checkpoint, note: Note, where: str | None) -> dict[str, Any]:
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "signed_by": [signature.name for signature in note.signatures],
        "note": str(note),
        "file": where,
    }


def _warn_if_open(path: str) -> None:
    if os.stat(path).st_mode & 0o077:
        print(f"replay: {path} can be read by others than you: chmod 600 {path}", file=sys.stderr)
