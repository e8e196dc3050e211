"""Points in history, agents and sessions, as people write them."""

from __future__ import annotations

import pytest

from events.log import EventLog
from events.stores import MemoryKnowledgeStore
from replay import History, QuestionError
from replay.points import find_agents, find_session, first_position, last_position, parse_point

ALICE = "0" * 31 + "2"


@pytest.mark.parametrize(
    ("text", "last", "first"),
    [
        ("head", 31, 31),
        ("@1", 1, 1),
        ("@31", 31, 31),
        ("@0", 0, 1),
        (ALICE, 2, 2),
        (ALICE.upper(), 2, 2),
        ("0" * 30 + "20", 31, 31),
        ("2026-01-01T00:00:00Z", 5, 1),
        ("2026-01-01", 5, 1),
        ("2026-01-01T00:00:12.5", 10, 6),
        ("2026-01-01T00:00:13Z", 10, 11),
        ("2026-01-01T02:00:12.5+02:00", 10, 6),
        ("2025-12-31T23:59Z", 0, 1),
        ("2030-01-01T00:00Z", 31, 32),
        ("-0s", 31, 30),
        ("-1d", 29, 27),
        ("-23h", 29, 30),
        ("-400d", 0, 1),
    ],
)
def test_a_point_is_the_end_of_what_was_or_the_beginning_of_what_comes(
    history: History, text: str, last: int, first: int
) -> None:
    point = parse_point(history.log, history.head, text)
    assert last_position(history.log, history.head, point) == last == history.position(text)
    assert first_position(history.log, history.head, point) == first


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("@32", "@32 is not in the log, which ends at @31: give a position up to that"),
        ("00", "'00' begins the ids of several events (@1, @2, @3, @4 and more): give one of these, or more of it"),
        (
            "0" * 30 + "1",
            "'0000000000000000000000000000001' begins the ids of several events (@15, @16, @17, @18 and more)",
        ),
        ("abc", "no event's id begins with 'abc': check it, or name the event by position as @123"),
        ("f" * 33, "is not a point in a log: write @123, an event's id"),
        ("", "'' is not a point in a log"),
        (
            "yesterday",
            "'yesterday' is not a point in a log: write @123, an event's id or its beginning, a time such as",
        ),
        ("@-1", "'@-1' is not a point in a log"),
        ("-15x", "'-15x' is not a point in a log"),
        ("2026-13-01", "'2026-13-01' is not a point in a log"),
        ("-999999999999d", "-999999999999d is more than a century: give a shorter time, or @1"),
    ],
)
def test_what_is_no_point_is_told(history: History, text: str, sentence: str) -> None:
    with pytest.raises(QuestionError) as caught:
        history.position(text)
    assert sentence in caught.value.message


def test_an_empty_log_has_a_head_and_no_time() -> None:
    store = MemoryKnowledgeStore()
    store.open()
    log = EventLog(store)
    assert parse_point(log, 0, "head").position == 0
    with pytest.raises(QuestionError, match="the log has no events yet"):
        parse_point(log, 0, "-15m")
    with pytest.raises(QuestionError, match="it has no agents yet"):
        find_agents(log, "bob")
    assert History(store).position("2026-01-01") == 0


@pytest.mark.parametrize("text", ["@6", "@7", "@10", "@15", "0" * 31 + "6"])
def test_a_session_is_found_by_id_or_by_any_event_in_it(history: History, text: str) -> None:
    assert find_session(history.log, history.head, text).position == 6


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("@2", "@2 is agent.registered, which is of no session: give an event of the session you mean"),
        ("@0", "@0 is before all events"),
        ("@99", "@99 is not in the log"),
        ("0", "'0' begins the ids of several sessions (@6, @18): give one of these, or more of it"),
        ("ff", "no session's id begins with 'ff'"),
        ("the one", "'the one' is not a session: give its id"),
    ],
)
def test_what_is_no_session_is_told(history: History, text: str, sentence: str) -> None:
    with pytest.raises(QuestionError) as caught:
        find_session(history.log, history.head, text)
    assert sentence in caught.value.message


def test_agents_are_found_by_name_and_id_the_gone_too(history: History) -> None:
    assert find_agents(history.log, "alice") == find_agents(history.log, ALICE) == (ALICE,)
    assert find_agents(history.log, "carol") == ("0" * 31 + "4",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("alicia", "no agent 'alicia' was ever registered in this log: did you mean alice?"),
        ("zed", "give a name or an id; some are alice, bob, carol, mallory"),
        ("f" * 32, "no agent 'ffffffffffffffffffffffffffffffff' was ever registered"),
    ],
)
def test_an_unknown_agent_is_told_with_those_who_come_close(history: History, text: str, sentence: str) -> None:
    with pytest.raises(QuestionError) as caught:
        find_agents(history.log, text)
    assert sentence in caught.value.message
