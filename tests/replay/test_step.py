"""``replay step``: the walk itself, at a terminal, through a pipe, and for programs."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pexpect import EOF
from pexpect.fdpexpect import fdspawn

from events.event import Event
from replay import History, QuestionError
from replay.cli import main
from replay.cli.walking import ASKS
from replay.expressions import compile as compiled
from replay.step import Walk
from tests.replay.asking import Answer, assert_screen, start
from tests.support.damage import raw

Piped = Callable[..., Answer]
PROMPT = r"\n@(\d+)> $"


def positions(events: list[Event] | Iterator[Event]) -> list[int]:
    return [event.position for event in events]


# The walk.


def test_all_events_one_by_one_and_back(history: History) -> None:
    walk = Walk(history)
    there = [walk.position, *(walk.next().position for _ in range(history.head - 1))]
    assert there == list(range(1, history.head + 1))
    with pytest.raises(QuestionError, match=f"^@{history.head} is the last event of the log: p goes back"):
        walk.next()
    back = [walk.position, *(walk.previous().position for _ in range(history.head - 1))]
    assert back == there[::-1]
    with pytest.raises(QuestionError, match=r"^@1 is the first event of the log: n goes on$"):
        walk.previous()


def test_several_at_once_end_at_the_ends(history: History) -> None:
    walk = Walk(history, point=10)
    assert (walk.next(5).position, walk.previous(3).position) == (15, 12)
    assert (walk.next(999).position, walk.previous(999).position) == (history.head, 1)


def test_a_walk_keeps_to_its_session(trouble: History) -> None:
    walk = Walk(trouble, "@10")
    every = [event.position for event in trouble.log.read() if f"session:{walk.session_id}" in event.tags]
    assert [walk.position, *(walk.next().position for _ in every[1:])] == every
    with pytest.raises(QuestionError, match="is the last event of the session"):
        walk.next()
    assert positions(walk.around(2)) == every[-3:]
    walk.go(18)  # of another one
    assert (walk.next().position, walk.previous().position) == (22, 17)


def test_to_the_cause_and_to_the_effects(trouble: History) -> None:
    walk = Walk(trouble, point=22)
    assert walk.cause().position == 17
    effects, complete = walk.effects()
    assert (positions(effects), complete) == ([18, 22], True)
    walk.go(1)
    with pytest.raises(QuestionError, match=r"^@1 has no cause: "):
        walk.cause()


def test_the_state_of_each_stop_is_that_of_history_whichever_way_one_came(history: History) -> None:
    walk = Walk(history)
    for point in (1, 5, 6, 31, 30, 2, 24, 24, 3):
        walk.go(point)
        assert walk.state().digest() == history.at(point).digest()


def test_what_a_fold_that_was_cut_off_left_is_not_built_on(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = Walk(history, point=5)
    walk.state()
    walk.go(20)
    reading = history.log.read

    def interrupted(*args: Any, **options: Any) -> Iterator[Event]:
        yield from islice(reading(*args, **options), 3)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(history.log, "read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            walk.state()
    assert walk.state().digest() == history.at(20).digest()


def test_breaks_stop_where_they_become_true_both_ways(trouble: History) -> None:
    def becomes_true(text: str) -> list[int]:
        held = [bool(compiled(text)(trouble, trouble.at(point))) for point in range(trouble.head + 1)]
        return [point for point in range(1, len(held)) if held[point] and not held[point - 1]]

    for text in (
        'inbox("dave") >= 2',
        "len(sessions) == 2",
        'any(s.state == "pending" for s in sessions)',
        "position > 60",
    ):
        walk, found = Walk(trouble, point=1), []
        walk.breaks.append(compiled(text))
        while (broke := walk.run()) is not None:
            found.append(broke.event.position)
            assert walk.state().position == walk.position == broke.event.position
        assert found == becomes_true(text)
        walk.go("head")
        backwards = []
        while (broke := walk.run_back()) is not None:
            backwards.append(broke.event.position)
        assert backwards == [point for point in found[::-1] if point != trouble.head]
        assert walk.position == backwards[-1]


def test_a_run_needs_a_break(trouble: History) -> None:
    with pytest.raises(QuestionError, match=r"^there is nothing to break on: give an expression, such as b "):
        Walk(trouble).run()


def test_a_log_that_grows_is_read_on(tmp_path: Path) -> None:
    """LOG-4."""
    path = os.fspath(tmp_path / "log")
    with start(path, module="tests.replay.scenario") as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        head = int(writer.stdout.readline())
        with History.open(path) as history:
            walk = Walk(history, point="head")
            with pytest.raises(QuestionError):
                walk.next()
            writer.stdin.write("new\n")
            writer.stdin.flush()
            writer.stdout.readline()
            assert walk.next().position == head + 1
        writer.kill()


# Through a pipe.


@pytest.fixture
def piped(troubles_path: Path) -> Piped:
    """Walks the log of things that went wrong by lines of a pipe."""

    def walk(lines: list[str], *words: str, **environment: str) -> Answer:
        unset: dict[str, str | None] = {"LEDGERHUB_LOG": None, "COLUMNS": "100"}
        runner = CliRunner(env={**unset, **environment})
        text = "".join(f"{line}\n" for line in lines)
        result = runner.invoke(main, ["step", *words, "--log", os.fspath(troubles_path)], input=text)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    return walk


SCREENS = {
    "help": ["h"],
    "moves": ["n", "", "n 3", "p", "g @22", "c", "e", "e 1", "@40"],
    "looks": ["g @36", "w", "v", "l 2", "s", "s inboxes/dave"],
    "breaks": ['b inbox("dave") >= 2', "b len(tasks) > 0", "b", "r", "d inboxes/dave", "r", "rb", "b -1", "rb", "b -1"],
}


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", SCREENS)
def test_screens(piped: Piped, name: str, width: int) -> None:
    answer = piped(SCREENS[name], COLUMNS=str(width))
    assert (answer.code, answer.err) == (0, "")
    assert all(line.isprintable() for line in answer.lines)
    assert answer.lines[-1].endswith(" checkpoint none unsigned")
    assert_screen(f"step-{name}-{width}", answer.out)


def test_a_session_alone(piped: Piped) -> None:
    answer = piped(["n 100"], "@10")
    assert answer.lines[0].startswith("conversation @10, ")
    assert [line.split()[0] for line in answer.lines if line.startswith("@")] == ["@10", "@10>", "@25"]


def test_what_cannot_be_answered_is_said_in_a_line_and_the_walk_goes_on(piped: Piped) -> None:
    asked = {
        "x": "? 'x' is nothing that can be asked here: h lists what is",
        "n no": "? 'no' is not a number of events: give one such as 10",
        "n 0": "? '0' is not a number of events: give one such as 10",
        "g": "? g needs a point: @123, an id, a time, -15m or head",
        "g @999": "? @999 is not in the log, which ends at @70: give a position up to that",
        "p": "? @1 is the first event of the log: n goes on",
        "c": "? @1 has no cause: a hub process took up the log: here it began",
        "e 3": "? @1 has 0 effects: e lists them",
        "r": '? there is nothing to break on: give an expression, such as b inbox("bob") > 50',
        "b -1": "? there is no break 1: b lists them",
    }
    answer = piped([*asked, "n"])
    assert [line for line in answer.lines if line.startswith("? ")] == list(asked.values())
    assert answer.lines[-4].startswith("@2 ")
    assert (answer.code, answer.err) == (2, "")
    for slip in ("s nothing/there", "b inbox(", "b nobody.at.all", 'b inbox("nobody") > 1', "d nothing/there"):
        told = piped([slip])
        assert (told.code, sum(line.startswith("? ") for line in told.lines)) == (2, 1), slip


@pytest.mark.parametrize("farewell", ["q", "quit", "exit"])
def test_a_farewell_ends_it(piped: Piped, farewell: str) -> None:
    answer = piped([farewell, "n"])
    assert answer.code == 0
    assert "@2 " not in answer.out


def test_json(piped: Piped) -> None:
    lines = ["n", "g @17", "e", "w", "v", "l 1", "s inboxes/bob", "d", 'b inbox("dave") >= 2', "r", "r", "h", "x"]
    answer = piped(lines, "--json")
    kinds = [
        "stop",
        "stop",
        "effects",
        "why",
        "event",
        "around",
        "state",
        "diff",
        "breaks",
        "stop",
        "ran",
        "help",
        "error",
    ]
    kinds = ["stop", *kinds]
    assert [each["kind"] for each in answer.objects] == kinds
    assert {each["v"] for each in answer.objects} == {1}
    found = dict(zip(kinds, answer.objects, strict=True))
    assert [each["position"] for each in found["effects"]["effects"]] == [18, 22]
    assert (found["why"]["here"], found["why"]["began"]) == (17, 2)
    assert [each["position"] for each in found["around"]["events"]] == [16, 17, 18]
    assert (found["state"]["path"], found["state"]["value"]["depth"]) == ("inboxes/bob", 1)
    assert (found["diff"]["from"], found["diff"]["to"]) == (2, 17)
    assert {each["kind"] for each in found["diff"]["changes"]} <= {"added", "changed", "removed"}
    assert (found["stop"]["position"], found["stop"]["break"]) == (35, 'inbox("dave") >= 2')
    assert set(found["help"]["asks"]) == set(ASKS)
    assert (found["error"]["code"], answer.code) == ("bad_question", 2)


@pytest.mark.parametrize("words", [("@2",), ("--at", "@99"), ("--at", "fff"), ("nothing",)])
def test_where_it_cannot_begin(piped: Piped, words: tuple[str, ...]) -> None:
    answer = piped(["n"], *words)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)


def test_a_damaged_event_is_told_and_one_can_go_round_it(chat_copy: Path) -> None:
    with raw(chat_copy) as log:
        log.values[9] = log.values[9][:32] + b"garbage"
    with start("step", "--log", os.fspath(chat_copy)) as walking:
        out, err = walking.communicate("g @8\nn\ng @10\np\ng @2\n")
    starts = [line.split()[:2] for line in out.splitlines() if line.startswith(("? ", "@")) and "> " not in line]
    found = [first if first.startswith("@") else f"{first} {second}" for first, second in starts]
    assert found == ["@1", "@8", "? event", "@10", "? event", "@2"]
    assert walking.returncode == 3
    assert err == ""


def test_a_broken_pipe_is_quiet(troubles_path: Path) -> None:
    with start("step", "--log", os.fspath(troubles_path)) as walking:
        assert walking.stdin is not None
        assert walking.stdout is not None
        assert walking.stderr is not None
        walking.stdout.readline()
        walking.stdout.close()
        walking.stdin.write("n\n")
        walking.stdin.flush()
        assert walking.wait() == 141
        assert walking.stderr.read() == ""


# At a terminal.


class Terminal:
    """``replay step`` at a terminal of its own, driven as a person would: a line, then what comes up to the prompt."""

    def __init__(self, master: int, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._pty = fdspawn(master, timeout=60, encoding="utf-8")
        self._pty.delaybeforesend = None

    def prompt(self) -> str:
        """Wait for the prompt; returns all before it. ``position`` is what it says."""
        self._pty.expect(r"@(\d+)> $")
        self.position = int(self._pty.match.group(1))
        return str(self._pty.before).replace("\r\n", "\n")

    def ask(self, line: str) -> str:
        self._pty.send(f"{line}\n")
        return self.prompt()

    def leave(self, key: str) -> str:
        """Press what ends it; returns all that comes then."""
        self._pty.send(key)
        self._pty.expect(EOF)
        return str(self._pty.before).replace("\r\n", "\n")

    def wait(self) -> str:
        self._pty.expect(EOF)
        return str(self._pty.before).replace("\r\n", "\n")


@contextmanager
def at_a_terminal(path: Path, *words: str, **environment: str) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    env = {"TERM": "dumb", "COLUMNS": "100", "NO_COLOR": "", "LEDGERHUB_LOG": os.fspath(path)} | environment
    with start("step", *words, env=env, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        try:
            yield Terminal(master, process)
            assert process.wait() == 0
        finally:
            process.kill()
            os.close(master)


def test_a_walk_at_a_terminal(troubles_path: Path) -> None:
    with at_a_terminal(troubles_path, "--no-color") as terminal:
        assert "h says what can be asked, q quits" in terminal.prompt()
        assert "@2 agent.registered" in terminal.ask("n")
        assert (terminal.ask("").count("@3 agent.registered"), terminal.position) == (1, 3)
        assert "@22 envelope.posted" in terminal.ask("@22")
        assert "← " in terminal.ask("c")
        assert terminal.position == 17
        assert "   1  @18 " in terminal.ask("e")
        assert "pending envelopes: " in terminal.ask("s")
        terminal.ask('b inbox("dave") >= 2')
        assert 'now true: inbox("dave") >= 2\n@35 ' in terminal.ask("r")
        assert "inboxes/dave" in terminal.ask("d")
        assert "? 'x' is nothing that can be asked here" in terminal.ask("x")
        assert terminal.position == 35
        last = terminal.leave("q\n")
        assert last.splitlines()[-1].startswith("log 5eed5eed5eed head @70 root ")


def test_ctrl_d_ends_it_quietly(troubles_path: Path) -> None:
    with at_a_terminal(troubles_path, "@10") as terminal:
        terminal.prompt()
        said = terminal.leave("\x04")
        assert said.splitlines()[-1].endswith("checkpoint none unsigned")
        assert "Traceback" not in said


def test_ctrl_c_at_the_prompt_ends_it_quietly(troubles_path: Path) -> None:
    with at_a_terminal(troubles_path) as terminal:
        terminal.prompt()
        terminal.process.send_signal(signal.SIGINT)
        said = terminal.wait()
        assert said.splitlines()[-1].endswith("checkpoint none unsigned")
        assert "Traceback" not in said


def test_colours_where_there_are_some_and_none_where_there_are_none(troubles_path: Path) -> None:
    for environment, colours in (({"TERM": "xterm-256color"}, True), ({"TERM": "dumb"}, False)):
        with at_a_terminal(troubles_path, **environment) as terminal:
            assert ("\x1b[1m@1 hub.opened" in terminal.prompt()) == colours
            terminal.leave("q\n")
