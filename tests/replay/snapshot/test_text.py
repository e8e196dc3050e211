"""The text of a log: a line an event, names for ids, offsets for times, and nothing that two machines tell apart."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from events.event import SCHEMAS
from events.log import EventLog
from events.stores import MemoryKnowledgeStore
from hub import Envelope, Passport, Rule
from hub.testing import SequentialIds
from replay import History, QuestionError
from replay.golden import capture
from replay.snapshot import Masks, session_text, text_of
from tests.conftest import OpenHub
from tests.spec.stage import Stage
from tests.support.scenario import perform

SCRIPT = """
import asyncio
from events.stores import MemoryKnowledgeStore
from replay.snapshot import text_of
from tests.support.scenario import perform

async def main():
    stage = await perform(MemoryKnowledgeStore())
    print(text_of(stage.hub))
    await stage.hub.close()

asyncio.run(main())
"""


@pytest.fixture
async def stage() -> Any:
    played = await perform(MemoryKnowledgeStore())
    yield played
    await played.hub.close()


async def a_consulting(stage: Stage) -> str:
    """A question and its answer, two seconds later."""
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("consulting", alice, bob, intent="advice")
    question = await stage.say(session_id, alice, "What matters?", [bob])
    stage.clock.advance(2)
    await stage.say(session_id, bob, "Margin.", causation_id=question)
    return session_id


@pytest.fixture
async def consulted(open_hub: OpenHub, clock: Any) -> tuple[Stage, str]:
    stage = await Stage(open_hub, clock).raise_curtain()
    clock.advance(60)
    return stage, await a_consulting(stage)


async def test_a_consulting_reads_like_this(consulted: tuple[Stage, str]) -> None:
    assert text_of(consulted[0].hub) == (
        "+0s hub: hub.opened\n"
        "+60s operator: agent.registered alice\n"
        "+60s operator: agent.registered bob\n"
        "+60s operator: session.created session-1 creator=alice type=consulting/1 with=alice,bob expires=+7200s"
        ' labels={"intent": "advice"}\n'
        "+60s hub: session.invite_sent session-1 invitee=bob\n"
        "+60s operator: session.invite_accepted session-1 bob\n"
        "+60s hub: session.opened session-1\n"
        '+60s operator: envelope.posted session-1 env-1 sender=alice to=bob audience=bob text="What matters?"\n'
        '+62s operator: envelope.posted session-1 env-2 because=env-1 sender=bob to=alice text="Margin."\n'
        '+62s hub: session.closed session-1 because=env-2 reason="consulting_complete"'
    )


async def test_a_session_counts_for_itself(consulted: tuple[Stage, str]) -> None:
    stage, first = consulted
    for name in ("alice", "bob"):
        await stage.hub.unregister(stage.hub.find_agent_id(name) or "")
    second = await a_consulting(stage)
    one, two = session_text(stage.hub, first), session_text(stage.hub, second)
    assert one.startswith("+0s operator: session.created session-1 creator=alice ")
    assert two == re.sub(r"\b(alice|bob)\b", r"\1-2", one)


async def test_every_event_has_one_line_and_no_id_is_left(stage: Stage) -> None:
    lines = text_of(stage.hub).splitlines()
    assert [re.match(r"\+[\d.]+s [\w-]+: (\S+)", line)[1] for line in lines] == stage.types()  # type: ignore[index]
    assert set(stage.types()) == {schema.name for schema in SCHEMAS.values()}
    assert [line for line in lines if re.search(r"\b[0-9a-f]{32}\b", line)] == []
    assert not any("2026" in line for line in lines)


async def test_other_ids_and_another_start_give_the_same_text(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.testing.MockClock.__init__.__defaults__", ("2031-05-05T05:05:05Z",))
    other = await perform(MemoryKnowledgeStore(), SequentialIds(1 << 100))
    assert text_of(other.hub) == text_of(stage.hub)
    await other.hub.close()


def test_two_processes_with_other_hash_seeds_give_the_same_text() -> None:
    def said(seed: str) -> str:
        path = os.pathsep.join(filter(None, sys.path))
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}
        done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, check=True)
        return done.stdout.decode()

    assert said("1") == said("2") != ""


async def test_a_closed_hub_a_golden_and_a_log_read_the_same(stage: Stage, tmp_path: Path) -> None:
    live = text_of(stage.hub)
    capture(stage.hub._log, tmp_path / "x.hublog")
    assert text_of(EventLog(stage.store)) == live
    assert text_of(tmp_path / "x.hublog") == live
    await stage.hub.close()
    assert text_of(stage.hub) == live
    assert not stage.store.is_open


def test_a_log_on_disk_can_be_read(everything_path: Path) -> None:
    with History.open(everything_path) as history:
        assert text_of(everything_path) == text_of(history)
        assert len(text_of(history).splitlines()) == history.head


def test_what_is_no_log_is_refused() -> None:
    with pytest.raises(QuestionError, match="int is no log: give a hub"):
        text_of(3)  # type: ignore[arg-type]


async def test_a_session_that_is_not_there_is_refused(stage: Stage) -> None:
    with pytest.raises(QuestionError, match="no session 'nowhere'"):
        session_text(stage.hub, "nowhere")


# Who is who.


async def test_agents_of_one_name_are_told_apart(open_hub: OpenHub) -> None:
    hub = await open_hub()
    for _ in range(2):
        passport = await hub.register_identity(Passport("bob"))
        await hub.unregister(passport.agent_id)
    said = [line.partition(": ")[2] for line in text_of(hub).splitlines()[1:]]
    assert said == [f"agent.{what} {name}" for name in ("bob", "bob-2") for what in ("registered", "unregistered")]


async def test_an_agent_called_env_1_is_not_taken_for_an_envelope(open_hub: OpenHub, clock: Any) -> None:
    stage = await Stage(open_hub, clock).raise_curtain()
    env, bob = await stage.agents("env-1", "bob")
    await stage.open("conversation", env, bob)
    assert "because" not in text_of(stage.hub)


async def test_a_rule_shows_what_differs_from_the_default(open_hub: OpenHub) -> None:
    hub = await open_hub()
    rule = Rule.from_dict({"access": {"outbound_to": ["bob"]}, "rate": {"envelopes_per_minute": 3}})
    await hub.register_identity(Passport("alice", model="any"), rule=rule)
    assert text_of(hub).splitlines()[1] == (
        '+0s operator: agent.registered alice passport={"model": "any"} '
        'rule={"access": {"outbound_to": ["bob"]}, "rate": {"envelopes_per_minute": 3}}'
    )


async def test_ids_in_what_people_wrote_are_named_too(open_hub: OpenHub, clock: Any) -> None:
    stage = await Stage(open_hub, clock).raise_curtain()
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", alice, bob)
    await stage.say(session_id, alice, f"ask {bob} about {session_id}, not {'9' * 32}")
    assert text_of(stage.hub).endswith(f'text="ask bob about session-1, not {"9" * 32}"')


async def test_what_people_write_cannot_break_a_line_or_turn_it_around(open_hub: OpenHub, clock: Any) -> None:
    stage = await Stage(open_hub, clock).raise_curtain()
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", alice, bob)
    data = {"a\nb": "one\ntwo\u2028three \u202eevil \x1b[31m 東京", "c d": 1}
    await stage.hub.post_envelope(Envelope(session_id, alice, event_data=data))
    last = text_of(stage.hub).split("\n")[-1]
    assert last.endswith(r'to=bob "a\nb"="one\ntwo\u2028three \u202eevil \u001b[31m 東京" "c d"=1')


# What a test does not care about.


async def test_events_are_left_out_by_type(stage: Stage) -> None:
    text = text_of(stage.hub, Masks(types=("task.*", "hub.opened")))
    assert "task." not in text
    assert "hub.opened" not in text
    assert "agent.observed" in text


async def test_values_are_hidden_by_key_at_any_depth(open_hub: OpenHub, clock: Any) -> None:
    stage = await Stage(open_hub, clock).raise_curtain()
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", alice, bob, labels={"run": "7"})
    await stage.say(session_id, alice, trace_id="t")
    await stage.open("conversation", bob, alice, knobs={"a": [{"n": 1}]})
    text = text_of(stage.hub, Masks(keys=frozenset({"text", "trace", "labels", "n"})))
    assert "trace=… text=…" in text
    assert 'knobs={"a": [{"n": "…"}]}' in text
    assert "labels=…" in text


async def test_offsets_are_from_the_first_event_that_is_shown(consulted: tuple[Stage, str]) -> None:
    text = text_of(consulted[0].hub, Masks(types=("hub.*",)))
    assert text.splitlines()[0] == "+0s operator: agent.registered alice"
    assert text.splitlines()[-1].startswith("+2s hub: session.closed")
