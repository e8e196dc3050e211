"""What is looked at while a run goes on: each durable event, each delivery, and at rest the hub itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgpack

from events.errors import NetworkError
from events.event import Event
from events.values import Envelope
from hub import Hub
from hub.listeners import HubListener
from projections.snapshots import collect
from projections.state import HubState
from tests.simulation.found import Found, OnPurpose, must
from tests.simulation.kinds import catalogue
from tests.simulation.model import Model
from tests.simulation.owing import missed, overdue
from tests.simulation.promises import Promises
from tests.simulation.tokens import token_of

if TYPE_CHECKING:
    from tests.simulation.store import FaultyStore
    from tests.simulation.world import World

CAPABILITIES = ("talk", "sing", "count")
"""What agents claim or show."""
SLOW = ("registry", "sessions")
"""What takes long to write down is compared each fourth time, and at the end of the run."""
SLOW_EVERY = 4


class Watch:
    """Follows the log of a run.

    Attributes:
        events: the durable ones, in order.
        handled: agent and envelope of which the handler returned at least once.
        excused: agent and envelope whose acknowledgement somebody asked for.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.model: Model = world.model
        self.promises = Promises(self.model)
        self.catalogue = catalogue(world.options)
        self.shadow = HubState(self.catalogue)
        self.events: list[Event] = []
        self.handled: set[tuple[str, str]] = set()
        self.excused: set[tuple[str, str]] = set()
        self._compared: tuple[Hub | None, int] = None, 0
        self._rests = 0

    def put_down_and_take_up(self) -> None:
        """Go on from a checkpoint of the replayed state: what a checkpoint forgets shows from here on (LOG-8)."""
        kept, self.shadow = collect(self.shadow, None), HubState(self.catalogue)
        parts = msgpack.unpackb(msgpack.packb(kept.parts))
        self.shadow.load_parts(parts, kept.position, kept.at_us, kept.last_id)

    def catch_up(self) -> None:
        """Judge what has become durable."""
        for event in self.world.store.written(len(self.events)):
            self.events.append(event)
            self.model.apply(event)
            self.shadow.apply(event)
            if (token := token_of(event)) is not None:
                self.promises.check(token)
        for pair in self.model.acknowledged:
            lapsed = self._lapsed(self.model.envelopes[pair[1]])
            must(pair in self.handled or pair in self.excused or lapsed, "what is acknowledged was handled", pair)
        self.model.acknowledged.clear()

    def _lapsed(self, event: Event, at_us: int | None = None) -> bool:
        """Whether an envelope's TTL is over, now or at a time: what was under way when the clock jumped was in time."""
        ttl_us = getattr(event.body, "ttl_us", None)
        return ttl_us is not None and (self.world.now_us if at_us is None else at_us) >= event.at_us + ttl_us

    def handed(self, agent_id: str, envelope: Envelope, so_far: dict[str, tuple[int, str]]) -> None:
        """Judge a delivery: durable, permitted where it stands, in order, in time. What is found is kept for later."""
        try:
            self.catch_up()
            event = self.model.envelopes.get(envelope.envelope_id)
            if event is None:
                raise Found("what is delivered is on disk", envelope.envelope_id)
            where = f"{envelope.event_type} #{envelope.sequence} to {agent_id}"
            must(agent_id in self.model.reach[event.id], "what is delivered was permitted", where)
            must(envelope.sequence == event.body.sequence, "what is delivered is what was recorded", where)
            must(not self._lapsed(event, self.world.under_way_us), "what lapsed is not delivered", where)
            last, last_id = so_far.get(envelope.session_id, (0, ""))
            must(envelope.sequence > last or last_id == event.id, "a session is delivered in order", where)
            so_far[envelope.session_id] = envelope.sequence, event.id
        except Found as found:
            self.world.problems.append(found)

    def at_rest(self) -> None:
        """Compare the hub, with nothing under way, with the replay of its log and with the model."""
        must(not self.model.owes, "one decision is one append", f"the log ends before: {self.model.owes}")
        hub = self.world.hub
        if hub is None or self.world.store.in_flight or hub._committer._failed:
            return
        if self._compared == (hub, self.model.position):
            return
        self._compared = hub, self.model.position
        self._rests += 1
        state = hub._committer.state
        must(state.position == len(self.events), "the state is the fold of the log", f"{state.position} of the log")
        asleep = self.world.asleep
        for name, projection in state._projections.items():
            if name not in SLOW or (self._rests % SLOW_EVERY == 0 and not asleep):
                same = projection.dump() == self.shadow._projections[name].dump()
                must(same, "the state is the fold of the log", f"{name} differs at {len(self.events)}")
        live_ids = [talk.session_id for talk in self.model.live()]
        must(live_ids == list(state.sessions.live), "live sessions are those that did not end", live_ids)
        self._ask(hub)

    def _ask(self, hub: Hub) -> None:
        """Put questions to the hub that the model can answer, too."""
        model = self.model
        turns: dict[str, list[str]] = {}
        for talk in model.live():
            silent = talk.state != "active" or talk.kind in self.world.asleep
            expected = None if silent else talk.due_to_speak()
            must(hub.expected_next(talk.session_id) == expected, "the turn is whose it is", talk.session_id)
            turns.setdefault(expected or "", []).append(talk.session_id)
        for agent_id in model.people:
            depths = hub.inbox_depth(agent_id), model.depth_of(agent_id)
            must(depths[0] == depths[1], "an inbox counts what is pending", f"{agent_id}: {depths}")
            must(hub.pending_turns_for(agent_id) == turns.get(agent_id, []), "turns wait for whose they are", agent_id)
        for capability in CAPABILITIES:
            able = [agent_id for agent_id, person in model.people.items() if capability in person.can]
            must(hub.agents_with_capability(capability) == able, "who can is found", f"{capability}: {able}")

    def after_ticks(self, now_us: int, since: int) -> None:
        """Look for what a complete tick at this moment, begun after a position, should have ended or recorded."""
        self.catch_up()
        late = list(overdue(self.model, now_us))
        must(not late, "what is due ends", late)
        silent = list(missed(self.model, now_us, since, self.world.asleep))
        must(not silent, "what is owed and late is recorded", silent)


class Ear(HubListener):
    """Listens to one hub: events come in order, durable, and are what the log has."""

    def __init__(self, world: World, store: FaultyStore) -> None:
        self._world, self._store = world, store
        self._last = 0

    def on_event(self, event: Event) -> None:
        world = self._world
        if self._store.dead:
            return
        try:
            world.watch.catch_up()
            known = world.watch.events
            must(not self._last or event.position == self._last + 1, "listeners hear all, in order", event.position)
            must(event.position <= len(known), "listeners hear what is on disk", event.position)
            must(event == known[event.position - 1], "what is published is what was recorded", event)
        except Found as found:
            world.problems.append(found)
        self._last = event.position
        world.reached("published")

    def on_error(self, where: str, error: BaseException) -> None:
        if not isinstance(error, NetworkError | OnPurpose) and not self._store.dead:
            self._world.problems.append(error)

    def on_delivery_failed(self, agent_id: str, envelope: Envelope, error: BaseException) -> None:
        if not isinstance(error, NetworkError | OnPurpose) and not self._store.dead:
            self._world.problems.append(error)
