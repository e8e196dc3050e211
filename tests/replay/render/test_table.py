"""Tables stream, and keep to their width."""

from __future__ import annotations

from itertools import count, islice
from typing import Any

from events.log import EventLog
from events.stores import MemoryKnowledgeStore
from replay.names import Names
from replay.render.table import Column, table
from replay.render.values import value_lines

COLUMNS = (Column("n", 3, right=True), Column("kind", 6, "cyan"), Column("at", 4, needs=40), Column("what"))


def plain(text: str, style: str) -> str:
    return text


def test_columns_are_cut_or_left_out_and_the_last_takes_the_rest() -> None:
    rows = [("1", "longer than", "noon", "x" * 50), ("22", "b", "", "short")]
    assert list(table(COLUMNS, rows, width=34, paint=plain)) == [
        "  n  kind    what",
        f"  1  longe…  {'x' * 20}…",
        " 22  b       short",
    ]
    assert list(table(COLUMNS, rows, width=40, paint=plain))[1] == f"  1  longe…  noon  {'x' * 20}…"
    assert list(table(COLUMNS, rows, width=None, paint=plain))[1] == f"  1  longe…  noon  {'x' * 50}"


def test_the_last_column_may_go_on_below_itself() -> None:
    rows = [("1", "a", "", "one two three four five six seven"), ("2", "b", "", "東京" * 8), ("3", "c", "", "")]
    assert list(table(COLUMNS, rows, width=34, paint=plain, wrapped=True)) == [
        "  n  kind    what",
        "  1  a       one two three four",
        "             five six seven",
        "  2  b       東京東京東京東京東京",
        "             東京東京東京",
        "  3  c",
    ]


def test_rows_are_taken_one_at_a_time() -> None:
    endless = ((str(number), "", "", "") for number in count())
    assert list(islice(table(COLUMNS, endless, width=80, paint=plain), 3)) == ["  n  kind    at    what", "  0", "  1"]


def test_paint_gets_the_styles() -> None:
    painted: list[tuple[str, str]] = []

    def paint(text: str, style: str) -> str:
        painted.append((text, style))
        return text

    list(table(COLUMNS, [("1", "a", "", "w")], width=20, paint=paint))
    assert ("a     ", "cyan") in painted
    assert ("what", "bold") in painted


def test_values_are_indented_and_texts_stand_in_blocks() -> None:
    store = MemoryKnowledgeStore()
    store.open()
    value: dict[str, Any] = {
        "empty": {}, "none": None, "text": "", "list": [1, "two"], "long": ["x" * 40, "y" * 40], "nested": [[1], [[2]]],
        "items": [{"a": 1, "b": {"c": 2}}, {}], "block": "one\ntwo\x1b", "nothing": [],
    }  # fmt: skip
    assert list(value_lines(value, Names(EventLog(store)))) == [
        "empty: {}", "none: null", 'text: ""', "list: [1, two]", "long:", f"  - {'x' * 40}", f"  - {'y' * 40}",
        "nested:", "  - [1]", "  -", "    - [2]", "items:", "  - a: 1", "    b:", "      c: 2", "  - {}",
        "block:", "  one", "  two\\x1b", "nothing: []",
    ]  # fmt: skip
    assert list(value_lines({}, Names(EventLog(store)))) == ["(none)"]
    assert list(value_lines([], Names(EventLog(store)))) == ["(none)"]
    assert list(value_lines(7, Names(EventLog(store)))) == ["7"]
