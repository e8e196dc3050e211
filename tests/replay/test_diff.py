"""``replay diff``: what differs between two points, each path with the event that changed it last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.testing import settle
from replay import ABSENT, Difference, History, PathChange, QuestionError, diff
from replay.differences import differences
from tests.replay.asking import Answer, assert_screen
from tests.replay.scenario import Network
from tests.replay.things import told
from tests.support.counting import count_decoded

SCREENS = {
    "diff": ("diff", "@5", "@17"),
    "diff-later": ("diff", "@22", "head"),
    "diff-path": ("diff", "@5", "head", "agents/mallory/rule"),
    "diff-nothing": ("diff", "@16", "@17"),
}


def found(history: History, begin: int, end: int, path: str = "") -> list[tuple[str, Any, Any, int]]:
    return [(*change.difference, change.event.position) for change in diff(history, begin, end, path)]


def last_change(values: list[Any], root: str, difference: Difference, begin: int, end: int) -> int:
    """Where, between two positions, a path or what is above it changed last, looked up position by position."""
    path = difference.path
    for position in range(end, begin, -1):
        for each in differences(values[position - 1], values[position], root):
            if each.path == path or path.startswith(f"{each.path}/"):
                return position
    raise AssertionError(f"{path} did not change")


@pytest.mark.parametrize("name", ["everything_path", "troubles_path"])
@pytest.mark.parametrize("spans", [range(1, 20, 6), range(20, 71, 12)])
def test_it_is_what_a_comparison_of_the_two_states_gives(
    name: str, spans: range, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(name)
    with History.open(path) as history:
        all_values = told(history)
        spans_here = [(begin, end) for begin in spans for end in (begin + 3, begin + 20, history.head)]
        for begin, end in (span for span in spans_here if span[0] < span[1] <= history.head):
            for root in (root for root in all_values if not root.startswith(("rates/", "denials/"))):
                values = all_values[root]
                before, after = values[begin], values[end]
                if before is ABSENT and after is ABSENT:
                    continue
                changes = list(diff(history, begin, end, root))
                if before is not ABSENT:
                    assert [change.difference for change in changes] == list(differences(before, after, root))
                for change in changes[before is ABSENT :]:
                    assert change.event.position == last_change(values, root, change.difference, begin, end)


@pytest.mark.parametrize("name", ["everything_path", "troubles_path"])
@pytest.mark.parametrize(("begin", "end"), [(0, 10), (5, 30), (17, 31), (16, 17), (30, 31)])
def test_without_a_path_it_is_the_sum_of_the_things(
    name: str, begin: int, end: int, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(name)
    with History.open(path) as history:
        parts: list[PathChange] = []
        for root, values in told(history).items():
            collection, key, *fields = root.split("/")
            if collection in ("sessions", "tasks") or (collection == "agents" and fields == ["rule"]):
                whole = f"{collection}/{key}"
            elif collection == "inboxes":
                whole = f"{root}/depth"
                if values[begin] is ABSENT and values[end] is not ABSENT and not values[end]["depth"]:
                    continue  # an inbox that came empty is told with its agent
                if values[end] is ABSENT and values[begin] is not ABSENT and not values[begin]["depth"]:
                    continue
            else:
                continue
            if not (values[begin] is ABSENT and values[end] is ABSENT):
                parts += diff(history, begin, end, whole)
        assert sorted(diff(history, begin, end), key=str) == sorted(parts, key=str)


def test_a_thing_that_came_is_one_change_and_then_what_changed_since(history: History) -> None:
    session_id = "0" * 31 + "6"
    came, *since = diff(history, "@5", "@15", "sessions/@6")
    assert (came.difference.path, came.difference.before, came.event.type) == (
        f"sessions/{session_id}",
        ABSENT,
        "session.created",
    )
    assert came.difference.after["state"] == "pending"
    state = next(change for change in since if change.difference.path.endswith("/state"))
    assert (state.difference.before, state.difference.after, state.event.position, state.times) == (
        "pending",
        "closed",
        15,
        2,
    )


def test_a_thing_that_went_is_one_change(history: History) -> None:
    (change,) = diff(history, "@30", "@31")
    assert (change.difference.path, change.difference.after, change.event.type) == (
        "agents/carol",
        ABSENT,
        "agent.unregistered",
    )


async def test_an_agent_that_went_and_came_again_changed_with_its_coming(tmp_path: Path) -> None:
    net = await Network.open(tmp_path / "log")
    first = await net.enter("bob")
    await net.agents["bob"].unregister()
    second = await net.enter("bob")
    with History.open(tmp_path / "log") as history:
        path = "agents/bob/passport/agent_id"
        assert (path, first, second, 4) in found(history, 2, 4)
        assert {position for *_, position in found(history, 2, 4)} == {4}
    await net.close()


async def test_an_agent_whose_name_has_a_slash(tmp_path: Path) -> None:
    net = await Network.open(tmp_path / "log")
    await net.enter("team/bob")
    with History.open(tmp_path / "log") as history:
        assert [path for path, *_ in found(history, 1, 2)] == [f"agents/{net.agents['team/bob'].agent_id}"]
    await net.close()


def test_nothing_differs_between_a_point_and_itself(history: History) -> None:
    assert [found(history, position, position) for position in (0, 12, 31)] == [[], [], []]


def test_with_a_path_only_the_things_own_events_are_read(chat_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with History.open(chat_path) as history:
        decoded = count_decoded(monkeypatch)
        assert found(history, 100, 600, "agents/alice/rule") == []
        assert len(decoded) < 20


def test_an_inbox_goes_on_from_the_state_at_the_first_point(chat_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with History.open(chat_path) as history:
        decoded = count_decoded(monkeypatch)
        assert [path for path, *_ in found(history, 598, 599)] == ["inboxes/alice/depth"]
        assert decoded.count(300) == 2  # by the two states, and not once more by the inbox


# On the command line.


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", SCREENS)
def test_each_screen_is_as_its_snapshot(asked: Callable[..., Answer], name: str, width: int) -> None:
    answer = asked(*SCREENS[name], COLUMNS=str(width))
    assert (answer.code, answer.err) == (name != "diff-nothing", "")
    assert answer.lines[-1].startswith("log 5eed5eed5eed head @31 root ")
    assert max(map(len, answer.lines)) <= width
    assert_screen(f"{name}-{width}", answer.out)


def test_json(asked: Callable[..., Answer]) -> None:
    answer = asked("diff", "@28", "-23h", "agents/mallory/rule/rate", "--json")
    assert answer.code == 1
    change, total = answer.objects
    assert change == {
        "v": 1,
        "kind": "changed",
        "path": "agents/mallory/rule/rate/envelopes_per_minute",
        "before": 1,
        "after": 2,
        "position": 29,
        "type": "agent.rule_set",
        "id": "0" * 30 + "1e",
        "at": "2026-01-01T00:11:14.500000Z",
        "actor": "operator",
        "times": 1,
    }
    counts = {"paths": 1, "things": 1, "events": 1}
    assert total == {"v": 1, "kind": "diff", "from": 28, "to": 29, "events_between": 1} | counts


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("@9", "@8"), "@9 comes after @8: give the earlier point first"),
        (("@9",), "Missing argument 'B'"),
        (("@9", "@99"), "@99 is not in the log"),
        (("@9", "head", "agents"), "'agents' is not one thing: name one such as agents/…"),
        (("@9", "head", "agents/bob/x"), "there is no 'x' in agents/bob: it has passport"),
        (("@1", "@2", "agents/bob"), "'bob' was not registered at @2: it was from @3"),
    ],
)
def test_bad_questions(asked: Callable[..., Answer], words: tuple[str, ...], sentence: str) -> None:
    answer = asked("diff", *words)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert sentence in answer.err


@pytest.mark.parametrize("ago", ["-2s", "-3m", "-23h", "-1d"])
@pytest.mark.parametrize("command", ["show", "why", "impact"])
def test_a_time_ago_is_a_point_and_no_options(asked: Callable[..., Answer], command: str, ago: str) -> None:
    answer = asked(command, ago, "--json")
    assert (answer.code, answer.objects[0]["position"]) == (0, answer.objects[0]["position"])
    assert asked(command, "-h", ago).lines[0].startswith("Usage:")
    assert "No such option '--jso'" in asked(command, ago, "--jso").err


def test_points_in_the_wrong_order_are_refused_in_the_library_too(history: History) -> None:
    with pytest.raises(QuestionError, match="give the earlier point first"):
        diff(history, "head", "@3")


async def test_beside_a_hub_that_writes(tmp_path: Path) -> None:
    """LOG-4: the points are those of when the history was opened, and of when it was refreshed."""
    net = await Network.open(tmp_path / "log")
    await net.enter("bob")
    with History.open(tmp_path / "log") as history:
        await net.enter("carol")
        await settle(net.hub)
        assert found(history, 2, history.head) == []
        begin = history.head
        history.refresh()
        assert [path for path, *_ in found(history, begin, history.head)] == ["agents/carol"]
    await net.close()
