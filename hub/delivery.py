"""Bringing recorded envelopes to agents, one lane per (agent, session): nobody waits for another (CLI-5, CLI-6).

A lane hands envelopes to the agent's endpoint one at a time, in order; when the handler returns the envelope is
acknowledged, when it raises the failure is recorded and the envelope handed over again, up to a limit (trap 52). An
agent that is not connected has no lane: what it has not acknowledged waits in its inbox, a projection, and is read
from the log when it binds. A lane exists while it has work, so memory is O(envelopes under way), which inbox caps
bound.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from events.agents import AgentUnregistered
from events.errors import NetworkError
from events.event import Event
from events.log import tagged
from events.sessions import EnvelopePosted, SessionInviteSent
from events.values.envelope import PRIORITIES, Envelope, is_protocol_event
from events.values.times import parse_iso
from hub.acknowledging import Acknowledgements
from hub.activity import Activity
from hub.commit import Committer, Routed
from hub.decisions.posting import FailTurn
from hub.listeners import HubListener
from hub.publishing import high_water
from projections.state import HubState
from projections.wal import VIEWS, wal_envelope


class Endpoint(Protocol):
    """What a connection gives for each agent that is bound to it."""

    def deliver(self, envelope: Envelope) -> Awaitable[None] | None:
        """Handle an envelope: None says that it is done, else what is returned is awaited; to raise is a failed turn.

        Must not block. What is not None runs in a task of the agent's lane.
        """
        ...


def route(state: HubState, event: Event) -> tuple[str, ...]:
    """Return whom an event's envelope goes to, just before the event is applied; O(participants)."""
    body = event.body
    if isinstance(body, EnvelopePosted):
        return body.recipients
    if isinstance(body, SessionInviteSent):
        return (body.invitee_id,)
    if type(body) not in VIEWS or not body.sequence:
        return ()
    record = state.sessions.live.get(body.session_id)
    if record is None:
        return ()
    speaker = getattr(body, "agent_id", None) or getattr(body, "owner_id", None)
    return tuple(agent_id for agent_id in record.present() if agent_id != speaker)


class Lane:
    """The envelopes of one session that one agent still has to handle, and the task that hands them over.

    Args:
        delivery: told of what is done, and when there is nothing left.
        agent_id: whose lane.
        endpoint: where it leads to.
        envelope: the first one, which the endpoint has begun to handle.
        handling: what it returned.
    """

    def __init__(
        self, delivery: Delivery, agent_id: str, endpoint: Endpoint, envelope: Envelope, handling: Awaitable[None]
    ) -> None:
        self.agent_id, self.session_id = agent_id, envelope.session_id
        self._delivery, self._endpoint = delivery, endpoint
        self._queue: deque[Envelope] = deque()
        self._task = asyncio.create_task(self._run(envelope, handling), name=f"lane {agent_id} {self.session_id}")
        if inspect.iscoroutine(handling):
            self._task.add_done_callback(lambda _: handling.close())  # a task that never began awaited nothing

    def put(self, envelope: Envelope) -> None:
        """Add an envelope at the end."""
        self._queue.append(envelope)

    def cancel(self) -> None:
        """Stop at once; what was not handled stays unacknowledged."""
        self._queue.clear()
        self._task.cancel()

    async def _run(self, envelope: Envelope, handling: Awaitable[None]) -> None:
        with self._delivery.activity.busy():
            try:
                if not await self._hand_over(envelope, handling):
                    self._queue.appendleft(envelope)
                while self._queue:
                    envelope = self._queue.popleft()
                    if not await self._hand_over(envelope):
                        self._queue.appendleft(envelope)
            finally:
                self._delivery.retire(self)

    async def _hand_over(self, envelope: Envelope, handling: Awaitable[None] | None = None) -> bool:
        """Return whether the envelope is done with: handled, lapsed, or failed for good."""
        try:
            if handling is None and not self._delivery.lapsed(envelope):
                handling = self._endpoint.deliver(envelope)
            if handling is not None:
                await handling
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and self._task.cancelling():
                raise  # the lane's own; else the handler awaited something that was cancelled
            return await self._delivery.failed(self.agent_id, envelope, error)
        self._delivery.acknowledge(self.agent_id, envelope)
        return True


class Delivery:
    """Who is connected, and what is on its way to whom.

    Args:
        committer: runs the acknowledgements; its state says what is waiting.
        now_us: the hub's clock.
        listeners: told of failed deliveries.
        activity: told of busy lanes.
    """

    def __init__(
        self, committer: Committer, now_us: Callable[[], int], listeners: HubListener, activity: Activity
    ) -> None:
        self.activity = activity
        self._committer, self._now_us, self._listeners = committer, now_us, listeners
        self._endpoints: dict[str, Endpoint] = {}
        self._lanes: dict[str, dict[str, Lane]] = {}
        self._watches: dict[str, dict[int, tuple[str, Callable[[Envelope], None]]]] = {}
        self._watch_count = 0
        self._arrived: list[tuple[str, Endpoint, Envelope]] = []
        self._acknowledgements = Acknowledgements(committer, activity)
        committer.errands = self._acknowledgements
        self._published = committer.state.position

    def bind(self, agent_id: str, endpoint: Endpoint) -> None:
        """Connect an agent, in place of an older connection, and deliver again what it has not acknowledged."""
        self._drop(agent_id)
        self._endpoints[agent_id] = endpoint
        for envelope in self._outstanding(agent_id):
            self._arrived.append((agent_id, endpoint, envelope))
        self.activity.begin()
        asyncio.get_running_loop().call_soon(self._resume)

    def unbind(self, agent_id: str, endpoint: Endpoint) -> None:
        """Disconnect an agent, unless another connection has taken over; frees its lanes (trap 15)."""
        if self._endpoints.get(agent_id) is endpoint:
            self._drop(agent_id)

    def is_bound(self, agent_id: str) -> bool:
        """Say whether an agent is connected."""
        return agent_id in self._endpoints

    def watch(self, session_id: str, agent_id: str, callback: Callable[[Envelope], None]) -> Callable[[], None]:
        """Call back with every envelope of a session that the agent may see, its own too, once it is recorded.

        Returns:
            What ends it.
        """
        self._watch_count += 1
        key = self._watch_count
        self._watches.setdefault(session_id, {})[key] = (agent_id, callback)

        def unwatch() -> None:
            watches = self._watches.get(session_id, {})
            watches.pop(key, None)
            if not watches:
                self._watches.pop(session_id, None)

        return unwatch

    def publish(self, routed: Sequence[Routed]) -> None:
        """Bring what was recorded to watches and lanes; a failure there is theirs alone (trap 12)."""
        endpoints = self._endpoints
        for event, recipients, posted in routed:
            body = event.body
            if body.__class__ is AgentUnregistered:
                self._drop(body.agent_id)
            watches = self._watches.get(getattr(body, "session_id", "")) if self._watches else None
            bound = [agent_id for agent_id in recipients if agent_id in endpoints] if recipients else recipients
            if watches is None and not bound:
                continue
            envelope = posted or wal_envelope(event)
            if envelope is None:
                continue
            if watches is not None:
                self._show(list(watches.values()), envelope, recipients)
            self._arrived += [(agent_id, endpoints[agent_id], envelope) for agent_id in bound]
        self._published = routed[-1].event.position
        if self._arrived:
            self._dispatch()

    async def close(self) -> None:
        """Stop every lane, and hand over the acknowledgements of what was handled."""
        for agent_id in list(self._endpoints):
            self._drop(agent_id)
        self._committer.run_errands()

    def _show(
        self, watches: Iterable[tuple[str, Callable[[Envelope], None]]], envelope: Envelope, recipients: Sequence[str]
    ) -> None:
        for agent_id, callback in watches:
            if agent_id == envelope.sender_id or agent_id in recipients:
                try:
                    callback(envelope)
                except Exception as error:
                    self._listeners.on_error(f"a watch on session {envelope.session_id}", error)

    def _resume(self) -> None:
        """Hand over what waited for an agent that has connected."""
        self._dispatch()
        self.activity.end()

    def _dispatch(self) -> None:
        """Hand over what has arrived: to the lane that is busy with the session, else to the endpoint itself.

        A handler that is done at once needs no lane and no task; a lane exists while one is not.
        """
        arrived, self._arrived = self._arrived, []
        for agent_id, endpoint, envelope in arrived:
            if self._endpoints.get(agent_id) is not endpoint:
                continue  # it left, and is sent what it has not acknowledged when it comes back
            lanes = self._lanes.get(agent_id)
            if lanes is not None and (lane := lanes.get(envelope.session_id)) is not None:
                lane.put(envelope)
            elif (handling := self._begin(agent_id, endpoint, envelope)) is not None:
                lane = Lane(self, agent_id, endpoint, envelope, handling)
                self._lanes.setdefault(agent_id, {})[envelope.session_id] = lane

    def _begin(self, agent_id: str, endpoint: Endpoint, envelope: Envelope) -> Awaitable[None] | None:
        """Let an endpoint handle an envelope; returns what is left to be awaited."""
        try:
            handling = None if self.lapsed(envelope) else endpoint.deliver(envelope)
        except (Exception, asyncio.CancelledError) as error:
            return _raise(error)
        if handling is None:
            self.acknowledge(agent_id, envelope)
        return handling

    def _drop(self, agent_id: str) -> None:
        if self._endpoints.pop(agent_id, None) is None:
            return
        for lane in list(self._lanes.pop(agent_id, {}).values()):
            lane.cancel()

    def retire(self, lane: Lane) -> None:
        """Forget a lane that has run out of work."""
        lanes = self._lanes.get(lane.agent_id, {})
        if lanes.get(lane.session_id) is lane:
            del lanes[lane.session_id]
            if not lanes:
                self._lanes.pop(lane.agent_id, None)

    def _outstanding(self, agent_id: str) -> list[Envelope]:
        """Return what a connecting agent has to be sent: invites, then the unacknowledged.

        The session with the most urgent envelope comes first; within a session the order stays.
        """
        state = self._committer.state
        envelopes = []
        for _, place in state.inboxes.outstanding(agent_id):
            if place.position <= self._published and (event := self._committer.event_at(place.position)):
                envelopes.append(wal_envelope(event))
        waiting = [envelope for envelope in envelopes if envelope is not None]
        urgency: dict[str, int] = {}
        for envelope in waiting:
            rank = PRIORITIES.index(envelope.priority)
            urgency[envelope.session_id] = min(rank, urgency.get(envelope.session_id, rank))
        return self._invites(agent_id) + sorted(waiting, key=lambda e: urgency[e.session_id])

    def _invites(self, agent_id: str) -> list[Envelope]:
        log = self._committer.log
        found = []
        for record in self._committer.state.sessions.of_agent(agent_id):
            if agent_id not in record.pending_acks:
                continue
            query = tagged(f"session:{record.session_id}", f"agent:{agent_id}", types=(SessionInviteSent,))
            for event in log.read(query, until=self._published):
                if envelope := wal_envelope(event):
                    found.append(envelope)
        return found

    def lapsed(self, envelope: Envelope) -> bool:
        """Say whether an envelope's own TTL ran out before it was delivered (trap 20)."""
        if envelope.ttl_seconds is None:
            return False
        return self._now_us() >= parse_iso(envelope.created_at) + envelope.ttl_seconds * 1_000_000

    def acknowledge(self, agent_id: str, envelope: Envelope) -> None:
        """Acknowledge soon, in one event with whatever else is handled until then, by this agent or another.

        An inbox that fills up is not kept waiting: its cap and its high-water mark count what is on record.
        """
        if is_protocol_event(envelope.event_type):
            return
        state = self._committer.state
        if state.inboxes.waits(agent_id, envelope.envelope_id) is None:
            return  # its own post there has acknowledged it
        record = state.registry.get(agent_id)
        mark = high_water(record.rule.inbox) if record is not None else 0
        soon = 0 < mark <= 2 * state.inboxes.depth(agent_id)
        self._acknowledgements.add(agent_id, envelope.envelope_id, soon=soon)

    async def failed(self, agent_id: str, envelope: Envelope, error: BaseException) -> bool:
        """Record a failed turn; returns whether the envelope is not to be handed over again."""
        self._listeners.on_delivery_failed(agent_id, envelope, error)
        text = f"{type(error).__name__}: {error}".encode(errors="replace").decode()  # it may quote what is no Unicode
        command = FailTurn(agent_id, envelope.session_id, envelope.envelope_id, text)
        try:
            final: bool = await self._committer.run(command, actor=agent_id)
        except NetworkError as second:
            self._listeners.on_error(f"recording a failed turn of {agent_id}", second)
            return True
        return final


async def _raise(error: BaseException) -> None:
    """Fail as a handler did that could not even begin."""
    raise error
