"""The play in two acts, with a crash between them: every session type, rule and violation that the hub knows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from events.errors import AccessDeniedError, InboxFull, NetworkError, ProtocolError, RateLimitedError
from events.stores import DiskKnowledgeStore
from events.values import AccessBlock, InboxBlock, LimitsBlock, Passport, RateBlock, Resume, Rule
from hub.client.agent_client import AgentClient
from hub.client.hub_client import HubClient
from hub.client.session import Session
from hub.demo.stage import BriskDiscussion, Narrator, Pace
from hub.hub import Hub
from hub.links.local import LocalLink
from hub.testing import ScriptedAgent, SequentialIds, settle

CAST: dict[str, tuple[str, Resume, Rule]] = {
    "alice": ("acme", Resume(claimed_capabilities=["policy"], summary="Leads the policy desk."), Rule()),
    "bob": ("acme", Resume(claimed_capabilities=["analysis"], summary="Reads numbers."), Rule()),
    "carol": ("acme", Resume(claimed_capabilities=["writing"], summary="Writes it up."), Rule()),
    "dave": ("globex", Resume(claimed_capabilities=["support"], summary="Answers customers."), Rule()),
    "erin": ("globex", Resume(claimed_capabilities=["audit"], summary="Looks over shoulders."),
             Rule(inbox=InboxBlock(max_pending=3))),
    "mallory": ("globex", Resume(summary="Talks too much."),
                Rule(access=AccessBlock(outbound_to=["dave", "erin"]), rate=RateBlock(envelopes_per_minute=5),
                     limits=LimitsBlock(max_concurrent_sessions=4))),
}  # fmt: skip


class Stage:
    """An open hub, its clock, the narrator, and the agents that are on."""

    def __init__(self, hub: Hub, pace: Pace, narrator: Narrator) -> None:
        self.hub, self.pace, self.narrator = hub, pace, narrator
        self.link = HubClient(LocalLink(hub), hub=hub)
        self.agents: dict[str, AgentClient] = {}

    @classmethod
    async def open(cls, path: str, pace: Pace, narrator: Narrator) -> Stage:
        """Open a hub on the demo's log; on a mock clock with counted ids, so that every run is the same."""
        options: dict[str, Any] = {} if pace.live else {"ids": SequentialIds()}
        hub = Hub(DiskKnowledgeStore(path), clock=pace.clock, listeners=[narrator], ttl_sweep_interval=0,
                  expectation_sweep_interval=0, **options)  # fmt: skip
        hub.register_adapter(BriskDiscussion(pace))
        await hub.start()
        narrator.name_for = hub.name_for
        return cls(hub, pace, narrator)

    async def enter(self, name: str, *lines: Any) -> AgentClient:
        """Bring an agent on, with what it will say: registered the first time, attached again after that."""
        agent = ScriptedAgent(*lines, name=name)
        if self.hub.find_agent_id(name):
            client = await self.link.attach(agent, name)
        else:
            owner, resume, rule = CAST[name]
            passport = Passport(name=name, owner=owner, model="scripted")
            client = await self.link.register(agent, passport, resume, rule=rule)
        self.agents[name] = client
        return client

    async def refused(self, what: Awaitable[object], *errors: type[NetworkError]) -> None:
        """Await what the hub must refuse, and show the sentence that the caller gets."""
        try:
            await what
        except errors as error:
            self.narrator.refused(error)
            return
        raise AssertionError("the demo expected a refusal")


async def act_one(stage: Stage) -> Session:
    """Everything up to the crash; returns the conversation that the crash interrupts."""
    await _consult(stage)
    await _discuss(stage)
    await _overstep(stage)
    stage.narrator.scene("A conversation is under way")
    await stage.enter("dave", "Two refunds? One moment.")
    session = await stage.agents["alice"].open(type="conversation", target="dave", intent="refunds")
    await session.send("Why did the customer get two refunds?")
    await settle(stage.hub)
    return session


async def _consult(stage: Stage) -> None:
    stage.narrator.scene("Six agents of two owners; a consulting that ends by itself, with a task in it")
    for name in CAST:
        await stage.enter(name)
    await stage.enter("bob", _after_task(stage, "read the Q3 figures", "Refund volume: it doubled on Tuesday."))
    session = await stage.agents["alice"].open(type="consulting", target="bob", intent="what matters most")
    await session.send("What matters most in Q3?", audience=["bob"])
    await session.wait_closed()
    await settle(stage.hub)


def _after_task(stage: Stage, title: str, answer: str, failing: str = "") -> Callable[[str], Awaitable[str]]:
    """A line of bob's that comes after a task tagged with a capability, which takes 2 s and may fail."""

    async def speak(message: str) -> str:
        async with stage.agents["bob"].task(title, capability="analysis") as task:
            await task.progress({"rows": 1204})
            stage.pace.work(2)
            if failing:
                raise RuntimeError(failing)
            await task.complete({"rows": 1204})
        return answer

    return speak


async def _discuss(stage: Stage) -> None:
    stage.narrator.scene("A discussion of three; silent erin is warned after 2 minutes, hidden after 10")
    await stage.enter("carol", "The policy says one refund per order.", "Then the second one has no basis.")
    session = await stage.agents["alice"].open(type="discussion", target=["carol", "erin"], intent="refund policy")
    await session.send("What does our policy say about refunds?")
    await stage.pace.let_pass(stage.hub, 120)
    await stage.pace.let_pass(stage.hub, 480)
    await session.send("Without erin, then: was the second refund right?")
    await settle(stage.hub)
    await session.close("settled")


async def _overstep(stage: Stage) -> None:
    stage.narrator.scene("mallory: refused, rejected, rate-limited, and an inbox filled")
    mallory, dave, erin = (stage.agents[name] for name in ("mallory", "dave", "erin"))
    await stage.refused(mallory.open(type="conversation", target="alice"), AccessDeniedError)
    dave.accept_invite = lambda invite: False
    await stage.refused(mallory.open(type="conversation", target="dave"), ProtocolError)
    dave.accept_invite = lambda invite: True
    to_erin = await mallory.open(type="conversation", target="erin")
    to_dave = await mallory.open(type="conversation", target="dave")
    await erin.close()
    for number in range(1, 4):
        await to_erin.send(f"Are you there? ({number})")
    await stage.refused(to_erin.send("Are you there? (4)"), InboxFull)
    await to_dave.send("I need a refund. Twice.")
    await to_dave.send("Did you hear me?")
    await stage.refused(to_dave.send("Hello?"), RateLimitedError)
    await settle(stage.hub)


async def keep_talking(session: Session, acknowledged: Callable[[str], None]) -> None:
    """Post without end, and say of each envelope that the hub has acknowledged it: what the crash interrupts."""
    number = 0
    while True:
        number += 1
        acknowledged(await session.send(f"Receipt {number} is in the archive."))


async def act_two(stage: Stage, acknowledged: list[str]) -> None:
    """From the log, after the crash."""
    hub, narrator = stage.hub, stage.narrator
    kept = sum(1 for envelope_id in acknowledged if hub._log.find(envelope_id) is not None)
    narrator.say(f"{len(acknowledged)} envelopes were acknowledged before the kill; {kept} of them are in the log.")
    narrator.say(f"State digest after replay: {hub.state_digest()[:16]}…")
    for name in CAST:
        await stage.enter(name)
    await settle(hub)
    narrator.scene("The conversation goes on where it was")
    session = (await hub.list_sessions(agent_id=stage.agents["alice"].agent_id, state="active"))[-1]
    await stage.agents["alice"].session(session.session_id).send("We were cut off. Please send me the receipts.")
    await settle(hub)
    await _fail_once(stage)
    await _govern(stage)
    narrator.scene("A session that nobody ends but time")
    await stage.agents["dave"].open(type="conversation", target="bob", ttl=stage.pace.seconds(600))
    await stage.pace.let_pass(hub, 600)


async def _fail_once(stage: Stage) -> None:
    stage.narrator.scene("A task fails; the turn is recorded as failed and delivered again")
    title = "read the refunds"
    bad = _after_task(stage, title, "", failing="the ledger service timed out")
    await stage.enter("bob", bad, _after_task(stage, title, "One order, refunded by two agents a minute apart."))
    session = await stage.agents["alice"].open(type="consulting", target="bob", intent="the two refunds")
    await session.send("Who issued the two refunds?", audience=["bob"])
    await session.wait_closed()
    await settle(stage.hub)


async def _govern(stage: Stage) -> None:
    stage.narrator.scene("The operator tightens mallory's rule; it holds from the next decision on")
    mallory = stage.agents["mallory"]
    await stage.hub.set_rule(mallory.agent_id, Rule(access=AccessBlock(outbound_to=["erin"])))
    await stage.refused(mallory.open(type="conversation", target="dave"), AccessDeniedError)
    for session in await stage.hub.list_sessions(agent_id=mallory.agent_id, state="active"):
        await stage.hub.close_session(session.session_id, "operator_cleanup")
    await settle(stage.hub)
