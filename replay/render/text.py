"""Small pieces of text: what is safe to print, how long something took, when it was.

What agents wrote is never printed as it is: a control character could move the cursor, hide a line or recolour the
evidence, so every character that cannot be printed is shown escaped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from textwrap import wrap
from typing import Any

from rich.cells import cell_len, chop_cells, set_cell_size

_SECOND_US, _MINUTE_US, _HOUR_US, _DAY_US = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000


def printable(text: str) -> str:
    """Return text on one line: line ends as ⏎, other characters that cannot be printed escaped."""
    if text.isprintable():
        return text
    return "".join(map(_shown, text.replace("\r\n", "\n")))


def _shown(char: str) -> str:
    if char == "\n":
        return "⏎"
    if char == "\t":
        return " "
    return char if char.isprintable() else char.encode("unicode_escape").decode()


def quoted(text: str) -> str:
    """Return text on one line in quotation marks."""
    return f"“{printable(text)}”"


def compact(value: Any) -> str:
    """Return a value as JSON on one line, text in it as it is."""
    return printable(json.dumps(value, ensure_ascii=False, sort_keys=True))


def shortened(text: str, width: int | None) -> str:
    """Return text cut to so many cells, with … where it was cut; None leaves it whole."""
    if width is None or cell_len(text) <= width:
        return text
    return set_cell_size(text, max(width - 1, 0)).rstrip() + "…"


def padded(text: str, width: int) -> str:
    """Return text filled with spaces to so many cells; longer text stays as it is."""
    return text + " " * (width - cell_len(text))


def wrapped_lines(text: str, width: int | None) -> list[str]:
    """Return text in lines of so many cells, between words where each character is one cell; None is one line."""
    if width is None:
        return [text]
    lines = wrap(text, width) if cell_len(text) == len(text) else [line.rstrip() for line in chop_cells(text, width)]
    return lines or [""]


def duration(us: int) -> str:
    """Return how long something took: ``850ms``, ``1.2s``, ``3m04s``, ``2h05m``, ``3d04h``."""
    if us < _SECOND_US:
        return f"{us / 1000:.3g}ms" if us else "0s"
    if us < _MINUTE_US:
        return f"{us / _SECOND_US:.3g}s"
    if us < _HOUR_US:
        return f"{us // _MINUTE_US}m{us // _SECOND_US % 60:02}s"
    if us < _DAY_US:
        return f"{us // _HOUR_US}h{us // _MINUTE_US % 60:02}m"
    return f"{us // _DAY_US}d{us // _HOUR_US % 24:02}h"


def offset(us: int) -> str:
    """Return a distance in time as ``+00:01:02.345``, with days in front where there are any."""
    sign, us = ("-", -us) if us < 0 else ("+", us)
    days = f"{us // _DAY_US}d" if us >= _DAY_US else ""
    clock = f"{us // _HOUR_US % 24:02}:{us // _MINUTE_US % 60:02}:{us // _SECOND_US % 60:02}"
    return f"{sign}{days}{clock}.{us // 1000 % 1000:03}"


def leaves(value: Mapping[str, Any], base: Mapping[str, Any], path: str = "") -> list[str]:
    """Return ``a.b=value`` for each leaf of a nested mapping that differs from the base's."""
    found: list[str] = []
    for key, item in value.items():
        other = base.get(key)
        if isinstance(item, Mapping) and isinstance(other, Mapping):
            found += leaves(item, other, f"{path}{key}.")
        elif item != other:
            found.append(f"{path}{key}={item if isinstance(item, int | float) else compact(item)}")
    return found
