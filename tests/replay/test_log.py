"""``replay log``, ``wal`` and ``audit``: what is asked for, and nothing else, comes out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from events.values.times import iso
from replay import History, Query
from tests.replay.asking import Answer
from tests.replay.scenario import NASTY

Asked = Callable[..., Answer]


def positions(answer: Answer) -> list[int]:
    return [each["position"] for each in answer.objects]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--type", "session.closed"], [15]),
        (["--type", "session.closed", "--type", "session.expired"], [15, 30]),
        (["--type", "task.*"], [10, 11]),
        (["--agent", "carol", "--type", "session.*"], [18, 19, 21, 28]),
        (["--agent", "0" * 31 + "4", "--limit", "2"], [4, 18]),
        (["--agent", "carol", "--agent", "alice", "--type", "inbox.*"], [16, 25]),
        (["--session", "@13", "--type", "envelope.posted"], [13, 14]),
        (["--session", "@6", "--session", "@18", "--type", "session.created"], [6, 18]),
        (["--session", "@18", "--agent", "mallory"], [18, 20, 22, 24]),
        (["--tag", "name:carol"], [4, 31]),
        (["--tag", "name:carol", "--tag", "hub"], [1, 4, 31]),
        (["--actor", "mallory"], [5, 17, 22]),
        (["--actor", "operator", "--agent", "mallory"], [24, 29]),
        (["--actor", "hub", "--type", "session.closed"], [15]),
        (["--since", "@29"], [29, 30, 31]),
        (["--until", "@2"], [1, 2]),
        (["--since", "@3", "--until", "@4"], [3, 4]),
        (["--since", "-15m", "--limit", "1"], [30]),
        (["--since", "2026-01-01T00:03:14.5Z", "--until", "2026-01-01 00:11:14.5"], [26, 27, 28, 29]),
        (["--since", "2027-01-01"], []),
        (["--until", "2025-01-01T00:00Z"], []),
        (["--grep", "depends"], [14]),
        (["--grep", r"mallory was refused open to alice"], [17]),
        (["--grep", "(?i)SENIOR"], [2]),
        (["--grep", "^task"], [10, 11]),
        (["--reverse", "--limit", "2"], [31, 30]),
        (["--limit", "0"], []),
        (["--grep", "carol", "--reverse", "--limit", "1"], [31]),
    ],
)
def test_filters(asked: Asked, words: list[str], expected: list[int]) -> None:
    answer = asked("log", "--json", *words)
    assert positions(answer) == expected
    assert (answer.code, answer.err) == (0, "")
    assert asked("log", "--json", "--count", *words).objects == [{"v": 1, "count": len(expected)}]


def test_json_gives_every_field_of_every_event_losslessly(asked: Asked, history: History) -> None:
    answer = asked("log", "--json")
    events = list(history.events())
    assert [each["position"] for each in answer.objects] == list(range(1, history.head + 1))
    for found, event in zip(answer.objects, events, strict=True):
        assert list(found)[:3] == ["v", "position", "type"]
        assert (found["v"], found["type"], found["version"]) == (1, event.type, event.version)
        assert (found["id"], found["actor"], found["cause"]) == (event.id, event.actor, event.cause)
        assert (found["at"], found["tags"]) == (iso(event.at_us), list(event.tags))
    posted = answer.objects[23]
    assert posted["content"] == {"rest": {"text": NASTY}}
    assert posted["facts"]["sender_id"] == "0" * 31 + "2"


def test_json_is_ascii_where_the_terminal_is_not_unicode(asked: Asked) -> None:
    assert "東京" in asked("log", "--json", "--type", "envelope.posted").out


def test_the_library_asks_the_same(history: History) -> None:
    query = Query(types=("session.*",), agents=("carol",), limit=2, reverse=True)
    assert [event.position for event in history.events(query)] == [28, 21]


def test_wal_gives_the_slice_with_positions(asked: Asked) -> None:
    everything = asked("wal", "@6", "--json").objects
    assert [each["sequence"] for each in everything] == list(range(1, 9))
    assert [each["position"] for each in everything] == [7, 8, 9, 10, 11, 13, 14, 15]
    assert asked("wal", "@14", "--since", "2", "--until", "5", "--json").objects == everything[2:5]
    assert asked("wal", "0" * 31 + "6", "--since", "8", "--json").objects == []
    assert everything[5]["event_data"] == {"text": "What matters most?"}
    assert everything[5]["v"] == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--kind", "access_denied"], [17]),
        (["--kind", "resume_set"], [12]),
        (["--agent", "carol"], [4, 18, 26, 27, 28, 31]),
        (["--session", "@6"], [6, 11, 15]),
        (["--since", "@28", "--until", "@30"], [28, 29, 30]),
        (["--limit", "1", "--reverse"], [31]),
    ],
)
def test_audit(asked: Asked, words: list[str], expected: list[int]) -> None:
    """GOV-7."""
    answer = asked("audit", "--json", *words)
    assert positions(answer) == expected
    assert all(each["v"] == 1 and each["kind"] for each in answer.objects)


@pytest.mark.parametrize("since", ["@20", "2026-01-01T01:00Z"])
def test_points_in_the_wrong_order_are_refused(asked: Callable[..., Answer], since: str) -> None:
    answer = asked("log", "--since", since, "--until", "@5")
    assert (answer.code, answer.out) == (2, "")
    assert f"{since!r} is behind '@5': give the earlier point with since" in answer.err
