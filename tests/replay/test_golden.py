"""Golden histories: what was recorded must fold and decide the same today, and what was bad must stay bad."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from events.codec import encode
from events.errors import CorruptLogError, StoreError
from events.event import Event
from events.log import EventLog
from events.sessions import SessionClosed
from events.stores import MemoryKnowledgeStore
from hub import AdapterResult, ConversationAdapter
from hub.protocols import default_adapters
from replay import History, QuestionError
from replay.golden import Stage, Verdict, capture, check
from replay.golden_file import find, open_golden, read
from tests.replay.asking import ask
from tests.support.scenario import ORIGIN, perform

KEPT = Path(__file__).parent.parent / "golden" / "decisions"


def store_of(events: Sequence[Event]) -> MemoryKnowledgeStore:
    store = MemoryKnowledgeStore(new_origin=lambda: ORIGIN)
    store.append([encode(event) for event in events])
    return store


@pytest.fixture
async def events() -> list[Event]:
    stage = await perform(MemoryKnowledgeStore())
    found = stage.log()
    await stage.hub.close()
    return found


@pytest.fixture
def kept(events: list[Event], tmp_path: Path) -> Path:
    """A golden of the scenario."""
    path = tmp_path / "kept.hublog"
    capture(EventLog(store_of(events)), path, about="the scenario")
    return path


def closed_twice(events: Sequence[Event]) -> list[Event]:
    """A history in which the first session's end is told again at once."""
    at = next(index for index, event in enumerate(events) if isinstance(event.body, SessionClosed))
    return [*events[: at + 1], events[at]._replace(id="0" * 24 + "ffffffff")]


def spoken_out_of_turn(events: Sequence[Event]) -> list[Event]:
    """A history in which the question of a consulting session is posted a second time."""
    at = next(index for index, event in enumerate(events) if event.type == "envelope.posted")
    twice = events[at].body._replace(sequence=events[at].body.sequence + 1, idempotency_key=None, digest=None)
    return [*events[: at + 1], events[at]._replace(body=twice, id="0" * 24 + "ffffffff")]


BAD: dict[str, Callable[[Sequence[Event]], list[Event]]] = {
    "closed-twice": closed_twice,
    "out-of-turn": spoken_out_of_turn,
}


# The goldens that are kept.


@pytest.mark.parametrize("path", sorted(KEPT.glob("*.hublog")), ids=lambda path: path.stem)
def test_today_holds_to_every_golden_that_is_kept(path: Path) -> None:
    assert check(path).problem == ""


def test_good_and_bad_histories_are_kept() -> None:
    assert {path.stem: read(path).expect.partition(" ")[0] for path in find(KEPT)} == {
        "everything": "holds",
        "closed-twice": "decision",
        "out-of-turn": "decision",
    }


# Capturing.


def test_a_golden_is_captured_and_holds(kept: Path, events: list[Event]) -> None:
    golden, outcome = check(kept)
    assert (outcome.stage, outcome.position) == (Stage.HOLDS, 0)
    assert golden.records == tuple(encode(event).data for event in events)
    assert (golden.about, golden.origin, golden.expect) == ("the scenario", ORIGIN, "holds")
    assert golden.root == store_of(events).root().hex()


def test_the_file_is_text_with_a_line_an_event(kept: Path, events: list[Event]) -> None:
    lines = kept.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "ledgerhub golden 1"
    at = lines.index("")
    assert lines[at + 1].startswith("1 hub.opened ")
    assert [line.split()[1] for line in lines[at + 1 :]] == [event.type for event in events]


def test_capturing_twice_gives_the_same_bytes(kept: Path, tmp_path: Path) -> None:
    capture(EventLog(open_golden(kept)), tmp_path / "again.hublog", about="the scenario")
    assert (tmp_path / "again.hublog").read_bytes() == kept.read_bytes()


@pytest.mark.parametrize("name", BAD)
def test_a_bad_history_is_captured_as_one_that_fails(name: str, events: list[Event], tmp_path: Path) -> None:
    bad = BAD[name](events)
    log, path = EventLog(store_of(bad)), tmp_path / "bad.hublog"
    with pytest.raises(QuestionError, match="capture it as one that fails"):
        capture(log, path)
    assert not path.exists()
    outcome = capture(log, path, must_fail=True)
    assert outcome.position == len(bad)
    assert check(path).problem == ""
    assert read(path).expect == outcome.expectation


def test_a_good_history_is_not_captured_as_one_that_fails(events: list[Event], tmp_path: Path) -> None:
    with pytest.raises(QuestionError, match="nothing wrong"):
        capture(EventLog(store_of(events)), tmp_path / "x.hublog", must_fail=True)


def test_a_log_without_events_shows_nothing(tmp_path: Path) -> None:
    with pytest.raises(QuestionError, match="no events"):
        capture(EventLog(MemoryKnowledgeStore()), tmp_path / "x.hublog")


# What today's code may do otherwise.


class Curt(ConversationAdapter):
    """A conversation that ends with its first word."""

    def on_accepted(self, metadata: Any, envelope: Any, state: Any) -> AdapterResult:
        return AdapterResult(auto_close_reason="curt")


def test_code_that_decides_otherwise_is_found_where_it_does(kept: Path, events: list[Event]) -> None:
    verdict = check(kept, adapters=[*default_adapters(), Curt()])
    first = next(event.position for event in events if event.type == "envelope.posted" and event.position > 20)
    assert (verdict.outcome.stage, verdict.outcome.position) == (Stage.DECISION, first + 1)
    assert re.search(r"Post gave nothing more and now gives session\.closed of hub .*curt", verdict.problem)


def test_code_that_refuses_what_it_accepted_is_found(kept: Path) -> None:
    verdict = check(kept, adapters=[default_adapters()[0]])
    assert "CreateSession was accepted and is now refused: there is no adapter for session type" in verdict.problem


def test_code_that_folds_to_another_state_is_found(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.rates.Rates.dump", lambda self: {"another": "form"})
    assert check(kept).problem == "it folds to another state: rates differs"


def test_code_that_cannot_fold_is_found(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any, event: Event) -> None:
        raise KeyError("gone")

    monkeypatch.setattr("projections.state.HubState.apply", fail)
    outcome = check(kept).outcome
    assert (outcome.expectation, outcome.message) == (
        "fold @1",
        "position 1: hub.opened cannot be folded: KeyError: 'gone'",
    )


def test_a_bad_history_that_holds_by_now_is_a_finding(kept: Path) -> None:
    assert expecting(kept, "decision @3").problem == "it must fail with decision @3, but all 75 events hold"


def test_a_bad_history_that_fails_elsewhere_is_a_finding(events: list[Event], tmp_path: Path) -> None:
    path, bad = tmp_path / "bad.hublog", closed_twice(events)
    capture(EventLog(store_of(bad)), path, must_fail=True)
    problem = expecting(path, "fold @3").problem
    assert problem.startswith(f"it must fail with fold @3, but position {len(bad)}: ")


def expecting(path: Path, expect: str) -> Verdict:
    text = re.sub(r"^expect: .*$", f"expect: {expect}", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    path.write_text(text, encoding="utf-8")
    return check(path)


# Files that are no goldens.


def changed(path: Path, pattern: str, to: str) -> Path:
    text, count = re.subn(pattern, to, path.read_text(encoding="utf-8"), count=1, flags=re.MULTILINE)
    assert count == 1
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("pattern", "to", "error"),
    [
        ("ledgerhub golden 1", "ledgerhub golden 2", r"golden format 2; this ledgerhub reads 1"),
        ("ledgerhub golden 1", "# notes", r"is not a golden history"),
        ("^root: .*\n", "", r"lacks or does not know root"),
        ("^about:", "mood: fine\nabout:", r"lacks or does not know mood"),
        ("^events: .*", "events: 1", r"75 records, not as many"),
        ("^root: .*", "root: " + "0" * 64, r"its root differs"),
        ("^3 agent.registered (.).*", r"3 agent.registered \1", r"record 3 of .* is not one"),
        ("^3 ", "4 ", r"record 3 of .* is not one"),
    ],
)
def test_a_file_that_is_not_what_was_captured_is_refused(kept: Path, pattern: str, to: str, error: str) -> None:
    with pytest.raises(StoreError, match=error):
        check(changed(kept, pattern, to))


def test_a_flipped_bit_in_a_record_is_refused(kept: Path, events: list[Event]) -> None:
    record = bytearray(encode(events[12]).data)
    record[-1] ^= 1
    with pytest.raises(CorruptLogError, match="its root differs"):
        check(changed(kept, r"^13 (\S+) .*", rf"13 \1 {base64.b64encode(record).decode()}"))


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot be read: No such file"):
        read(tmp_path / "none.hublog")
    (tmp_path / "binary.hublog").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CorruptLogError, match="not text"):
        read(tmp_path / "binary.hublog")


def test_a_record_that_cannot_be_read_is_where_it_fails(kept: Path) -> None:
    record = base64.b64encode(b"\x01\xff\x00\x00\x00\x00").decode()
    outcome = check(changed(kept, r"^5 .*", f"5 agent.resume_set {record}")).outcome
    assert (outcome.expectation, "type number 255" in outcome.message) == ("read @5", True)


def test_a_golden_is_a_log_to_ask(kept: Path, events: list[Event]) -> None:
    with History(open_golden(kept)) as history:
        assert list(history.events()) == events
        assert history.evidence().root == read(kept).root


# The command.


def test_the_command_captures_and_checks(everything_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "all.hublog"
    said = ask("golden", "capture", str(everything_path), "-o", str(path), "--about", "a little\nof everything")
    assert said.code == 0, said.err
    assert re.fullmatch(rf"{path}: \d+ events, \d+ commands, holds", said.lines[0])
    assert said.lines[1].startswith("log 5eed5eed5eed head @")
    assert read(path).about == "a little of everything"
    said = ask("golden", "check", str(tmp_path))
    assert said.code == 0
    assert re.match(rf"✓ {path}: \d+ events fold and \d+ commands decide as recorded", said.lines[0])
    assert said.lines[1].strip().startswith("log 5eed5eed5eed head @")


def test_the_command_finds_what_differs(kept: Path) -> None:
    changed(kept, r"^expect: .*", "expect: fold @3")
    said = ask("golden", "check", str(kept))
    assert said.code == 1
    assert said.lines[0] == f"✗ {kept}: it must fail with fold @3, but all 75 events hold"
    (found,) = ask("golden", "check", str(kept), "--json").objects
    assert (found["v"], found["ok"], found["expect"], found["found"]) == (1, False, "fold @3", "holds")


def test_the_command_says_that_a_bad_history_fails_as_it_must() -> None:
    said = ask("golden", "check", str(KEPT / "closed-twice.hublog"))
    assert said.code == 0
    assert "fails as it must, decision @16: position 16: Post gave session.closed of hub" in said.lines[0]


def test_the_command_overwrites_nothing_unless_told_to(kept: Path) -> None:
    before = kept.read_bytes()
    said = ask("golden", "capture", str(kept), "-o", str(kept))
    assert (said.code, kept.read_bytes()) == (2, before)
    assert "is there already" in said.err
    assert ask("golden", "capture", str(kept), "-o", str(kept), "--force", "--about", "the scenario").code == 0
    assert kept.read_bytes() == before


def test_the_command_needs_goldens(tmp_path: Path) -> None:
    said = ask("golden", "check", str(tmp_path))
    assert (said.code, said.out) == (2, "")
    assert "there is no golden history at" in said.err


def test_the_command_cannot_read_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.hublog").write_text("# notes\n")
    assert ask("golden", "check", str(tmp_path)).code == 3
