"""``replay state``: paths into what the hub knew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from replay import History, QuestionError, look
from tests.replay.asking import Answer

ALICE, BOB, CAROL = ("0" * 31 + digit for digit in "234")


@pytest.mark.parametrize(
    ("path", "point", "value"),
    [
        ("agents/mallory/rule/rate/envelopes_per_minute", "@28", 1),
        ("agents/mallory/rule.rate.envelopes_per_minute", "@29", 2),
        ("agents/mallory/rule/access/outbound_to/0", "@28", "bob"),
        ("agents/bob/resume/examples", "head", [{"note": "on time", "title": "Q3 risk brief"}]),
        ("agents/alice/resume/summary", "head", "Senior policy analyst."),
        (f"agents/{BOB}/passport/name", "head", "bob"),
        ("/agents/bob/skill/", "head", None),
        ("inboxes", "@24", {"alice": 0, "bob": 0, "carol": 1, "mallory": 1}),
        ("inboxes/carol/depth", "@24", 1),
        ("inboxes/carol/depth", "@25", 0),
        ("observed/bob/analysis/p50_latency_ms", "@12", 2000.0),
        ("observed/bob", "@11", {}),
        ("observed", "@12", {"alice": {}, "bob": {"analysis": {"n": 1, "completed": 1, "failed": 0, "expired": 0,
                                                               "p50_latency_ms": 2000.0}}, "carol": {}, "mallory": {}}),
        ("rates/alice", "@24", ["2026-01-01T00:01:14.500000Z"]),
        ("rates/bob", "@24", ["2026-01-01T00:00:14.500000Z"]),
        ("denials/0/error", "@17", "access_denied"),
        ("sessions/@6/state", "@8", "pending"),
        ("sessions/@6/state", "@9", "active"),
        ("sessions/@6/state", "@15", "closed"),
        ("sessions/@6/labels/intent", "head", "the brief"),
        ("sessions/@18/hidden", "@27", []),
        ("sessions/@18/hidden", "@28", [CAROL]),
        ("sessions/@18/expected_next", "@24", CAROL),
    ],
)  # fmt: skip
def test_a_path_at_a_point(history: History, path: str, point: str, value: Any) -> None:
    assert look(history, history.at(point), path) == value


def test_tasks_are_told_as_of_the_point(history: History) -> None:
    started = history.event("@10").body.task_id
    running, done = (look(history, history.at(point), f"tasks/{started}") for point in ("@10", "@11"))
    assert (running["state"], running["result"]) == ("created", {})
    assert (done["state"], done["result"], done["latency_ms"]) == ("completed", {"rows": 3}, 2000.0)
    assert list(look(history, history.at("@10"), "tasks")) == [started]
    assert look(history, history.at("@11"), "tasks") == {}


def test_lists_name_what_is_live(history: History) -> None:
    assert list(look(history, history.at("@31"), "agents")) == ["alice", "bob", "mallory"]
    assert [each["type"] for each in look(history, history.at("@24"), "sessions").values()] == ["discussion"]
    assert look(history, history.at(), "sessions") == {}


@pytest.mark.parametrize(
    ("path", "point", "sentence"),
    [
        ("agnts", "head", "there is no 'agnts' in a hub's state: did you mean agents?"),
        ("x", "head", "there is no 'x' in a hub's state: paths begin with agents, sessions, inboxes"),
        ("agents/carol", "head", "'carol' was not registered at @31: it was from @4 to @31"),
        ("agents/bob", "@2", "'bob' was not registered at @2: it was from @3"),
        ("agents/bobby", "head", "no agent 'bobby' was ever registered in this log: did you mean bob?"),
        ("agents/bob/rules", "head", "there is no 'rules' in agents/bob: it has passport, rule, resume"),
        ("agents/bob/rule/rate/x", "head", "there is no 'x' in agents/bob/rule/rate: it has envelopes_per_minute"),
        (
            "agents/bob/rule/access/outbound_to/7",
            "head",
            "there is no '7' in agents/bob/rule/access/outbound_to: give a",
        ),
        ("agents/bob/passport/name/x", "head", "it has nothing below it"),
        ("observed/bob/x", "@11", "there is no 'x' in observed/bob: it is empty"),
        ("sessions/@18", "@17", "the session '@18' did not exist at @17: it was created by @18"),
        ("tasks/none", "head", "there is no task 'none' in this log"),
    ],
)
def test_what_was_not_there_is_told(history: History, path: str, point: str, sentence: str) -> None:
    with pytest.raises(QuestionError) as caught:
        look(history, history.at(point), path)
    assert sentence in caught.value.message


def test_json_says_what_it_was_rebuilt_from(asked: Callable[..., Answer], history: History) -> None:
    (found,) = asked("state", "inboxes/bob", "--at", "-23h", "--json").objects
    state = history.at("@29")
    assert found == {
        "v": 1,
        "position": 29,
        "at": "2026-01-01T00:11:14.500000Z",
        "checkpoint": None,
        "folded": 29,
        "digest": state.digest(),
        "digests": state.digests(),
        "path": "inboxes/bob",
        "value": {"depth": 0, "pending": [], "released": [], "attempts": {}},
    }
    (head,) = asked("state", "--json").objects
    assert (head["checkpoint"], head["folded"], head["value"]["agents"]) == (31, 0, 3)
