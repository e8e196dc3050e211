"""``replay import`` of JSON lines: the same log again, or nothing at all."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from events.codec import StoredEvent, encode, leaf_bytes, record_of
from events.errors import CorruptLogError
from events.merkle import leaf_hash
from events.stores import DiskKnowledgeStore
from hub import Hub
from replay import History, Query
from replay.exports import export
from replay.imports.building import building
from replay.imports.jsonl import import_lines
from tests.replay.asking import Answer, ask, assert_screen, start

Ask = Callable[..., Answer]
Lines = list[dict[str, Any]]


@pytest.fixture
def exported(asked: Ask) -> Lines:
    """The export of the log with a little of everything."""
    return asked("export").objects


@pytest.fixture
def again(tmp_path: Path) -> Callable[[Lines], Answer]:
    """Imports lines into a folder that is not there yet."""

    def import_them(lines: Lines) -> Answer:
        file = tmp_path / "log.jsonl"
        file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        return ask("import", os.fspath(file), os.fspath(tmp_path / "new"))

    return import_them


def records(path: Path) -> list[bytes]:
    with History.open(path) as history:
        return [record_of(each.event) for each in history.log.recorder.scan()]


@pytest.mark.parametrize("name", ["everything_path", "chat_path", "troubles_path"])
def test_the_round_trip_is_byte_identical(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> None:
    path, new = request.getfixturevalue(name), tmp_path / "new"
    with History.open(path) as history, (tmp_path / "x").open("wb") as file:
        export(history, file)
        digest = history.at().digest()
    with (tmp_path / "x").open("rb") as lines:
        imported = import_lines(lines, new)
    assert imported.digest == digest
    assert records(new) == records(path)
    with History.open(path) as old, History.open(new) as made:
        assert list(made.log.recorder.leaf_hashes()) == list(old.log.recorder.leaf_hashes())
        assert made.evidence() == old.evidence()
        assert (imported.events, imported.root) == (made.head, made.evidence().root)
        with (tmp_path / "y").open("wb") as file:
            export(made, file)
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()
    assert ask("verify", "--log", os.fspath(new)).code == 0


async def test_a_hub_goes_on_with_an_imported_log(exported: Lines, again: Any, tmp_path: Path) -> None:
    assert again(exported).code == 0
    async with await Hub.open(DiskKnowledgeStore(tmp_path / "new")) as hub:
        assert hub.position == 32
        assert (await hub.get_passport(hub.find_agent_id("alice") or "")).name == "alice"


@pytest.mark.parametrize("width", [80, 120])
def test_what_is_said(exported: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in exported))
    answer = ask("import", "log.jsonl", "new", COLUMNS=str(width))
    assert (answer.code, answer.err) == (0, "")
    assert_screen(f"import-{width}", answer.out)
    answer = ask("import", "log.jsonl", "other", "--json")
    said = answer.objects[0]
    assert {key: said[key] for key in ("v", "kind", "from", "log", "events")} == {
        "v": 1,
        "kind": "imported",
        "from": "jsonl",
        "log": "other",
        "events": 31,
    }
    assert said["root"] == exported[0]["root"]


def change(number: int, **fields: Any) -> Callable[[Lines], None]:
    return lambda lines: lines[number - 1].update(fields)


def remove(number: int) -> Callable[[Lines], None]:
    def damage(lines: Lines) -> None:
        del lines[number - 1]

    return damage


def swap(lines: Lines) -> None:
    lines[4], lines[5] = lines[5], lines[4]


def facts(lines: Lines) -> None:
    lines[2]["facts"]["owner"] = "evil corp"


def forged(lines: Lines) -> None:
    """A record, leaf and all, that is not the log's: only the root tells."""
    record = base64.b64decode(lines[31]["record"])
    lines[31]["record"] = base64.b64encode(changed := record.replace(b"carol", b"cerol")).decode()
    lines[31]["leaf"] = leaf_hash(leaf_bytes(changed)).hex()
    lines[31]["tags"] = [tag.replace("carol", "cerol") for tag in lines[31]["tags"]]
    lines[31]["facts"]["name"] = "cerol"


def newer(lines: Lines) -> None:
    """A record of a version that nobody knows yet."""
    record = base64.b64decode(lines[5]["record"])
    changed = record[:7] + b"\x63" + record[8:]
    lines[5] |= {"record": base64.b64encode(changed).decode(), "leaf": leaf_hash(leaf_bytes(changed)).hex()}


@pytest.mark.parametrize(
    ("damage", "code", "said"),
    [
        (change(3, leaf="00" * 32), 3, "line 3 of {} has a record whose leaf hash is not the one it says"),
        (change(3, record="!"), 3, "line 3 of {} has no record"),
        (change(3, record="Aw=="), 3, "line 3 of {}: event 2 is cut short"),
        (facts, 3, "line 3 of {} says another facts than its record"),
        (change(3, at="2026-01-01T00:00:01Z"), 3, "line 3 of {} says another at than its record"),
        (remove(9), 3, "line 9 of {} has position 9, not 8"),
        (swap, 3, "line 5 of {} has position 5, not 4"),
        (remove(32), 3, "{} has 30 events, not the 31 that it says"),
        (forged, 3, "the events of {} do not give the root that it says"),
        (newer, 3, "line 6 of {}: event 5 is agent.registered version 99"),
        (change(1, format=2), 3, "{} is in export format 2"),
        (change(1, kind="event"), 2, "{} is no export of a log"),
        (change(1, events=None), 3, "line 1 of {} lacks how many events there are"),
        (change(1, origin="x"), 3, "line 1 of {} lacks how many events there are"),
        (change(1, partial={"agents": ["bob"]}), 2, '{} is a part of a log ({{"agents": ["bob"]}}), not a log'),
    ],
)
def test_what_is_wrong_is_refused_by_its_line_and_leaves_nothing(
    exported: Lines, again: Any, tmp_path: Path, damage: Callable[[Lines], None], code: int, said: str
) -> None:
    damage(exported)
    answer = again(exported)
    assert (answer.code, answer.out) == (code, "")
    assert said.format(tmp_path / "log.jsonl") in answer.err
    assert answer.err.count("\n") == 1
    assert os.listdir(tmp_path) == ["log.jsonl"]


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_file_that_was_cut_off_is_refused(everything_path: Path, tmp_path: Path, cut: int) -> None:
    with History.open(everything_path) as history, (tmp_path / "x").open("wb") as file:
        export(history, file)
    whole = (tmp_path / "x").read_bytes()
    (tmp_path / "x").write_bytes(whole[:-cut])
    answer = ask("import", os.fspath(tmp_path / "x"), os.fspath(tmp_path / "new"))
    if cut == 1:  # only the last line's end is gone
        assert answer.code == 0
    else:
        assert answer.code == 3
        assert f"line 32 of {tmp_path / 'x'} is not a JSON object, or is cut off" in answer.err
        assert not (tmp_path / "new").exists()


def test_nothing_is_imported_over_something(exported: Lines, again: Any, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    answer = again(exported)
    assert answer.code == 2
    assert "is there already: an import makes a new log" in answer.err
    assert os.listdir(tmp_path / "new") == []


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    answer = ask("import", os.fspath(tmp_path / "no"), os.fspath(tmp_path / "new"))
    assert (answer.code, answer.out) == (2, "")
    assert "there is no" in answer.err
    (tmp_path / "text").write_text("Dear diary,\n")
    answer = ask("import", os.fspath(tmp_path / "text"), os.fspath(tmp_path / "new"))
    assert (answer.code, answer.out) == (3, "")
    (tmp_path / "empty").write_text("")
    assert ask("import", os.fspath(tmp_path / "empty"), os.fspath(tmp_path / "new")).code == 3


def test_the_event_that_no_hub_could_fold_is_named(everything_path: Path, tmp_path: Path) -> None:
    """An event of an agent that nobody registered, as a forger might make it, root and all."""
    with History.open(everything_path) as history:
        event = next(history.events(Query(types=("agent.unregistered",))))
    stored, what = encode(event), r"position 1 \(agent\.unregistered\) cannot be folded \(KeyError"
    with pytest.raises(CorruptLogError, match=what), building(tmp_path / "new") as made:
        made.add(StoredEvent(stored.type, stored.data), event._replace(position=1))
    assert os.listdir(tmp_path) == []


def test_export_and_import_are_a_pipe(chat_path: Path, tmp_path: Path) -> None:
    with start("export", "--log", os.fspath(chat_path), stderr=None) as source:
        done = subprocess.run(
            [sys.executable, "-m", "replay", "import", "-", os.fspath(tmp_path / "new")],
            stdin=source.stdout,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
        )
    assert "leaf hashes, root and identity are the export's" in done.stdout
    assert records(tmp_path / "new") == records(chat_path)


def test_a_log_that_is_being_written_is_exported_up_to_where_it_was(tmp_path: Path) -> None:
    with start(os.fspath(tmp_path / "log"), module="tests.replay.scenario") as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        head = int(writer.stdout.readline())
        with History.open(tmp_path / "log") as history:
            writer.stdin.write("more\n")
            writer.stdin.flush()
            assert int(writer.stdout.readline()) > head
            with (tmp_path / "x").open("wb") as file:
                assert export(history, file) == head
        writer.stdin.close()
        assert writer.wait() == 0
    with (tmp_path / "x").open("rb") as lines:
        assert import_lines(lines, tmp_path / "new").events == head


def test_a_log_is_not_imported_from_its_folder(everything_path: Path, tmp_path: Path) -> None:
    answer = ask("import", os.fspath(everything_path), os.fspath(tmp_path / "new"))
    assert (answer.code, answer.out, os.listdir(tmp_path)) == (2, "", [])
    assert "is a log already: copy its folder" in answer.err
