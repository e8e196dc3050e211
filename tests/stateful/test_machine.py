"""Any sequence of commands: the state is the fold of the log, inboxes count what a slow model counts, ends are single.

DET-2, RULE-9, SESS-5. A refusal is an outcome like any other; any other exception is a finding.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from events.errors import NetworkError
from events.event import Event
from events.governance import TurnFailed
from events.sessions import (
    EnvelopePosted,
    InboxAcknowledged,
    SessionClosed,
    SessionCreated,
    SessionExpired,
    SessionParticipantHidden,
    SessionParticipantLeft,
)
from hub import (
    EV_SESSION_INVITE_ACK,
    EV_SESSION_INVITE_REJECT,
    Envelope,
    Hub,
    InboxBlock,
    LimitsBlock,
    MemoryKnowledgeStore,
    Passport,
    RateBlock,
    Resume,
    Rule,
    TaskSpec,
)
from hub.testing import MockClock, SequentialIds, settle
from projections.state import HubState

PLACE = st.integers(0, 1 << 16)
"""Chooses among whatever there is."""
NAMES = st.sampled_from(["alice", "bob", "carol", "dave"])
RULES = st.builds(
    Rule,
    rate=st.builds(RateBlock, st.sampled_from([0, 2, 5])),
    inbox=st.builds(InboxBlock, st.sampled_from([0, 2, 1000])),
    limits=st.builds(LimitsBlock, max_concurrent_sessions=st.sampled_from([0, 3])),
)


class Network(RuleBasedStateMachine):
    """A hub in memory, on a loop of its own, with the operator at its controls."""

    @initialize()
    def open_hub(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock, self.store = MockClock(), MemoryKnowledgeStore()
        self.openings: list[asyncio.Task[Any]] = []
        self.checked = 0
        self.run(self.take_up())
        for name in ("alice", "bob", "carol"):
            self.register(name, Rule(rate=RateBlock(5)))
        for kind in ("conversation", "discussion"):
            self.open(kind, 0, 0, None, "yes")

    async def take_up(self) -> None:
        quiet: dict[str, Any] = {"ttl_sweep_interval": 0, "expectation_sweep_interval": 0}
        self.hub = await Hub.open(self.store, clock=self.clock, ids=SequentialIds(), **quiet)

    def run(self, command: Awaitable[Any]) -> Any:
        """Run a command until all is quiet; None when it is refused."""

        async def quietly() -> Any:
            try:
                return await command
            except NetworkError:
                return None
            finally:
                if self.hub.health()["status"] == "ok":
                    await settle(self.hub)

        outcome = self.loop.run_until_complete(quietly())
        for opening in [opening for opening in self.openings if opening.done()]:
            self.openings.remove(opening)
            assert isinstance(opening.exception(), NetworkError | None)
        return outcome

    def agent(self, place: int) -> str:
        agents = list(self.hub._state.registry.agents)
        return agents[place % len(agents)] if agents else "0" * 32

    def session(self, place: int) -> str:
        live, ended = list(self.hub._state.sessions.live), self.ended()
        sessions = ended if ended and place % 8 == 7 else live
        return sessions[place % len(sessions)] if sessions else "0" * 32

    def waiting(self) -> list[tuple[str, str]]:
        """Who has which envelope unacknowledged."""
        inboxes = self.hub._state.inboxes
        return [(agent_id, e) for agent_id in inboxes.inboxes for e, _ in inboxes.outstanding(agent_id)]

    def ended(self) -> list[str]:
        return [e.body.session_id for e in self.log() if isinstance(e.body, SessionClosed | SessionExpired)]

    def log(self) -> list[Event]:
        return list(self.hub._log.read())

    @rule(name=NAMES, who=PLACE, limits=RULES, capability=st.sampled_from("xyz"), leaves=st.integers(0, 5))
    def come_and_go(self, name: str, who: int, limits: Rule, capability: str, leaves: int) -> None:
        if leaves == 5:
            self.run(self.hub.unregister(self.agent(who)))
        self.register(name, limits)
        self.run(self.hub.set_rule(self.agent(who), limits))
        self.run(self.hub.set_resume(self.agent(who), Resume([capability])))
        self.run(self.hub.set_skill(self.agent(who), None if capability == "x" else f"# {capability}"))

    def register(self, name: str, limits: Rule) -> None:
        self.run(self.hub.register_identity(Passport(name=name), Resume(["x"]), rule=limits))

    @rule(
        kind=st.sampled_from(["consulting", "conversation", "discussion", "unknown"]),
        who=PLACE,
        more=st.sampled_from([0, 0, 0, 1]),
        ttl=st.sampled_from([None, None, None, 30]),
        answers=st.sampled_from(["yes", "yes", "yes", "no", "not yet"]),
    )
    def open(self, kind: str, who: int, more: int, ttl: Any, answers: str) -> None:
        agents = list(self.hub._state.registry.agents)
        start = who % max(len(agents), 1)
        people = (agents[start:] + agents[:start])[: (3 if kind == "discussion" else 2) + more]
        before = set(self.hub._state.sessions.live)
        command = self.hub.create_session(type=kind, creator_id=self.agent(who), target=people, ttl=ttl)
        self.openings.append(self.loop.create_task(command))
        self.run(settle(self.hub))
        for session_id in set(self.hub._state.sessions.live) - before:
            for agent_id in people[1:] if answers != "not yet" else ():
                self.reply(session_id, agent_id, answers == "yes")

    def reply(self, session_id: str, agent_id: str, accept: bool) -> None:
        answer = EV_SESSION_INVITE_ACK if accept else EV_SESSION_INVITE_REJECT
        self.run(self.hub.post_envelope(Envelope(session_id, agent_id, event_type=answer)))

    @rule(place=PLACE, accept=st.booleans())
    def answer(self, place: int, accept: bool) -> None:
        open_invites = [(s.session_id, a) for s in self.hub._state.sessions.live.values() for a in s.pending_acks]
        if open_invites:
            self.reply(*open_invites[place % len(open_invites)], accept)

    @rule(
        where=PLACE,
        who=PLACE,
        times=st.integers(1, 6),
        listed=st.booleans(),
        key=st.sampled_from([None, "k"]),
        stranger=st.integers(0, 5),
    )
    def talk(self, where: int, who: int, times: int, listed: bool, key: str | None, stranger: int) -> None:
        """Those who take part speak, in turn where there are turns; now and then anybody, to anybody."""
        session_id = self.session(where)
        record = self.hub._state.sessions.live.get(session_id)
        people = list(record.participants) if record and stranger < 5 else list(self.hub._state.registry.agents)
        for place in range(who, who + times):
            sender = (stranger < 5 and self.hub.expected_next(session_id)) or people[place % len(people)]
            audience = [agent_id for agent_id in people if agent_id != sender][:1] if listed else None
            data = {"text": str(place % 2)}
            self.run(
                self.hub.post_envelope(Envelope(session_id, sender, audience, event_data=data, idempotency_key=key))
            )

    @precondition(lambda self: self.waiting())
    @rule(place=PLACE, failed=st.booleans())
    def handle(self, place: int, failed: bool) -> None:
        waiting = self.waiting()
        agent_id, envelope_id = waiting[place % len(waiting)]
        if failed:
            found = self.hub._state.inboxes.waits(agent_id, envelope_id)
            assert found is not None
            self.run(self.hub.report_turn_failure(agent_id, found.session_id, envelope_id, "why"))
        else:
            self.run(self.hub.acknowledge(agent_id, envelope_id))

    @rule(
        where=PLACE,
        who=PLACE,
        task_id=st.sampled_from([f"t{n}" for n in range(9)]),
        states=st.lists(st.sampled_from(["running", "completed", "failed", "cancelled"]), max_size=2),
    )
    def task(self, where: int, who: int, task_id: str, states: list[str]) -> None:
        session_id = self.session(where)
        record = self.hub._state.sessions.live.get(session_id)
        owner = record.participants[who % len(record.participants)] if record else self.agent(who)
        self.run(self.hub.observe_task(session_id, owner, TaskSpec("t", "x", ttl=40), task_id=task_id))
        for state in states:
            self.run(self.hub.update_task(task_id, state))

    @rule(where=PLACE)
    def close_session(self, where: int) -> None:
        self.run(self.hub.close_session(self.session(where)))

    @rule(seconds=st.sampled_from([0.001, 1, 1, 10, 10, 30, 60, 120, 601]))
    def time_passes(self, seconds: float) -> None:
        async def pass_() -> None:
            self.clock.advance(seconds)
            await settle(self.hub)
            await self.hub.expire_due()
            await self.hub._expectation_tick()

        self.run(pass_())
        for session_id in self.hub._state.sessions.live:
            for agent_id in self.hub._state.registry.agents:
                self.hub.can_send(session_id, agent_id)  # asking changes nothing

    @rule()
    def restart(self) -> None:
        before = self.hub.state_digest()
        self.run(self.hub.close())
        self.run(self.take_up())
        assert self.hub.state_digest() == before

    @invariant()
    def state_is_the_fold_of_the_log(self) -> None:
        """DET-2."""
        replayed = HubState(self.hub._catalogue).replay(self.hub._log.read(content=False))
        assert replayed.digests() == self.hub._state.digests()

    @invariant()
    def inboxes_count_what_the_model_counts(self) -> None:
        """RULE-9."""
        model = counted(self.log())
        assert {a: self.hub.inbox_depth(a) for a in self.hub._state.registry.agents} == {
            a: model[a] for a in self.hub._state.registry.agents
        }

    @invariant()
    def sessions_end_once(self) -> None:
        """SESS-5."""
        events = self.log()
        ends = Counter(e.body.session_id for e in events if isinstance(e.body, SessionClosed | SessionExpired))
        assert set(ends.values()) <= {1}
        created = {e.body.session_id for e in events if isinstance(e.body, SessionCreated)}
        assert created - set(ends) == set(self.hub._state.sessions.live)

    @invariant()
    def each_envelope_reached_whom_it_should(self) -> None:
        """ENV-2, in a network whose rules let everyone in."""
        events = self.log()
        posted = [e for e in events[self.checked :] if isinstance(e.body, EnvelopePosted)]
        self.checked = len(events)
        assert [e.position for e in posted if not reached(events, e)] == []

    def teardown(self) -> None:
        self.run(self.hub.close())
        self.loop.close()


def counted(events: list[Event]) -> Counter[str]:
    """Envelopes that wait, by agent: posted to it, and not acknowledged, answered, given up, or ended since."""
    found: Counter[str] = Counter()
    for posted in events:
        if isinstance(posted.body, EnvelopePosted):
            later = events[posted.position :]
            found.update(a for a in posted.body.recipients if not any(settles(e, a, posted) for e in later))
    return found


def settles(event: Event, agent_id: str, posted: Event) -> bool:
    """Whether an event takes an envelope off an agent's count."""
    body, session_id = event.body, posted.body.session_id
    if isinstance(body, InboxAcknowledged):
        return (agent_id, posted.id) in zip(body.agent_ids, body.envelope_ids, strict=True)
    if isinstance(body, TurnFailed):
        return body.final and (body.agent_id, body.envelope_id) == (agent_id, posted.id)
    if isinstance(body, EnvelopePosted):
        return (body.sender_id, body.session_id) == (agent_id, session_id)
    return isinstance(body, SessionClosed | SessionExpired) and body.session_id == session_id


def reached(events: list[Event], posted: Event) -> bool:
    """Whether the recipients are those listed, or everyone, without the sender, the hidden and the gone."""
    body, before = posted.body, events[: posted.position - 1]
    of_session = [e.body for e in before if getattr(e.body, "session_id", "") == body.session_id]
    [created] = [b for b in of_session if isinstance(b, SessionCreated)]
    absent = {b.agent_id for b in of_session if isinstance(b, SessionParticipantHidden | SessionParticipantLeft)}
    meant = created.participants if body.audience is None else body.audience
    return set(body.recipients) == set(meant) - absent - {body.sender_id}


TestNetwork = Network.TestCase
TestNetwork.settings = settings(max_examples=50, stateful_step_count=30)
