"""The check behind every test: what a hub remembers is what its log says, to the bit (DET-2)."""

from __future__ import annotations

from events.event import Event
from hub import Hub
from projections.state import HubState


def assert_equals_replay(hub: Hub) -> None:
    """Compare a hub with nothing in flight to a replay of its log from zero, projection by projection."""
    committer = hub._committer
    state = committer.state
    events: list[Event] = list(committer.log.read(content=False))
    replayed = HubState(hub._catalogue).replay(events)
    live, again = state.digests(), replayed.digests()
    differing = [name for name in live if live[name] != again[name]]
    assert not differing, f"{differing} differ from a replay of {len(events)} events"
    assert state.position == hub.position == len(events)
