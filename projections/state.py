"""Everything the hub remembers: all projections behind one fold (SPEC §0, DET-2).

``apply`` is the only way in which the state changes, live and at replay. Cost: O(1) per event beside what the
projections state; memory O(what is live).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from events.codec import canonical
from events.event import SCHEMAS, Event
from events.sessions import EnvelopePosted
from projections.base import Fold, Projection
from projections.deadlines import Deadlines
from projections.denials import Denials
from projections.inboxes import Inboxes
from projections.observed import Observed
from projections.rates import Rates
from projections.registry import Registry
from projections.sessions import Catalogue, Sessions
from projections.tasks import Tasks


class HubState:
    """The fold of a log up to ``position``.

    Args:
        catalogue: the session types and expectations that the folds may call.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.registry = Registry()
        self.sessions = Sessions(catalogue)
        self.inboxes = Inboxes()
        self.rates = Rates()
        self.tasks = Tasks()
        self.observed = Observed()
        self.denials = Denials()
        self.lapses = Deadlines()
        self.expectations = Deadlines()
        self.position = 0
        self.at_us = 0
        self.last_id = ""
        self.loaded_at = 0
        """The position of the dump that it was loaded from; 0 when it was folded from the start."""
        self._projections: dict[str, Projection] = {
            "registry": self.registry,
            "sessions": self.sessions,
            "inboxes": self.inboxes,
            "rates": self.rates,
            "tasks": self.tasks,
            "observed": self.observed,
            "denials": self.denials,
        }
        self._folds = {cls: self._folds_of(cls) for cls in SCHEMAS}

    def _folds_of(self, body: type) -> list[tuple[Projection, Fold]]:
        return [(p, p.FOLDS[body]) for p in self._projections.values() if body in p.FOLDS]

    def apply(self, event: Event) -> None:
        """Fold one recorded event; its position must be the next one."""
        body = event.body
        assert event.position == self.position + 1, f"event {event.position} after {self.position}"
        for projection, fold in self._folds[type(body)]:
            fold(projection, event)
        self.position, self.at_us, self.last_id = event.position, event.at_us, event.id
        session_id = getattr(body, "session_id", None)
        if session_id is not None:
            self.plan(session_id, lapses=type(body) is not EnvelopePosted)

    def suppose(self, body: Any) -> None:
        """Fold what was not recorded, at the place of the last event: to ask what if; never on the state of a hub."""
        event = Event(body, self.last_id, self.at_us, position=self.position)
        for projection, fold in self._folds[type(body)]:
            fold(projection, event)

    def plan(self, session_id: str, *, lapses: bool = True) -> None:
        """Compute anew when a session's next expectation is due and, unless that cannot have changed, its lapse."""
        record = self.sessions.live.get(session_id)
        if lapses:
            self.lapses.schedule(session_id, None if record is None else record.lapses_us)
        self.expectations.schedule(session_id, None if record is None else self.catalogue.next_deadline_us(record))

    def replay(self, events: Iterable[Event]) -> HubState:
        """Fold events in order; returns itself."""
        for event in events:
            self.apply(event)
        return self

    def dump(self) -> dict[str, Any]:
        """Return every projection as plain data; O(what is live)."""
        return {name: projection.dump() for name, projection in self._projections.items()}

    def load(self, dumped: dict[str, Any], position: int, at_us: int, last_id: str) -> None:
        """Take over a dump made at ``position``; O(what is live)."""
        for name, projection in self._projections.items():
            projection.load(dumped[name])
        self.position, self.at_us, self.last_id = position, at_us, last_id
        self.loaded_at = position
        for session_id in self.sessions.live:
            self.plan(session_id)

    def digest(self) -> str:
        """Return the SHA-256 (hex) over the dump: equal states, equal digests (DET-2); O(what is live)."""
        return hashlib.sha256(canonical(self.dump())).hexdigest()

    def digests(self) -> dict[str, str]:
        """Return a digest per projection, to say which one differs."""
        return {name: hashlib.sha256(canonical(p.dump())).hexdigest() for name, p in self._projections.items()}
