"""The one way in: what is acknowledged is on disk, what fails leaves nothing, and who gave up changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from events.agents import AgentRegistered
from events.errors import NetworkError, ProtocolError, StoreError
from events.event import Event
from hub import (
    DiskKnowledgeStore,
    Envelope,
    Hub,
    HubListener,
    Passport,
    Resume,
    SessionAdapter,
    SessionManifest,
    TaskSpec,
)
from hub.clock import yield_once
from hub.testing import MockClock, settle
from projections.registry import Registry
from tests.spec.stage import OpenHub, Stage
from tests.support.replaying import assert_equals_replay
from tests.support.stores import HeldStore

CLOSE = Hub.close
"""As it is; in the tests it is wrapped in a check that waits first."""


@pytest.fixture
async def stage(open_hub: OpenHub, clock: MockClock) -> AsyncIterator[Stage]:
    """A hub on a store whose appends can be held back."""
    store = HeldStore()
    yield await Stage(open_hub, clock, store).raise_curtain()
    store.held = False
    store.let_through()


@pytest.fixture(params=["memory", "disk"])
async def any_stage(request: pytest.FixtureRequest, open_hub: OpenHub, clock: MockClock, tmp_path: Path) -> Stage:
    """A hub on each kind of store."""
    store = DiskKnowledgeStore(tmp_path / "log", durability="os") if request.param == "disk" else None
    return await Stage(open_hub, clock, store).raise_curtain()


@pytest.fixture
async def talk(stage: Stage) -> tuple[str, str, str]:
    """Alice and bob, and their conversation; from now on appends wait."""
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", alice, bob)
    held(stage).held = True
    return alice, bob, session_id


def held(stage: Stage) -> HeldStore:
    assert isinstance(stage.store, HeldStore)
    return stage.store


async def begun(*commands: Coroutine[Any, Any, Any]) -> list[asyncio.Task[Any]]:
    """Start commands and let them come as far as they can while nothing is written."""
    tasks = [asyncio.create_task(command) for command in commands]
    for _ in range(5):
        await yield_once()
    return tasks


async def release(stage: Stage) -> None:
    """Write what waits, and what follows from it."""
    held(stage).held = False
    held(stage).let_through()
    await settle(stage.hub)


async def test_log_3_nothing_is_acknowledged_before_it_is_in_the_log(stage: Stage, talk: tuple[str, str, str]) -> None:
    """LOG-3: and nobody hears of it: no reader of the log, no listener."""
    alice, _, session_id = talk
    heard: list[str] = []
    stage.heard.on_event = lambda event: heard.append(event.id)  # type: ignore[method-assign]
    position = stage.hub.position
    [post] = await begun(stage.say(session_id, alice, "x"))
    assert not post.done()
    assert (stage.hub.position, heard) == (position, [])
    assert "msg.text" not in await stage.wal(session_id)
    await release(stage)
    assert heard == [post.result()]


async def test_events_are_heard_in_order_although_a_store_completes_one_append_while_it_is_handed_the_next(
    stage: Stage,
) -> None:
    """The simulator's finding (seed 777012): the one that was completed within its hand-over went first."""
    heard: list[int] = []

    class Ear(HubListener):
        def on_event(self, event: Event) -> None:
            heard.append(event.position)

    (alice,) = await stage.agents("alice")
    stage.hub.register_listener(Ear())
    held(stage).held = True
    (first,) = await begun(stage.hub.set_skill(alice, "one"))
    held(stage).held = False
    second = asyncio.create_task(stage.hub.set_skill(alice, "two"))  # runs before what let_through has called soon
    held(stage).let_through()
    await asyncio.gather(first, second)
    assert heard == [stage.hub.position - 1, stage.hub.position]


async def test_env_4_a_retry_of_what_is_in_flight_is_not_acknowledged_before_it_is_durable(
    stage: Stage, talk: tuple[str, str, str]
) -> None:
    """ENV-4, trap 59: the same key while the first is on its way; and a first that fails takes its retry with it."""
    alice, _, session_id = talk
    first, retry = await begun(*(stage.say(session_id, alice, "x", idempotency_key="k") for _ in range(2)))
    assert not first.done()
    assert not retry.done()
    assert len(held(stage).waiting) == 1
    await release(stage)
    assert first.result() == retry.result()
    held(stage).held = True
    lost = await begun(*(stage.say(session_id, alice, "x", idempotency_key="lost") for _ in range(2)))
    held(stage).refuse()
    assert [type(e) for e in await asyncio.gather(*lost, return_exceptions=True)] == [StoreError] * 2
    held(stage).held = False
    assert await stage.say(session_id, alice, "x", idempotency_key="lost") > first.result()


async def test_a_caller_that_is_cancelled_changes_nothing(stage: Stage, talk: tuple[str, str, str]) -> None:
    """What was decided is written; what came before and after is untouched; no exception is left unretrieved."""
    alice, bob, session_id = talk
    posts = await begun(*(stage.say(session_id, alice, str(n)) for n in range(3)))
    posts[1].cancel()
    await begun()
    assert posts[1].cancelled()
    await release(stage)
    assert [e.text for e in (await stage.hub.read_wal(session_id))[3:]] == ["0", "1", "2"]
    assert stage.hub.inbox_depth(bob) == 3
    held(stage).held = True
    [post] = await begun(stage.say(session_id, alice, "never"))
    post.cancel()
    await begun()
    held(stage).refuse()
    await settle(stage.hub)
    assert stage.hub.inbox_depth(bob) == 3
    held(stage).held = False


async def test_what_was_said_of_a_command_in_flight_waits_for_the_disk(
    stage: Stage, talk: tuple[str, str, str]
) -> None:
    """SESS-5, traps 37, 38: a second close, a post and a task report while the first close is on its way."""
    _, bob, session_id = talk
    hub = stage.hub
    closing = await begun(
        hub.close_session(session_id, "first"),
        hub.close_session(session_id, "second"),
        stage.say(session_id, bob, "too late"),
        stage.hub.observe_task(session_id, bob, TaskSpec("t"), task_id="t"),
    )
    assert not any(one.done() for one in closing)
    await release(stage)
    first, second, *late = await asyncio.gather(*closing, return_exceptions=True)
    assert first == second
    assert first.close_reason == "first"  # type: ignore[union-attr]
    for error in late:
        assert isinstance(error, ProtocolError)
        assert f"session {session_id} is closed (first)" in str(error)
    assert stage.types().count("session.closed") == 1


async def test_a_close_that_fails_leaves_the_session_open_for_those_who_came_after(
    stage: Stage, talk: tuple[str, str, str]
) -> None:
    alice, _, session_id = talk
    closing = await begun(stage.hub.close_session(session_id), stage.say(session_id, alice, "x"))
    held(stage).refuse()
    assert [type(e) for e in await asyncio.gather(*closing, return_exceptions=True)] == [StoreError] * 2
    held(stage).held = False
    await stage.say(session_id, alice, "on")


async def test_what_is_decided_can_be_read_before_it_is_in_the_log(stage: Stage, talk: tuple[str, str, str]) -> None:
    """The state is that of the last decision, and its texts are found although the log has them not yet."""
    _, bob, _ = talk
    hub = stage.hub
    commands = await begun(
        hub.register_identity(Passport(name="carol"), Resume(["x"], summary="new"), skill="# Skill"),
        hub.set_resume(bob, Resume(["y"], summary="newer")),
    )
    carol = hub.find_agent_id("carol")
    assert carol is not None
    assert (await hub.get_resume(carol)).summary == "new"
    assert await hub.get_skill(carol) == "# Skill"
    assert (await hub.get_resume(bob)).summary == "newer"
    assert [p.name for p in await hub.list_agents(query="NEW")] == ["bob", "carol"]
    await release(stage)
    await asyncio.gather(*commands)


async def test_close_drains_what_was_accepted_and_releases_openers(stage: Stage, talk: tuple[str, str, str]) -> None:
    alice, bob, session_id = talk
    held(stage).held = False
    pending, opening = await stage.invite("consulting", alice, bob)
    held(stage).held = True
    [post] = await begun(stage.say(session_id, alice, "last"))
    [closing] = await begun(CLOSE(stage.hub))
    assert not closing.done()
    with pytest.raises(ProtocolError, match="this hub is closed; open another one on the same store"):
        await stage.say(session_id, alice, "too late")
    held(stage).let_through()
    await closing
    assert await post
    with pytest.raises(ProtocolError, match=f"the hub was closed during the handshake of session {pending}"):
        await opening
    await stage.hub.close()
    held(stage).held = False
    await stage.raise_curtain()
    assert (await stage.wal(session_id))[-1] == "msg.text"
    assert (await stage.hub.get_session(pending)).state == "pending"


async def test_a_cancelled_open_gives_the_log_back(tmp_path: Path) -> None:
    opening = asyncio.ensure_future(Hub.open(DiskKnowledgeStore(tmp_path / "log")))
    await yield_once()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    hub = await Hub.open(DiskKnowledgeStore(tmp_path / "log"))
    await hub.close()


class Touchy(SessionAdapter):
    """A session type that raises in one of its functions when it hears of poison."""

    manifest = SessionManifest(type="touchy")
    state_type = str
    where = ""

    def _check(self, where: str, poison: object) -> None:
        if where == self.where and poison == "poison":
            raise KeyError(where)

    def initial_state(self, metadata: Any) -> str:
        return "fine"

    def validate_send(self, metadata: Any, envelope: Envelope, state: str) -> None:
        self._check("validate_send", envelope.text)

    def fold(self, envelope: Envelope, state: str) -> str:
        self._check("fold", envelope.text)
        return envelope.text

    def on_accepted(self, metadata: Any, envelope: Envelope, state: str) -> Any:
        self._check("on_accepted", envelope.text)
        return super().on_accepted(metadata, envelope, state)

    def expected_next(self, metadata: Any, state: str) -> None:
        self._check("expected_next", state)

    def dump_state(self, state: str) -> str:
        return state


@pytest.mark.parametrize("where", ["validate_send", "fold", "on_accepted", "expected_next"])
async def test_trap_01_what_a_fold_cannot_take_is_refused_and_nothing_is_written(any_stage: Stage, where: str) -> None:
    """The hub goes on, and opens again."""
    adapter = Touchy()
    adapter.where = where
    any_stage.hub.register_adapter(adapter)
    alice, bob = await any_stage.agents("alice", "bob")
    session_id = await any_stage.open("touchy", alice, bob)
    position, digest = any_stage.hub.position, any_stage.hub.state_digest()
    for _ in range(2):
        with pytest.raises(ProtocolError, match=rf"{where} .*KeyError: '{where}'; nothing was written"):
            await any_stage.say(session_id, alice, "poison")
    assert (any_stage.hub.position, any_stage.hub.state_digest()) == (position, digest)
    await any_stage.say(session_id, bob, "fine")
    await any_stage.restart()
    any_stage.hub.register_adapter(adapter)
    await any_stage.say(session_id, alice, "fine again")


async def test_trap_01_a_projection_at_fault_harms_one_command_only(
    any_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of the hub's own folds: nothing is written, and what it had half done is undone."""
    fold = Registry._registered

    def faulty(registry: Registry, event: Event) -> None:
        fold(registry, event)
        if event.body.name == "poison":
            raise IndexError("a mistake")

    monkeypatch.setitem(Registry.FOLDS, AgentRegistered, faulty)
    await any_stage.restart()
    await any_stage.agents("alice")
    position, digest = any_stage.hub.position, any_stage.hub.state_digest()
    outcomes = await asyncio.gather(*map(any_stage.agents, ("bob", "poison", "carol")), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [list, ProtocolError, list]
    assert "a fold failed with IndexError: a mistake; nothing was written" in str(outcomes[1])
    assert [any_stage.hub.find_agent_id(name) is None for name in ("bob", "poison", "carol")] == [False, True, False]
    assert (any_stage.hub.position, any_stage.hub.state_digest() == digest) == (position + 2, False)
    assert_equals_replay(any_stage.hub)


@pytest.mark.parametrize(
    "command",
    [
        lambda hub, agent_id, session_id: hub.set_resume(agent_id, Resume(summary="\ud800")),
        lambda hub, agent_id, session_id: hub.set_skill(agent_id, "\udfff"),
        lambda hub, agent_id, session_id: hub.close_session(session_id, "\ud800"),
        lambda hub, agent_id, session_id: hub.register_identity(Passport(name="x", owner="\ud800")),
        lambda hub, agent_id, session_id: hub.register_identity(Passport(name="x", version=1 << 80)),
        lambda hub, agent_id, session_id: hub.report_turn_failure(agent_id, session_id, "no id", "x"),
    ],
)
async def test_trap_54_what_the_log_cannot_keep_is_a_protocol_error_and_nothing_is_written(
    any_stage: Stage, command: Callable[..., Awaitable[Any]]
) -> None:
    alice, bob = await any_stage.agents("alice", "bob")
    session_id = await any_stage.open("conversation", alice, bob)
    position = any_stage.hub.position
    with pytest.raises(NetworkError) as caught:
        await command(any_stage.hub, alice, session_id)
    assert caught.value.code in ("protocol_error", "not_found")
    assert any_stage.hub.position == position
    assert_equals_replay(any_stage.hub)


@pytest.mark.parametrize("paranoid", ["1", "0", ""])
async def test_det_2_paranoia_finds_a_fold_that_replay_does_not_repeat(
    any_stage: Stage, monkeypatch: pytest.MonkeyPatch, paranoid: str
) -> None:
    """``LEDGERHUB_PARANOID=1`` checks after each append; a fold that depends on more than the log is found at once."""
    folded: list[str] = []
    fold = Registry._registered

    def counting(registry: Registry, event: Event) -> None:
        fold(registry, event)
        if event.body.name == "mallory":
            folded.append(event.id)
            registry.agents[event.body.agent_id].resume_version = len(folded)

    monkeypatch.setenv("LEDGERHUB_PARANOID", paranoid)
    monkeypatch.setitem(Registry.FOLDS, AgentRegistered, counting)
    await any_stage.restart()
    await any_stage.agents("alice", "bob")
    if paranoid == "1":
        with pytest.raises(AssertionError, match=r"^after position 5 the live registry differ from replay$"):
            await any_stage.agents("mallory")
    else:
        await any_stage.agents("mallory")
    monkeypatch.setitem(Registry.FOLDS, AgentRegistered, fold)
    any_stage.hub._state.registry.agents[any_stage.hub.find_agent_id("mallory") or ""].resume_version = 1
    assert_equals_replay(any_stage.hub)
