"""``replay story``: a session as a conversation, in lanes, as a diagram, and for programs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from events.event import Event
from hub.protocols import default_adapters
from replay import History, story
from replay.render.lanes import MARKS
from replay.render.mermaid import safe
from replay.story import KINDS, Kind, Tally
from tests.replay.asking import Answer, ask, assert_screen, start

Asked = Callable[..., Answer]


def texts(history: History, session: str) -> list[tuple[int, str, str]]:
    names = history.names
    return [(step.event.position, names.agent(step.agent_id), step.text) for step in story(history, session).steps()]


def test_a_session_that_closed(history: History) -> None:
    told = story(history, "@13")
    assert (told.manifest.type, told.state, told.why) == ("consulting", "closed", "closed by the answer @14")
    assert [(history.names.agent(who), role) for who, role in told.roles.items()] == [
        ("alice", "initiator"),
        ("bob", "respondent"),
    ]
    assert (told.opened and told.opened.position, told.ended and told.ended.position) == (9, 15)
    assert texts(history, "@6") == [
        (7, "bob", "was invited"),
        (8, "bob", "accepted"),
        (9, "hub", "opened"),
        (10, "bob", "started task @10 “read the numbers” (analysis) (by operator)"),
        (11, "bob", 'completed task @10 “read the numbers” (analysis) after 2s: {"rows": 3} (by operator)'),
        (13, "alice", "“What matters most?”"),
        (14, "bob", "“It depends.”"),
        (15, "hub", "closed, consulting_complete"),
    ]


def test_sessions_that_expired_or_were_declined(history: History, trouble: History) -> None:
    expired, declined = story(history, "@18"), story(trouble, "@26")
    assert (expired.state, expired.why[:31]) == ("expired", "expired by the TTL set at @18, ")
    assert (declined.state, declined.opened, declined.why) == ("closed", None, "closed by the rejection @28")
    assert texts(trouble, "@26")[1:] == [
        (28, "erin", "rejected: “erin declined”"),
        (29, "hub", "closed, invite_rejected"),
    ]


def test_live_sessions_say_what_they_wait_for(trouble: History, chat_path: Path, troubles_path: Path) -> None:
    consulting, discussion = story(trouble, "@18"), story(trouble, "@46")
    assert (consulting.state, consulting.ended, consulting.why) == ("active", None, "waits for bob to speak")
    assert discussion.why == "waits for bob to speak"
    with History.open(chat_path) as chat:
        assert story(chat, "@4").why == "waits for anybody to speak"
    adapters = [each for each in default_adapters() if each.manifest.type != "consulting"]
    with History.open(troubles_path, adapters) as dormant:
        assert story(dormant, "@18").why == "its type is not loaded here, so whose turn it is cannot be told"
        assert texts(dormant, "@18") == texts(trouble, "@18")


def test_a_session_that_is_being_opened_waits_for_answers(trouble: History) -> None:
    trouble.head = 27
    told = story(trouble, "@26")
    assert (told.state, told.why) == ("pending", "waits for the answer of erin")
    assert [step.event.position for step in told.steps()] == [27]


def test_refusals_failed_turns_and_departures_are_in_it(trouble: History) -> None:
    assert (15, "bob", "failed its turn, attempt 1: “RuntimeError: no such table⏎refunds”") in texts(trouble, "@10")
    refused = [text for position, who, text in texts(trouble, "@30") if who == "mallory" and position in {36, 40}]
    assert refused[0].startswith("was refused post to dave, inbox_full: “the inbox of 'dave' is full")
    assert refused[1].startswith("was refused post, rate_limited: “")
    assert (61, "frank", "left") in texts(trouble, "@46")


def test_turns_are_the_stretches_in_which_one_agent_speaks(trouble: History) -> None:
    assert [(step.turn, step.begins) for step in story(trouble, "@10").steps() if step.kind is Kind.SAID] == [
        (1, True), (2, True), (3, True), (4, True), (5, True),
    ]  # fmt: skip
    flood, tally = story(trouble, "@30"), Tally()
    assert [step.begins for step in flood.steps(tally) if step.turn] == [True, False, False, False]
    assert (tally.turns, tally.kinds[Kind.SAID], tally.kinds[Kind.REFUSED]) == (1, 4, 2)


def test_only_the_sessions_events_are_read(chat_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with History.open(chat_path) as chat:
        read: list[Event] = []
        reading = chat.log.read

        def counted(*args: Any, **options: Any) -> Iterator[Event]:
            for event in reading(*args, **options):
                read.append(event)
                yield event

        steps = story(chat, "@4").steps()
        monkeypatch.setattr(chat.log, "read", counted)
        assert [next(steps).event.position for _ in range(4)] == [5, 6, 7, 8]
        assert len(read) < 10


def test_every_kind_has_a_mark() -> None:
    assert set(MARKS) == set(Kind) == set(KINDS.values())


# On the command line.

SCREENS = {
    "consulting": ("everything", "@6"),
    "expired": ("everything", "@18"),
    "failed-turn": ("troubles", "@10"),
    "live": ("troubles", "@18"),
    "declined": ("troubles", "@26"),
    "refused": ("troubles", "@30"),
    "crowd": ("troubles", "@46"),
    "tasks": ("troubles", "@62"),
}


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", SCREENS)
def test_screens(asked: Asked, told: Asked, name: str, width: int) -> None:
    log, session = SCREENS[name]
    answer = (asked if log == "everything" else told)("story", session, COLUMNS=str(width))
    assert (answer.code, answer.err) == (0, "")
    assert max(map(len, answer.lines)) <= width
    assert all(line.isprintable() for line in answer.lines)
    assert answer.lines[-1].endswith(" checkpoint none unsigned")
    assert_screen(f"story-{name}-{width}", answer.out)


def test_agents_have_lanes_where_there_is_room_and_names_where_there_is_none(told: Asked) -> None:
    assert re.search(r"#  alice +bob$", told("story", "@10", COLUMNS="80").out, re.MULTILINE)
    for width in ("80", "40"):
        crowded = told("story", "@46", COLUMNS=width).out
        assert re.search(r"#  who +what$", crowded, re.MULTILINE)
    assert re.search(r"#  alice +bob +carol +erin +frank +grace$", told("story", "@46", COLUMNS="160").out, re.M)
    assert "alice         “Six of us, and nobody knows who did it?”" in told("story", "@46").out


def test_json(told: Asked) -> None:
    first, *steps, last = told("story", "@30", "--json").objects
    assert (first["v"], first["kind"], first["type"], first["state"]) == (1, "session", "conversation", "closed")
    assert first["participants"][1]["name"] == "dave"
    assert (first["labels"], first["opened"], first["reason"]) == ({"intent": "refunds"}, 33, "operator_cleanup")
    assert [each["position"] for each in steps] == [31, 32, 33, 34, 35, 36, 38, 39, 40, 44]
    assert [each["kind"] for each in steps[3:6]] == ["said", "said", "refused"]
    assert (steps[3]["turn"], steps[3]["to"], steps[5]["turn"]) == (1, [first["participants"][1]["agent_id"]], None)
    counts = {"invited": 1, "answered": 1, "opened": 1, "said": 4, "refused": 2, "ended": 1}
    assert last == {"v": 1, "kind": "tally", "turns": 1, "counts": counts, "tasks": {}}


MERMAID = re.compile(
    r"sequenceDiagram"
    r"|    participant a\d+ as [^#;<>%]+"
    r"|    Note over a\d+(,a\d+)?: ([^#;<>&%]|#\d+;)+"
    r"|    a\d+(->>|-x)a\d+: ([^#;<>&%]|#\d+;)+"
    r"|%% log [0-9a-f]{12} head @\d+ root [0-9a-f]{12} checkpoint none unsigned"
)


@pytest.mark.parametrize("session", ["@6", "@18"])
def test_mermaid(asked: Asked, session: str) -> None:
    answer = asked("story", session, "--mermaid")
    assert answer.code == 0
    assert [line for line in answer.lines if not MERMAID.fullmatch(line)] == []
    assert answer.lines[1] == "    participant a0 as alice"
    assert any(line.startswith("    a0->>a1: @") for line in answer.lines)


def test_a_page_is_written_whole_and_said_in_a_line(told: Asked, tmp_path: Path) -> None:
    path = tmp_path / "story.html"
    answer = told("story", "@10", "--html", os.fspath(path), COLUMNS="120")
    assert (answer.code, answer.err) == (0, "")
    assert answer.lines[0] == f"{path}: {path.stat().st_size:,} bytes, one page that needs nothing else"
    assert answer.lines[-1].endswith(" checkpoint none unsigned")
    assert told("story", "@10", "--html", "-").out == path.read_text(encoding="utf-8")
    assert os.listdir(tmp_path) == ["story.html"]
    again = told("story", "@18", "--html", os.fspath(path))
    assert (again.code, again.err) == (2, f"replay: {path} is there already: give another name, or --force\n")
    assert told("story", "@18", "--html", os.fspath(path), "--force").code == 0
    assert "consulting @18" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["folder", "nowhere/story.html", "/"])
def test_a_page_that_cannot_be_written_leaves_nothing(
    told: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    answer = told("story", "@10", "--html", name, "--force")
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert answer.err.startswith(f"replay: {name} ")
    assert os.listdir(tmp_path) == ["folder"]


def test_a_page_of_a_damaged_log_does_not_replace_a_good_one(chat_copy: Path, tmp_path: Path) -> None:
    path = tmp_path / "story.html"
    path.write_text("yesterday's")
    with open(chat_copy / "data.mdb", "r+b") as data:
        data.truncate(4096 * 20)
    answer = ask("story", "@4", "--html", os.fspath(path), "--force", "--log", os.fspath(chat_copy))
    assert (answer.code, answer.out, answer.err.count("\n")) == (3, "", 1)
    assert path.read_text() == "yesterday's"
    assert sorted(os.listdir(tmp_path)) == ["log", "story.html"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a; b # c", "a#59; b #35; c"),
        ("%%{init: {}}%%", "#37;#37;{init: {}}#37;#37;"),
        ("<script>&", "#60;script#62;#38;"),
        ("two\nlines", "two⏎lines"),
        ("x" * 200, "x" * 159 + "…"),
    ],
)
def test_nobody_writes_into_a_diagram_by_speaking(text: str, shown: str) -> None:
    assert safe(text) == shown


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["story"], "Missing argument 'SESSION'"),
        (["story", "@2"], "which is of no session"),
        (["story", "0"], "begins the ids of several sessions"),
        (["story", "fff"], "no session's id begins with 'fff'"),
        (["story", "@10", "--mermaid", "--json"], "--mermaid does not go with --json"),
        (["story", "@10", "--html", "x.html", "--svg"], "--html does not go with --svg"),
    ],
)
def test_bad_questions(told: Asked, words: list[str], sentence: str) -> None:
    answer = told(*words)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert sentence in answer.err


@pytest.mark.parametrize("form", ["--json", "--mermaid", "--svg", "--html=-", "--no-color"])
def test_a_broken_pipe_is_quiet(chat_path: Path, form: str) -> None:
    with start("story", "@4", form, "--log", os.fspath(chat_path)) as reader:
        assert reader.stdout is not None
        assert reader.stderr is not None
        reader.stdout.readline()
        reader.stdout.close()
        assert reader.wait() == 141
        assert reader.stderr.read() == ""


def test_a_damaged_event_is_told(chat_copy: Path) -> None:
    with open(chat_copy / "data.mdb", "r+b") as data:
        data.truncate(4096 * 20)
    answer = ask("story", "@4", "--log", os.fspath(chat_copy))
    assert (answer.code, answer.err.count("\n")) == (3, 1)
