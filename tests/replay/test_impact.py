"""``replay impact``: everything downstream of an event, which is ``why`` the other way round."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from events.event import Event
from hub import MemoryKnowledgeStore
from hub.testing import settle
from replay import History, Impact, impact
from replay.effects import Effects
from replay.render.tree import FORKS_MAX, tree_lines
from replay.why import causes
from tests.replay.asking import Answer, assert_screen
from tests.replay.scenario import Network
from tests.support.scenario import perform


def plain(text: str, style: str) -> str:
    return text


def assert_inverse_of_why(history: History) -> None:
    chains = {event.position: [link.event.position for link in causes(history, event)] for event in history.events()}
    for position in chains:
        effects = list(Effects(history, history.event(position)))
        downstream = [later for later, chain in chains.items() if later != position and position in chain]
        assert [effect.event.position for effect in effects] == downstream, position
        for effect in effects:
            chain = chains[effect.event.position]
            assert (effect.cause, effect.depth) == (chain[1], chain.index(position))


@pytest.mark.parametrize("name", ["everything_path", "troubles_path"])
def test_what_depends_on_an_event_has_it_in_its_chain_of_causes(name: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(name)
    with History.open(path) as history:
        assert_inverse_of_why(history)


async def test_so_it_is_where_every_type_of_event_happened() -> None:
    stage = await perform(MemoryKnowledgeStore())
    assert_inverse_of_why(History(stage.store))
    await stage.hub.close()


@pytest.mark.parametrize("name", ["everything_path", "troubles_path"])
def test_direct_effects_are_those_that_name_it(name: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(name)
    with History.open(path) as history:
        every = list(history.events())
        for event in every:
            assert list(history.effects(f"@{event.position}")) == [each for each in every if each.cause == event.id]


def test_causes_are_those_that_are_named_nearest_first(trouble: History) -> None:
    by_id = {event.id: event for event in trouble.events()}

    def chain(event: Event) -> Iterator[Event]:
        while event.cause in by_id:
            event = by_id[event.cause]
            yield event

    for event in by_id.values():
        assert list(trouble.causes(event.position)) == list(chain(event))
    assert max(len(list(trouble.causes(position))) for position in range(1, trouble.head + 1)) > 3


def test_a_delegated_session_is_an_effect_of_what_was_handled(trouble: History) -> None:
    """It is in another session: the agent who handled it leads there."""
    created = next(event for event in trouble.events() if event.type == "session.created" and event.cause)
    assert created.cause is not None
    assert created in list(trouble.effects(created.cause))


def test_totals(history: History) -> None:
    tally = Impact(history.event("@6"))
    effects = list(impact(history, tally.start, tally))
    assert (tally.events, tally.envelopes, tally.depth, tally.last) == (len(effects), 2, 3, 16)
    assert (len(tally.sessions), len(tally.agents), len(tally.tasks)) == (1, 2, 1)
    assert tally.types["envelope.posted"] == 2
    assert (tally.complete, tally.recorded) == (True, sum(effect.recorded for effect in effects))


def test_it_ends_when_it_has_looked_at_so_many(chat_path: Path) -> None:
    with History.open(chat_path) as history:
        tally = Impact(history.event("@4"))
        effects = list(impact(history, tally.start, tally, read_max=10))
        assert (tally.read, tally.complete) == (10, False)
        assert effects[-1].event.position <= 14
        tally = Impact(history.event("@4"))
        assert len(list(impact(history, tally.start, tally, read_max=None))) == 603
        assert tally.complete


def test_each_event_is_looked_at_once(chat_path: Path) -> None:
    with History.open(chat_path) as history:
        found = Effects(history, history.event("@1"))
        assert (list(found), found.read) == ([], 0)
        found = Effects(history, history.event("@2"))
        assert len(list(found)) > 300
        assert found.read == history.head - 3  # all that come after, but bob's registration


def test_a_tree_of_a_long_chain_stays_narrow(chat_path: Path) -> None:
    with History.open(chat_path) as history:
        start = history.event("@4")
        effects = list(Effects(history, start))
        lines = list(tree_lines(history, start, effects, width=80, paint=plain))
        assert len(lines) >= len(effects) + 1
        assert max(map(len, lines)) <= 80


def test_forks_without_end_stay_on_the_screen(history: History) -> None:
    """Each event has two effects, and the lighter one of them two again."""
    start, events = history.event("@1"), list(history.events())[1:]
    effects = [
        each._replace(event=event, cause=max(1, event.position // 2 * 2 - 2), depth=1)
        for event, each in zip(events, [next(iter(Effects(history, history.event("@6"))))] * len(events), strict=True)
    ]
    effects = [each._replace(cause=1 if each.event.position < 4 else each.cause) for each in effects]
    lines = list(tree_lines(history, start, effects, width=100, paint=plain))
    assert {line.split()[0] for line in lines if line.lstrip().startswith("@")} == {f"@{n}" for n in range(1, 32)}
    assert max(line.count("│") + line.count("├") for line in lines) <= FORKS_MAX


# On the command line.

SCREENS = {
    "impact-session": ("impact", "@6"),
    "impact-rule": ("impact", "@5"),
    "impact-nothing": ("impact", "head"),
    "impact-limit": ("impact", "@18", "--limit", "4"),
}


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", SCREENS)
def test_each_screen_is_as_its_snapshot(asked: Callable[..., Answer], name: str, width: int) -> None:
    answer = asked(*SCREENS[name], COLUMNS=str(width))
    assert (answer.code, answer.err) == (0, "")
    assert answer.lines[-1].startswith("log 5eed5eed5eed head @31 root ")
    assert_screen(f"{name}-{width}", answer.out)


def test_json(asked: Callable[..., Answer]) -> None:
    *effects, total = asked("impact", "@11", "--json").objects
    assert effects == [
        {
            "v": 1,
            "kind": "effect",
            "position": 12,
            "type": "agent.observed",
            "id": "0" * 31 + "d",
            "at": "2026-01-01T00:00:14.500000Z",
            "actor": "hub",
            "sentence": "bob was seen at analysis: completed in 2s",
            "cause": 11,
            "recorded": True,
            "depth": 1,
        }
    ]
    assert total == {
        "v": 1,
        "kind": "impact",
        "position": 11,
        "events": 1,
        "recorded": 1,
        "envelopes": 0,
        "sessions": [],
        "agents": ["0" * 31 + "3"],
        "tasks": [],
        "types": {"agent.observed": 1},
        "depth": 1,
        "last": 12,
        "looked_at": total["looked_at"],
        "complete": True,
    }
    *effects, total = asked("impact", "@6", "--json", "--limit", "2").objects
    assert (len(effects), total["events"]) == (2, 10)


def test_what_was_not_looked_at_is_said(asked: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replay.cli.impact.READ_EVENTS_MAX", 3)
    assert "perhaps more: only 3 events after it were looked at, see --all" in asked("impact", "@6").out
    assert "perhaps more" not in asked("impact", "@6", "--all").out


@pytest.mark.parametrize(("point", "sentence"), [("@0", "before the log's first event"), ("soon", "is not a point")])
def test_bad_questions(asked: Callable[..., Answer], point: str, sentence: str) -> None:
    answer = asked("impact", point)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert sentence in answer.err


async def test_beside_a_hub_that_writes(tmp_path: Path) -> None:
    """LOG-4: what comes later is an effect once the history is refreshed."""
    net = await Network.open(tmp_path / "log")
    await net.enter("alice")
    await net.enter("bob")
    with History.open(tmp_path / "log") as history:
        effects = Effects(history, history.event("@2"))
        session = await net.agents["alice"].open(type="conversation", target="bob")
        await settle(net.hub)
        assert list(effects) == []
        history.refresh()
        assert len(list(Effects(history, history.event("@2")))) == 4
        assert session.session_id == history.session_id("@4")
    await net.close()
