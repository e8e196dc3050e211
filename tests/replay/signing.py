"""Keys of tests, and logs that were signed with them."""

from __future__ import annotations

from pathlib import Path

from events.notes import SignerKey
from replay import History
from replay.checkpoint import sign
from tests.replay.scenario import ORIGIN

SIGNER = SignerKey(ORIGIN, bytes(range(32)))
STRANGER = SignerKey(ORIGIN, bytes(range(1, 33)))
KEY = str(SIGNER.verifier)
STRANGER_KEY = str(STRANGER.verifier)


def key_file(folder: Path, signer: SignerKey = SIGNER, mode: int = 0o600) -> Path:
    """A private key as keygen writes it."""
    path = folder / "hub.key"
    path.write_text(f"{signer.secret()}\n")
    path.chmod(mode)
    return path


def signed_at(path: Path, *sizes: int, signer: SignerKey = SIGNER) -> None:
    """Sign a log's checkpoints of some sizes."""
    with History.open(path) as history:
        for size in sizes:
            sign(history.log, size, signer)
