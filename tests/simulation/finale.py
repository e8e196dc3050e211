"""After the faults: everything that was asked is answered, every session can still move or ends, nothing is lost."""

from __future__ import annotations

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


def finale(world: World) -> None:
    """Stop the faults and look whether the network is alive; then end what ends, and replay it all from zero."""
    world.say("finale")
    mend(world)
    connect(world)
    world.ticked = None
    wait(world, 61.0)
    wait(world, 5_000.0)
    for what in world.pending.values():
        raise Found("every command is answered", what)
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
    replay(world)


def mend(world: World) -> None:
    """Let the disk be well and everybody prompt; from here on the hub looks at what is due when it is asked to."""
    world.crash_at = None
    assert world.hub is not None
    for sweeper in ("ttl", "expectations"):
        world.hub._sweepers.unregister(sweeper)
    world.store.well()
    world.store.flush()
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
    world.loop.inside(lambda: world.clock.advance(seconds))
    tick(world, chance_of(0, 0))
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
    """Every session's log, whole and in slices, is what was recorded (ENV-5)."""
    hub = world.hub
    assert hub is not None
    for talk in list(world.model.talks.values())[:20]:
        whole = world.complete("read a log", hub.read_wal(talk.session_id))
        must([e.sequence for e in whole] == list(range(1, talk.sequence + 1)), "a log is whole", talk.session_id)
        for since in {0, 1, talk.sequence // 2, talk.sequence}:
            part = world.complete("read a slice", hub.read_wal(talk.session_id, since, since + 3))
            must(part == whole[since : since + 3], "a slice is a slice", f"{talk.session_id} from {since}")


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
