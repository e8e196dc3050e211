"""One value for equal facts: a million agents share a handful of rules (LOG-9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from events.values.frozen import freeze

V = TypeVar("V")
SHARED_MAX = 1024
"""Distinct facts remembered; when there are more, all are forgotten and shared anew."""


class Shared(Generic[V]):
    """Builds frozen values, each once for all facts that are equal.

    Args:
        build: facts to value.
    """

    def __init__(self, build: Callable[[Mapping[str, Any]], V]) -> None:
        self._build = build
        self._known: dict[Any, V] = {}

    def of(self, facts: Mapping[str, Any]) -> V:
        """Return the value of these facts; O(their size)."""
        key = freeze(facts, "facts")
        value = self._known.get(key)
        if value is None:
            if len(self._known) >= SHARED_MAX:
                self._known.clear()
            value = self._known[key] = self._build(facts)
        return value
