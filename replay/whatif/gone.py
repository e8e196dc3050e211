"""What does not happen now, and what was there only because of it: the rule of causality (``replay.whatif.world``)."""

from __future__ import annotations

from collections.abc import Iterable

from events.event import Event
from events.sessions import EnvelopePosted
from events.values import EV_PACKET, EV_TEXT
from projections.state import HubState
from replay.whatif.alike import rests_on


class Gone:
    """The recorded events that do not happen now; memory O(those)."""

    def __init__(self) -> None:
        self._positions: dict[str, int] = {}
        self._places: dict[tuple[str, int], int] = {}

    def __contains__(self, event_id: str) -> bool:
        return event_id in self._positions

    def add(self, events: Iterable[Event]) -> None:
        """Take note of recorded events that do not happen."""
        for event in events:
            self._positions[event.id] = event.position
            if isinstance(event.body, EnvelopePosted):
                self._places[event.body.session_id, event.body.sequence] = event.position

    def behind(self, event: Event, was: HubState, now: HubState) -> int | None:
        """Return the position of what an event rests on, or answered, if that does not happen now; else None. O(ids).

        Args:
            event: the recorded one that implies a command.
            was: the state before it, as recorded.
            now: the changed state.
        """
        rests = next((self._positions[each] for each in rests_on(event) if each in self._positions), None)
        return self._answered(event, was, now) if rests is None else rests

    def _answered(self, event: Event, was: HubState, now: HubState) -> int | None:
        """A text by turn, or owed; who has the turn or owes a reply now may have said it anyhow."""
        body = event.body
        if not isinstance(body, EnvelopePosted) or body.event_type not in (EV_TEXT, EV_PACKET):
            return None
        then, here = (state.sessions.live.get(body.session_id) for state in (was, now))
        if then is None or here is None or body.sender_id in here.owed:
            return None
        if body.sender_id == now.sessions.expected_next(here):
            return None
        turn, owed = then.turn, then.owed.get(body.sender_id)
        if turn is not None and turn.speaker == body.sender_id and turn.envelope_id in self._positions:
            return self._positions[turn.envelope_id]
        return None if owed is None else self._places.get((body.session_id, owed.sequence))
