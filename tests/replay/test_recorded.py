"""An agent that plays its part from a recording: it answers as it did, or fails closed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from events.log import EventLog
from hub import DiskKnowledgeStore, Hub, HubClient, LocalLink, Passport
from hub.client.agent_client import AgentClient
from hub.client.session import Session
from hub.testing import ScriptedAgent, SequentialIds, settle
from replay import QuestionError
from replay.golden import capture
from replay.recorded import DIFFERENCES, RecordedAgent
from tests.conftest import OpenHub

ANSWERS = {"alice": ["and then?"], "bob": ["first.", "second.", "third."], "carol": ["third too."]}


@pytest.fixture(autouse=True)
def _no_differences() -> Iterator[None]:
    """The plugin's part, which this suite goes without."""
    DIFFERENCES.clear()
    yield
    DIFFERENCES.clear()


async def network(hub: Hub, **agents: Any) -> dict[str, AgentClient]:
    link = HubClient(LocalLink(hub), hub=hub)
    return {name: await link.register(agent, Passport(name=name)) for name, agent in agents.items()}


async def opened(client: AgentClient, kind: str, *target: str) -> Session:
    return await client.open(type=kind, target=list(target))


async def said(session: Session) -> list[str]:
    """Who said what, by name."""
    hub = session.client.connection.hub
    return [f"{hub.name_for(e.sender_id)}: {e.text}" for e in await hub.read_wal(session.session_id) if e.text]


async def talk(session: Session, *texts: str) -> list[str]:
    for text in texts:
        await session.send(text)
        await settle(session.client.connection.hub)
    return await said(session)


@pytest.fixture
async def recording(open_hub: OpenHub, tmp_path: Path) -> Path:
    """Bob consults twice, and talks; alice says what she wants."""
    path = tmp_path / "log"
    hub = await open_hub(DiskKnowledgeStore(path, "os"))
    agents = await network(hub, alice=None, bob=ScriptedAgent("Margin.", "Growth.", "", "Fine.", "Bye."))
    for question in ("What matters?", "And next?"):
        await talk(await opened(agents["alice"], "consulting", "bob"), question)
    await talk(await opened(agents["alice"], "conversation", "bob"), "just so you know", "how are you?", "bye")
    await settle(hub)
    await hub.close()
    return path


@pytest.fixture
async def run(open_hub: OpenHub) -> Any:
    """A hub in which bob is played from a recording, and ids are others."""

    async def start(source: Any, **options: Any) -> tuple[AgentClient, RecordedAgent]:
        hub = await open_hub(ids=SequentialIds(1 << 90))
        bob = RecordedAgent.from_log(source, "bob", **options)
        agents = await network(hub, bob=bob, alice=None)
        return agents["alice"], bob

    return start


async def test_it_answers_as_it_did(recording: Path, run: Any) -> None:
    alice, bob = await run(recording)
    assert bob.name == "bob"
    assert bob.unasked == 4
    assert await talk(await opened(alice, "consulting", "bob"), "What matters?") == [
        "alice: What matters?",
        "bob: Margin.",
    ]
    assert (await talk(await opened(alice, "consulting", "bob"), "And next?"))[1] == "bob: Growth."
    chat = await opened(alice, "conversation", "bob")
    assert await talk(chat, "just so you know", "how are you?", "bye") == [
        "alice: just so you know",
        "alice: how are you?",
        "bob: Fine.",
        "alice: bye",
        "bob: Bye.",
    ]
    assert (bob.unasked, DIFFERENCES) == (0, [])


async def test_sessions_may_come_in_another_order(recording: Path, run: Any) -> None:
    alice, _ = await run(recording)
    assert (await talk(await opened(alice, "consulting", "bob"), "And next?"))[1] == "bob: Growth."
    assert (await talk(await opened(alice, "consulting", "bob"), "What matters?"))[1] == "bob: Margin."


async def test_sessions_may_run_side_by_side(recording: Path, run: Any) -> None:
    alice, _ = await run(recording)
    first, second = [await opened(alice, "consulting", "bob") for _ in range(2)]
    assert (await talk(second, "And next?"))[1] == "bob: Growth."
    assert (await talk(first, "What matters?"))[1] == "bob: Margin."


async def test_another_question_fails_closed_with_a_diff(recording: Path, run: Any) -> None:
    alice, _ = await run(recording)
    session = await opened(alice, "consulting", "bob")
    assert await talk(session, "What matters most?") == ["alice: What matters most?"]
    assert set(DIFFERENCES) == {
        "'bob' was asked something else than was recorded (- recorded, + asked):\n"
        "  - alice: What matters?\n"
        "  + alice: What matters most?\n"
        "  - asked: What matters?\n"
        "  + asked: What matters most?"
    }
    failed = await alice.connection.hub.audit_log.read(kind="turn_failed")
    assert "PromptDiffersError" in failed[0]["error"]


async def test_another_history_before_the_same_question_fails_closed(recording: Path, run: Any) -> None:
    alice, _ = await run(recording)
    await talk(await opened(alice, "conversation", "bob"), "just so we are clear", "how are you?")
    assert "- alice: just so you know" in DIFFERENCES[-1]
    assert "+ alice: just so we are clear" in DIFFERENCES[-1]


async def test_a_question_too_many_fails_closed(recording: Path, run: Any) -> None:
    alice, _ = await run(recording)
    chat = await opened(alice, "conversation", "bob")
    await talk(chat, "just so you know", "how are you?", "bye")
    assert not DIFFERENCES
    await talk(chat, "one more")
    assert "'bob' was asked more often than was recorded" in DIFFERENCES[0]
    assert "+ asked: one more" in DIFFERENCES[0]


async def test_a_session_too_many_fails_closed(recording: Path, run: Any) -> None:
    alice, _ = await run(recording)
    await talk(await opened(alice, "discussion", "bob"), "anyone?")
    assert "'bob' was asked more often than was recorded" in DIFFERENCES[0]


async def test_loosened_it_answers_in_order_whatever_is_asked(recording: Path, run: Any) -> None:
    alice, bob = await run(recording, strict=False)
    assert (await talk(await opened(alice, "consulting", "bob"), "Anything?"))[1] == "bob: Margin."
    chat = await opened(alice, "conversation", "bob")
    assert await talk(chat, "a", "b", "c") == ["alice: a", "bob: Fine.", "alice: b", "bob: Bye.", "alice: c"]
    assert (bob.unasked, DIFFERENCES) == (1, [])


async def test_a_turn_that_is_asked_for_again_gets_the_same_answer(recording: Path, run: Any) -> None:
    alice, bob = await run(recording)
    asked: list[Any] = []
    ask = bob.ask

    async def failing_once(message: str, *, context: Any) -> str:
        answer: str = await ask(message, context=context)
        asked.append(answer)
        if len(asked) == 1:
            raise ConnectionError("lost on the way")
        return answer

    bob.ask = failing_once
    session = await opened(alice, "consulting", "bob")
    await session.send("What matters?")
    hub = alice.connection.hub
    for _ in range(3):
        hub.clock.advance(60)
        await settle(hub)
    assert asked == ["Margin.", "Margin."]
    assert not DIFFERENCES


async def test_names_not_ids_are_compared_in_a_discussion(open_hub: OpenHub) -> None:
    async def discuss(**agents: Any) -> list[str]:
        hub = await open_hub(ids=SequentialIds(len(agents) << 80))
        clients = await network(hub, **agents)
        texts = await talk(await opened(clients["alice"], "discussion", "bob", "carol"), "Begin.")
        hubs.append(hub)
        return texts

    hubs: list[Hub] = []
    scripts = {name: ScriptedAgent(*lines) for name, lines in ANSWERS.items()}
    first = await discuss(**scripts)
    assert first[:3] == ["alice: Begin.", "bob: first.", "carol: third too."]
    parts = {name: RecordedAgent.from_log(hubs[0], name) for name in ("carol", "bob", "alice")}
    assert await discuss(dave=None, **parts) == first
    assert not DIFFERENCES


async def test_a_golden_can_be_played_too(recording: Path, run: Any, tmp_path: Path) -> None:
    store = DiskKnowledgeStore(recording)
    store.open(readonly=True)
    capture(EventLog(store), tmp_path / "x.hublog")
    store.close()
    alice, _ = await run(tmp_path / "x.hublog")
    assert (await talk(await opened(alice, "consulting", "bob"), "What matters?"))[1] == "bob: Margin."


async def test_an_agent_that_the_log_does_not_know_is_refused(recording: Path) -> None:
    with pytest.raises(QuestionError, match="no agent 'dora' was ever registered"):
        RecordedAgent.from_log(recording, "dora")
