"""What a test does not care about: whole events by type, and values by the key they stand under."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from events.event import Event

MASK = "…"


class Masks(NamedTuple):
    """What is left out of a text, and what is not shown in it.

    ``types`` are globs over event types, ``task.*`` say; such events are left out. ``keys`` are names of fields or of
    keys in what agents wrote, at any depth; that there was a value is shown, as ``…``, and which is not.
    """

    types: tuple[str, ...] = ()
    keys: frozenset[str] = frozenset()

    def leaves_out(self, event: Event) -> bool:
        """Say whether an event is left out; O(globs)."""
        return any(fnmatchcase(event.type, glob) for glob in self.types)

    def mask(self, value: Any) -> Any:
        """Return plain data with … for what is not to be shown; O(its size)."""
        if not self.keys:
            return value
        if isinstance(value, Mapping):
            return {key: MASK if key in self.keys else self.mask(item) for key, item in value.items()}
        return [self.mask(item) for item in value] if isinstance(value, list | tuple) else value


NOTHING = Masks()
"""The masks that hide nothing."""
