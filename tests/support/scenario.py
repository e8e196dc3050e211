"""A fixed play in which every type of event happens: for golden logs (LOG-7) and for determinism (DET-1).

``python -m tests.support.scenario`` prints a golden log of it; ``… digests memory`` or ``… digests disk FOLDER`` prints
what two runs must agree on. A golden log that is released stays as it is, whatever becomes of the play.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from typing import Any

from events.codec import FORMAT, encode
from events.stores import DiskKnowledgeStore, LogRecorder, MemoryKnowledgeStore
from hub import (
    EV_CONTEXT_SET,
    EV_SESSION_INVITE_REJECT,
    AccessBlock,
    AccessDeniedError,
    AuthBlock,
    Envelope,
    Hub,
    LimitsBlock,
    Passport,
    ProtocolError,
    Resume,
    ResumeExample,
    Rule,
    TaskSpec,
)
from hub.testing import MockClock, SequentialIds, settle
from tests.spec.stage import Stage

ORIGIN = "901d" * 8


async def perform(store: LogRecorder, ids: Any = None) -> Stage:
    """Play it all on an empty store; the hub is left open."""
    clock = MockClock()

    async def open_hub(store: LogRecorder, **options: Any) -> Hub:
        quiet: dict[str, Any] = {"ttl_sweep_interval": 0, "expectation_sweep_interval": 0}
        return await Hub.open(store, clock=clock, ids=ids or SequentialIds(), **quiet, **options)

    stage = await Stage(open_hub, clock, store).raise_curtain()
    alice, bob, carol = await people(stage)
    await consulting(stage, alice, bob)
    await conversation(stage, alice, bob)
    await work(stage, alice, bob)
    await discussion(stage, alice, bob, carol)
    await ends(stage, alice, bob)
    return stage


async def people(stage: Stage) -> list[str]:
    """Agents come, change and are observed."""
    resume = Resume(["analysis", "policy"], ["finance"], "Senior – très fin 𝄞", [ResumeExample("Q3", "risk")])
    passport = Passport("alice", "acme", model="any", cost=0.25, auth=AuthBlock(issuer="acme"))
    alice = await stage.hub.register_identity(passport, resume, rule=Rule(limits=LimitsBlock("4h")), skill="# Analyse")
    bob, carol = await stage.agents("bob", "carol")
    stage.clock.advance(0.000001)
    await stage.hub.set_resume(bob, Resume(["answers"]))
    await stage.hub.set_skill(alice.agent_id, None)
    await stage.hub.set_rule(carol, Rule(access=AccessBlock(outbound_to=["alice"])))
    await stage.hub.record_observation(bob, "answers", "completed", latency_ms=12.5)
    return [alice.agent_id, bob, carol]


async def consulting(stage: Stage, alice: str, bob: str) -> None:
    """A question, an answer, the end; and one that is declined."""
    session_id = await stage.open("consulting", alice, bob, intent="advice", labels={"case": "7"})
    question = await stage.say(session_id, alice, "What matters most?", [bob], idempotency_key="q1", trace_id="t1")
    stage.clock.advance(2)
    await stage.say(session_id, bob, "Margin.", causation_id=question, priority="high", ttl_seconds=60)
    session_id, opening = await stage.invite("consulting", alice, bob)
    await stage.hub.post_envelope(
        Envelope(session_id, bob, event_type=EV_SESSION_INVITE_REJECT, event_data={"reason": "busy"})
    )
    try:
        await opening
    except ProtocolError:
        await settle(stage.hub)


async def conversation(stage: Stage, alice: str, bob: str) -> None:
    """One that stays open; an acknowledgement, a failed turn, other types and data."""
    session_id = await stage.open("conversation", alice, bob)
    first = await stage.say(session_id, alice, "one")
    await stage.hub.acknowledge(bob, first)
    second = await stage.say(session_id, alice, "two")
    await stage.hub.report_turn_failure(bob, session_id, second, "ValueError: no")
    data = {"set": {"b": [1, None, True], "a": {"ü": 0.1, "n": -(1 << 63)}}, "delete": []}
    await stage.hub.post_envelope(Envelope(session_id, bob, event_type=EV_CONTEXT_SET, event_data=data))


async def work(stage: Stage, alice: str, bob: str) -> None:
    """Tasks end in every way there is."""
    session_id = await stage.open("conversation", bob, alice, ttl="1d")
    hub = stage.hub
    for name, state in (("done", "completed"), ("broken", "failed"), ("off", "cancelled"), ("late", "")):
        spec = TaskSpec(f"{name}!", "analysis", {"n": [1]}, "5m")
        await hub.observe_task(session_id, alice, spec, task_id=name)
        stage.clock.advance(1.5)
        await hub.update_task(name, "running", progress={"percent": 50})
        if state:
            await hub.update_task(name, state, result={"ok": True} if name == "done" else None, error="why")
    await stage.wait(300)


async def discussion(stage: Stage, alice: str, bob: str, carol: str) -> None:
    """One falls silent, is warned and hidden; one is refused; one leaves."""
    session_id = await stage.open("discussion", alice, bob, carol)
    await stage.say(session_id, alice, "first")
    for seconds in (120, 480):
        await stage.wait(seconds)
    try:
        await stage.say(session_id, carol, "to bob", [bob])
    except AccessDeniedError:
        await settle(stage.hub)
    await stage.say(session_id, carol, "to alice", [alice])
    await stage.hub.unregister(carol)


async def ends(stage: Stage, alice: str, bob: str) -> None:
    """A TTL, an explicit close with a task open, and a session that stays pending."""
    short = await stage.open("conversation", alice, bob, ttl="1m")
    closing = await stage.open("conversation", alice, bob, ttl=0)
    await stage.hub.observe_task(closing, bob, TaskSpec("never done", "answers"), task_id="open-at-close")
    await stage.hub.close_session(closing, "that is all")
    await stage.wait(60)
    assert (await stage.hub.get_session(short)).state == "expired"


def records_of(stage: Stage) -> list[bytes]:
    """The bytes of every record, in order."""
    return [encode(event).data for event in stage.log()]


async def golden() -> dict[str, Any]:
    """The log and what its views show, as JSON."""
    stage = await perform(MemoryKnowledgeStore(new_origin=lambda: ORIGIN))
    sessions = await stage.hub.list_sessions(limit=None)
    shown = {
        "format": FORMAT,
        "root": stage.store.root().hex(),
        "records": [record.hex() for record in records_of(stage)],
        "wal": {s.session_id: [e.to_dict() for e in await stage.hub.read_wal(s.session_id)] for s in sessions},
        "states": {s.session_id: [s.state, s.close_reason] for s in sessions},
        "inboxes": {name: stage.hub.inbox_depth(stage.hub.find_agent_id(name) or "") for name in ("alice", "bob")},
        "audit": await stage.hub.audit_log.read_all(),
    }
    await stage.hub.close()
    return shown


async def digests(store: LogRecorder) -> dict[str, Any]:
    """What runs have in common: the records (but for the library's version in ``hub.opened``), the tree, the state."""
    stage = await perform(store)
    found = {
        "records": [hashlib.sha256(record).hexdigest()[:16] for record in records_of(stage)[1:]],
        "root": stage.store.root().hex(),
        "state": stage.hub.state_digest(),
    }
    await stage.hub.close()
    return found


def main(what: str = "golden", kind: str = "memory", folder: str = "") -> None:
    """Print the golden log, or the digests of a run."""
    store = DiskKnowledgeStore(folder, "os") if kind == "disk" else MemoryKnowledgeStore()
    shown = asyncio.run(golden() if what == "golden" else digests(store))
    print(json.dumps(shown, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
