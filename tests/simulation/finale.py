"""After the faults: everything that was asked is answered, every session can still move or ends, nothing is lost."""

from __future__ import annotations

from collections import Counter
from typing import Any

from events import agents, governance, sessions, tasks
from events.errors import NetworkError
from events.values import Envelope, Rule
from hub import HubClient, LocalLink
from projections.state import HubState
from tests.simulation.faults import tick
from tests.simulation.found import Found, must
from tests.simulation.seeds import chance_of
from tests.simulation.standing import Talk
from tests.simulation.world import World

DAY_S = 86_400.0
AUDITED: dict[str, tuple[type, ...]] = {
    "agent_registered": (agents.AgentRegistered,),
    "agent_unregistered": (agents.AgentUnregistered,),
    "resume_set": (agents.AgentResumeSet, agents.AgentObserved),
    "skill_set": (agents.AgentSkillSet,),
    "rule_set": (agents.AgentRuleSet,),
    "session_created": (sessions.SessionCreated,),
    "session_closed": (sessions.SessionClosed,),
    "session_expired": (sessions.SessionExpired,),
    "participant_hidden": (sessions.SessionParticipantHidden,),
    "task_terminated": tasks.TERMINAL,
    "expectation_violated": (governance.ExpectationViolated,),
    "access_denied": (governance.AccessDenied,),
    "turn_failed": (governance.TurnFailed,),
}
"""Kind of an audit record to the events that it is of."""


def finale(world: World) -> None:
    """Stop the faults and look whether the network is alive; then end what ends, and replay it all from zero."""
    world.say("finale")
    mend(world)
    connect(world)
    world.ticked = None
    wait(world, 61.0)
    wait(world, 5_000.0)
    for given in world.pending.values():
        raise Found("every command is answered", given.what)
    for agent_id in world.model.people:
        assert world.hub is not None
        left = world.hub._committer.state.inboxes.outstanding(agent_id)
        must(not left, "what is not acknowledged is delivered again", f"{agent_id}: {left}")
    for talk in world.model.live():
        if talk.state != "over":
            must(moves(world, talk) or talk.expires_us is not None, "a session can move or ends", talk)
    wait(world, 400 * DAY_S)
    for talk in world.model.live():
        must(talk.expires_us is None, "a session can move or ends", talk)
    read_back(world)
    audit(world)
    replay(world)


def mend(world: World) -> None:
    """Let the disk be well and everybody prompt; from here on the hub looks at what is due when it is asked to."""
    world.crash_at = None
    assert world.hub is not None
    for sweeper in ("ttl", "expectations"):
        world.hub._sweepers.unregister(sweeper)
    world.store.well()
    world.store.flush()
    world.run()
    world.wake()
    world.run()  # who attaches now still brings manners along
    for actor in world.actors:
        actor.manners, actor.answers, actor.words = "prompt", "accept", 0
        world.loop.inside(actor.release)
    world.run()


def connect(world: World) -> None:
    """Connect everybody anew: what waits for them comes now."""
    for actor in world.actors:
        hub = world.hub
        assert hub is not None
        world.loop.inside(actor.unplug)
        if actor.agent_id is None:
            continue
        link = HubClient(LocalLink(hub), hub=hub)

        async def attaching(actor=actor, link=link) -> None:  # type: ignore[no-untyped-def]
            actor.bind(await link.attach(None, actor.name), link)

        world.complete(f"attach {actor.name} at last", attaching())
    world.run()


def wait(world: World, seconds: float) -> None:
    """Let time pass, and the hub look at what is due."""
    world.advance(seconds)
    tick(world)
    world.run()


def moves(world: World, talk: Talk) -> bool:
    """Whether somebody can still say something in a session, once no rule forbids it."""
    hub = world.hub
    assert hub is not None
    for agent_id in talk.present:
        world.complete("lift a rule", hub.set_rule(agent_id, Rule()))
    for agent_id in [one for one in talk.present if talk.due_to_speak() in (None, one)]:
        token = world.mark()
        try:
            envelope = Envelope(talk.session_id, agent_id, event_data={"text": token})
            world.complete(f"say {token} at last", hub.post_envelope(envelope))
        except NetworkError:
            continue
        return True
    return False


def read_back(world: World) -> None:
    """Some sessions' logs, whole, in slices and as one may see them, are what was recorded (ENV-5, trap 53)."""
    hub = world.hub
    assert hub is not None
    talks = list(world.model.talks.values())
    for talk in chance_of(0, len(talks)).sample(talks, min(len(talks), 8)):
        about, who = talk.session_id, next((one for one in talk.participants if one in world.model.people), None)

        async def reading(about: str = about, who: str | None = who, half: int = talk.sequence // 2) -> tuple[Any, ...]:
            part = await hub.read_wal(about, half, half + 3)
            seen = [] if who is None else await hub.visible_wal(about, {who})
            return await hub.read_wal(about), part, seen, await hub.get_session(about)

        whole, part, seen, metadata = world.complete(f"read {about[-4:]}", reading())
        must([e.sequence for e in whole] == list(range(1, talk.sequence + 1)), "a log is whole", about)
        must(part == whole[talk.sequence // 2 :][:3], "a slice is a slice", about)
        may = [e for e in whole if who is not None and may_see(world, talk, who, e)]
        must(seen == may, "who reads sees what was for it", f"{who} in {about}")
        must(metadata.state.terminal == (talk.state == "over"), "a session stands as it ended", about)


def may_see(world: World, talk: Talk, who: str, envelope: Envelope) -> bool:
    """Whether an envelope was for somebody, or its own before it was hidden."""
    position = world.model.envelopes[envelope.envelope_id].position
    own = envelope.sender_id == who and position < talk.hidden.get(who, position + 1)
    return own or who in world.model.reach[envelope.envelope_id]


def audit(world: World) -> None:
    """Each thing that is audited has one record (GOV-7)."""
    hub = world.hub
    assert hub is not None
    found = Counter(record["kind"] for record in world.complete("read the audit log", hub.audit_log.read_all()))
    events = Counter(type(event.body) for event in world.watch.events)
    for kind, bodies in AUDITED.items():
        happened = sum(events[body] for body in bodies)
        must(found[kind] == happened, "what is audited has one record", f"{kind}: {found[kind]} of {happened}")


def replay(world: World) -> None:
    """The log replayed from zero, and a hub opened again, are what the hub was; the store is sound."""
    hub = world.hub
    assert hub is not None
    before = hub.state_digest()
    again = HubState(world.watch.catalogue).replay(world.watch.events)
    must(again.digest() == before, "the state is the fold of the log", "from zero")
    problems = list(world.store.check_indexes())
    must(not problems, "the store is sound", problems)
    world.restart()
    assert world.hub is not None
    must(world.hub.state_digest() == before, "opening a log again changes nothing")
