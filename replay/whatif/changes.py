"""What is to be otherwise: assignments to paths, as ``replay state`` writes them, and the plan that they make.

=====================================================  =========================================================
path                                                   what it sets
=====================================================  =========================================================
``agents/mallory/rule.rate.envelopes_per_minute``      the agent's rule, now and each that it is given later
``agents/*/rule.inbox.max_pending``                    the same of every agent whose name the glob fits
``expectations/discussion/turn_within.seconds``        every expectation of that name in sessions of that type
``expectations/discussion/turn_within:hide.seconds``   only the one with that handler
``types/discussion/ttl_default``                       the session type's manifest, for sessions opened later
``sessions/7be2/expires_at``                           when the session expires; null for never
``sessions/7be2/manifest.expectations.0.on_violation`` what that session alone expects
=====================================================  =========================================================

A value is JSON, or else text. Fields are split by ``/`` or ``.``.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from replay.errors import QuestionError
from replay.state import choices

Edit = Callable[[Any], Any]
"""Plain data to changed plain data; raises QuestionError when what it changes is not in there."""


class Change(NamedTuple):
    """One assignment."""

    path: str
    value: Any

    def __str__(self) -> str:
        return f"{self.path}={json.dumps(self.value, ensure_ascii=False)}"

    @classmethod
    def parse(cls, text: str) -> Change:
        """Read ``PATH=VALUE``.

        Raises:
            QuestionError: it is not written like that.
        """
        path, equals, value = text.partition("=")
        path = path.strip().strip("/")
        if not equals or not path:
            raise QuestionError(f"{text!r} sets nothing: write PATH=VALUE, such as agents/bob/rule.inbox.max_pending=5")
        try:
            return cls(path, json.loads(value))
        except (ValueError, RecursionError):
            return cls(path, value.strip())


def parse_variants(lines: Iterable[str]) -> Iterator[list[Change]]:
    """Give the changes of each line: assignments with spaces between; what follows a # says nothing.

    A value with a space in it stands in quotation marks, as in a shell.
    """
    for number, line in enumerate(lines, 1):
        try:
            words = shlex.split(line, comments=True)
            if words:
                yield [Change.parse(word) for word in words]
        except (ValueError, QuestionError) as error:
            raise QuestionError(f"line {number} of the sweep: {error}") from None


# Nested data.


def key_and_fields(rest: Sequence[str], change: Change, form: str) -> tuple[str, list[str]]:
    """Return the key behind the collection, and the fields behind that."""
    key, *fields = rest or [""]
    found = [part for each in fields for part in re.split(r"[.]", each) if part]
    if not key or not found:
        raise QuestionError(f"{change.path!r} is too short to set anything: write {form}")
    return key, found


def editing(fields: Sequence[str], value: Any, where: str) -> Edit:
    """Return the edit that sets a value at fields below what it is given; ``where`` names that in errors."""
    return lambda data: assigned(data, fields, value, where)


def assigned(data: Any, fields: Sequence[str], value: Any, where: str) -> Any:
    """Return a copy of nested data in which a value is set where another stands."""
    if not fields:
        return value
    first, *more = fields
    there = f"{where}/{first}"
    if isinstance(data, Mapping) and first in data:
        return {**data, first: assigned(data[first], more, value, there)}
    if isinstance(data, list) and first.isdigit() and int(first) < len(data):
        return [assigned(item, more, value, there) if n == int(first) else item for n, item in enumerate(data)]
    raise QuestionError(f"there is no {first!r} in {where}: {choices(data)}")


def at(data: Any, fields: Sequence[str]) -> Any:
    """Return what stands at fields below nested data that has them."""
    for each in fields:
        data = data[int(each)] if isinstance(data, list) else data[each]
    return data


def built(build: Callable[[Mapping[str, Any]], Any], data: Any, where: str) -> Any:
    """Return the value that plain data make; raises QuestionError saying what is wrong with them."""
    if not isinstance(data, Mapping):
        raise QuestionError(f"{where} is {data!r:.80}: it has fields, set one of them")
    try:
        return build(data)
    except ValueError as error:
        raise QuestionError(f"{where} cannot be like that: {error}") from None
