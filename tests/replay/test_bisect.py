"""``replay bisect``: the first event after which an expression holds, however it is looked for."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.loading import save_checkpoint
from hub.testing import settle
from replay import History, QuestionError, Way, bisect
from replay.expressions import compile
from replay.expressions.lasting import lasts
from tests.replay.asking import Answer, ask, assert_screen
from tests.replay.scenario import Network

ALONE = [
    'sessions["@6"].state == "closed"',
    'sessions["@6"].envelopes > 6 and sessions["@6"].state != "closed"',
    'inbox("carol") > 0',
    "inbox('carol') == None and 1",
    'agents["mallory"].rule.rate.envelopes_per_minute == 2',
    "agents.carol == None",
    "not agents.bob",
    'observed["bob"].analysis.n >= 1',
    'observed.bob["analysis"].failed >= 1',
    'len(rates["alice"]) > 0',
    'denials["0"].error == "access_denied"',
    'tasks["{task}"].state == "completed"',
    'tasks["{task}"] == None',
    "len(sessions['@18'].hidden) > 0",
]
BINARY = [
    "position > 17",
    "position >= 99",
    'sessions["@6"].state == "closed" and sessions["@18"].envelopes >= 5',
    'sessions["@6"].closed_at != None or tasks["{task}"].state in ("completed", "failed")',
    '"@18" in sessions and sessions["@6"].close_reason == "consulting_complete"',
    '"0000000000000000000000000000000{carol}" in sessions["@18"].hidden or position > 29',
    '3 <= sessions["@6"].envelopes and len(sessions["@18"].hidden) > 0',
]
SCAN = [
    "len(agents) > 3",
    "len(agents) < 3 and position > 5",
    'any(s.state == "pending" for s in sessions)',
    'all(inbox(a.passport.name) == 0 for a in agents) and "carol" in agents',
    'inbox("carol") > 0 or inbox("mallory") > 0',
    "agents.carol.pending > 0",
    "len(agents.alice.sessions) == 1",
    "agents.alice['pending'] == 1",
    "any(agents.carol[field] == 1 for field in agents.carol)",
    "agents.carol[agents.carol.passport.name] == None",
    'sessions["@6"].state == "active" and sessions["@18"].state == None',
    'sessions["@6"].state == "closed" and agents.carol == None',
    "len(denials) + len(tasks) > 1",
    "False",
    "True",
]


def filled(text: str, history: History) -> str:
    return text.replace("{task}", str(history.event("@10").body.task_id)).replace("{carol}", "4")


def asked_everywhere(history: History, text: str) -> int | None:
    """The first position where it holds, asked at every one of them."""
    expression = compile(text)
    positions = range(1, history.head + 1)
    return next((position for position in positions if expression(history, history.at(position))), None)


WAYS = {Way.ALONE: ALONE, Way.BINARY: BINARY, Way.SCAN: SCAN}


@pytest.mark.parametrize(("text", "way"), [(text, way) for way, texts in WAYS.items() for text in texts])
def test_every_way_finds_what_asking_everywhere_finds(history: History, text: str, way: Way) -> None:
    text = filled(text, history)
    search = bisect(history, compile(text))
    assert search.way is way
    assert (search.event and search.event.position) == asked_everywhere(history, text)


@pytest.mark.parametrize("text", [*ALONE, *BINARY])
def test_what_is_said_to_last_does(history: History, text: str) -> None:
    expression = compile(filled(text, history))
    values = [bool(expression(history, history.at(position))) for position in range(1, history.head + 1)]
    assert not lasts(expression) or values == sorted(values)


@pytest.mark.parametrize("text", BINARY)
def test_what_lasts_is_known_by_its_form(history: History, text: str) -> None:
    assert lasts(compile(filled(text, history)))


@pytest.mark.parametrize(
    "text",
    [
        *SCAN,
        'sessions["@6"].state == "active"',
        'sessions["@6"].state != "closed"',
        'sessions["@6"].state in ("closed", "active")',
        'sessions["@6"].envelopes < 5',
        '5 >= sessions["@6"].envelopes',
        'sessions["@6"].close_reason == ""',
        'not sessions["@6"].state == "closed"',
        'agents["bob"].resume.version > 1',
        'observed["bob"].analysis.n > 1',
        'len(sessions["@6"].pending_acks) > 0',
        '"bob" in agents',
        'sessions["@6"] == None',
        '0 < sessions["@6"].envelopes < 5',
        'inbox("bob") > 0',
        "position",
        "position > position",
    ],
)
def test_what_may_change_its_mind_is_not_said_to_last(text: str) -> None:
    assert not lasts(compile(text))


@pytest.fixture
def checkpointed(chat_copy: Path) -> Path:
    """A chat of 607 events with projection checkpoints at every hundredth."""
    shutil.rmtree(chat_copy / "checkpoints")
    with History.open(chat_copy) as history:
        for position in range(100, 601, 100):
            save_checkpoint(history.log, history.at(position), history.catalogue)
    return chat_copy


def test_checkpoints_are_halved_and_what_is_between_two_is_folded(checkpointed: Path) -> None:
    """LOG-8."""
    with History.open(checkpointed) as history:
        search = bisect(history, compile('sessions["@4"].envelopes >= 200 and position > 250'))
        assert search.event is not None
        position = search.event.position
        assert (search.way, search.checkpoints, search.folded) == (Way.BINARY, 3, (position - 1) % 100 + 1)
        assert position == asked_everywhere(history, 'sessions["@4"].envelopes >= 200')
        again = bisect(history, compile("position > 9999"))
        assert (again.event, again.checkpoints, again.folded) == (None, 2, 7)


def test_checkpoints_that_cannot_be_used_are_passed_over(checkpointed: Path) -> None:
    for path in (checkpointed / "checkpoints").glob("*[13]00.checkpoint"):
        path.write_bytes(b"garbled")
    with History.open(checkpointed) as history:
        search = bisect(history, compile("position > 350"))
        assert search.event is not None
        assert (search.event.position, search.folded) == (351, 151)


def test_up_to_a_point(history: History) -> None:
    assert bisect(history, compile("position > 9"), "@9").event is None
    assert bisect(history, compile('sessions["@6"].state == "closed"'), "@14").event is None
    assert bisect(history, compile("len(agents) > 3"), "@0").folded == 0


def test_one_thing_costs_its_own_events(history: History) -> None:
    search = bisect(history, compile('sessions["@6"].state == "expired"'))
    assert (search.event, search.folded, search.thing) == (None, 9, "sessions/" + "0" * 31 + "6")


def test_a_scan_asks_only_after_what_can_touch_what_is_named(chat_path: Path) -> None:
    with History.open(chat_path) as history:
        search = bisect(history, compile("agents.alice.rule.version > 1 and agents.bob.rule.version > 1"))
        assert (search.event, search.folded, search.asked < 607) == (None, 607, True)


@pytest.mark.parametrize(
    "text", ['sessions["ff"].state == 1', "agents.bobby == 1 or position > 1", "agents.bob.x == 1"]
)
def test_slips_are_told_not_searched_for(history: History, text: str) -> None:
    with pytest.raises(QuestionError):
        bisect(history, compile(text))


def test_progress_is_told(chat_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    monkeypatch.setattr(sys.modules["replay.bisect"], "PROGRESS_EVENTS", 200)
    with History.open(chat_path) as history:
        bisect(history, compile("len(agents) > 9"), progress=told.append)
    assert told == [200, 400, 600]


# On the command line.

SCREENS = {
    "bisect-alone": ("bisect", "--expr", 'sessions["@6"].state == "closed"'),
    "bisect-binary": ("bisect", "--expr", 'sessions["@6"].state == "closed" and sessions["@18"].envelopes > 3'),
    "bisect-scan": ("bisect", "--expr", 'inbox("carol") > 0 or inbox("mallory") > 0'),
    "bisect-never": ("bisect", "--expr", "len(agents) > 40"),
}


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", SCREENS)
def test_each_screen_is_as_its_snapshot(asked: Callable[..., Answer], name: str, width: int) -> None:
    answer = asked(*SCREENS[name], COLUMNS=str(width))
    assert (answer.code, answer.err) == (name != "bisect-never", "")
    assert answer.lines[-1].startswith("log 5eed5eed5eed head @31 root ")
    assert max(map(len, answer.lines)) <= width
    assert_screen(f"{name}-{width}", answer.out)


def test_json(asked: Callable[..., Answer]) -> None:
    answer = asked("bisect", "--expr", "len(agents) > 3", "--json")
    (found,) = answer.objects
    assert (answer.code, found["v"], found["found"], found["way"]) == (1, 1, True, "scan")
    assert (found["event"]["position"], found["event"]["type"]) == (5, "agent.registered")
    assert found["warning"].startswith("not proven to stay true once it is")
    assert (found["folded"], found["asked"], found["checkpoints"], found["thing"]) == (5, 5, 0, None)
    (never,) = asked("bisect", "--expr", 'inbox("bob") > 5', "--json").objects
    assert (never["found"], never["event"], never["warning"], never["thing"]) == (False, None, None, "inboxes/bob")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--expr", "x y"), "'x y' is not an expression"),
        (("--expr", "sesions"), "did you mean sessions?"),
        (("--expr", "agents.bob.rul == 1"), "there is no field 'rul' in agents.bob: did you mean rule?"),
        (("--expr", "True", "--until", "soon"), "'soon' is not a point"),
        ((), "Missing option '--expr'"),
    ],
)
def test_bad_questions(asked: Callable[..., Answer], words: tuple[str, ...], sentence: str) -> None:
    answer = asked("bisect", *words)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert sentence in answer.err


async def test_beside_a_hub_that_writes(tmp_path: Path) -> None:
    """LOG-4."""
    net = await Network.open(tmp_path / "log")
    await net.enter("alice")
    with History.open(tmp_path / "log") as history:
        await net.enter("bob")
        await settle(net.hub)
        assert bisect(history, compile("len(agents) > 1")).event is None
        history.refresh()
        found = bisect(history, compile("len(agents) > 1")).event
        assert found is not None
        assert found.position == 3
    await net.close()
    answer = ask("bisect", "--expr", "len(agents) > 1", "--log", str(tmp_path / "log"))
    assert answer.code == 1
