"""``replay blame``: every event that changed what stands at a path, and no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from replay import ABSENT, Difference, History, QuestionError, blame, look
from tests.conftest import OpenHub
from tests.replay.asking import Answer, assert_screen
from tests.replay.scenario import Network
from tests.replay.things import told
from tests.support.counting import count_decoded

SCREENS = {
    "blame-rule": ("blame", "agents/mallory/rule"),
    "blame-field": ("blame", "agents/mallory/rule.rate.envelopes_per_minute"),
    "blame-session": ("blame", "sessions/@6/state"),
    "blame-inbox": ("blame", "inboxes/carol"),
}


@pytest.mark.parametrize("name", ["everything_path", "troubles_path"])
def test_settings_are_where_the_value_changed(name: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(name)
    with History.open(path) as history:
        for thing, values in told(history).items():
            if thing.startswith(("rates/", "denials/")):
                continue  # they age, and show it at their next event
            changed = [at for at in range(1, len(values)) if values[at] != values[at - 1]]
            if changed:
                assert [setting.event.position for setting in blame(history, thing)] == changed, thing


def test_a_setting_says_what_changed_below_the_path(history: History) -> None:
    first, second = blame(history, "agents/mallory/rule")
    assert (first.event.position, second.event.position) == (5, 29)
    (came,) = first.changes
    assert (came.path, came.before, came.after["version"]) == ("agents/mallory/rule", ABSENT, 1)
    assert second.changes == (
        Difference("agents/mallory/rule/access/outbound_to", ["bob"], ["*"]),
        Difference("agents/mallory/rule/rate/envelopes_per_minute", 1, 2),
        Difference("agents/mallory/rule/version", 1, 2),
    )


def test_a_rule_that_says_the_same_did_not_set_it(history: History) -> None:
    assert [each.event.position for each in blame(history, "agents/mallory/rule/limits")] == [5]
    assert [each.event.position for each in blame(history, "agents/mallory/rule/rate")] == [5, 29]


def test_up_to_a_point(history: History) -> None:
    assert [each.event.position for each in blame(history, "agents/mallory/rule", "@28")] == [5]


async def test_a_name_that_was_given_up_and_taken_again(tmp_path: Path) -> None:
    net = await Network.open(tmp_path / "log")
    first = await net.enter("bob")
    await net.agents["bob"].unregister()
    second = await net.enter("bob")
    with History.open(tmp_path / "log") as history:
        path = "agents/bob/passport/agent_id"
        changes = [(each.before, each.after) for setting in blame(history, path) for each in setting.changes]
        assert changes == [(ABSENT, first), (first, ABSENT), (ABSENT, second)]
        assert [s.event.position for s in blame(history, f"agents/{first}")] == [2, 3]
    await net.close()


def test_only_the_things_own_events_are_read(chat_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with History.open(chat_path) as history:
        decoded = count_decoded(monkeypatch)
        assert [each.event.position for each in blame(history, "agents/alice/rule")] == [2]
        assert len(decoded) < 20


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", SCREENS)
def test_each_screen_is_as_its_snapshot(asked: Callable[..., Answer], name: str, width: int) -> None:
    answer = asked(*SCREENS[name], COLUMNS=str(width))
    assert (answer.code, answer.err) == (0, "")
    assert answer.lines[-1].startswith("log 5eed5eed5eed head @31 root ")
    assert_screen(f"{name}-{width}", answer.out)


def test_json(asked: Callable[..., Answer]) -> None:
    *settings, total = asked("blame", "sessions/@6/state", "--json").objects
    assert [(each["position"], each["type"]) for each in settings] == [
        (6, "session.created"),
        (9, "session.opened"),
        (15, "session.closed"),
    ]
    session_id = "0" * 31 + "6"
    assert settings[0]["changes"] == [
        {"kind": "added", "path": f"sessions/{session_id}/state", "before": None, "after": "pending"}
    ]
    assert {each["v"] for each in settings} == {1}
    assert total == {
        "v": 1,
        "kind": "blame",
        "path": f"sessions/{session_id}/state",
        "settings": 3,
        "last": 15,
        "actor": "hub",
    }


@pytest.mark.parametrize(
    ("path", "words", "sentence"),
    [
        ("agents", (), "'agents' is not one thing: name one such as agents/…"),
        ("agents/bob/rul", (), "there is no 'rul' in agents/bob: it has passport, rule"),
        ("observed/bob/x", (), "there is no 'x' in observed/bob: it has analysis"),
        ("sessions/@18", ("--at", "@17"), "did not exist at @17: it was created by @18"),
        ("agents/bob", ("--at", "@2"), "'bob' was not registered at @2: it was from @3"),
        ("agents/bob", ("--at", "@99"), "@99 is not in the log"),
        ("inboxes/nobody", (), "no agent 'nobody' was ever registered"),
    ],
)
def test_bad_questions(asked: Callable[..., Answer], path: str, words: tuple[str, ...], sentence: str) -> None:
    for form in ((), ("--json",)):
        answer = asked("blame", path, *words, *form)
        assert (answer.code, answer.err.count("\n")) == (2, 1)
        assert sentence in answer.err


async def test_beside_a_hub_that_writes(tmp_path: Path) -> None:
    """LOG-4."""
    net = await Network.open(tmp_path / "log")
    await net.enter("bob")
    with History.open(tmp_path / "log") as history:
        settings = blame(history, "agents/bob/skill")
        await net.hub.set_skill(net.agents["bob"].agent_id, "# Answers")
        assert [each.event.position for each in settings] == [2]
        history.refresh()
        assert [each.event.position for each in blame(history, "agents/bob/skill")] == [2, 3]
        assert look(history, history.at(), "agents/bob/skill") == "# Answers"
    await net.close()


async def test_a_log_without_agents(open_hub: OpenHub) -> None:
    hub = await open_hub()
    with pytest.raises(QuestionError, match="it has no agents yet"):
        next(blame(History(hub.store), "agents/bob"))
