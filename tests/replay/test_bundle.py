"""``replay bundle``: evidence of a session, made of a log and checked without it (REPLAY, command 17)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from hashlib import sha256
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
from replay.bundle.contents import FORMAT
from replay.bundle.readme import TEXT
from replay.prove import proof_of
from tests.replay.asking import Answer, ask, assert_screen, start
from tests.replay.damaging import flip, raw
from tests.replay.signing import KEY, SIGNER, STRANGER_KEY, key_file, signed_at
from tests.replay.test_processes import tell, told

TEXT_SHA256 = "8ae1afd5df377a84f7902cce8562c7cb94afe34ae591a4982d371f4fef267d7b"


@pytest.fixture(scope="module")
def log(troubles_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed log; only to be read."""
    path = Path(shutil.copytree(troubles_path, tmp_path_factory.mktemp("signed") / "log"))
    with History.open(path) as history:
        signed_at(path, history.head)
    return path


@pytest.fixture(scope="module")
def delegated(log: Path) -> str:
    """The session that bob opened while he answered."""
    with History.open(log) as history:
        return next(
            event.body.session_id
            for event in history.events()
            if event.type == "session.created" and event.cause is not None
        )


@pytest.fixture(scope="module")
def case(log: Path, delegated: str, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Its bundle."""
    path = tmp_path_factory.mktemp("case") / "case.zip"
    with History.open(log) as history:
        make(history, delegated, path)
    return path.read_bytes()


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """Checks a bundle's bytes with the signer's key, and gives the sentence that refuses it."""

    def problem(data: bytes, key: bool = True) -> str:
        (tmp_path / "bad.zip").write_bytes(data)
        verdict = check(tmp_path / "bad.zip", SIGNER.verifier if key else None)
        assert verdict.problem
        return verdict.problem

    return problem


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(data)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def zipped(parts: dict[str, bytes]) -> bytes:
    file = BytesIO()
    write(file, parts.items())
    return file.getvalue()


def with_sums(parts: dict[str, bytes]) -> bytes:
    """The zip with a manifest whose fingerprints are those of the members."""
    told = json.loads(parts["manifest.json"])
    told["sha256"] = {name: sha256(parts[name]).hexdigest() for name in parts if name != "manifest.json"}
    return zipped(parts | {"manifest.json": (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode()})


def bundle(log: Path, *words: str, **options: str) -> Answer:
    return ask("bundle", *words, "--log", os.fspath(log), **options)


# What is in it, and that it holds.


def test_log_6_a_bundle_is_checked_without_the_log(log: Path, delegated: str, tmp_path: Path) -> None:
    copy, path = Path(shutil.copytree(log, tmp_path / "log")), os.fspath(tmp_path / "case.zip")
    assert bundle(copy, delegated, "-o", path).code == 0
    shutil.rmtree(copy)
    answer = ask("bundle", "check", path, "--key", KEY, "--json")
    (verdict,) = answer.objects
    assert (answer.code, verdict["ok"], verdict["standing"], verdict["session_id"]) == (0, True, "verified", delegated)
    assert verdict["content"] is True


def test_a_bundle_has_the_session_its_causes_outside_it_and_who_is_named(
    log: Path, delegated: str, case: bytes
) -> None:
    lines = [json.loads(line) for line in members(case)["events.jsonl"].splitlines()]
    with History.open(log) as history:
        session = [event.position for event in history.events() if f"session:{delegated}" in event.tags]
        assert [line["position"] for line in lines if line["role"] == "session"] == session
        own = {history.event(position).id for position in session}
        outside = {line["id"] for line in lines if line["role"] == "cause"}
        assert outside
        for line in lines:
            event = history.event(line["position"])
            assert (line["id"], line["type"], line["actor"]) == (event.id, event.type, event.actor)
            if line["role"] != "agent" and event.cause:
                assert event.cause in own | outside
        names = {line["content"].get("name") or line["facts"]["name"] for line in lines if line["role"] == "agent"}
        assert {"bob", "carol"} <= names
    assert [line["position"] for line in lines] == sorted(line["position"] for line in lines)


def test_every_session_of_a_log_can_be_bundled_with_and_without_content(log: Path, tmp_path: Path) -> None:
    with History.open(log) as history:
        sessions = [event.body.session_id for event in history.events() if event.type == "session.created"]
        for number, session in enumerate(sessions):
            for content in (True, False):
                path = tmp_path / f"{number}-{content}.zip"
                made = make(history, session, path, content=content)
                verdict = check(path, SIGNER.verifier)
                assert (verdict.problem, verdict.content, verdict.session_id) == ("", content, session)
                assert made.count("session") == verdict.roles["session"]
    assert len(sessions) > 3


def test_log_2_content_may_be_left_out_and_every_proof_stays_valid(log: Path, case: bytes, tmp_path: Path) -> None:
    path = tmp_path / "case.zip"
    with History.open(log) as history:
        make(history, members_session(case), path, content=False)
    whole, bare = members(case), members(path.read_bytes())
    assert not [name for name in bare if name.endswith(".content")]
    proofs = {name: data for name, data in whole.items() if name.endswith(".tlog-proof")}
    assert {name: bare[name] for name in proofs} == proofs
    lines = [json.loads(line) for line in bare["events.jsonl"].splitlines()]
    assert {line["content"] for line in lines} == {None}
    assert b"Who refunded" not in path.read_bytes()


def members_session(data: bytes) -> str:
    return str(json.loads(members(data)["manifest.json"])["session"])


def test_det_1_the_same_log_gives_the_same_bytes(log: Path, case: bytes, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(log, tmp_path / "elsewhere"))
    with History.open(copy) as history:
        make(history, members_session(case), tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == case
    with zipfile.ZipFile(BytesIO(case)) as opened:
        assert {info.date_time for info in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert opened.testzip() is None


def test_each_proof_in_it_stands_alone(case: bytes, tmp_path: Path) -> None:
    for name, data in members(case).items():
        if name.endswith(".tlog-proof"):
            (tmp_path / "one").write_bytes(data)
            assert ask("prove", "check", os.fspath(tmp_path / "one"), "--key", KEY).code == 0


def test_the_readme_belongs_to_the_format() -> None:
    """Bundles of a format are checked for its text for ever: with another text comes another format."""
    assert (FORMAT, sha256(TEXT.encode()).hexdigest()) == ("ledgerhub-bundle@1", TEXT_SHA256)


@pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("bash", "openssl", "sha256sum", "base64", "od")),
    reason="bash, openssl or coreutils are not installed",
)
def test_the_readme_s_steps_check_a_bundle_by_hand(case: bytes, tmp_path: Path) -> None:
    """Tools that know nothing of this library: sha256sum, base64 and openssl."""
    with zipfile.ZipFile(BytesIO(case)) as opened:
        opened.extractall(tmp_path)
    steps_begin = TEXT.index("    POSITION=1")
    script = "".join(line[4:] for line in TEXT[steps_begin:].splitlines(keepends=True) if line.startswith("    "))
    positions = [json.loads(line)["position"] for line in (tmp_path / "events.jsonl").read_text().splitlines()]

    def by_hand(position: int, key: str = KEY) -> list[str]:
        steps = script.replace("POSITION=1\n", f"POSITION={position}\n").replace("NAME+ID+BASE64", key)
        done = subprocess.run(["bash", "-c", steps], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stderr.strip() in ("", "Signature Verification Failure")
        return done.stdout.splitlines()

    for position in positions:
        whole = ["The content is whole"] if (tmp_path / f"events/{position:010}.content").exists() else []
        assert by_hand(position) == ["Signature Verified Successfully", *whole, "The event is in the log"]
    assert by_hand(positions[0], STRANGER_KEY)[0] != "Signature Verified Successfully"
    content = next(iter(sorted(tmp_path.glob("events/*.content"))))
    content.write_bytes(flip(content.read_bytes(), 3))
    assert "The content is whole" not in by_hand(int(content.stem))
    (tmp_path / "checkpoint.txt").write_bytes(flip((tmp_path / "checkpoint.txt").read_bytes(), 40))
    assert by_hand(positions[0])[-1] != "The event is in the log"


# Refused.


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
    return lambda parts: parts.pop(name) and None


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
    log: Path, case: bytes, refused: Callable[..., str]
) -> None:
    parts = members(case)
    with History.open(log) as history:
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
    made = bundle(troubles_path, delegated, "-o", path)
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


# Questions, and logs that are not well.


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Missing argument 'SESSION'"),
        (("@4",), "Missing option '-o'"),
        (("nobody", "-o", "{folder}/x.zip"), "nobody"),
        (("@10", "-o", "{folder}/there.zip"), "there.zip is there already: give another name, or --force"),
        (("@10", "-o", "{folder}/no/x.zip"), "No such file or directory"),
        (("check", "{folder}/none.zip"), "does not exist"),
    ],
)
def test_bad_questions_are_refused_by_one_line(log: Path, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    (tmp_path / "there.zip").write_text("precious")
    filled = [word.format(folder=tmp_path) for word in words]
    answer = ask("bundle", *filled) if "check" in words else bundle(log, *filled)
    assert (answer.code in (2, 70), answer.out, answer.err.count("\n")) == (True, "", 1)
    assert message in answer.err
    assert [path.name for path in tmp_path.iterdir()] == ["there.zip"]
    assert (tmp_path / "there.zip").read_text() == "precious"


def test_force_overwrites(log: Path, delegated: str, case: bytes, tmp_path: Path) -> None:
    (tmp_path / "case.zip").write_text("old")
    assert bundle(log, "make", delegated, "-o", os.fspath(tmp_path / "case.zip"), "--force").code == 0
    assert (tmp_path / "case.zip").read_bytes() == case


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_bundle_is_refused_by_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    answer = ask("bundle", "check", os.fspath(tmp_path / "x.zip"), "--json")
    assert (answer.code, answer.err) == (1, "")
    assert answer.objects[0]["problem"].startswith(("it is no zip file", "it has no manifest.json"))


def test_a_log_that_cannot_prove_the_session_gives_no_bundle(log: Path, delegated: str, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(log, tmp_path / "log"))
    with History.open(copy) as history:
        position = history.event(delegated).position
    with raw(copy) as changed:
        changed.put(position, flip(changed.value(position), 5))
    answer = bundle(copy, delegated, "-o", os.fspath(tmp_path / "case.zip"))
    assert (answer.code, answer.out, answer.err.count("\n")) == (3, "", 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log"]


def test_log_4_a_session_is_bundled_while_a_hub_writes_it(tmp_path: Path) -> None:
    path, key = os.fspath(tmp_path / "log"), os.fspath(key_file(tmp_path))
    with start(path, module="tests.replay.scenario") as writer:
        told(writer)
        for number in range(3):
            tell(writer, f"line {number}")
            assert ask("checkpoint", "--log", path, "--sign", key).code == 0
            case = os.fspath(tmp_path / f"{number}.zip")
            assert bundle(tmp_path / "log", "@4", "-o", case, "--key", KEY).code == 0
            verdict = check(case, SIGNER.verifier)
            assert (verdict.problem, verdict.ended) == ("", "")
        writer.kill()


@pytest.mark.parametrize("width", [80, 120])
def test_screens_are_as_their_snapshots(
    log: Path, delegated: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.chdir(tmp_path)
    columns = str(width)
    assert_screen(f"bundle-{width}", sized(bundle(log, delegated, "-o", "case.zip", "--key", KEY, COLUMNS=columns).out))
    assert_screen(f"bundle-check-{width}", ask("bundle", "check", "case.zip", "--key", KEY, COLUMNS=columns).out)
    bad = bytearray(Path("case.zip").read_bytes())
    bad[bad.index(b"consulting")] ^= 1
    Path("case.zip").write_bytes(bad)
    assert_screen(f"bundle-refused-{width}", ask("bundle", "check", "case.zip", COLUMNS=columns).out)


def sized(screen: str) -> str:
    return re.sub(r"[\d,]+ bytes", "# bytes", screen)
