"""``replay checkpoint``, and what every screen says of signed checkpoints (SPEC LOG-6)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from events.checkpoint import Checkpoint
from events.notes import Note, VerifierKey
from events.stores import MemoryKnowledgeStore
from replay import History, QuestionError
from replay.checkpoint import Standing, newest, sign, standing
from tests.replay.asking import Answer, ask, assert_screen, start
from tests.replay.scenario import ORIGIN
from tests.replay.signing import KEY, SIGNER, STRANGER, STRANGER_KEY, key_file, signed_at
from tests.replay.test_processes import tell, told
from tests.support.damage import raw
from tests.support.missing import forget

HEAD = 31


@pytest.fixture
def log(everything_path: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(everything_path, tmp_path / "log"))


@pytest.fixture
def history(log: Path) -> Iterator[History]:
    with History.open(log) as opened:
        yield opened


def notes(log: Path) -> list[str]:
    return sorted(path.name for path in (log / "signed").iterdir())


def last_line(log: Path, *words: str) -> str:
    answer = ask("log", "--limit", "1", "--log", os.fspath(log), *words)
    assert answer.code == 0
    return answer.lines[-1].partition("checkpoint ")[2]


def forge(log: Path, size: int, text: str) -> None:
    """Put a note there under the name that the key's own would have."""
    (log / "signed").mkdir(exist_ok=True)
    (log / "signed" / f"{size:020}-{SIGNER.verifier.key_id.hex()}.note").write_text(text)


def test_log_6_the_checkpoint_is_printed_to_the_byte(log: Path, history: History) -> None:
    answer = ask("checkpoint", "--log", os.fspath(log))
    assert answer.code == 0
    assert Checkpoint.parse(answer.out) == Checkpoint(ORIGIN, HEAD, history.log.recorder.root())
    assert answer.err.startswith("log 5eed5eed5eed head @31 root ")
    assert answer.err.endswith(" checkpoint none unsigned\n")
    assert not (log / "signed").exists()


def test_log_6_a_signed_checkpoint_is_a_note_and_is_kept(log: Path, tmp_path: Path) -> None:
    answer = ask("checkpoint", "--log", os.fspath(log), "--sign", os.fspath(key_file(tmp_path)))
    assert answer.code == 0
    assert Note.parse(answer.out).verified(VerifierKey.parse(KEY))
    (name,) = notes(log)
    assert name == f"{HEAD:020}-{SIGNER.verifier.key_id.hex()}.note"
    assert (log / "signed" / name).read_text() == answer.out
    assert answer.err.endswith(" checkpoint @31 verified\n")


@pytest.mark.parametrize("signs", [False, True])
def test_a_program_gets_the_parts_and_the_note(log: Path, tmp_path: Path, signs: bool) -> None:
    words = ["--sign", os.fspath(key_file(tmp_path))] if signs else []
    answer = ask("checkpoint", "--log", os.fspath(log), "--json", *words)
    (told,) = answer.objects
    assert (told["v"], told["origin"], told["size"], told["signed_by"]) == (1, ORIGIN, HEAD, [ORIGIN] if signs else [])
    assert Checkpoint.parse(Note.parse(told["note"], unsigned=True).text).root.hex() == told["root"]
    assert told["file"] == (os.fspath(log / "signed" / notes(log)[0]) if signs else None)
    assert answer.err == ""


def test_signing_again_changes_nothing_and_another_key_adds_its_own(log: Path, tmp_path: Path) -> None:
    signed_at(log, HEAD)
    before = {name: (log / "signed" / name).stat().st_mtime_ns for name in notes(log)}
    signed_at(log, HEAD)
    assert {name: (log / "signed" / name).stat().st_mtime_ns for name in notes(log)} == before
    signed_at(log, HEAD, signer=STRANGER)
    assert len(notes(log)) == 2
    assert last_line(log, "--key", KEY) == last_line(log, "--key", STRANGER_KEY) == "@31 verified"


def test_the_hub_goes_on_writing_a_log_that_is_signed_meanwhile(tmp_path: Path) -> None:
    """LOG-4: signing reads; each signed tree begins with the one before, and the hub does not mind."""
    path, key = os.fspath(tmp_path / "log"), os.fspath(key_file(tmp_path))
    with start(path, module="tests.replay.scenario") as writer:
        told(writer)
        for number in range(5):
            head = int(tell(writer, f"line {number}"))
            answer = ask("checkpoint", "--log", path, "--sign", key, "--json")
            assert (answer.code, answer.objects[0]["size"] >= head) == (0, True)
            assert last_line(tmp_path / "log", "--key", KEY).endswith(" verified")
        writer.kill()
    report = ask("verify", "--log", path, "--key", KEY, "--json").objects[0]
    assert (report["clean"], len(report["signed"]["agreed"]) > 1) == (True, True)


def test_trap_2_a_note_cut_off_while_it_was_written_is_not_met(log: Path) -> None:
    signed_at(log, 20)
    (log / "signed" / f".{HEAD:020}-{SIGNER.verifier.key_id.hex()}.note.1234").write_text("half a no")
    assert last_line(log, "--key", KEY) == "@20 verified"
    assert ask("verify", "--log", os.fspath(log), "--key", KEY).code == 0


def test_a_log_that_contradicts_its_last_checkpoint_is_not_signed(log: Path, tmp_path: Path) -> None:
    """C2SP tlog-checkpoint: a log must not sign what is inconsistent with what it signed before."""
    forge(log, 20, str(Note(str(Checkpoint(ORIGIN, 20, bytes(32)))).signed(SIGNER)))
    answer = ask("checkpoint", "--log", os.fspath(log), "--sign", os.fspath(key_file(tmp_path)))
    assert (answer.code, answer.out, len(notes(log))) == (3, "", 1)
    assert answer.err.startswith("replay: not signed: the events up to @20 are not those that were signed")


def test_a_log_that_was_rolled_back_is_not_signed(log: Path, tmp_path: Path) -> None:
    signed_at(log, HEAD)
    with raw(log) as changed:
        del changed.values[HEAD]
    answer = ask("checkpoint", "--log", os.fspath(log), "--sign", os.fspath(key_file(tmp_path)))
    assert (answer.code, len(notes(log))) == (3, 1)
    assert "the log ends at @30, but a checkpoint of @31 was signed" in answer.err


def test_every_screen_says_whether_the_newest_checkpoint_is_verified(log: Path) -> None:
    assert last_line(log) == last_line(log, "--key", KEY) == "none unsigned"
    signed_at(log, 20)
    assert last_line(log) == "@20 unchecked"
    assert last_line(log, "--key", KEY) == "@20 verified"
    assert last_line(log, "--key", STRANGER_KEY) == "none unsigned"
    signed_at(log, HEAD, signer=STRANGER)
    assert last_line(log) == "@31 unchecked"
    assert last_line(log, "--key", KEY) == "@20 verified"


def test_the_key_may_come_from_a_file_or_the_environment(log: Path, tmp_path: Path) -> None:
    signed_at(log, HEAD)
    (tmp_path / "hub.pub").write_text(f"{KEY}\n")
    assert last_line(log, "--key", os.fspath(tmp_path / "hub.pub")) == "@31 verified"
    answer = ask("log", "--limit", "1", "--log", os.fspath(log), LEDGERHUB_KEY=KEY)
    assert answer.lines[-1].endswith("checkpoint @31 verified")


def test_screens_say_what_is_not_so(log: Path) -> None:
    good = Note(str(Checkpoint(ORIGIN, 20, bytes(32)))).signed(SIGNER)
    forge(log, 20, str(good))
    assert last_line(log) == last_line(log, "--key", KEY) == "@20 contradicted"
    forge(log, 20, str(Note(good.text, (good.signatures[0]._replace(data=bytes(64)),))))
    assert last_line(log, "--key", KEY) == "@20 forged"
    forge(log, HEAD + 1, str(Note(str(Checkpoint(ORIGIN, HEAD + 1, bytes(32)))).signed(SIGNER)))
    assert last_line(log, "--key", KEY) == "@32 contradicted"
    forge(log, HEAD + 1, "garbled")
    assert last_line(log, "--key", KEY) == "@20 forged"


def test_a_checkpoint_signed_after_a_reader_looked_is_not_held_against_the_log(log: Path, history: History) -> None:
    signed_at(log, 10, HEAD)
    history.head = 20
    kept = newest(history.log, history.head)
    assert kept is not None
    assert kept.checkpoint.size == 10
    assert standing(history.log, kept, SIGNER.verifier) is Standing.VERIFIED


def test_an_empty_log_has_a_checkpoint_too_and_one_in_memory_has_no_place_for_it() -> None:
    with History(MemoryKnowledgeStore()) as history:
        assert history.evidence().standing is Standing.UNSIGNED
        with pytest.raises(QuestionError, match="a log in memory has no place"):
            sign(history.log, 0, SIGNER)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--key", "nonsense"),
            "no file has that name, and this is no key of a note: a verifier key is NAME+ID+KEY",
        ),
        (("--key", "{folder}/wrong"), "wrong: this is no key of a note"),
        (("--key", SIGNER.secret()), "this is a private key, which signs"),
        (("--sign", "{folder}/nowhere"), "nowhere: No such file or directory"),
        (("--sign", "{folder}/hub.pub"), "hub.pub: this is no private key: give the file that keygen wrote"),
    ],
)
def test_bad_keys_are_refused_by_one_line(log: Path, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    (tmp_path / "hub.pub").write_text(KEY)
    (tmp_path / "wrong").write_text("hi")
    answer = ask("checkpoint", "--log", os.fspath(log), *(word.format(folder=tmp_path) for word in words))
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert message in answer.err
    assert SIGNER.secret() not in answer.err


def test_a_key_that_others_can_read_is_warned_of(log: Path, tmp_path: Path) -> None:
    path = key_file(tmp_path, mode=0o644)
    answer = ask("checkpoint", "--log", os.fspath(log), "--sign", os.fspath(path))
    assert answer.code == 0
    assert answer.err.splitlines()[0] == f"replay: {path} can be read by others than you: chmod 600 {path}"


@pytest.mark.parametrize("words", [("log",), ("verify",), ("prove", "@3"), ("checkpoint",)])
def test_without_cryptography_a_key_is_of_no_use_and_all_else_is(
    log: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    signed_at(log, HEAD)
    forget(monkeypatch, "cryptography")
    answer = ask(*words, "--log", os.fspath(log), "--key", KEY)
    assert answer.code == 2
    assert answer.err.endswith("replay: signatures need the package cryptography: pip install 'ledgerhub[sign]'\n")
    assert ask(*words, "--log", os.fspath(log)).code == 0


def screen(log: Path, *words: str, width: int) -> Answer:
    return ask(*words, "--log", os.fspath(log), COLUMNS=str(width))


@pytest.mark.parametrize("width", [80, 120])
def test_screens_of_verify_with_a_key_are_as_their_snapshots(log: Path, width: int) -> None:
    signed_at(log, 10, 20)
    signed_at(log, HEAD, signer=STRANGER)
    assert_screen(f"verify-signed-{width}", screen(log, "verify", "--key", KEY, width=width).out)
    assert_screen(f"verify-unchecked-{width}", screen(log, "verify", width=width).out)
