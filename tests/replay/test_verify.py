"""``replay verify``: every kind of damage, made by hand, is named, and where it begins."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgpack
import pytest

from events.agents import AgentSkillSet
from events.codec import canonical, encode
from events.event import Event
from events.stores import DiskKnowledgeStore
from events.stores.query import tag_label
from projections.snapshots import MAGIC
from replay import History, verify
from replay.damage import Kind, Part
from tests.replay.asking import Answer, ask
from tests.replay.damaging import labels, signed
from tests.support.damage import Raw, flip, raw

P = 300
"""In the second whole tile, @257 to @512."""
HEAD = 607
LATER_US = 2_000_000_000_000_000
"""A time behind all those in the logs."""


def verified(path: Path) -> Answer:
    return ask("verify", "--log", os.fspath(path), "--json")


def flip_record(log: Raw) -> None:
    log.values[P] = flip(log.values[P], -1 % len(log.values[P]))


def flip_leaf(log: Raw) -> None:
    log.values[P] = flip(log.values[P], 0)


def cut_record(log: Raw) -> None:
    log.values[P] = log.values[P][:35]


def delete(log: Raw) -> None:
    del log.values[P]


def take_out(log: Raw) -> None:
    log.take_out(P)


def take_out_near_the_end(log: Raw) -> None:
    log.take_out(HEAD - 1)


def put_in_again(log: Raw) -> None:
    log.put_in(P, log.values[P - 10])


def put_in_like_one(log: Raw) -> None:
    record = log.values[P][32:]
    log.put_in(P, signed(record[:-1] + bytes((record[-1] ^ 1,))))


def append(log: Raw) -> None:
    log.values[HEAD + 1] = signed(encode(Event(AgentSkillSet("2" * 32), "f" * 32, LATER_US)).data)


def append_as_indexed(log: Raw) -> None:
    append(log)
    log.indexed = HEAD + 1


def swap(log: Raw) -> None:
    log.swap(P, P + 11)


def swap_neighbours(log: Raw) -> None:
    log.swap(P, P + 1)


def swap_in_the_tail(log: Raw) -> None:
    log.swap(HEAD - 4, HEAD - 1)


def swap_alike(log: Raw) -> None:
    assert labels(log, HEAD - 5) == labels(log, HEAD - 1)
    log.swap(HEAD - 5, HEAD - 1)


def truncate(log: Raw) -> None:
    for position in range(HEAD - 5, HEAD + 1):
        del log.values[position]


def truncate_cleanly(log: Raw) -> None:
    for position in range(HEAD - 5, HEAD + 1):
        log.unindex(position)
        del log.values[position]


def change_node(log: Raw) -> None:
    log.put_node(1, 1, bytes(32))


def delete_node(log: Raw) -> None:
    log.drop_node(1, 1)


def rewrite(log: Raw) -> None:
    record = log.values[P][32:]
    log.values[P] = signed(record[:-1] + bytes((record[-1] ^ 1,)))


def drop_entry(log: Raw) -> None:
    log.index[labels(log, P)[0]].remove(P)


def add_entry(log: Raw) -> None:
    log.index[tag_label("nobody")].add(P)


@pytest.mark.parametrize(
    ("damage", "kind", "part", "position", "last_good"),
    [
        (flip_record, "flip", "event", P, P - 1),
        (flip_leaf, "flip", "event", P, P - 1),
        (cut_record, "flip", "event", P, P - 1),
        (delete, "delete", "event", P, P - 1),
        (take_out, "delete", "event", P, P - 1),
        (take_out_near_the_end, "delete", "event", HEAD - 1, HEAD - 2),
        (put_in_again, "insert", "event", P, P - 1),
        (put_in_like_one, "insert", "event", P, P - 1),
        (append, "flip", "fold", HEAD + 1, HEAD),
        (append_as_indexed, "insert", "event", HEAD + 1, HEAD),
        (swap, "reorder", "event", P, P - 1),
        (swap_neighbours, "reorder", "event", P, P - 1),
        (swap_in_the_tail, "reorder", "event", HEAD - 4, HEAD - 5),
        (swap_alike, "reorder", "event", HEAD - 5, HEAD - 6),
        (truncate, "truncate", "event", HEAD - 5, HEAD - 6),
        (truncate_cleanly, "rollback", "event", HEAD - 5, HEAD - 6),
        (change_node, "flip", "tree", 257, 256),
        (delete_node, "delete", "tree", 257, 256),
        (rewrite, "flip", "tree", 257, 256),
        (drop_entry, "delete", "index", P, HEAD),
        (add_entry, "insert", "index", P, HEAD),
    ],
)
def test_each_kind_of_damage_is_named(
    chat_copy: Path, damage: Callable[[Raw], None], kind: str, part: str, position: int, last_good: int
) -> None:
    with raw(chat_copy) as log:
        assert log.head == HEAD
        damage(log)
    answer = verified(chat_copy)
    (report,) = answer.objects
    found = report["findings"][0]
    assert (answer.code, report["clean"]) == (1, False)
    assert (found["kind"], found["part"], found["position"]) == (kind, part, position)
    assert (report["first_bad"], report["last_good"]) == (position, last_good)
    assert report["covered"] >= min(last_good, HEAD - 6)


@pytest.mark.parametrize(
    ("damage", "kind", "part", "position", "last_good"),
    [
        (lambda log: None, None, None, None, HEAD),
        (flip_record, "flip", "event", P, P - 1),
        (flip_leaf, "flip", "event", P, P - 1),
        (delete, "delete", "event", P, P - 1),
        (take_out, "delete", "event", P, P - 1),
        (put_in_again, "insert", "event", P, P - 1),
        (put_in_like_one, "insert", "event", P, P - 1),
        (swap, "reorder", "event", P, P - 1),
        (swap_in_the_tail, "reorder", "event", HEAD - 4, HEAD - 5),
        (truncate, "rollback", "event", HEAD - 5, HEAD - 6),
        (change_node, "flip", "tree", 257, 256),
        (rewrite, "flip", "tree", 257, 256),
        (drop_entry, "delete", "index", P, HEAD),
        (add_entry, "insert", "index", P, HEAD),
    ],
)
@pytest.mark.parametrize("indexed", [P + 100, HEAD - 5])
def test_damage_to_a_log_whose_hub_was_killed_is_named_alike(
    chat_copy: Path,
    damage: Callable[[Raw], None],
    kind: str | None,
    part: str | None,
    position: int | None,
    last_good: int,
    indexed: int,
) -> None:
    """The index ends before the log does: what is behind it has the leaf hashes and the tree for witnesses."""
    with raw(chat_copy) as log:
        log.forget(min(indexed, HEAD - 6) if damage is truncate else indexed)
        damage(log)
    (report,) = verified(chat_copy).objects
    found = next(iter(report["findings"]), {"kind": None, "part": None, "position": None})
    assert (found["kind"], found["part"], found["position"]) == (kind, part, position)
    assert report["last_good"] == last_good


def test_a_whole_log_is_clean_and_covered(chat_path: Path) -> None:
    answer = verified(chat_path)
    (report,) = answer.objects
    assert (answer.code, report["clean"], report["findings"]) == (0, True, [])
    assert (report["head"], report["covered"], report["last_good"], report["first_bad"]) == (HEAD, HEAD, HEAD, None)
    assert report["checkpoints"] == {"reproduced": [HEAD], "passed_over": []}
    assert (report["v"], report["signed_checkpoint"]) == (1, None)


def test_the_report_is_a_value_and_progress_is_told(chat_path: Path) -> None:
    told: list[tuple[str, int]] = []
    with History.open(chat_path) as history:
        report = verify(history, lambda stage, done: told.append((stage, done)))
        assert report.digest == history.at().digest()
        assert report.evidence == history.evidence()
    assert report.clean
    assert {stage for stage, _ in told} <= {"checking", "folding"}


def copied_but(source: Path, target: Path, left_out: int) -> None:
    """Make a log anew from the events of another, hashes, tree and indexes and all, but for one event."""
    old, new = DiskKnowledgeStore(source), DiskKnowledgeStore(target, "os")
    old.open(readonly=True)
    new.append([found.event for found in old.scan() if found.position != left_out])
    old.close()
    new.close()


def test_a_log_made_anew_without_an_envelope_betrays_itself_by_the_next_one(chat_path: Path, tmp_path: Path) -> None:
    copied_but(chat_path, tmp_path / "anew", P)
    (report,) = verified(tmp_path / "anew").objects
    found = report["findings"][0]
    assert (found["kind"], found["part"], found["position"]) == ("delete", "event", P + 1)
    assert "conversation @4 goes from envelope" in found["message"]


def test_a_log_made_anew_without_its_end_is_clean_and_says_that_it_could_be_so(chat_path: Path, tmp_path: Path) -> None:
    copied_but(chat_path, tmp_path / "anew", HEAD)
    answer = ask("verify", "--log", os.fspath(tmp_path / "anew"))
    assert answer.code == 0
    assert "no signed checkpoint: who may write the log could have made it anew" in answer.lines


def test_several_damages_are_all_told_and_what_follows_from_them_is_not(chat_copy: Path) -> None:
    with raw(chat_copy) as log:
        log.values[10] = flip(log.values[10], 40)
        log.values[P] = flip(log.values[P], 0)
    with History.open(chat_copy) as history:
        report = verify(history)
    assert [(f.kind, f.part, f.position) for f in report.findings] == [(Kind.FLIP, Part.EVENT, 10)]
    assert (report.covered, report.last_good) == (9, 9)


def test_time_that_goes_back_is_told(chat_copy: Path) -> None:
    store = DiskKnowledgeStore(chat_copy, "os")
    store.append([encode(Event(AgentSkillSet("2" * 32), "f" * 32, 1))])
    store.close()
    (report,) = verified(chat_copy).objects
    found = report["findings"][0]
    assert (found["kind"], found["position"], report["last_good"]) == ("reorder", HEAD + 1, HEAD)
    assert "time does not go back" in found["message"]


def test_an_event_that_cannot_be_folded_is_told(chat_copy: Path) -> None:
    store = DiskKnowledgeStore(chat_copy, "os")
    store.append([encode(Event(AgentSkillSet("2" * 32), "f" * 32, LATER_US))])
    store.close()
    (report,) = verified(chat_copy).objects
    found = report["findings"][0]
    assert (found["kind"], found["part"], found["position"]) == ("flip", "fold", HEAD + 1)
    state = ask("state", "--log", os.fspath(chat_copy))
    assert state.code == 3
    assert state.err.startswith(f"replay: the event at position {HEAD + 1} of ")
    assert state.err.endswith("run replay verify\n")


def checkpoint(path: Path) -> Path:
    (found,) = (path / "checkpoints").iterdir()
    return found


def test_a_checkpoint_that_the_events_do_not_give_is_told_and_the_log_is_good(chat_copy: Path) -> None:
    found = checkpoint(chat_copy)
    content = msgpack.unpackb(found.read_bytes()[40:])
    content["state"]["denials"] = {"": [["mallory", "open", "bob", "access_denied", 1]]}
    payload = canonical(content)
    found.write_bytes(MAGIC + hashlib.sha256(payload).digest() + payload)
    answer = verified(chat_copy)
    (report,) = answer.objects
    assert (answer.code, report["covered"], report["last_good"]) == (1, HEAD, HEAD)
    assert [(f["part"], f["position"]) for f in report["findings"]] == [("checkpoint", HEAD)]


def test_a_garbled_checkpoint_is_a_cache_that_is_passed_over(chat_copy: Path) -> None:
    checkpoint(chat_copy).write_bytes(b"lhubckp1 nothing more")
    answer = verified(chat_copy)
    assert answer.code == 0
    assert answer.objects[0]["checkpoints"] == {"reproduced": [], "passed_over": [HEAD]}


def test_an_older_copy_beside_newer_checkpoints_is_a_rollback(
    chat_path: Path, everything_path: Path, tmp_path: Path
) -> None:
    log = Path(shutil.copytree(everything_path, tmp_path / "log"))
    shutil.copy(checkpoint(chat_path), log / "checkpoints")
    (report,) = verified(log).objects
    assert [f["kind"] for f in report["findings"]] == ["rollback"]
    assert report["last_good"] == report["head"]


def test_an_event_of_a_newer_library_is_not_called_damage(chat_copy: Path) -> None:
    """LOG-7: it is named, and nothing is guessed."""
    store = DiskKnowledgeStore(chat_copy, "os")
    stored = encode(Event(AgentSkillSet("2" * 32), "f" * 32, LATER_US))
    stored.data = stored.data[:1] + bytes((255,)) + stored.data[2:]
    store.open()
    store._rule = store._rule._replace(decode=lambda record, position, path: stored)
    store.append([stored])
    store.close()
    for command in ("verify", "state", "log"):
        answer = ask(command, "--log", os.fspath(chat_copy))
        assert answer.code == 3, command
        assert answer.err.startswith(f"replay: event {HEAD + 1} has the type number 255, which this ledgerhub does not")
        assert answer.err.count("\n") == 1
