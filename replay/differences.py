"""What differs between two values of one path: the paths of its leaves, before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class _Absent:
    """The value of what is not there."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()


class Difference(NamedTuple):
    """One path, what stood there, and what stands there; ``ABSENT`` where nothing does."""

    path: str
    before: Any
    after: Any


def differences(before: Any, after: Any, path: str) -> Iterator[Difference]:
    """Give where two values of a path differ; O(their size).

    Mappings are compared by key, lists of as many mappings by place, other lists as they are. A thing that came or went
    is one difference.
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys((*before, *after)):
            yield from differences(before.get(key, ABSENT), after.get(key, ABSENT), f"{path}/{key}")
    elif _is_rows(before) and _is_rows(after) and len(before) == len(after):
        yield from differences(dict(enumerate(before)), dict(enumerate(after)), path)
    elif before != after:
        yield Difference(path, before, after)


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def value_json(value: Any) -> Any:
    """Return a value for JSON: null for what is absent, as for None; ``kind`` tells them apart."""
    return None if value is ABSENT else value


def kind(difference: Difference) -> str:
    """Return ``added``, ``removed`` or ``changed``."""
    if difference.before is ABSENT:
        return "added"
    return "removed" if difference.after is ABSENT else "changed"
