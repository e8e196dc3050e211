"""Everything the hub remembers: all projections behind one fold (SPEC §0, DET-2).

``apply`` is the only way in which the state changes, live and at replay. Cost: O(1) per event beside what the
projections state; memory O(what is live).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from events.codec import canonical
from events.event import SCHEMAS, Event
from events.sessions import EnvelopePosted, SessionClosed, SessionExpired
from events.tasks import TERMINAL, TaskProgressed, TaskStarted
from projections.base import Projection
from projections.deadlines import Deadlines
from projections.denials import Denials
from projections.inboxes import Inboxes
from projections.observed import Observed
from projections.rates import Rates
from projections.registry import Registry
from projections.sessions import Catalogue, Sessions
from projections.tasks import Tasks

ENDINGS = frozenset({SessionClosed, SessionExpired})
PLANNED = frozenset(Sessions.FOLDS) - ENDINGS - {TaskStarted, TaskProgressed, *TERMINAL}
"""What can move a session's deadlines either way; an envelope moves them later only."""


Parts = dict[str, dict[str, Any]]
"""Projection to key to part: what a projection checkpoint is made of."""


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
        self.lapses = Deadlines(self._lapses_us)
        self.expectations = Deadlines(self._expects_us)
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

    def _folds_of(self, body: type) -> tuple[Callable[[Event], None], ...]:
        folds = [partial(p.FOLDS[body], p) for p in self._projections.values() if body in p.FOLDS]
        return (*folds, self._unplan) if body in ENDINGS else tuple(folds)

    def apply(self, event: Event) -> None:
        """Fold one recorded event; its position must be the next one."""
        assert event.position == self.position + 1, f"event {event.position} after {self.position}"
        body = event.body
        kind = type(body)
        for fold in self._folds[kind]:
            fold(event)
        self.position, self.at_us, self.last_id = event.position, event.at_us, event.id
        if kind is EnvelopePosted:
            self._plan_posted(body.session_id)
        elif kind in PLANNED:
            self.plan(body.session_id)

    def suppose(self, body: Any) -> None:
        """Fold what was not recorded, at the place of the last event: to ask what if; never on the state of a hub."""
        event = Event(body, self.last_id, self.at_us, position=self.position)
        for fold in self._folds[type(body)]:
            fold(event)

    def plan(self, session_id: str) -> None:
        """Compute anew when a session lapses, and when its next expectation is due; O(expectations)."""
        self.lapses.schedule(session_id, self._lapses_us(session_id))
        self.expectations.schedule(session_id, self._expects_us(session_id))

    def _plan_posted(self, session_id: str) -> None:
        """An envelope moves deadlines later, and gives rise to none sooner than the session's patience (GOV-4)."""
        patience_us = self.catalogue.patience_us(self.sessions.live[session_id])
        entry_us = self.expectations.entry_us(session_id)
        if patience_us is not None and (entry_us is None or entry_us > self.at_us + patience_us):
            self.expectations.schedule(session_id, self._expects_us(session_id))

    def _unplan(self, event: Event) -> None:
        self.lapses.cancel(event.body.session_id)
        self.expectations.cancel(event.body.session_id)

    def _lapses_us(self, session_id: str) -> int | None:
        record = self.sessions.live.get(session_id)
        return None if record is None else record.lapses_us

    def _expects_us(self, session_id: str) -> int | None:
        record = self.sessions.live.get(session_id)
        return None if record is None else self.catalogue.next_deadline_us(record)

    def replay(self, events: Iterable[Event]) -> HubState:
        """Fold events in order, and plan at their end what lives then; returns itself."""
        folds, position = self._folds, self.position
        last: Event | None = None
        try:
            for event in events:
                assert event.position == position + 1, f"event {event.position} after {position}"
                for fold in folds[type(event.body)]:
                    fold(event)
                position, last = position + 1, event
        finally:  # who reads on, or tells where it failed, finds the state where it is
            if last is not None:
                self.position, self.at_us, self.last_id = position, last.at_us, last.id
        if last is not None:  # a session that is still packed is as it was planned when the checkpoint was made
            for session_id in self.sessions.live.unpacked():
                self.plan(session_id)
        return self

    def dump(self) -> dict[str, Any]:
        """Return every projection as plain data; O(what is live)."""
        return {name: projection.dump() for name, projection in self._projections.items()}

    def load(self, dumped: dict[str, Any], position: int, at_us: int, last_id: str) -> None:
        """Take over a dump made at ``position``; O(what is live)."""
        for name, projection in self._projections.items():
            projection.load(dumped[name])
        self._at(position, at_us, last_id)
        for session_id in self.sessions.live:
            self.plan(session_id)

    def changes(self) -> Parts:
        """Return what changed since the last call, or since ``load_parts``, for a checkpoint; O(that).

        Sessions come packed, everything else as plain data; what is gone as None.
        """
        found: Parts = {name: dict(p.changed.take(p.part)) for name, p in self._projections.items()}
        found["manifests"] = {key: manifest.to_dict() for key, manifest in self.sessions.manifests.items()}
        found["deadlines"] = {
            session_id: None if packed is None else self._entries(session_id)
            for session_id, packed in found["sessions"].items()
        }
        return found

    def _entries(self, session_id: str) -> list[int | None]:
        return [self.lapses.entry_us(session_id), self.expectations.entry_us(session_id)]

    def renew(self) -> None:
        """Let everything count as changed: what checkpoints had of it is lost."""
        for projection in self._projections.values():
            projection.changed.restart(changed=projection.keys())

    def load_parts(self, parts: Parts, position: int, at_us: int, last_id: str) -> None:
        """Take over the parts of checkpoints up to ``position``; O(agents, and sessions for each a few bytes)."""
        self.sessions.load_manifests(parts["manifests"])
        for name, projection in self._projections.items():
            projection.load_parts(parts[name])
        self._at(position, at_us, last_id)
        for place, deadlines in enumerate((self.lapses, self.expectations)):
            entries = ((key, entry[place]) for key, entry in parts["deadlines"].items())
            deadlines.load((key, due_us) for key, due_us in entries if due_us is not None)

    def _at(self, position: int, at_us: int, last_id: str) -> None:
        self.position, self.at_us, self.last_id = position, at_us, last_id
        self.loaded_at = position

    def digest(self) -> str:
        """Return the SHA-256 (hex) over the dump: equal states, equal digests (DET-2); O(what is live)."""
        return hashlib.sha256(canonical(self.dump())).hexdigest()

    def digests(self) -> dict[str, str]:
        """Return a digest per projection, to say which one differs."""
        return {name: hashlib.sha256(canonical(p.dump())).hexdigest() for name, p in self._projections.items()}
