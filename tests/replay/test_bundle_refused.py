"""``replay bundle check``: whatever was done to a bundle, it is refused by a sentence (REPLAY, command 17)."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.checkpoint import Checkpoint, InclusionProof
from events.notes import Note
from replay import History
from replay.bundle import archive, check, make
from replay.bundle.archive import write
from replay.bundle.readme import TEXT
from replay.prove import proof_of
from tests.replay.asking import ask
from tests.replay.bundling import members, with_sums, zipped
from tests.replay.signing import KEY, SIGNER, STRANGER_KEY, signed_at
from tests.support.damage import flip


@settings(max_examples=300)
@given(st.data())
def test_trap_2_a_bundle_with_any_byte_flipped_does_not_pass(
    case: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.zip"
    at, bit = data.draw(st.integers(0, len(case) - 1)), data.draw(st.integers(0, 7))
    path.write_bytes(case[:at] + bytes([case[at] ^ 1 << bit]) + case[at + 1 :])
    assert check(path).problem


def test_every_byte_around_the_members_counts(case: bytes, refused: Callable[..., str]) -> None:
    """Headers and directory of the zip, byte by byte: no place to hide anything."""
    first, directory = case.index(b"README.txt") + len("README.txt"), case.index(b"PK\x01\x02")
    for at in (*range(first), *range(directory, directory + 120), *range(len(case) - 22, len(case))):
        assert refused(flip(case, at), key=False)


@settings(max_examples=30)
@given(st.data())
def test_a_bundle_cut_short_or_with_more_behind_it_does_not_pass(
    case: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.zip"
    end = data.draw(st.integers(0, len(case) - 1))
    more = data.draw(st.binary(min_size=1, max_size=30))
    for changed in (case[:end], case + more, more + case):
        path.write_bytes(changed)
        assert check(path).problem


def test_zip_slip_names_are_refused_and_nothing_is_unpacked(case: bytes, refused: Callable[..., str]) -> None:
    for name in ("../evil.txt", "/etc/evil", "events/../evil", "events/0000000001.tlog-proof/", "events/1.tlog-proof"):
        assert refused(zipped(members(case) | {name: b"x"})) == f"it has a member {name!r}, which no bundle has"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(case: bytes, refused: Callable[..., str]) -> None:
    file = BytesIO()
    write(file, [*members(case).items(), ("README.txt", b"another")])
    assert refused(file.getvalue()) == "it has two members 'README.txt'"


def test_compressed_members_and_bombs_are_refused_before_they_are_read(
    case: bytes, refused: Callable[..., str]
) -> None:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("README.txt", bytes(50_000_000))
    assert refused(file.getvalue()) == "its member 'README.txt' is compressed, which no bundle's is"


def test_a_member_that_says_it_is_huge_is_refused_before_it_is_read(
    case: bytes, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MEMBER_SIZE_MAX_BYTES", 1000)
    assert refused(case) == f"its member 'README.txt' says it has {len(TEXT.encode()):,} bytes, too many to be read"
    monkeypatch.setattr(archive, "MEMBERS_MAX", 3)
    assert refused(case).endswith("members, more than 3")


def test_an_encrypted_member_is_refused(case: bytes, refused: Callable[..., str]) -> None:
    encrypted = bytearray(case)
    encrypted[6] |= 1
    at = case.index(b"PK\x01\x02")
    encrypted[at + 8] |= 1
    assert "cannot be read" in refused(bytes(encrypted))


def replaced(name: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(parts: dict[str, bytes]) -> None:
        assert old in parts[name]
        parts[name] = parts[name].replace(old, new, 1)

    return change


def last(parts: dict[str, bytes], suffix: str) -> str:
    return max(name for name in parts if name.endswith(suffix))


def change_content(parts: dict[str, bytes]) -> None:
    name = last(parts, ".content")
    parts[name] = flip(parts[name], 4)


def drop_content(parts: dict[str, bytes]) -> None:
    del parts[last(parts, ".content")]


def drop_event(parts: dict[str, bytes]) -> None:
    name = last(parts, ".tlog-proof")
    parts.pop(name)
    parts.pop(name.replace(".tlog-proof", ".content"), None)


def move_event(parts: dict[str, bytes]) -> None:
    name = last(parts, ".tlog-proof")
    parts["events/9999999999.tlog-proof"] = parts.pop(name)


def change_leaf(parts: dict[str, bytes]) -> None:
    name = last(parts, ".tlog-proof")
    proof = InclusionProof.parse(parts[name])
    changed = InclusionProof(proof.index, proof.path, proof.note, flip(proof.extra or b"", 30))
    parts[name] = str(changed).encode()


def other_checkpoint(parts: dict[str, bytes]) -> None:
    checkpoint = Checkpoint.parse(Note.parse(parts["checkpoint.txt"]).text)
    forged = Note(str(Checkpoint(checkpoint.origin, checkpoint.size + 1, checkpoint.root))).signed(SIGNER)
    parts["checkpoint.txt"] = str(forged).encode()


def drop_member(name: str) -> Callable[[dict[str, bytes]], None]:
    def change(parts: dict[str, bytes]) -> None:
        del parts[name]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replaced("README.txt", b"by hand", b"by wire"), "its README.txt is not the one of its format"),
        (
            replaced("events.jsonl", b'"actor"', b'"actress"'),
            "its events.jsonl does not say what the proven events say",
        ),
        (replaced("manifest.json", b'"signed_by"', b'"signed_bye"'), "its manifest.json does not say what is in it"),
        (replaced("manifest.json", b"bundle@1", b"bundle@2"), "its format is 'ledgerhub-bundle@2', and this"),
        (replaced("manifest.json", b"{", b"["), "its manifest.json is none"),
        (replaced("manifest.json", b'"format"', b'"farmat"'), "its manifest.json is none"),
        (replaced("manifest.json", b'"content": true', b'"content": false'), "its events.jsonl does not say"),
        (lambda parts: parts.update({"manifest.json": b"[" * 100_000}), "its manifest.json is none"),
        (drop_member("README.txt"), "it has no README.txt"),
        (drop_member("manifest.json"), "it has no manifest.json"),
        (drop_member("checkpoint.txt"), "it has no checkpoint.txt"),
        (drop_member("events.jsonl"), "it has no events.jsonl"),
        (drop_event, "its events.jsonl does not say what the proven events say"),
        (change_content, "is not the one that was logged"),
        (drop_content, "it has no events/"),
        (move_event, "does not prove that its event stands at @9999999999"),
        (change_leaf, "does not prove that its event stands at"),
        (other_checkpoint, "is not a proof for the checkpoint of the bundle"),
    ],
)
@pytest.mark.parametrize("sums", [False, True])
def test_a_bundle_changed_in_any_part_is_refused_though_its_sums_were_made_anew(
    case: bytes, refused: Callable[..., str], change: Callable[[dict[str, bytes]], None], message: str, sums: bool
) -> None:
    parts = members(case)
    change(parts)
    try:
        data = with_sums(parts) if sums else zipped(parts)
    except (KeyError, TypeError, ValueError, RecursionError):
        data = zipped(parts)
    for key in (True, False):
        assert message in refused(data, key)


@pytest.mark.parametrize("session", ["\ud800", "", None, 7, ["x"], {"x": 1}, "x" * 10_000, "\x1b[2J"])
def test_a_session_that_is_none_is_refused_by_one_printable_line(case: bytes, tmp_path: Path, session: object) -> None:
    parts = members(case)
    told = json.loads(parts["manifest.json"]) | {"session": session}
    (tmp_path / "x.zip").write_bytes(zipped(parts | {"manifest.json": json.dumps(told).encode()}))
    for words in ((), ("--json",)):
        answer = ask("bundle", "check", os.fspath(tmp_path / "x.zip"), *words)
        assert (answer.code, answer.err, len(answer.lines)) == (1, "", 1)
        assert answer.lines[0].isprintable()
        assert len(answer.lines[0]) < 300


@given(st.binary(max_size=300))
def test_anything_for_a_manifest_is_refused(case: bytes, tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "manifest.zip"
    path.write_bytes(zipped(members(case) | {"manifest.json": data}))
    assert check(path).problem


def without(case: bytes, left_out: Callable[[dict[str, Any]], bool]) -> bytes:
    """A bundle that agrees with itself, made without some of its events."""
    parts = members(case)
    lines = [json.loads(line) for line in parts["events.jsonl"].splitlines()]
    gone = {line["position"] for line in lines if left_out(line)}
    assert gone
    kept = [
        line for line in parts["events.jsonl"].splitlines(keepends=True) if json.loads(line)["position"] not in gone
    ]
    parts["events.jsonl"] = b"".join(kept)
    parts = {
        name: data for name, data in parts.items() if not name.startswith("events/") or int(name[7:17]) not in gone
    }
    told = json.loads(parts["manifest.json"])
    ids = {json.loads(line)["id"] for line in kept}
    causes = {json.loads(line)["cause"] for line in kept} - {None}
    roles = [json.loads(line)["role"] for line in kept]
    told |= {"events": {role: roles.count(role) for role in sorted(set(roles))}, "missing_causes": sorted(causes - ids)}
    parts["manifest.json"] = json.dumps(told).encode()
    return with_sums(parts)


def test_an_envelope_left_out_between_others_is_missed(case: bytes, refused: Callable[..., str]) -> None:
    data = without(case, lambda line: line["facts"].get("sequence") == 2)
    assert refused(data) == "of the session's envelopes, those between 1 and 3 were left out"


def test_a_session_without_its_beginning_is_refused(case: bytes, refused: Callable[..., str]) -> None:
    data = without(case, lambda line: line["type"] == "session.created" or line["role"] != "session")
    assert refused(data) == "the event that created the session was left out"


def test_causes_that_are_not_there_are_counted(case: bytes, tmp_path: Path) -> None:
    (tmp_path / "less.zip").write_bytes(without(case, lambda line: line["role"] != "session"))
    answer = ask("bundle", "check", os.fspath(tmp_path / "less.zip"), "--key", KEY)
    assert answer.code == 0
    assert "1 of the causes that are named in it are not here" in answer.lines


def test_an_event_that_has_nothing_to_do_with_the_session_is_refused(
    signed_path: Path, case: bytes, refused: Callable[..., str]
) -> None:
    parts = members(case)
    with History.open(signed_path) as history:
        note, stranger = Note.parse(parts["checkpoint.txt"]), history.log.get(1)
        assert stranger is not None
        proof = proof_of(history.log, 1, note)
    order = ["README.txt", "manifest.json", "checkpoint.txt", "events.jsonl"]
    events = parts | {"events/0000000001.tlog-proof": str(proof).encode()}
    data = with_sums({name: events[name] for name in [*order, *sorted(set(events) - set(order))]})
    message = refused(data)
    assert message.startswith("it has no events/0000000001.content") or "the event at @1 has nothing to do" in message


def test_a_bundle_is_no_better_than_who_signed_it(case: bytes, tmp_path: Path) -> None:
    (tmp_path / "case.zip").write_bytes(case)
    answer = ask("bundle", "check", os.fspath(tmp_path / "case.zip"), "--key", STRANGER_KEY)
    assert (answer.code, len(answer.lines)) == (1, 2)
    assert "is not to be relied on: its checkpoint is not signed by the key " in answer.lines[0]


def test_an_unsigned_bundle_says_so_and_does_not_pass_with_a_key(
    troubles_path: Path, delegated: str, tmp_path: Path
) -> None:
    path = os.fspath(tmp_path / "case.zip")
    made = ask("bundle", delegated, "-o", path, "--log", os.fspath(troubles_path))
    assert "sign one and make the bundle again: replay checkpoint --sign KEY_FILE" in made.lines
    checked = ask("bundle", "check", path)
    assert checked.code == 0
    assert "the checkpoint is NOT SIGNED: who made the proof could have made the log for it" in checked.lines
    assert ask("bundle", "check", path, "--key", KEY).code == 1


def test_a_checkpoint_that_does_not_cover_the_whole_session_is_not_used(
    troubles_path: Path, delegated: str, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(troubles_path, tmp_path / "log"))
    with History.open(copy) as history:
        last_position = max(event.position for event in history.log.read() if f"session:{delegated}" in event.tags)
        signed_at(copy, last_position - 1)
        assert make(history, delegated, tmp_path / "unsigned.zip").note.signatures == ()
        signed_at(copy, last_position)
        assert len(make(history, delegated, tmp_path / "signed.zip").note.signatures) == 1
