"""``replay import`` of the folder that a hub of the real ag2 package wrote, whole and in pieces."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.stores import DiskKnowledgeStore
from hub import Hub
from replay import History, Query, verify
from replay.errors import QuestionError
from replay.imports.ag2 import Ag2Imported, import_folder
from replay.imports.ag2.items import Stream, assigned, merged
from replay.imports.ag2.report import SENTENCES, Report
from tests.replay.asking import ask, assert_screen

ORIGIN = "a92a" * 8


class Folder(NamedTuple):
    """An ag2 hub's folder, and the ids of what is in it by name."""

    path: Path
    ids: dict[str, str]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """What the real package wrote; only to be read."""
    pytest.importorskip("ag2", reason="ag2 is an extra: pip install 'ledgerhub[ag2]'")
    from tests.replay.ag2_folder import everything  # noqa: PLC0415  (it imports ag2)

    path = tmp_path_factory.mktemp("ag2") / "hub"
    return Folder(path, asyncio.run(everything(path)))


@pytest.fixture(scope="module")
def log(written: Folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That as a log; only to be read."""
    path = tmp_path_factory.mktemp("imported") / "log"
    import_folder(written.path, path, ORIGIN)
    return path


@pytest.fixture
def folder(written: Folder, tmp_path: Path) -> Folder:
    """A copy of it, to be damaged."""
    return Folder(Path(shutil.copytree(written.path, tmp_path / "hub")), written.ids)


@pytest.fixture
def imported(folder: Folder, tmp_path: Path) -> Callable[[], Ag2Imported]:
    return lambda: import_folder(folder.path, tmp_path / "log", ORIGIN)


def notes(found: Ag2Imported) -> dict[str, int]:
    return {note.code: note.number for note in found.notes}


def wal(folder: Folder, name: str) -> Path:
    return folder.path / "channels" / folder.ids[name] / "wal.jsonl"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def rewrite(path: Path, objects: list[dict[str, Any]]) -> None:
    path.write_text("".join(f"{json.dumps(each)}\n" for each in objects))


def test_every_envelope_keeps_its_id_time_text_and_cause(written: Folder, log: Path) -> None:
    with History.open(log) as history:
        for name in ("consulting", "discussion", "conversation", "open"):
            theirs = lines(wal(written, name))
            ours = {event.id: (event, envelope) for event, envelope in history.wal(written.ids[name])}
            assert set(ours) >= {each["envelope_id"] for each in theirs}
            for each in theirs:
                event, envelope = ours[each["envelope_id"]]
                assert envelope.created_at == each["created_at"].replace(".000000Z", "Z")
                assert envelope.event_type == each["event_type"].replace("ag2.channel.", "ag2.session.")
                if event.type == "envelope.posted":
                    assert (envelope.sender_id, envelope.causation_id) == (each["sender_id"], each["causation_id"])
                    assert (envelope.event_data, envelope.depth) == (each["event_data"], each["depth"])
            assert [envelope.sequence for _, envelope in ours.values()] == list(range(1, len(ours) + 1))


def test_positions_are_gapless_and_neither_ids_nor_times_go_back(log: Path) -> None:
    with History.open(log) as history:
        events = list(history.events())
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    assert all(a.id < b.id and a.at_us <= b.at_us for a, b in pairwise(events))


def test_agents_channels_tasks_and_audit_are_there(written: Folder, log: Path) -> None:
    ids = written.ids
    with History.open(log) as history:
        state = history.at()
        assert [record.passport.name for record in state.registry.agents.values()] == ["alice", "bob", "carol"]
        alice, bob = (state.registry.agents[ids[name]] for name in ("alice", "bob"))
        assert alice.capabilities == ("policy", "law")
        assert (alice.rule.inbox.max_pending, alice.rule.version) == (5, 2)
        assert (bob.rule.limits.delegation_depth, bob.rule.rate.envelopes_per_minute) == (3, 7)
        assert bob.passport.owner == "acme"
        assert list(state.sessions.live) == [ids["open"]]
        assert state.observed.of(ids["alice"])["search"].completed == 1
        assert state.observed.of(ids["alice"])["search"].p50_latency_ms == pytest.approx(2002)
        registered = history.event(ids["alice"]).body
        assert registered.skill.endswith("Ask me.")
        kinds = {record["kind"] for _, record in history.audit()}
        assert kinds == {
            "agent_registered",
            "agent_unregistered",
            "rule_set",
            "resume_set",
            "skill_set",
            "session_created",
            "session_closed",
            "session_expired",
            "task_terminated",
            "expectation_violated",
            "turn_failed",
        }
        ends = {event.body.task_id: event.type for event in history.events(Query(types=("task.*",)))}
        assert ends == {"t1": "task.completed", "t2": "task.failed", "t3": "task.expired"}


def test_replay_tells_the_story_and_why(written: Folder, log: Path) -> None:
    path, ids = os.fspath(log), written.ids
    told = ask("story", ids["consulting"], "--log", path)
    assert told.code == 0
    assert "closed by the answer" in told.out
    assert "“It was me.”" in told.out
    answer = ask("why", ids["answer"], "--log", path)
    assert answer.code == 0
    assert "answers @" in answer.out
    assert "0 not in the log" in answer.out
    rejected = ask("log", "--type", "session.closed", "--grep", "invite_rejected", "--json", "--log", path)
    why = ask("why", rejected.objects[0]["id"], "--log", path)
    assert "closed by the rejection" in why.out
    for command in ("verify", "audit", "state", "log", "stats --by agent", "lint --only orphan"):
        assert ask(*command.split(), "--log", path).code == 0


async def test_a_workflow_can_be_read_whether_or_not_it_folds_here(tmp_path: Path) -> None:
    pytest.importorskip("ag2", reason="ag2 is an extra: pip install 'ledgerhub[ag2]'")
    from tests.replay.ag2_folder import workflow  # noqa: PLC0415  (it imports ag2)

    channel_id = await workflow(tmp_path / "hub")
    import_folder(tmp_path / "hub", tmp_path / "log")
    told = ask("story", channel_id, "--log", os.fspath(tmp_path / "log"))
    assert ("“Draft it.”" in told.out, "“Drafted.”" in told.out, "closed" in told.out) == (True, True, True)
    async with await Hub.open(DiskKnowledgeStore(tmp_path / "log")) as hub:
        metadata = await hub.get_session(channel_id)
    assert metadata.manifest.type.removeprefix("ag2.") == "workflow"
    assert metadata.state == "closed"


async def test_a_hub_goes_on_with_it(written: Folder, log: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(log, tmp_path / "copy")
    async with await Hub.open(DiskKnowledgeStore(copy), ttl_sweep_interval=1e9, expectation_sweep_interval=1e9) as hub:
        assert hub.find_agent_id("alice") == written.ids["alice"]
        assert hub.find_agent_id("dave") is None
        metadata = await hub.get_session(written.ids["consulting"])
        assert (metadata.state, metadata.close_reason) == ("closed", "consulting_complete")
        assert hub.expected_next(written.ids["open"]) == written.ids["alice"]
        assert hub.inbox_depth(written.ids["bob"]) == 0
        digest = hub.state_digest()
    with History.open(copy) as history:
        assert history.at().digest() == digest


def test_the_same_folder_gives_the_same_log(written: Folder, log: Path, tmp_path: Path) -> None:
    again = import_folder(written.path, tmp_path / "again", ORIGIN)
    with History.open(log) as history:
        assert history.evidence().root == again.root


def test_what_an_intact_folder_does_not_have(written: Folder, tmp_path: Path) -> None:
    assert notes(import_folder(written.path, tmp_path / "log")) == {
        "gone_agent": 1,
        "rule_field": 3,
        "earlier_rule": 1,
        "earlier_resume": 1,
        "task_without_session": 1,
        "acknowledged_late": 6,
    }


@pytest.mark.parametrize("width", [80, 120])
def test_what_is_said(written: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    shutil.copytree(written.path, tmp_path / "hub")
    monkeypatch.chdir(tmp_path)
    answer = ask("import", "hub", "log", COLUMNS=str(width))
    assert (answer.code, answer.err) == (0, "")
    assert max(map(len, answer.lines)) <= width
    assert_screen(f"import-ag2-{width}", re.sub(r"[0-9a-f]{10,}", lambda found: "#" * len(found[0]), answer.out))
    first, *rest = ask("import", "hub", "other", "--json").objects
    assert (first["v"], first["kind"], first["from"], first["agents"], first["sessions"]) == (
        1,
        "imported",
        "ag2",
        4,
        5,
    )
    assert {each["code"]: each["count"] for each in rest}["rule_field"] == 3
    assert all(each["kind"] == "note" and each["examples"] for each in rest)


def test_a_torn_last_line_is_left_out(folder: Folder, imported: Callable[[], Ag2Imported]) -> None:
    """Trap 2: a torn last record stops nobody."""
    path = wal(folder, "consulting")
    path.write_bytes(path.read_bytes()[:-20])
    audit = folder.path / "audit" / "audit.jsonl"
    audit.write_bytes(audit.read_bytes()[:-5])
    found = notes(imported())
    assert (found["torn_line"], found["end_without_wal"]) == (2, 1)


def test_files_that_are_missing_or_garbled(folder: Folder, imported: Callable[[], Ag2Imported], tmp_path: Path) -> None:
    ids = folder.ids
    (folder.path / "agents" / ids["alice"] / "rule.json").unlink()
    (folder.path / "agents" / ids["bob"] / "passport.json").unlink()
    (folder.path / "channels" / ids["consulting"] / "metadata.json").unlink()
    (folder.path / "channels" / ids["discussion"] / "metadata.json").write_text("[1]")
    wal(folder, "conversation").unlink()
    (folder.path / "tasks" / "t1" / "metadata.json").write_text("{")
    (folder.path / "notes.txt").write_text("mine")
    found = notes(imported())
    assert found["channel_without_metadata"] == 2
    assert found["missing_file"] == 3
    assert found["bad_line"] == 2
    assert found["strange_file"] == 1
    assert found["gone_agent"] == 2
    assert found["end_without_wal"] == 1
    assert ask("verify", "--log", os.fspath(tmp_path / "log")).code == 0
    with History.open(tmp_path / "log") as history:
        created = history.event(ids["consulting"]).body
        assert created.participants == (ids["alice"], ids["bob"])
        assert created.manifest["type"] == "consulting"


def test_without_the_audit_or_the_channels(folder: Folder, imported: Callable[[], Ag2Imported]) -> None:
    shutil.rmtree(folder.path / "audit")
    found = imported()
    assert notes(found)["unknown_agent"] == 1  # dave, who unregistered: no file and no record of him is left
    assert notes(found)["missing_file"] == 1
    assert found.agents == 4


def test_agents_alone(folder: Folder, imported: Callable[[], Ag2Imported]) -> None:
    for name in ("audit", "channels", "tasks"):
        shutil.rmtree(folder.path / name)
    found = imported()
    assert (found.events, notes(found)) == (3, {"missing_file": 1, "rule_field": 3})


def test_ids_that_are_none_are_replaced_everywhere(
    folder: Folder, imported: Callable[[], Ag2Imported], tmp_path: Path
) -> None:
    ids, path = folder.ids, wal(folder, "consulting")
    said = lines(path)
    for each in said:
        each["causation_id"] = "first" if each["causation_id"] == ids["question"] else "elsewhere"
        each["envelope_id"] = "first" if each["envelope_id"] == ids["question"] else each["envelope_id"]
        each["idempotency_key"], each["ttl_seconds"] = "k", 5
    rewrite(path, said)
    found = imported()
    assert notes(found)["changed_id"] == 1
    assert notes(found)["strange_reference"] == 1  # of the question; what else is there names no cause in a log
    with History.open(tmp_path / "log") as history:
        answer = history.event(ids["answer"])
        question = history.event(answer.cause or "")
        assert question.body.rest == {"text": "Who refunded it twice?"}
        assert question.id != "first"


def test_times_that_go_back_or_are_none_stand_at_those_before(
    folder: Folder, imported: Callable[[], Ag2Imported], tmp_path: Path
) -> None:
    ids, path = folder.ids, wal(folder, "consulting")
    said = lines(path)
    said[3]["created_at"] = "2020-01-01T00:00:00Z"
    said[4]["created_at"] = "yesterday"
    rewrite(path, said)
    found = notes(imported())
    assert (found["clamped"], found["bad_time"]) == (1, 1)
    with History.open(tmp_path / "log") as history:
        at = [event.at_us for event, _ in history.wal(ids["consulting"])]
        assert at == sorted(at)
        assert at[3] == at[4] == at[2]


def test_types_and_kinds_that_nobody_knows(folder: Folder, imported: Callable[[], Ag2Imported], tmp_path: Path) -> None:
    ids = folder.ids
    metadata = folder.path / "channels" / ids["discussion"] / "metadata.json"
    said = json.loads(metadata.read_text())
    said["manifest"]["type"] = "auction"
    said["manifest"]["expectations"][0]["applies_to"] = ["initiator", "participant"]
    said["parent_channel_id"] = ids["consulting"]
    metadata.write_text(json.dumps(said))
    envelopes = lines(wal(folder, "open"))
    strange = envelopes[-1] | {
        "event_type": "ag2.channel.paused",
        "envelope_id": "f" * 32,  # no id that leaves room for others
        "audience": ["x", ids["bob"]],
    }
    rewrite(wal(folder, "open"), [*envelopes, strange])
    with (folder.path / "audit" / "audit.jsonl").open("a") as audit:
        audit.write(json.dumps({"at": "2026-03-02T00:00:00Z", "kind": "acme_checked"}) + "\n")
        audit.write(json.dumps({"at": "2026-03-02T00:00:00Z", "kind": "rule_set", "agent_id": ids["dave"]}) + "\n")
    found = notes(imported())
    assert found["changed_id"] == 1
    expected = ("dormant_type", "manifest_field", "strange_channel_event", "strange_audit", "unusable_audit")
    assert {code: found[code] for code in expected} == dict.fromkeys(expected, 1)
    assert (found["recipient_gone"], found["strange_reference"]) == (1, 1)
    with History.open(tmp_path / "log") as history:
        created = history.event(ids["discussion"]).body
        assert created.manifest["type"] == "ag2.auction"
        assert created.labels["ag2.parent_channel_id"] == ids["consulting"]
        told = ask("story", ids["discussion"], "--log", os.fspath(tmp_path / "log"))
        assert "“Who knows?”" in told.out


def test_secrets_stay_outside(folder: Folder, imported: Callable[[], Ag2Imported], tmp_path: Path) -> None:
    """AUTH-2: no claim is in the log, nor in the report."""
    path = folder.path / "agents" / folder.ids["bob"] / "passport.json"
    said = json.loads(path.read_text())
    said["auth"] = {"scheme": "apikey", "claim": {"key": "hunter2"}}
    said |= {"cost": {"input_per_mtok": 1.5}, "hub_id": "far", "kind": "remote_agent", "name": "  "}
    path.write_text(json.dumps(said))
    found = imported()
    assert {code: notes(found)[code] for code in ("secret", "passport_field", "bad_name")} == {
        "secret": 1,
        "passport_field": 1,
        "bad_name": 1,
    }
    assert "hunter2" not in str(found)
    assert b"hunter2" not in (tmp_path / "log" / "data.mdb").read_bytes()


def test_rules_that_are_none_become_the_default(folder: Folder, imported: Callable[[], Ag2Imported]) -> None:
    path = folder.path / "agents" / folder.ids["bob"] / "rule.json"
    said = json.loads(path.read_text())
    said["limits"]["task_ttl_default"] = "soon"
    path.write_text(json.dumps(said))
    assert notes(imported())["bad_rule"] == 1


def test_records_after_the_end_are_left_out(folder: Folder, imported: Callable[[], Ag2Imported]) -> None:
    said = lines(wal(folder, "consulting"))
    rewrite(wal(folder, "consulting"), [*said, said[3] | {"envelope_id": "f" * 32}])
    assert notes(imported())["after_end"] == 1


def test_violations_that_were_told_and_repeated(
    folder: Folder, imported: Callable[[], Ag2Imported], tmp_path: Path
) -> None:
    """Trap 47: k violators gave k records; those that participants were told of have a place in the session's log."""
    ids, path = folder.ids, wal(folder, "open")
    said, data = lines(path), {"expectation": "turn_within", "violators": [ids["alice"]], "detail": {"seconds": 1}}
    violation = {"envelope_id": "7f" * 16, "event_type": "ag2.expectation.violated", "event_data": data}
    rewrite(path, [*said, said[-1] | violation])
    audit = folder.path / "audit" / "audit.jsonl"
    common = {"at": "2026-03-01T11:07:00Z", "kind": "expectation_violated", "channel_id": ids["open"]}
    told = common | data | {"on_violation": "warn", "params": {"seconds": 120}}
    two = told | {"expectation": "acks_within", "violators": [ids["alice"], ids["bob"]]}
    rewrite(audit, [*lines(audit), told, two, two | {"at": "2026-03-01T11:07:01Z"}])
    found = notes(imported())
    assert found["repeated_violation"] == 1
    with History.open(tmp_path / "log") as history:
        violated = list(history.events(Query(types=("expectation.violated",), sessions=(ids["open"],))))
        assert [(e.body.expectation, e.body.violators, e.body.sequence > 0) for e in violated] == [
            ("turn_within", (ids["alice"],), True),
            ("acks_within", (ids["alice"], ids["bob"]), False),
        ]


def test_a_folder_that_is_no_hubs(tmp_path: Path) -> None:
    with pytest.raises(QuestionError, match="is not the folder of an ag2 hub"):
        import_folder(tmp_path, tmp_path / "log")
    assert os.listdir(tmp_path) == []


def test_one_id_out_of_place_costs_one_id() -> None:
    report = Report()
    stream = Stream(report)
    own = ["10", "20", "ff", "30", "", "40"]
    for number, text in enumerate(own):
        at = f"2026-01-01T00:00:0{number}Z"
        stream.add(at, 0, text.rjust(32, "0") if text else "", "posted", {}, "f")
    found = assigned(stream.items, report)
    assert [id.lstrip("0") for id in found] == ["10", "20", "21", "30", "31", "40"]
    assert [note.number for note in report.notes()] == [1]


def test_the_order_within_a_file_stays_and_ties_are_stable() -> None:
    report = Report()
    one, two = Stream(report), Stream(report)
    at = "2026-01-01T00:00:00Z"
    for name in ("b", "a"):
        one.add(at, 2, name, "posted", {}, "one")
    two.add(at, 1, "c", "posted", {}, "two")
    assert [item.own for item in merged([one.items, two.items])] == ["c", "b", "a"]
    assert [item.own for item in merged([two.items, one.items])] == ["c", "b", "a"]


def test_a_note_of_no_kind_is_a_fault() -> None:
    with pytest.raises(AssertionError):
        Report().note("typo", "x")
    assert all(SENTENCES.values())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=3,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a JSON value where another could stand: container and key."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in [(value, key), *places(value[key])]]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_value_in_any_file_stops_the_import(written: Folder, tmp_path: Path, data: st.DataObject) -> None:
    """Whatever stands in one place of one file: a log comes of it that verifies, and it is told."""
    folder, target = tmp_path / "hub", tmp_path / "log"
    for path in (folder, target):
        shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(written.path, folder)
    files = sorted(path for path in folder.rglob("*.json*") if path.parent.name != "registry")
    path = data.draw(st.sampled_from(files), label="file")
    objects = lines(path)
    container, key = data.draw(st.sampled_from(places(objects)), label="place")
    container[key] = data.draw(JSON, label="value")
    rewrite(path, objects)
    import_folder(folder, target, ORIGIN)
    with History.open(target) as history:
        assert verify(history).clean
