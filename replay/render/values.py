"""Nested values for people: one line a field, indented; ids with the names behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from events.values.identity import AGENT_ID
from replay.names import Names
from replay.render.text import compact, printable

INDENT = "  "
INLINE_MAX = 60
"""A list of plain values stands on one line up to so many characters."""


def value_lines(value: Any, names: Names, indent: str = "") -> Iterator[str]:
    """Give the lines of a JSON value; O(its size)."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _labelled(f"{plain(str(key), names)}:", item, names, indent)
        if not value:
            yield f"{indent}(none)"
    elif isinstance(value, list | tuple):
        for item in value:
            if isinstance(item, Mapping) and item:
                first, *rest = value_lines(item, names, indent + INDENT)
                yield f"{indent}- {first.lstrip()}"
                yield from rest
            else:
                yield from _labelled("-", item, names, indent)
        if not value:
            yield f"{indent}(none)"
    elif isinstance(value, str):
        yield from (indent + printable(line) for line in value.splitlines())
    else:
        yield indent + plain(value, names)


def _labelled(label: str, item: Any, names: Names, indent: str) -> Iterator[str]:
    if (short := _inline(item, names)) is not None:
        yield f"{indent}{label} {short}"
    else:
        yield indent + label
        yield from value_lines(item, names, indent + INDENT)


def _inline(item: Any, names: Names) -> str | None:
    """Return an item that fits behind its label, or None."""
    if isinstance(item, Mapping):
        return None if item else "{}"
    if not isinstance(item, list | tuple):
        return None if isinstance(item, str) and len(item.splitlines()) > 1 else plain(item, names)
    if any(isinstance(each, Mapping | list | tuple) for each in item):
        return None
    text = "[" + ", ".join(plain(each, names) for each in item) + "]"
    return text if len(text) <= INLINE_MAX else None


def plain(item: Any, names: Names) -> str:
    """Return a value that is not nested, an id with its name."""
    if not isinstance(item, str):
        return compact(item)
    if AGENT_ID.fullmatch(item) and (name := names.anyone(item)) != item:
        return f"{item} ({printable(name)})"
    return printable(item) if item else '""'
