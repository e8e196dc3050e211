"""What a post costs, in counts that no machine changes: a guard against what creeps in (BENCH P1, P3, P5)."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from types import CodeType, FrameType

import pytest

from events.stores.base import Batch
from events.stores.lmdb import LmdbRecorder
from events.values.envelope import Envelope as Built
from hub import DiskKnowledgeStore, Envelope, Hub, HubClient, LocalLink, MemoryKnowledgeStore, Passport
from hub.testing import settle

POSTS = 200
CALLS_PER_POST_MAX = 230
"""Python functions entered per post, from the sender's call to the recorded acknowledgement. A ratchet."""


@pytest.fixture
async def hub(at_ease: None, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Hub]:
    on_disk = getattr(request, "param", "memory") == "disk"
    store = DiskKnowledgeStore(tmp_path / "log", durability="os") if on_disk else MemoryKnowledgeStore()
    async with await Hub.open(store, ttl_sweep_interval=0, expectation_sweep_interval=0) as opened:
        yield opened


async def conversation(client: HubClient, number: int = 0) -> tuple[str, str, str]:
    """Two agents who talk, one of whom does nothing about it: session, sender, recipient."""
    alice = await client.register(None, Passport(name=f"alice-{number}"))
    bob = await client.register(None, Passport(name=f"bob-{number}"), handler=lambda _: None)
    session = await alice.open(type="conversation", target=bob.agent_id)
    return session.session_id, alice.agent_id, bob.agent_id


def text(session_id: str, sender_id: str, recipient_id: str) -> Envelope:
    return Envelope(session_id, sender_id, [recipient_id], event_data={"text": "x" * 96})


async def counted(hub: Hub, posts: int) -> Counter[CodeType]:
    """Post; how often each Python function was entered."""
    calls: Counter[CodeType] = Counter()

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            calls[frame.f_code] += 1

    async with HubClient(LocalLink(hub)) as client:
        talk = await conversation(client)
        await settle(hub)
        before = sys.getprofile()
        sys.setprofile(count)
        try:
            for _ in range(posts):
                await hub.post_envelope(text(*talk))
            await settle(hub)
        finally:
            sys.setprofile(before)
    return calls


async def test_p5_a_post_enters_a_bounded_number_of_functions(hub: Hub) -> None:
    calls = await counted(hub, POSTS)
    assert calls.total() / POSTS <= CALLS_PER_POST_MAX, calls.most_common(20)


async def test_p5_a_post_builds_its_envelope_once_more(hub: Hub) -> None:
    """The sender's, and the stamped one that goes to the session type, to the listeners and to the recipient."""
    calls = await counted(hub, POSTS)
    assert calls[Built.__new__.__code__] == 2 * POSTS


async def test_p5_an_event_a_post_and_one_for_many_acknowledgements(hub: Hub) -> None:
    async with HubClient(LocalLink(hub)) as client:
        talk = await conversation(client)
        await settle(hub)
        before = hub.position
        for _ in range(POSTS):
            await hub.post_envelope(text(*talk))
        await settle(hub)
    assert hub.position - before <= POSTS * 1.02 + 1


@pytest.mark.parametrize("hub", ["disk"], indirect=True)
async def test_p1_what_one_turn_of_the_loop_decides_is_one_append(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    submitted: list[int] = []
    submit = LmdbRecorder.submit

    def noted(recorder: LmdbRecorder, batch: Batch) -> None:
        submitted.append(len(batch.events))
        submit(recorder, batch)

    monkeypatch.setattr(LmdbRecorder, "submit", noted)
    async with HubClient(LocalLink(hub)) as client:
        talks = [await conversation(client, number) for number in range(16)]
        await settle(hub)
        submitted.clear()
        await asyncio.gather(*(hub.post_envelope(text(*talk)) for talk in talks))
        await settle(hub)
    assert submitted[0] == 16
    assert len(submitted) <= 2  # and what they acknowledged
