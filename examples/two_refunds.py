"""A support desk whose customer got two refunds: leaves the log ``refunds.hub`` for docs/forensics.md to look into.

Run it in an empty folder: ``python examples/two_refunds.py``. The clock is virtual and ids are counted, so that every
run leaves the same log.
"""

from __future__ import annotations

import asyncio
import sys

from hub import Agent, DiskKnowledgeStore, Hub, HubClient, LimitsBlock, LocalLink, Passport, RateBlock, Resume, Rule
from hub.testing import MockClock, SequentialIds, settle

ORIGIN = "7e4f0c5a" * 4
"""What the log is called; a new log draws its name by chance, and this one is printed in a page."""


class Shop:
    """A hub and the agents of a shop and its bank."""

    def __init__(self, hub: Hub, clock: MockClock) -> None:
        self.hub, self.clock = hub, clock
        self.link = HubClient(LocalLink(hub), hub=hub)
        self.paid = 0

    async def open(self) -> None:
        """Register everybody."""
        self.mia = await self.link.register(None, Passport(name="mia", kind="human"))
        self.desk = await self.link.register(
            Agent("desk", self.answer_customer),
            Passport(name="desk", owner="shop"),
            Resume(claimed_capabilities=["support"]),
        )
        self.refunds = await self.link.register(
            Agent("refunds", self.refund),
            Passport(name="refunds", owner="shop"),
            Resume(claimed_capabilities=["refunds"]),
        )
        self.bank = await self.link.register(None, Passport(name="bank", owner="payments"), Resume())

    async def answer_customer(self, message: str) -> str:
        """What the desk does: it asks for the refund, and once more when nobody answers."""
        if "refund" not in message and "money" not in message:
            return "Let me find out."
        for _ in range(2):
            session = await self.desk.open(type="consulting", target="refunds", intent="order 1042")
            await session.send("Refund order 1042, EUR 59.90, to mia: it arrived broken.")
            if (await session.wait_closed()).close_reason == "consulting_complete":
                return "Your refund is on its way."
        return "We are looking into it."

    async def refund(self, message: str) -> str:
        """What the refunds agent does: it lets the bank pay, and passes the reference on."""
        session = await self.refunds.open(type="consulting", target="bank", intent="order 1042")
        await session.send("Pay EUR 59.90 to mia, order 1042.")
        answer = await self.refunds.wait_for_session_event(
            session_id=session.session_id, predicate=lambda envelope: envelope.text.startswith("paid")
        )
        return f"Refunded: {answer.text}"

    async def pay(self) -> None:
        """What the bank does, some minutes later: it pays what it was asked to."""
        for session_id in await self.asked():
            self.paid += 1
            await self.bank.session(session_id).send(f"paid, reference P-{self.paid}")
            await self.quiet()

    async def asked(self) -> list[str]:
        """The sessions in which the bank was asked and has not answered, oldest first."""
        sessions = await self.hub.list_sessions(agent_id=self.bank.agent_id, state="active")
        return [session.session_id for session in sessions]

    async def pass_time(self, seconds: float) -> None:
        """Let time pass; the hub's sweepers look meanwhile."""
        self.clock.advance(seconds)
        await self.quiet()

    async def quiet(self) -> None:
        """Wait until nothing is under way."""
        await settle(self.hub)


async def main(path: str = "refunds.hub") -> None:
    """Play the morning."""
    clock = MockClock(start="2026-03-02T08:00:00Z")
    store = DiskKnowledgeStore(path, new_origin=lambda: ORIGIN)
    async with await Hub.open(store, clock=clock, ids=SequentialIds()) as hub:
        shop = Shop(hub, clock)
        await shop.open()
        await shop.pass_time(3600)
        # 09:00: somebody wants the desk to be brisk.
        brisk = Rule(limits=LimitsBlock(session_ttl_default="2m"), rate=RateBlock(envelopes_per_minute=30))
        await hub.set_rule(shop.desk.agent_id, brisk)
        await shop.pass_time(1800)
        session = await shop.mia.open(type="conversation", target="desk", intent="order 1042")
        await session.send("My order 1042 arrived broken. I want my money back.")
        await shop.quiet()
        await shop.pass_time(125)
        await shop.pass_time(60)
        await shop.pay()
        await shop.pass_time(5)
        await session.send("I got it twice?")
        await shop.quiet()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
