"""Small pieces of text."""

from __future__ import annotations

import pytest

from replay.render.text import compact, duration, leaves, offset, padded, printable, quoted, shortened

S, M, H, D = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\nb\r\nc\td", "a⏎b⏎c d"),
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("\u202eevil\u200b", "\\u202eevil\\u200b"),
        ("東京 – é", "東京 – é"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_is_printed_is_harmless(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(text).isprintable()
    assert quoted(text) == f"“{shown}”"


def test_json_on_one_line() -> None:
    assert compact({"b": ["é", None], "a": "x\ny"}) == '{"a": "x\\ny", "b": ["é", null]}'


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("東京都", 4, "東…"),
        ("東京都", 6, "東京都"),
        ("ab cd", 4, "ab…"),
        ("x", None, "x"),
    ],
)
def test_shortening_counts_cells(text: str, width: int | None, shown: str) -> None:
    assert shortened(text, width) == shown


def test_padding_counts_cells() -> None:
    assert padded("東", 4) + "|" == "東  |"


@pytest.mark.parametrize(
    ("us", "shown"),
    [
        (0, "0s"), (1500, "1.5ms"), (850_000, "850ms"), (S, "1s"), (12_345_678, "12.3s"), (59_999_999, "60s"),
        (3 * M + 4 * S, "3m04s"), (2 * H + 5 * M, "2h05m"), (3 * D + 4 * H, "3d04h"),
    ],
)  # fmt: skip
def test_durations(us: int, shown: str) -> None:
    assert duration(us) == shown


@pytest.mark.parametrize(
    ("us", "shown"),
    [
        (0, "+00:00:00.000"),
        (H + 2 * M + 3 * S + 4567, "+01:02:03.004"),
        (40 * D + S, "+40d00:00:01.000"),
        (-S, "-00:00:01.000"),
    ],
)
def test_offsets(us: int, shown: str) -> None:
    assert offset(us) == shown


def test_leaves_that_differ() -> None:
    base = {"a": {"b": 1, "c": ["x"]}, "d": 0}
    assert leaves({"a": {"b": 2, "c": ["y"]}, "d": 0, "e": "new"}, base) == ["a.b=2", 'a.c=["y"]', 'e="new"']
    assert leaves(base, base) == []
