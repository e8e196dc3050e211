"""What a projection is: a class with a table from event body to method, a dump and a load.

A projection knows the events that it folds and nothing of other projections. ``apply`` is the one fold, live and
at replay; it neither reads content nor raises on an event that was accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, ClassVar, Protocol, TypeVar

from events.event import Event
from projections.changed import Changed

Fold = Callable[[Any, Event], None]
"""An unbound method of a projection: ``(self, event)``."""


F = TypeVar("F", bound=Callable[..., Any])


def default(method: F) -> F:
    """Mark a base class's method whose answer is always the same, so that nobody prepares arguments for it."""
    method.is_default = True  # type: ignore[attr-defined]
    return method


def is_default(method: Callable[..., Any]) -> bool:
    """Say whether a method, as looked up on an object, is one that ``default`` marked and nobody overrode."""
    return getattr(method, "is_default", False)


class Projection(Protocol):
    """The shape of every projection."""

    FOLDS: ClassVar[dict[type, Fold]]
    """Body class to the method that folds it."""

    changed: Changed
    """Which parts changed since the last projection checkpoint: most projections have a part for each agent."""

    def keys(self) -> Collection[str]:
        """Return the keys of all parts."""
        ...

    def part(self, key: str) -> Any:
        """Return one part as plain data, or packed; None when there is none (any more)."""
        ...

    def load_parts(self, parts: Any) -> None:
        """Take over the parts of a checkpoint, key to what ``part`` returned, in place of the state of no events."""
        ...

    def dump(self) -> Any:
        """Return the whole state as plain data (maps, lists, text, integers), the same for equal states."""
        ...

    def load(self, dumped: Any) -> None:
        """Take over what ``dump`` returned."""
        ...
