"""What one thing's own events give is what the whole log gives, at every position."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hub import MemoryKnowledgeStore
from replay import History, QuestionError
from replay.lives import Base, life_of
from tests.replay.things import standing, told
from tests.support.scenario import perform


def assert_lives_agree(history: History) -> None:
    for path, values in told(history).items():
        life = life_of(history, path)
        state, found, last = life.begin(), [life.value(life.begin())] * (history.head + 1), 0
        for event in life.walk(state, history.head):
            last = event.position
            found[last:] = [life.value(state)] * (history.head + 1 - last)
        moving = path.startswith(("rates/", "denials/"))  # these also age, and only show it at their next event
        assert moving or found == values, path
        assert found[last] == values[last], path


@pytest.mark.parametrize("name", ["everything_path", "troubles_path"])
def test_each_thing_folded_alone_is_as_the_whole_log_has_it(name: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(name)
    with History.open(path) as history:
        assert_lives_agree(history)


async def test_so_it_is_where_every_type_of_event_happened() -> None:
    stage = await perform(MemoryKnowledgeStore())
    assert_lives_agree(History(stage.store))
    await stage.hub.close()


@pytest.mark.parametrize(
    "path", ["inboxes/dave", "agents/dave/rule", "agents/mallory/resume", "observed/bob", "rates/alice"]
)
@pytest.mark.parametrize("begin", [1, 20, 31, 33, 36, 60])
def test_a_life_goes_on_from_a_state(trouble: History, path: str, begin: int) -> None:
    life, base = life_of(trouble, path), Base(trouble.at(begin))
    state = life.begin(base)
    assert life.value(state) == standing(trouble, trouble.at(begin), path)
    for event in life.walk(state, trouble.head):
        assert event.position > begin
    assert life.value(state) == standing(trouble, trouble.at(), path)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("", "'' is not one thing: name one in agents, sessions"),
        ("inboxes", "'inboxes' is not one thing: name one such as inboxes/…"),
        ("agent/bob", "there is no 'agent' in a hub's state: did you mean agents?"),
        ("agents/bobby", "did you mean bob?"),
        ("sessions/ff", "no session's id begins with 'ff'"),
        ("tasks/none", "there is no task 'none' in this log"),
    ],
)
def test_what_is_not_a_thing_is_told(trouble: History, path: str, sentence: str) -> None:
    with pytest.raises(QuestionError) as caught:
        life_of(trouble, path)
    assert sentence in caught.value.message


def test_an_agent_as_a_whole_is_without_what_others_change(trouble: History) -> None:
    life = life_of(trouble, "agents/dave")
    fields = ["passport", "rule", "resume", "observed", "skill"]
    assert list(life.value(life.begin(Base(trouble.at(31))))) == fields


def test_a_path_may_be_written_with_dots(trouble: History) -> None:
    paths: list[Any] = [life_of(trouble, path).path for path in ("agents.bob.rule.rate", "agents/bob/rule.rate")]
    assert paths == ["agents/bob/rule/rate"] * 2
