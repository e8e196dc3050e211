"""``replay bundle``: evidence of a session, made of a log and checked without it (REPLAY, command 17)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import zipfile
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest

from replay import History
from replay.bundle import check, make
from replay.bundle.contents import FORMAT
from replay.bundle.readme import TEXT
from tests.replay.asking import Answer, ask, assert_screen, start
from tests.replay.bundling import members, members_session
from tests.replay.signing import KEY, SIGNER, STRANGER_KEY, key_file
from tests.replay.test_processes import tell, told
from tests.support.damage import flip, raw

TEXT_SHA256 = "8ae1afd5df377a84f7902cce8562c7cb94afe34ae591a4982d371f4fef267d7b"


def bundle(log: Path, *words: str, **options: str) -> Answer:
    return ask("bundle", *words, "--log", os.fspath(log), **options)


# What is in it, and that it holds.


def test_log_6_a_bundle_is_checked_without_the_log(signed_path: Path, delegated: str, tmp_path: Path) -> None:
    copy, path = Path(shutil.copytree(signed_path, tmp_path / "log")), os.fspath(tmp_path / "case.zip")
    assert bundle(copy, delegated, "-o", path).code == 0
    shutil.rmtree(copy)
    answer = ask("bundle", "check", path, "--key", KEY, "--json")
    (verdict,) = answer.objects
    assert (answer.code, verdict["ok"], verdict["standing"], verdict["session_id"]) == (0, True, "verified", delegated)
    assert verdict["content"] is True


def test_a_bundle_has_the_session_its_causes_outside_it_and_who_is_named(
    signed_path: Path, delegated: str, case: bytes
) -> None:
    lines = [json.loads(line) for line in members(case)["events.jsonl"].splitlines()]
    with History.open(signed_path) as history:
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


def test_every_session_of_a_log_can_be_bundled_with_and_without_content(signed_path: Path, tmp_path: Path) -> None:
    with History.open(signed_path) as history:
        sessions = [event.body.session_id for event in history.events() if event.type == "session.created"]
        for number, session in enumerate(sessions):
            for content in (True, False):
                path = tmp_path / f"{number}-{content}.zip"
                made = make(history, session, path, content=content)
                verdict = check(path, SIGNER.verifier)
                assert (verdict.problem, verdict.content, verdict.session_id) == ("", content, session)
                assert made.count("session") == verdict.roles["session"]
    assert len(sessions) > 3


def test_log_2_content_may_be_left_out_and_every_proof_stays_valid(
    signed_path: Path, case: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "case.zip"
    with History.open(signed_path) as history:
        make(history, members_session(case), path, content=False)
    whole, bare = members(case), members(path.read_bytes())
    assert not [name for name in bare if name.endswith(".content")]
    proofs = {name: data for name, data in whole.items() if name.endswith(".tlog-proof")}
    assert {name: bare[name] for name in proofs} == proofs
    lines = [json.loads(line) for line in bare["events.jsonl"].splitlines()]
    assert {line["content"] for line in lines} == {None}
    assert b"Who refunded" not in path.read_bytes()


def test_det_1_the_same_log_gives_the_same_bytes(signed_path: Path, case: bytes, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(signed_path, tmp_path / "elsewhere"))
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
def test_bad_questions_are_refused_by_one_line(
    signed_path: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    (tmp_path / "there.zip").write_text("precious")
    filled = [word.format(folder=tmp_path) for word in words]
    answer = ask("bundle", *filled) if "check" in words else bundle(signed_path, *filled)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert message in answer.err
    assert [path.name for path in tmp_path.iterdir()] == ["there.zip"]
    assert (tmp_path / "there.zip").read_text() == "precious"


def test_force_overwrites(signed_path: Path, delegated: str, case: bytes, tmp_path: Path) -> None:
    (tmp_path / "case.zip").write_text("old")
    assert bundle(signed_path, "make", delegated, "-o", os.fspath(tmp_path / "case.zip"), "--force").code == 0
    assert (tmp_path / "case.zip").read_bytes() == case


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_bundle_is_refused_by_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    answer = ask("bundle", "check", os.fspath(tmp_path / "x.zip"), "--json")
    assert (answer.code, answer.err) == (1, "")
    assert answer.objects[0]["problem"].startswith(("it is no zip file", "it has no manifest.json"))


def test_a_log_that_cannot_prove_the_session_gives_no_bundle(signed_path: Path, delegated: str, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(signed_path, tmp_path / "log"))
    with History.open(copy) as history:
        position = history.event(delegated).position
    with raw(copy) as changed:
        changed.values[position] = flip(changed.values[position], 5)
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
    signed_path: Path, delegated: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.chdir(tmp_path)
    columns = str(width)
    assert_screen(
        f"bundle-{width}", sized(bundle(signed_path, delegated, "-o", "case.zip", "--key", KEY, COLUMNS=columns).out)
    )
    assert_screen(f"bundle-check-{width}", ask("bundle", "check", "case.zip", "--key", KEY, COLUMNS=columns).out)
    bad = bytearray(Path("case.zip").read_bytes())
    bad[bad.index(b"consulting")] ^= 1
    Path("case.zip").write_bytes(bad)
    assert_screen(f"bundle-refused-{width}", ask("bundle", "check", "case.zip", COLUMNS=columns).out)


def sized(screen: str) -> str:
    return re.sub(r"[\d,]+ bytes", "# bytes", screen)
