"""What the makers of events share: who is known, which id stands for which, what the log says so far."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

from events.codec import StoredEvent, encode
from events.event import HUB, Event
from events.values.frozen import EMPTY, FreezeError, freeze
from events.values.identity import AGENT_ID
from projections.sessions import SessionRecord
from projections.state import HubState
from replay.imports.ag2.report import Report


class Made(NamedTuple):
    """An event without its place: body, who did it, and the id of the event that led to it."""

    body: Any
    actor: str = HUB
    cause: str | None = None


class Making:
    """The log in the making, as the makers of events see it.

    Attributes:
        state: what a hub would know after the events so far.
        event_id: the id of the event that is being made.
        at_us: its time.
    """

    def __init__(self, state: HubState, report: Report, ids: dict[str, str]) -> None:
        self.state, self.report = state, report
        self._ids = ids
        self._sequences: dict[str, int] = {}
        self._taken = ""
        self.event_id, self.at_us = "", 0
        self.latest: dict[tuple[str, str], str] = {}
        """(session, what) to the id of the latest event of that kind: what inferred causes are."""
        self.started: dict[str, tuple[str, int]] = {}
        """Task to the id and time of its start."""
        self.ended: dict[tuple[str, str, str], list[tuple[str, str, int]]] = {}
        """(owner, capability, outcome) to tasks that ended so and no observation names yet: id, event, latency."""
        self.attempts: dict[tuple[str, str], int] = {}
        self.sessions: set[str] = set()
        """The sessions that were created so far, ended ones too."""

    def ref(self, own: object, where: str) -> str:
        """Return the id that stands for one of ag2's: the same, its replacement, or a hash of what is no id."""
        text = str(own)
        if (known := self._ids.get(text)) is not None:
            return known
        if AGENT_ID.fullmatch(text):
            return text
        self.report.note("strange_reference", f"{where}: {text[:80]}")
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def maybe_ref(self, own: object, where: str) -> str | None:
        """Return ``ref``, or None of nothing."""
        return self.ref(own, where) if own else None

    def live(self, channel_id: object, where: str) -> SessionRecord | None:
        """Return a session that has not ended; of any other, what comes for it is noted."""
        record = self.state.sessions.live.get(self.ref(channel_id, where))
        if record is None:
            self.report.note("after_end", where)
        return record

    def attempt(self, maker: Callable[[], Made | None], where: str) -> StoredEvent | None:
        """Return an event's bytes, or None; a record that is not as ag2 writes it is noted."""
        self._taken = ""
        try:
            made = maker()
            return None if made is None else encode(Event(made.body, self.event_id, self.at_us, made.actor, made.cause))
        except (AttributeError, KeyError, LookupError, OverflowError, TypeError, ValueError) as error:
            self.report.note("unusable_record", f"{where}: {type(error).__name__}: {error}")
            if self._taken:
                self._sequences[self._taken] -= 1
            return None

    def sequence(self, session_id: str) -> int:
        """Return the next place in a session's write-ahead log."""
        self._taken = session_id
        self._sequences[session_id] = self._sequences.get(session_id, 0) + 1
        return self._sequences[session_id]

    def content(self, value: object, where: str) -> Any:
        """Return a mapping as a log keeps it; of what a log cannot hold, nothing."""
        if not isinstance(value, dict):
            value = {} if value is None else {"value": value}
        try:
            return freeze(value)
        except FreezeError as error:
            self.report.note("strange_data", f"{where}: {error}")
            return EMPTY
