"""``replay export``: a log in other forms, event by event."""

from __future__ import annotations

import base64
import json
import os
import re
import sys
from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from events.codec import record_of
from events.values.times import parse_iso
from replay import History
from replay.exports import FORMS, export, form_of
from replay.exports.cloudevents import subject
from tests.replay.asking import Answer, assert_screen, start

Ask = Callable[..., Answer]
parquet: Any = import_module("pyarrow.parquet")  # which has no types


def test_json_lines_have_every_record_and_say_what_the_log_is(asked: Ask, history: History) -> None:
    first, *lines = asked("export").objects
    assert (first["v"], first["kind"], first["format"], first["partial"]) == (1, "log", 1, None)
    assert (first["events"], first["root"]) == (31, history.evidence().root)
    assert first["origin"] == history.log.recorder.origin
    recorder = history.log.recorder
    stored = [record_of(each.event) for each in recorder.scan()]
    assert [base64.b64decode(line["record"]) for line in lines] == stored
    assert [line["leaf"] for line in lines] == [leaf.hex() for leaf in recorder.leaf_hashes()]


def test_json_lines_read_like_those_of_replay_log(asked: Ask) -> None:
    lines = [{k: v for k, v in line.items() if k not in ("leaf", "record")} for line in asked("export").objects[1:]]
    assert lines == asked("log", "--json").objects


@pytest.mark.parametrize(
    ("filters", "partial"),
    [
        (["--type", "session.*", "--since", "@10"], {"types": ["session.*"], "since": "@10"}),
        (["--agent", "mallory", "--limit", "2", "--reverse"], {"agents": ["mallory"], "limit": 2, "reverse": True}),
        (["--grep", "refused"], {"grep": "refused"}),
        (["--session", "@18", "--actor", "hub", "--until", "@24"], None),
    ],
)
def test_filters_are_those_of_replay_log_and_make_a_part(asked: Ask, filters: list[str], partial: Any) -> None:
    first, *lines = asked("export", *filters).objects
    assert first["events"] is None
    assert partial is None or first["partial"] == partial
    assert [line["position"] for line in lines] == [e["position"] for e in asked("log", "--json", *filters).objects]
    assert len(lines) > 0
    leaves = {line["position"]: line["leaf"] for line in asked("export").objects[1:]}
    assert all(line["leaf"] == leaves[line["position"]] for line in lines)


def test_cloud_events_are_as_the_specification_says(asked: Ask, history: History) -> None:
    """CloudEvents 1.0: required attributes, names of lower-case letters and digits up to 20, RFC 3339 times."""
    found = asked("export", "--form", "cloudevents").objects
    events = asked("log", "--json").objects
    assert len(found) == 31
    for cloud, event in zip(found, events, strict=True):
        assert all(name.isalnum() and name.islower() and len(name) <= 20 for name in cloud)
        assert (cloud["specversion"], cloud["datacontenttype"]) == ("1.0", "application/json")
        assert cloud["source"] == f"urn:ledgerhub:{history.log.recorder.origin}"
        assert (cloud["id"], cloud["type"]) == (event["id"], f"ledgerhub.{event['type']}")
        assert parse_iso(cloud["time"]) == parse_iso(event["at"])
        assert cloud.get("causationid") == event["cause"]
        assert None not in cloud.values()
        assert cloud["data"]["facts"] == event["facts"]
        assert cloud["data"]["content"] == event["content"]
    assert [cloud["sequence"] for cloud in found] == sorted(cloud["sequence"] for cloud in found)
    assert int(found[-1]["sequence"]) == 31


def test_what_a_cloud_event_is_about() -> None:
    assert subject(("agent:a", "task:t", "session:s")) == "session:s"
    assert subject(("agent:a", "name:n")) == "agent:a"
    assert subject(("hub",)) is None


def test_parquet_is_flat_typed_and_whole(asked: Ask, history: History, tmp_path: Path) -> None:
    file = tmp_path / "log.parquet"
    assert asked("export", "-o", os.fspath(file)).code == 0
    table = parquet.read_table(file)
    rows, events = table.to_pylist(), asked("log", "--json").objects
    assert [row["position"] for row in rows] == list(range(1, 32))
    for row, event in zip(rows, events, strict=True):
        assert (row["type"], row["id"], row["cause"]) == (event["type"], event["id"], event["cause"])
        assert row["at"] == datetime.fromisoformat(event["at"])
        assert (json.loads(row["facts"]), json.loads(row["content"])) == (event["facts"], event["content"])
        assert row["leaf"] == history.log.recorder.leaf_hash(row["position"])
    said = [row for row in rows if row["text"] == "What matters most?"]
    assert [(row["agent_name"], row["event_type"]) for row in said] == [("alice", "ag2.msg.text")]
    assert table.schema.metadata[b"root"].decode() == history.evidence().root
    assert table.schema.metadata[b"partial"] == b""


def test_parquet_goes_out_in_groups(chat_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replay.exports.parquet.GROUP_EVENTS", 100)
    file = tmp_path / "chat.parquet"
    with History.open(chat_path) as history, file.open("wb") as out:
        count = export(history, out, "parquet")
    found = parquet.ParquetFile(file)
    assert found.metadata.num_rows == count
    assert found.metadata.num_row_groups == -(-count // 100) > 2
    assert found.metadata.row_group(0).num_rows == 100


def test_parquet_without_pyarrow_says_what_to_install(asked: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    answer = asked("export", "--form", "parquet")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "replay: Parquet needs pyarrow: pip install 'ledgerhub[parquet]'\n"


def test_mermaid_is_the_story_of_one_session(asked: Ask) -> None:
    assert asked("export", "--form", "mermaid", "--session", "@6").out == asked("story", "@6", "--mermaid").out
    for words in (["--session", "@6", "--session", "@18"], [], ["--session", "@6", "--type", "session.*"]):
        answer = asked("export", "--form", "mermaid", *words)
        assert (answer.code, answer.out) == (2, "")
        assert "one session" in answer.err


@pytest.mark.parametrize(
    ("name", "form"), [("a.jsonl", "jsonl"), ("a.parquet", "parquet"), ("a.mmd", "mermaid"), ("a", "jsonl")]
)
def test_a_files_name_says_its_form(name: str, form: str) -> None:
    assert form_of(name) == form
    assert form in FORMS


@pytest.mark.parametrize("width", [80, 120])
def test_what_is_said_of_a_file(asked: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.chdir(tmp_path)
    whole = asked("export", "-o", "log.jsonl", COLUMNS=str(width))
    part = asked("export", "-o", "part.jsonl", "--type", "session.*", COLUMNS=str(width))
    sizes = re.sub(r"[\d,]+ bytes", "# bytes", whole.out + part.out)  # which the library's version is part of
    assert_screen(f"export-{width}", sizes)
    said = asked("export", "-o", "log.mmd", "--session", "@6", "--json").objects
    assert said == [
        {"v": 1, "file": "log.mmd", "form": "mermaid", "events": 8, "bytes": said[0]["bytes"], "partial": True}
    ]
    assert (tmp_path / "log.mmd").stat().st_size == said[0]["bytes"]


def test_a_file_is_not_overwritten_and_never_left_half(
    asked: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text("mine")
    answer = asked("export", "-o", os.fspath(file))
    assert (answer.code, file.read_text()) == (2, "mine")
    assert "is there already" in answer.err
    answer = asked("export", "-o", os.fspath(file), "--force", "--form", "mermaid")
    assert (answer.code, file.read_text(), os.listdir(tmp_path)) == (2, "mine", ["log.jsonl"])
    assert asked("export", "-o", os.fspath(file), "--force").code == 0
    assert file.read_bytes().count(b"\n") == 32
    refused = asked("export", "-o", os.fspath(tmp_path / "no" / "log"))
    assert (refused.code, f"{tmp_path}/no/log cannot be written (No such file" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--agent", "nobody"], "nobody"), (["--form", "xml"], "xml"), (["--since", "yesterday"], "yesterday")],
)
def test_bad_questions(asked: Ask, words: list[str], said: str) -> None:
    answer = asked("export", *words)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert answer.err.count("\n") == 1


def test_a_reader_that_goes_away_is_no_error(chat_path: Path) -> None:
    with start("export", "--log", os.fspath(chat_path)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith('{"v":1,"kind":"log"')
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 141
