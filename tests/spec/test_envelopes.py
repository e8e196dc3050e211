"""SPEC §7: ENV-1 to ENV-6, and the traps of envelopes: 20, 29, 59."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eventsourcing.dcb.api import DCBQuery

from events.stores.query import Window
from hub import (
    AccessDeniedError,
    DiskKnowledgeStore,
    Envelope,
    HubClient,
    LocalLink,
    MemoryKnowledgeStore,
    NotFoundError,
    Passport,
    ProtocolError,
    TaskSpec,
    visible_to,
)
from hub.testing import MockClock, SequentialIds
from tests.spec.acting import talking
from tests.spec.stage import OpenHub, Stage

NOBODY = "f" * 32


# ENV-1: what an envelope is.


def test_env_1_fields_and_defaults() -> None:
    assert Envelope("s", "a").to_dict() == {
        "session_id": "s",
        "sender_id": "a",
        "audience": None,
        "event_type": "ag2.msg.text",
        "event_data": {},
        "envelope_id": "",
        "task_id": None,
        "causation_id": None,
        "trace_id": None,
        "priority": "normal",
        "depth": 0,
        "idempotency_key": None,
        "created_at": "",
        "ttl_seconds": None,
        "sequence": 0,
    }
    assert Envelope.from_dict(Envelope("s", "a", ["b"]).to_dict()) == Envelope("s", "a", ["b"])


async def test_env_1_the_hub_stamps_id_date_and_place_and_keeps_the_rest(any_stage: Stage) -> None:
    a, b, session_id = await talking(any_stage)
    cause = await any_stage.say(session_id, b)
    any_stage.clock.advance(1.5)
    sent = Envelope(
        session_id,
        a,
        [b],
        "note",
        {"n": 1, "x": [None, 0.5, "é"]},
        envelope_id=NOBODY,
        task_id="t-1",
        causation_id=cause,
        trace_id="trace",
        priority="high",
        depth=2,
        idempotency_key="k",
        created_at="1999-01-01T00:00:00Z",
        ttl_seconds=90,
        sequence=99,
    )
    envelope_id = await any_stage.hub.post_envelope(sent)
    await any_stage.restart()
    kept = (await any_stage.hub.read_wal(session_id))[-1]
    assert kept.to_dict() == sent.to_dict() | {
        "envelope_id": envelope_id,
        "created_at": "2026-01-01T00:00:01.500000Z",
        "sequence": 5,
    }
    assert sent.envelope_id == NOBODY


async def test_env_1_ids_sort_in_acceptance_order_even_with_a_frozen_clock(open_hub: OpenHub) -> None:
    """With the library's own ids, from the machine's time; restarts and other sessions in between."""
    stage = Stage(open_hub, MockClock())
    await stage.raise_curtain(ids=None)
    a, b, session_id = await talking(stage)
    ids = [await stage.say(session_id, a) for _ in range(50)]
    await stage.restart(ids=None)
    ids += await asyncio.gather(*(stage.say(session_id, (a, b)[i % 2]) for i in range(50)))
    assert ids == sorted(ids)
    recorded = [event.id for event in stage.log()]
    assert recorded == sorted(set(recorded))
    assert [e.envelope_id for e in await stage.hub.read_wal(session_id)][3:] == ids


async def test_env_1_trap_20_sequence_numbers_every_envelope_of_a_session_from_1(any_stage: Stage) -> None:
    hub = any_stage.hub
    a, b, one = await talking(any_stage)
    two = await any_stage.open("conversation", b, a)
    await asyncio.gather(*(any_stage.say((one, two)[i % 2], a) for i in range(40)))
    task = await hub.observe_task(one, a, TaskSpec("t"))
    await hub.update_task(task.task_id, "running", progress={"p": 1})
    await any_stage.restart()
    await any_stage.hub.close_session(one)
    for session_id, count in ((one, 3 + 20 + 2 + 2), (two, 3 + 20)):
        wal = await any_stage.hub.read_wal(session_id)
        assert [e.sequence for e in wal] == list(range(1, count + 1))
        assert {e.session_id for e in wal} == {session_id}


SHAPES: dict[str, list[Any]] = {
    "session_id": ["", "x" * 257, None, 5, "a\nb"],
    "sender_id": ["", "x" * 257, None, 5],
    "audience": ["bob", 5, [5], [None]],
    "event_type": ["", "x" * 257, None, 5, "a\nb"],
    "task_id": ["", "x" * 257, 5],
    "causation_id": ["", "x", NOBODY.upper(), 5],
    "trace_id": ["", "x" * 257, 5],
    "priority": ["urgent", "", None, 1],
    "depth": [-1, 1 << 32, True, None, 1.0, "1"],
    "idempotency_key": ["", "x" * 257, 5],
    "ttl_seconds": [-1, 1 << 32, True, 0.5, "1m"],
}


@pytest.mark.parametrize(("name", "wrong"), [(name, each) for name, listed in SHAPES.items() for each in listed])
async def test_env_1_a_field_of_another_shape_is_refused_by_name(stage: Stage, name: str, wrong: Any) -> None:
    a, _, session_id = await talking(stage)
    before = stage.hub.position
    with pytest.raises(ProtocolError, match=name):
        await stage.hub.post_envelope(Envelope(**{"session_id": session_id, "sender_id": a} | {name: wrong}))
    assert stage.hub.position == before


# ENV-2: whom it reaches.


async def test_env_2_a_broadcast_reaches_all_but_the_sender_and_a_list_those_listed(stage: Stage) -> None:
    a, b, c = await stage.agents("alice", "bob", "carol")
    session_id = await stage.open("discussion", a, b, c)
    for audience in (None, [b], [a, c], [c, b, c], [], [a]):
        await stage.say(session_id, a, audience=audience, event_type="note")
    reached = [event.body.recipients for event in stage.log() if event.type == "envelope.posted"]
    assert reached == [(b, c), (b,), (c,), (c, b), (), ()]
    assert (stage.hub.inbox_depth(a), stage.hub.inbox_depth(b), stage.hub.inbox_depth(c)) == (0, 3, 3)


async def test_env_2_there_is_no_echo(stage: Stage) -> None:
    link = HubClient(LocalLink(stage.hub))
    heard: dict[str, list[str]] = {"alice": [], "bob": []}
    alice, bob = [
        await link.register(None, Passport(name=name), handler=lambda e, said=said: said.append(e.text))  # type: ignore[misc]
        for name, said in heard.items()
    ]
    session = await alice.open(type="conversation", target="bob")
    await session.send("to all")
    await session.send("to both", audience=["alice", "bob"])
    await bob.session(session.session_id).send("back")
    await stage.wait(0)
    assert {name: [text for text in said if text] for name, said in heard.items()} == {
        "alice": ["back"],
        "bob": ["to all", "to both"],
    }


@pytest.mark.parametrize(
    ("audience", "seen_by"), [(None, "abc"), (["b"], "ab"), (["a"], "a"), ([], "a"), (["b", "c"], "abc")]
)
def test_env_2_visible_to(audience: list[str] | None, seen_by: str) -> None:
    envelope = Envelope("s", "a", audience)
    assert "".join(agent for agent in "abc" if visible_to(envelope, agent)) == seen_by


# ENV-4 and trap 59.


async def test_env_4_trap_59_the_same_key_again_writes_nothing(any_stage: Stage) -> None:
    a, b, session_id = await talking(any_stage)
    first = await any_stage.say(session_id, a, "once", idempotency_key="k")
    before = any_stage.hub.position
    for _ in range(3):
        assert await any_stage.say(session_id, a, "once", idempotency_key="k") == first
    assert any_stage.hub.position == before
    assert any_stage.hub.inbox_depth(b) == 1
    assert await any_stage.say(session_id, a, "once") != first


async def test_env_4_trap_59_parallel_retries_are_one_envelope(any_stage: Stage) -> None:
    a, _, session_id = await talking(any_stage)
    ids = await asyncio.gather(*(any_stage.say(session_id, a, "once", idempotency_key="k") for _ in range(100)))
    assert len(set(ids)) == 1
    assert any_stage.types().count("envelope.posted") == 1


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("ended", ["", "closed", "expired"])
async def test_env_4_trap_59_a_key_survives_a_restart_and_the_end_of_its_session(
    stage: Stage, restarted: bool, ended: str
) -> None:
    a, _, session_id = await talking(stage)
    first = await stage.say(session_id, a, "once", idempotency_key="k")
    if ended == "closed":
        await stage.hub.close_session(session_id)
    elif ended == "expired":
        await stage.wait(7200)
    if restarted:
        await stage.restart()
    before = stage.hub.position
    assert await stage.say(session_id, a, "once", idempotency_key="k") == first
    with pytest.raises(ProtocolError, match=f"'k' was used for envelope {first} with other content"):
        await stage.say(session_id, a, "twice", idempotency_key="k")
    assert stage.hub.position == before
    if ended:
        with pytest.raises(ProtocolError, match=f"is {ended}"):
            await stage.say(session_id, a, "once", idempotency_key="new")


@pytest.mark.parametrize(
    "other",
    [
        {"event_data": {"text": "x!"}},
        {"event_data": {}},
        {"audience": []},
        {"event_type": "note"},
        {"task_id": "t"},
        {"causation_id": NOBODY},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_env_4_a_key_with_other_content_is_refused(stage: Stage, other: dict[str, Any]) -> None:
    a, _, session_id = await talking(stage)
    mine = Envelope(session_id, a, event_data={"text": "x"}, idempotency_key="k")
    first = await stage.hub.post_envelope(mine)
    with pytest.raises(ProtocolError, match="with other content") as caught:
        await stage.hub.post_envelope(replace(mine, **other))
    assert caught.value.envelope_id == first


async def test_env_4_keys_are_of_a_sender_in_a_session(stage: Stage) -> None:
    a, b, one = await talking(stage)
    two = await stage.open("conversation", a, b)
    ids = {
        await stage.say(session_id, sender, text, idempotency_key="k")
        for session_id, sender, text in ((one, a, "1"), (one, b, "2"), (two, a, "3"))
    }
    assert len(ids) == 3


async def test_env_4_a_retry_is_recognised_before_any_cap_and_in_any_state(stage: Stage) -> None:
    """The first one was accepted: that the agent may send nothing more now does not make it unsent."""
    a, b = await stage.agents("alice", "bob")
    session_id = await stage.open("consulting", a, b)
    question = await stage.say(session_id, a, "?", idempotency_key="q")
    answer = await stage.say(session_id, b, "!", idempotency_key="a")
    assert (await stage.hub.get_session(session_id)).close_reason == "consulting_complete"
    assert await stage.say(session_id, a, "?", idempotency_key="q") == question
    assert await stage.say(session_id, b, "!", idempotency_key="a") == answer


async def test_env_4_what_was_refused_uses_up_no_key(stage: Stage) -> None:
    a, b = await stage.agents("alice", "bob")
    session_id = await stage.open("consulting", a, b)
    with pytest.raises(ProtocolError):
        await stage.say(session_id, b, "too early", idempotency_key="k")
    await stage.say(session_id, a)
    await stage.say(session_id, b, "now", idempotency_key="k")


# Trap 20: what is a field works.


@pytest.mark.parametrize(("waits_s", "delivered"), [(59.999999, True), (60, False), (3600, False)])
async def test_trap_20_an_envelope_that_expired_undelivered_is_not_delivered(
    stage: Stage, waits_s: float, delivered: bool
) -> None:
    a, b, session_id = await talking(stage)
    await stage.say(session_id, a, "hurry", ttl_seconds=60)
    await stage.say(session_id, a, "no hurry")
    stage.clock.advance(waits_s)
    heard: list[str] = []
    link = HubClient(LocalLink(stage.hub))
    await link.attach(None, "bob", handler=lambda envelope: heard.append(envelope.text))
    await stage.wait(0)
    assert heard == ["hurry", "no hurry"][not delivered :]
    assert stage.hub.inbox_depth(b) == 0
    assert [e.text for e in await stage.hub.read_wal(session_id) if e.text] == ["hurry", "no hurry"]


async def test_trap_20_priority_orders_the_sessions_that_wait(stage: Stage) -> None:
    a, b = await stage.agents("alice", "bob")
    low, normal, high = [await stage.open("conversation", a, b) for _ in range(3)]
    for session_id, priority in ((low, "low"), (normal, "normal"), (high, "high")):
        await stage.say(session_id, a, priority, priority=priority)
    heard: list[str] = []
    await HubClient(LocalLink(stage.hub)).attach(None, "bob", handler=lambda envelope: heard.append(envelope.text))
    await stage.wait(0)
    assert heard == ["high", "normal", "low"]


# Trap 29: who sends it.


async def test_trap_29_a_link_posts_only_as_the_agents_bound_to_it(stage: Stage) -> None:
    a, _, session_id = await talking(stage)
    eve = await HubClient(LocalLink(stage.hub)).register(None, Passport(name="eve"))
    forged = Envelope(session_id, a, event_data={"text": "I owe eve"})
    before = stage.hub.position
    for post in (eve.send_envelope, eve.connection.post_envelope):
        with pytest.raises(AccessDeniedError):
            await post(forged)
    with pytest.raises(AccessDeniedError, match="'eve' may not post as 'alice'"):
        await stage.hub.post_envelope(forged, actor=eve.agent_id)
    assert set(stage.types(before)) == {"access.denied"}


# ENV-5: the view.


async def test_env_5_the_wal_has_protocol_task_and_content_envelopes_each_of_one_event(stage: Stage) -> None:
    hub = stage.hub
    a, b, c = await stage.agents("alice", "bob", "carol")
    before = hub.position
    session_id = await stage.open("discussion", a, b, c)
    await stage.say(session_id, a, "hello")
    task = await hub.observe_task(session_id, b, TaskSpec("t", capability="x"))
    await hub.update_task(task.task_id, "running", progress={"p": 1})
    await hub.update_task(task.task_id, "failed", error="why")
    other = await hub.observe_task(session_id, c, TaskSpec("u"))
    await stage.wait(120)
    await hub.update_task(other.task_id, "cancelled")
    await stage.say(session_id, a, event_type="ag2.context.set")
    await hub.observe_task(session_id, c, TaskSpec("v"))
    await hub.close_session(session_id, "done")
    assert await stage.wal(session_id) == [
        *("session.invite", "session.invite", "session.invite.ack", "session.invite.ack", "session.opened"),
        *("msg.text", "task.started", "task.progress", "task.failed", "task.started", "expectation.violated"),
        *("task.cancelled", "context.set", "task.started", "task.expired", "session.closed"),
    ]
    wal = await hub.read_wal(session_id)
    events = {event.id: event for event in stage.log(before)}
    assert len({e.envelope_id for e in wal}) == len(wal)
    assert [events[e.envelope_id].position for e in wal] == sorted(events[e.envelope_id].position for e in wal)
    assert wal[8].event_data["error"] == "why"
    assert wal[-1].event_data == {"reason": "done"}


async def test_env_5_endings_have_their_own_names(stage: Stage) -> None:
    a, b = await stage.agents("alice", "bob")
    expired, (rejected, opening) = await stage.open("conversation", a, b), await stage.invite("conversation", a, b)
    await stage.hub.post_envelope(Envelope(rejected, b, event_type="ag2.session.invite.reject"))
    with pytest.raises(ProtocolError):
        await opening
    await stage.wait(7200)
    assert (await stage.wal(expired))[-1] == "session.expired"
    assert (await stage.wal(rejected)) == ["session.invite", "session.invite.reject", "session.closed"]


@pytest.mark.parametrize("length", [4, 70])
async def test_env_5_a_slice_is_the_slice_of_the_whole(stage: Stage, length: int) -> None:
    a, b, session_id = await talking(stage)
    other = await stage.open("conversation", a, b)
    for number in range(length):
        await stage.say(session_id, a, str(number))
        if number % 3 == 0:
            await stage.say(other, b)
    whole = await stage.hub.read_wal(session_id)
    assert len(whole) == 3 + length
    places = sorted({0, 1, 2, 3, 4, 7, 31, 33, length, length + 2, length + 3, length + 4, 1000})
    for since in places:
        assert await stage.hub.read_wal(session_id, since) == whole[since:]
        for until in places:
            assert await stage.hub.read_wal(session_id, since, until) == whole[since:until]


async def test_env_5_an_unknown_session_is_not_found_and_an_ended_one_is_read(stage: Stage) -> None:
    a, _, session_id = await talking(stage)
    await stage.say(session_id, a)
    await stage.hub.close_session(session_id)
    await stage.restart()
    assert len(await stage.hub.read_wal(session_id)) == 5
    for unknown in (NOBODY, a, "", session_id[:8]):
        with pytest.raises(NotFoundError, match="no session"):
            await stage.hub.read_wal(unknown)


@pytest.mark.parametrize(("since", "until"), [(-1, None), (0, -1), ("0", None), (0, "1"), (None, 1), (0.5, None)])
async def test_env_5_a_slice_is_of_whole_numbers_from_0(stage: Stage, since: Any, until: Any) -> None:
    _, _, session_id = await talking(stage)
    with pytest.raises(ValueError, match=r"since|until"):
        await stage.hub.read_wal(session_id, since, until)


# ENV-6: what a slice costs.


class Counting:
    """A store that counts the records that are read from it."""

    rows_read = 0

    def _rows(self, query: DCBQuery | None, window: Window) -> list[tuple[int, bytes]]:
        found: list[tuple[int, bytes]] = super()._rows(query, window)  # type: ignore[misc]
        self.rows_read += len(found)
        return found


class CountingMemory(Counting, MemoryKnowledgeStore):
    """In memory."""


class CountingDisk(Counting, DiskKnowledgeStore):
    """On disk."""


@pytest.mark.parametrize("kind", ["memory", "disk"])
@pytest.mark.usefixtures("at_ease")
async def test_env_6_a_slice_costs_what_the_slice_costs(
    open_hub: OpenHub, clock: MockClock, tmp_path: Path, kind: str
) -> None:
    """Ten envelopes out of 50, or out of 1,600 in a log of 3,200: the records read grow by a few halvings at most."""
    store = CountingMemory() if kind == "memory" else CountingDisk(tmp_path / "log", durability="os")
    stage = Stage(open_hub, clock, store)
    await stage.raise_curtain(ids=SequentialIds())
    a, b, session_id = await talking(stage)
    other = await stage.open("conversation", b, a)
    costs: list[list[int]] = []
    said = 0
    for length in (50, 1600):
        more = range(said, length)
        await asyncio.gather(*(stage.say((session_id, other)[side], a, audience=[]) for _ in more for side in (0, 1)))
        said = length
        costs.append([await cost(stage, store, session_id, since) for since in (0, length // 2, length - 10)])
    for small, large in zip(*costs, strict=True):
        assert large <= small + 16 * 6, costs
    assert costs[0][0] == costs[1][0] <= 20
    assert costs[1][2] <= 16, "the end of a live session is read from the end"


async def cost(stage: Stage, store: Counting, session_id: str, since: int) -> int:
    """How many records are read for ten envelopes of a session."""
    store.rows_read = 0
    wal: Sequence[Envelope] = await stage.hub.read_wal(session_id, since, since + 10)
    assert [e.sequence for e in wal] == list(range(since + 1, since + 11))
    return store.rows_read


@pytest.mark.usefixtures("at_ease")
async def test_env_6_a_turns_post_reads_nothing_from_the_log(open_hub: OpenHub, clock: MockClock) -> None:
    """Neither does a retry in a live session: what a decision needs is in memory."""
    store = CountingMemory()
    stage = Stage(open_hub, clock, store)
    await stage.raise_curtain()
    a, b, session_id = await talking(stage)
    first = await stage.say(session_id, a, idempotency_key="k")
    store.rows_read = 0
    await stage.say(session_id, b, causation_id=first)
    await stage.say(session_id, a, idempotency_key="k")
    await stage.say(session_id, a, audience=[b])
    assert store.rows_read == 0
