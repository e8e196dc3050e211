"""``replay keygen``: a key that signs checkpoints."""

from __future__ import annotations

import os

import click

from events.errors import NetworkError
from events.notes import SEED_SIZE_BYTES, SignerKey
from replay.cli.common import tells
from replay.errors import QuestionError
from replay.finding import find_log
from replay.history import History
from replay.render.screen import Screen


@click.command("keygen", short_help="Make a key that signs checkpoints.")
@click.argument("file", type=click.Path(dir_okay=False))
@click.option(
    "--name", help="What the key is called in every signature, such as acme.example/hub. Default: the log's id."
)
@click.option(
    "--log", metavar="PATH", envvar="LEDGERHUB_LOG", type=click.Path(), help="The log whose id names the key."
)
@tells
def command(screen: Screen, file: str, name: str | None, log: str | None) -> None:
    """Write a new private key to FILE, which only you can read, and print its verifier key.

    The verifier key is public: give it to everyone who is to check, by another way than the log. The private key is
    Ed25519 in the text form of Go's sumdb/note; whoever has it can vouch for any log. A file is never overwritten.
    """
    key = SignerKey(name if name is not None else _origin(log), os.urandom(SEED_SIZE_BYTES))
    verifier = str(key.verifier)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise QuestionError(f"{file} is there already, and a key is never overwritten: give another name") from None
    with open(descriptor, "w", encoding="utf-8") as opened:
        opened.write(f"{key.secret()}\n")
    if screen.as_json:
        screen.json({"name": key.name, "key_id": key.verifier.key_id.hex(), "verifier_key": verifier, "file": file})
    else:
        screen.line(verifier)


def _origin(log: str | None) -> str:
    try:
        with History.open(log or find_log()) as history:
            return history.log.recorder.origin
    except NetworkError as error:
        raise QuestionError(f"the key has no name, and {error.message}; or give one, with --name") from None
