"""When each refusal was last recorded, so that a refused agent cannot flood the log (GOV-6).

Memory: the distinct refusals of the last minute.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, NamedTuple

from events.event import Event
from events.governance import AccessDenied
from projections.base import Fold
from projections.changed import Changed

QUIET_US = 60_000_000


class Refusal(NamedTuple):
    """What makes two refusals alike."""

    subject: str
    action: str
    target: str
    error: str


class Denials:
    """Refusal to the time (microseconds) at which it was last recorded, oldest first."""

    def __init__(self) -> None:
        self._recorded: dict[Refusal, int] = {}
        self.changed = Changed()

    def recorded(self, refusal: Refusal, now_us: int) -> bool:
        """Say whether a like refusal was recorded within the last minute; O(1)."""
        at_us = self._recorded.get(refusal)
        return at_us is not None and now_us - at_us < QUIET_US

    def _denied(self, event: Event) -> None:
        body: AccessDenied = event.body
        refusal = Refusal(body.subject, body.action, body.target, body.error)
        self._recorded.pop(refusal, None)
        self._recorded[refusal] = event.at_us
        self.changed.note("")
        for oldest, at_us in list(self._recorded.items()):
            if event.at_us - at_us < QUIET_US:
                break
            del self._recorded[oldest]

    FOLDS: ClassVar[dict[type, Fold]] = {AccessDenied: _denied}

    def dump(self) -> Any:
        """Return the refusals of the last minute."""
        return [[*refusal, at_us] for refusal, at_us in self._recorded.items()]

    def load(self, dumped: Any) -> None:
        """Take over a dump."""
        self._recorded = {Refusal(*parts): at_us for *parts, at_us in dumped}
        self.changed.note("")

    def keys(self) -> Collection[str]:
        """Return the keys of all parts."""
        return ("",)

    def part(self, _: str) -> Any:
        """Return the whole: it is small, and one part of a projection checkpoint."""
        return self.dump()

    def load_parts(self, parts: Mapping[str, Any]) -> None:
        """Take over the part of a projection checkpoint."""
        self.load(parts.get("", []))
        self.changed.restart(saved=parts)
