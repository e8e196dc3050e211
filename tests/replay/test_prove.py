"""``replay prove``: proofs made beside the log and checked without it (SPEC LOG-6)."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.checkpoint import Checkpoint, ConsistencyProof, InclusionProof
from events.errors import CorruptLogError
from events.leaf import read_content, read_leaf
from events.notes import Note, NoteError
from replay import History
from replay.checkpoint import Standing
from replay.prove import consistency, inclusion, read
from tests.replay.asking import Answer, ask, assert_screen, start
from tests.replay.scenario import ORIGIN
from tests.replay.signing import KEY, SIGNER, STRANGER, STRANGER_KEY, signed_at
from tests.replay.test_processes import tell, told
from tests.support.damage import flip, raw

HEAD = 31


@pytest.fixture
def log(everything_path: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(everything_path, tmp_path / "log"))


def prove(log: Path, *words: str, **options: str) -> Answer:
    return ask("prove", *words, "--log", os.fspath(log), **options)


def proof_file(log: Path, *words: str) -> str:
    path = os.fspath(log.parent / "proof")
    assert prove(log, *words, "-o", path).code == 0
    return path


def check(*words: str) -> Answer:
    return ask("prove", "check", *words)


@pytest.fixture(scope="module")
def proofs(everything_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A proof of each kind, with a signed checkpoint."""
    log = Path(shutil.copytree(everything_path, tmp_path_factory.mktemp("proofs") / "log"))
    signed_at(log, HEAD)
    with History.open(log, key=SIGNER.verifier) as history:
        grown = consistency(history, 20)
        old = Note(str(Checkpoint(ORIGIN, 20, history.log.recorder.root(20)))).signed(SIGNER)
        made = {"event": inclusion(history, "@13"), "grown": grown, "old": old}
        return {name: str(each).encode() for name, each in made.items()}


def test_log_6_every_event_of_a_log_is_proven_in_every_tree_that_has_it(everything_path: Path) -> None:
    with History.open(everything_path) as history:
        for size in (1, 2, 7, 16, HEAD):
            for position in range(1, size + 1):
                proof = InclusionProof.parse(str(inclusion(history, position, size)))
                assert proof.holds(proof.extra or b"")
                assert read_leaf(proof.extra or b"").id == history.event(position).id


def test_proofs_of_several_events_are_those_of_each(chat_path: Path) -> None:
    with History.open(chat_path) as history:
        recorder = history.log.recorder
        for size in (607, 300):
            several = list(recorder.inclusion_proofs(range(1, size, 7), size))
            assert several == [recorder.inclusion_proof(position, size) for position in range(1, size, 7)]
        with pytest.raises(ValueError, match="is not in a tree"):
            list(recorder.inclusion_proofs([301], 300))


def test_log_6_a_log_is_proven_to_begin_with_all_it_was(everything_path: Path) -> None:
    with History.open(everything_path) as history:
        for size in (1, 2, 7, 16, HEAD):
            for old in range(size + 1):
                proof = ConsistencyProof.parse(str(consistency(history, old, size)))
                assert proof.holds(history.log.recorder.root(old))


def test_log_6_a_proof_is_checked_without_the_log(log: Path) -> None:
    signed_at(log, HEAD)
    path = proof_file(log, "@13")
    shutil.rmtree(log)
    answer = check(path, "--key", KEY, "--json")
    (found,) = answer.objects
    assert (answer.code, found["ok"], found["standing"], found["position"]) == (0, True, "verified", 13)
    assert found["event"]["type"] == "envelope.posted"
    assert found["event"]["facts"]["event_type"] == "ag2.msg.text"


def test_the_leaf_says_what_the_log_says_and_the_content_by_its_digest(everything_path: Path) -> None:
    """LOG-2: the proof has no content, and holds for it."""
    with History.open(everything_path) as history:
        proof, event = inclusion(history, "@13"), history.event("@13")
    leaf = read_leaf(proof.extra or b"")
    assert (leaf.actor, leaf.cause, leaf.facts["session_id"]) == (event.actor, event.cause, event.facts["session_id"])
    text = event.content["rest"]["text"]
    assert text
    assert text.encode() not in (proof.extra or b"")


def test_the_newest_signed_checkpoint_that_covers_the_event_is_taken(log: Path) -> None:
    signed_at(log, 10, 20)
    signed_at(log, 25, signer=STRANGER)
    for point, size, signer in (("@5", 20, [ORIGIN]), ("@20", 20, [ORIGIN]), ("@21", HEAD, [])):
        (found,) = prove(log, point, "--json", "--key", KEY).objects
        assert (found["size"], found["signed_by"]) == (size, signer)
    (found,) = prove(log, "@21", "--json").objects
    assert (found["size"], found["standing"]) == (25, "unchecked")
    (found,) = prove(log, "@5", "--size", "10", "--json", "--key", KEY).objects
    assert (found["size"], found["standing"]) == (10, "verified")
    (found,) = prove(log, "@5", "--size", "25", "--json", "--key", KEY).objects
    assert (found["size"], found["standing"]) == (25, "unsigned")


def test_growth_is_checked_against_the_earlier_checkpoint(log: Path, tmp_path: Path) -> None:
    signed_at(log, 20, HEAD)
    old = os.fspath(min((log / "signed").iterdir()))
    path = proof_file(log, "--from", "20")
    answer = check(path, "--old", old, "--key", KEY)
    assert answer.code == 0
    assert answer.lines[0] == "✓ the tree of 31 events begins with that of 20, by 4 hashes"
    without = check(path)
    assert (without.code, without.err.count("\n")) == (2, 1)
    assert "--old FILE" in without.err


@given(st.data())
def test_a_proof_that_was_touched_anywhere_proves_nothing(proofs: dict[str, bytes], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["event", "grown"]))
    written = proofs[name]
    at, bit = data.draw(st.integers(0, len(written) - 1)), data.draw(st.integers(0, 7))
    touched = written[:at] + bytes([written[at] ^ 1 << bit]) + written[at + 1 :]
    with suppress(NoteError):
        assert read(touched, SIGNER.verifier, Note.parse(proofs["old"])).problem


def test_a_proof_is_no_better_than_who_signed_it(log: Path) -> None:
    signed_at(log, HEAD, signer=STRANGER)
    path = proof_file(log, "@13")
    answer = check(path, "--key", KEY)
    assert (answer.code, len(answer.lines)) == (1, 2)
    assert answer.lines[0].startswith("✗ its checkpoint is not signed by the key ")
    assert answer.lines[1].endswith(" checkpoint @31 unsigned")
    assert check(path, "--key", STRANGER_KEY).code == 0
    assert check(path).lines[1].endswith("which was not checked: give --key")


def test_an_unsigned_proof_says_so_and_does_not_pass_with_a_key(log: Path) -> None:
    path = proof_file(log, "@13")
    assert "the checkpoint is NOT SIGNED: who made the proof could have made the log for it" in check(path).lines
    answer = check(path, "--key", KEY, "--json")
    assert (answer.code, answer.objects[0]["ok"]) == (1, False)
    assert answer.objects[0]["problem"] == "its checkpoint is not signed: it could be of a log that was made for it"


def test_a_forged_signature_is_told(proofs: dict[str, bytes]) -> None:
    proof = InclusionProof.parse(proofs["event"])
    forged = Note(proof.note.text, (proof.note.signatures[0]._replace(data=bytes(64)),))
    found = read(str(InclusionProof(proof.index, proof.path, forged, proof.extra)).encode(), SIGNER.verifier)
    assert (found.standing, found.problem) == (
        Standing.FORGED,
        f"its checkpoint claims to be signed by {ORIGIN} and is not",
    )


def test_checkpoints_that_do_not_belong_together_are_told(proofs: dict[str, bytes]) -> None:
    grown, old = proofs["grown"], Checkpoint.parse(Note.parse(proofs["old"]).text)

    def problem(origin: str, size: int, root: bytes, signed: bool = True) -> str:
        note = Note(str(Checkpoint(origin, size, root)))
        return read(grown, SIGNER.verifier, note.signed(SIGNER) if signed else note).problem

    assert problem(old.origin, 20, old.root) == ""
    assert problem("another", 20, old.root) == "the two checkpoints are of two logs"
    assert problem(old.origin, 19, old.root) == "the earlier checkpoint is of @19, and the proof is about @20"
    assert problem(old.origin, 20, bytes(32)) == "the tree of @31 does not begin with the one of @20"
    assert problem(old.origin, 20, old.root, signed=False) == f"{ORIGIN} did not sign the earlier checkpoint"


def test_what_the_log_cannot_prove_is_not_proven(log: Path) -> None:
    signed_at(log, HEAD)
    with raw(log) as changed:
        changed.values[13] = flip(changed.values[13], 60)
    answer = prove(log, "@13")
    assert (answer.code, answer.out) == (3, "")
    assert "the event at @13 of " in answer.err
    assert answer.err.endswith("cannot be proven: run replay verify\n")
    with raw(log) as changed:
        changed.values[5] = flip(changed.values[5], 0)
    answer = prove(log, "--from", "3")
    assert (answer.code, answer.out) == (3, "")
    assert "does not belong to this log: run replay verify" in answer.err
    with History.open(log) as history, pytest.raises(CorruptLogError):
        inclusion(history, "@5", 8)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give a POINT for a proof of inclusion, or --from N"),
        (("@13", "--from", "3"), "give a POINT for a proof of inclusion, or --from N"),
        (("@500",), "@500 is not in the log, which ends at @31"),
        (("@0",), "is before the log's first event"),
        (("--from", "32"), "the log has 31 events, not 32"),
        (("@13", "--size", "40"), "the log has 31 events, not 40"),
        (("@13", "--size", "12"), "@13 is not among the first 12 events: give a size of 13 to 31"),
        (("--from", "20", "--size", "10"), "@20 is not among the first 10 events"),
        (("--from", "x"), "'x' is not a valid integer"),
        (("@13", "--key", "x"), "this is no key of a note"),
        (("@13", "-o", "/nowhere/proof"), "/nowhere/proof: No such file or directory"),
    ],
)
def test_bad_questions_are_refused_by_one_line(log: Path, words: tuple[str, ...], message: str) -> None:
    answer = prove(log, *words)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert message in answer.err


@pytest.mark.parametrize("content", [b"", b"\xff", b"nonsense", b"c2sp.org/tlog-proof@v1\n", b"x" * 2_000_000])
def test_what_is_no_proof_is_refused_by_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    answer = check(os.fspath(tmp_path / "x"))
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert len(answer.err) < 200


def test_a_log_s_name_cannot_move_the_cursor(proofs: dict[str, bytes], tmp_path: Path) -> None:
    """Notes may have control characters above U+007E; a screen shows them escaped."""
    proof = InclusionProof.parse(proofs["event"])
    checkpoint = proof.checkpoint
    note = Note(str(Checkpoint("\x9b2J\u202e" + ORIGIN, checkpoint.size, checkpoint.root))).signed(SIGNER)
    (tmp_path / "x").write_text(str(InclusionProof(proof.index, proof.path, note, proof.extra)))
    answer = check(os.fspath(tmp_path / "x"), "--key", KEY)
    assert answer.code == 0
    assert all(line.isprintable() for line in answer.lines)


def test_a_proof_without_its_leaf_was_made_elsewhere(proofs: dict[str, bytes]) -> None:
    proof = InclusionProof.parse(proofs["event"])
    with pytest.raises(NoteError, match="no line “extra” with the leaf"):
        read(str(InclusionProof(proof.index, proof.path, proof.note)).encode())


@given(st.binary(max_size=80))
def test_leaves_and_contents_of_anything_are_read_or_refused(data: bytes) -> None:
    for parse in (read_leaf, read_content):
        with suppress(NoteError):
            parse(data)
        with suppress(NoteError):
            parse(b"\x01\x20\x00\x00\x00\x08" + data)


def test_the_proof_goes_to_a_pipe_as_it_is(log: Path) -> None:
    answer = prove(log, "@13", "-o", "-")
    assert InclusionProof.parse(answer.out).index == 12


def test_a_point_may_be_a_time_before_the_end(log: Path) -> None:
    assert prove(log, "-1m").lines[0].startswith("@2")
    assert prove(log, "event", "@13").out == prove(log, "@13").out


def test_log_4_an_event_is_proven_while_a_hub_writes(tmp_path: Path) -> None:
    path = os.fspath(tmp_path / "log")
    with start(path, module="tests.replay.scenario") as writer:
        told(writer)
        for number in range(5):
            head = int(tell(writer, f"line {number}"))
            (found,) = prove(tmp_path / "log", f"@{head}", "--json").objects
            assert found["size"] >= head
        writer.kill()


@pytest.mark.parametrize("width", [80, 120])
def test_screens_are_as_their_snapshots(log: Path, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_at(log, HEAD)
    monkeypatch.chdir(log.parent)
    columns = str(width)
    assert_screen(f"prove-{width}", prove(log, "@13", "--key", KEY, "-o", "13.tlog-proof", COLUMNS=columns).out)
    assert_screen(f"prove-grown-{width}", prove(log, "--from", "20", COLUMNS=columns).out)
    checked = ask("prove", "check", "13.tlog-proof", "--key", KEY, COLUMNS=columns)
    assert_screen(f"prove-check-{width}", checked.out)
