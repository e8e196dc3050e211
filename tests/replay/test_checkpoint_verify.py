"""``replay verify --key``: what only a signed checkpoint can tell, each made by hand and named (REPLAY, command 8)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from events.checkpoint import Checkpoint
from events.notes import Note
from events.stores import DiskKnowledgeStore
from tests.replay.asking import ask, assert_screen
from tests.replay.scenario import ORIGIN, chat
from tests.replay.signing import KEY, SIGNER, STRANGER, STRANGER_KEY, signed_at
from tests.replay.test_verify import HEAD, P, append_as_indexed, delete, flip_record, put_in_again, swap, truncate
from tests.support.damage import Raw, flip, raw


def verified(path: Path, *words: str) -> dict[str, Any]:
    answer = ask("verify", "--log", os.fspath(path), "--json", *(words or ("--key", KEY)))
    (report,) = answer.objects
    assert answer.code == (0 if report["clean"] else 1)
    return dict(report)


def first(report: dict[str, Any]) -> tuple[str, str, int, int]:
    found = report["findings"][0]
    assert report["first_bad"] == found["position"]
    return found["kind"], found["part"], found["position"], report["last_good"]


def made_anew(log: Path, change: Callable[[list[bytes]], None], origin: str = ORIGIN) -> None:
    """Put another log in the place of one: hashes, tree and index are its own; what stands beside it stays."""
    old = DiskKnowledgeStore(log)
    old.open(readonly=True)
    events = [found.event for found in old.scan()]
    old.close()
    for name in ("data.mdb", "lock.mdb"):
        (log / name).unlink()
    for checkpoint in (log / "checkpoints").iterdir():
        checkpoint.unlink()
    datas = [event.data for event in events]
    change(datas)
    for event, data in zip(events, datas, strict=False):
        event.data = data
    new = DiskKnowledgeStore(log, "os", new_origin=lambda: origin)
    new.append(events[: len(datas)])
    new.close()


def rewrite(datas: list[bytes]) -> None:
    """Another text in an envelope: the fold does not look at content."""
    datas[P - 1] = datas[P - 1].replace(b"line 1", b"LINE 1")


def shorten(datas: list[bytes]) -> None:
    del datas[HEAD - 50 :]


@pytest.mark.parametrize(
    ("damage", "kind", "position"),
    [
        (flip_record, "flip", P),
        (delete, "delete", P),
        (put_in_again, "insert", P),
        (append_as_indexed, "insert", HEAD + 1),
        (swap, "reorder", P),
        (truncate, "truncate", HEAD - 5),
    ],
)
def test_log_6_damage_is_named_with_a_key_as_without_one(
    chat_copy: Path, damage: Callable[[Raw], None], kind: str, position: int
) -> None:
    signed_at(chat_copy, 100, HEAD)
    with raw(chat_copy) as log:
        damage(log)
    assert first(verified(chat_copy)) == (kind, "event", position, position - 1)


def test_log_6_a_log_made_anew_is_a_foreign_fork(chat_copy: Path) -> None:
    """Its leaves, nodes, index and folds agree; only who signed the true one knows better."""
    signed_at(chat_copy, 100, 200, P + 5, HEAD)
    made_anew(chat_copy, rewrite)
    for words in (("--key", KEY), ("--no-color",)):
        report = verified(chat_copy, *words)
        assert first(report) == ("foreign fork", "event", 201, 200)
        assert [f["kind"] for f in report["findings"]] == ["foreign fork"]
        assert report["signed"]["agreed"] == [100, 200]
        assert report["covered"] == HEAD
        message = "the events up to @305 are not those that were signed: made anew somewhere from @201 on"
        assert report["findings"][0]["message"] == message


def test_log_6_a_log_made_anew_behind_the_last_checkpoint_is_not_seen_and_it_is_said_so(chat_copy: Path) -> None:
    signed_at(chat_copy, 200)
    made_anew(chat_copy, rewrite)
    answer = ask("verify", "--log", os.fspath(chat_copy), "--key", KEY)
    assert answer.code == 0
    assert f"nobody vouches for the {HEAD - 200} events behind it: replay checkpoint --sign" in answer.lines


def test_log_6_a_log_shorter_than_what_was_signed_is_a_rollback(chat_copy: Path) -> None:
    signed_at(chat_copy, 100, HEAD - 1, HEAD)
    made_anew(chat_copy, shorten)
    report = verified(chat_copy)
    assert first(report) == ("rollback", "event", HEAD - 49, HEAD - 50)
    assert [f["message"] for f in report["findings"]] == [
        f"the log ends at @{HEAD - 50}, but a checkpoint of @{HEAD - 1} was signed"
    ]


def test_log_6_another_log_in_its_place_is_a_foreign_fork(chat_copy: Path) -> None:
    signed_at(chat_copy, HEAD)
    made_anew(chat_copy, lambda datas: None, origin="0dd" * 10 + "00")
    report = verified(chat_copy)
    assert first(report) == ("foreign fork", "event", 1, 0)
    assert report["findings"][0]["message"].startswith(f"the signed checkpoint of @{HEAD} is of log {ORIGIN}")


def test_log_6_a_checkpoint_kept_elsewhere_tells_when_those_beside_the_log_are_gone(
    chat_copy: Path, tmp_path: Path
) -> None:
    signed_at(chat_copy, 200, HEAD)
    kept = max((chat_copy / "signed").iterdir()).rename(tmp_path / "kept.note")
    made_anew(chat_copy, shorten)
    assert verified(chat_copy)["clean"] is True
    report = verified(chat_copy, "--key", KEY, "--checkpoint", os.fspath(kept))
    assert first(report) == ("rollback", "event", HEAD - 49, HEAD - 50)
    assert report["signed"]["agreed"] == [200]


def test_log_6_with_a_key_somebody_has_to_vouch(chat_copy: Path) -> None:
    assert first(verified(chat_copy)) == ("delete", "signed checkpoint", HEAD, HEAD)
    signed_at(chat_copy, 100, signer=STRANGER)
    report = verified(chat_copy)
    assert first(report) == ("delete", "signed checkpoint", HEAD, HEAD)
    assert report["signed"]["others"] == 1
    assert verified(chat_copy, "--key", STRANGER_KEY)["clean"] is True


def test_checkpoints_of_other_keys_say_nothing_when_there_is_a_key(chat_copy: Path) -> None:
    signed_at(chat_copy, 100)
    lie = Note(str(Checkpoint(ORIGIN, 200, bytes(32)))).signed(STRANGER)
    (chat_copy / "signed" / "00000000000000000200-00000000.note").write_text(str(lie))
    assert verified(chat_copy)["clean"] is True
    assert first(verified(chat_copy, "--no-color")) == ("foreign fork", "event", 101, 100)


def test_a_forged_signature_is_told_and_the_log_is_good(chat_copy: Path) -> None:
    signed_at(chat_copy, 100, 200)
    note = Note.parse(max((chat_copy / "signed").iterdir()).read_bytes())
    forged = Note(str(Checkpoint(ORIGIN, 200, bytes(32))), note.signatures)
    max((chat_copy / "signed").iterdir()).write_text(str(forged))
    assert first(verified(chat_copy)) == ("flip", "signed checkpoint", 200, HEAD)


def test_a_garbled_note_is_told_and_the_log_is_good(chat_copy: Path) -> None:
    signed_at(chat_copy, 100)
    path = chat_copy / "signed" / "00000000000000000200-00000000.note"
    path.write_bytes(flip(min((chat_copy / "signed").iterdir()).read_bytes(), 40) + b"\n")
    report = verified(chat_copy)
    assert first(report) == ("flip", "signed checkpoint", HEAD, HEAD)
    assert "00000000000000000200-00000000.note: a note has 1 to 100" in report["findings"][0]["message"]


@pytest.mark.parametrize("content", ["nothing", "text\n\n— a AAAAAAA=\n"])
def test_a_file_that_is_no_checkpoint_is_refused_by_name(chat_copy: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "x").write_text(content)
    answer = ask("verify", "--log", os.fspath(chat_copy), "--checkpoint", os.fspath(tmp_path / "x"))
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert answer.err.startswith(f"replay: {tmp_path}/x: this is no ")


@pytest.mark.parametrize("width", [80, 120])
def test_a_foreign_fork_on_the_screen(chat_copy: Path, width: int) -> None:
    signed_at(chat_copy, 200, HEAD)
    made_anew(chat_copy, rewrite)
    answer = ask("verify", "--log", os.fspath(chat_copy), "--key", KEY, COLUMNS=str(width))
    assert answer.code == 1
    assert_screen(f"verify-fork-{width}", answer.out)


def test_a_log_with_a_whole_chat_is_covered_in_full(tmp_path: Path) -> None:
    """REPLAY: coverage is stated."""
    asyncio.run(chat(tmp_path / "log", 10))
    signed_at(tmp_path / "log", 5)
    answer = ask("verify", "--log", os.fspath(tmp_path / "log"), "--key", KEY)
    head = verified(tmp_path / "log")["head"]
    assert any(line.startswith(f"covered {head} of {head} events, all bytes") for line in answer.lines)
    assert SIGNER.name in answer.out
