"""``replay keygen``: a private key that only its owner can read, and the verifier key to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from events.notes import Note, SignerKey, VerifierKey
from tests.replay.asking import ask
from tests.replay.scenario import ORIGIN
from tests.support.missing import forget


def test_a_key_is_written_for_its_owner_alone_and_its_verifier_key_printed(tmp_path: Path) -> None:
    path = tmp_path / "hub.key"
    previous = os.umask(0)
    try:
        answer = ask("keygen", os.fspath(path), "--name", "acme.example/hub")
    finally:
        os.umask(previous)
    assert (answer.code, answer.err, path.stat().st_mode & 0o777) == (0, "", 0o600)
    signer, verifier = SignerKey.parse(path.read_text().strip()), VerifierKey.parse(answer.out.strip())
    assert (signer.name, signer.verifier) == ("acme.example/hub", verifier)
    assert Note("text\n").signed(signer).verified(verifier)
    assert signer.secret() not in answer.out


def test_two_keys_are_two(tmp_path: Path) -> None:
    keys = {ask("keygen", os.fspath(tmp_path / name), "--name", "x").out for name in ("a", "b")}
    assert len(keys) == 2


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "hub.key"
    path.write_text("precious")
    answer = ask("keygen", os.fspath(path), "--name", "x")
    assert (answer.code, answer.out, path.read_text()) == (2, "", "precious")
    assert answer.err == f"replay: {path} is there already, and a key is never overwritten: give another name\n"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "hub.key").symlink_to(tmp_path / "elsewhere")
    assert ask("keygen", os.fspath(tmp_path / "hub.key"), "--name", "x").code == 2
    assert not (tmp_path / "elsewhere").exists()


def test_the_log_names_the_key_when_nobody_else_does(everything_path: Path, tmp_path: Path) -> None:
    answer = ask("keygen", os.fspath(tmp_path / "k"), "--log", os.fspath(everything_path), "--json")
    (told,) = answer.objects
    assert (told["name"], told["file"]) == (ORIGIN, os.fspath(tmp_path / "k"))
    key = VerifierKey.parse(told["verifier_key"])
    assert (key.name, key.key_id.hex()) == (ORIGIN, told["key_id"])


@pytest.mark.parametrize("name", ["", "two words", "a+b", "line\nend"])
def test_a_name_that_no_signature_can_have_is_refused(tmp_path: Path, name: str) -> None:
    answer = ask("keygen", os.fspath(tmp_path / "k"), "--name", name)
    assert (answer.code, list(tmp_path.iterdir())) == (2, [])
    assert "without spaces and without +" in answer.err


def test_without_a_log_and_a_name_it_says_what_to_give(tmp_path: Path) -> None:
    answer = ask("keygen", os.fspath(tmp_path / "k"), "--log", os.fspath(tmp_path / "nowhere"))
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert answer.err.startswith("replay: the key has no name, and there is no log in ")
    assert answer.err.endswith("or give one, with --name\n")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    answer = ask("keygen", os.fspath(tmp_path / "no" / "k"), "--name", "x")
    assert answer.code == 2
    told = "No such file or directory: give a file that is there, or in a folder that you may write"
    assert answer.err == f"replay: {tmp_path}/no/k: {told}\n"


def test_without_cryptography_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch, "cryptography")
    answer = ask("keygen", os.fspath(tmp_path / "k"), "--name", "x")
    assert (answer.code, list(tmp_path.iterdir())) == (2, [])
    assert answer.err == "replay: signatures need the package cryptography: pip install 'ledgerhub[sign]'\n"
