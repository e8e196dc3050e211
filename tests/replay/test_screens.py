"""What people see: each command's screen, narrow and wide, without colour, against a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.replay.asking import Answer, ask, assert_screen
from tests.support.damage import flip, raw

SCREENS = {
    "log": ("log",),
    "log-newest": ("log", "--reverse", "--limit", "3"),
    "log-count": ("log", "--count", "--type", "envelope.posted"),
    "show-envelope": ("show", "@13"),
    "show-session": ("show", "@6"),
    "wal": ("wal", "@18"),
    "audit": ("audit",),
    "state": ("state",),
    "state-before-all": ("state", "--at", "@0"),
    "state-agent": ("state", "agents/bob"),
    "state-session": ("state", "sessions/@18", "--at", "@24"),
    "state-inbox": ("state", "inboxes/carol", "--at", "@24"),
    "verify": ("verify",),
}


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", SCREENS)
def test_each_screen_is_as_its_snapshot(asked: Callable[..., Answer], name: str, width: int) -> None:
    answer = asked(*SCREENS[name], COLUMNS=str(width))
    assert (answer.code, answer.err) == (0, "")
    assert_screen(f"{name}-{width}", answer.out)


@pytest.mark.parametrize("width", [80, 120])
def test_a_damaged_log_says_where(chat_copy: Path, width: int) -> None:
    with raw(chat_copy) as log:
        log.values[300] = flip(log.values[300], 50)
    answer = ask("verify", "--log", os.fspath(chat_copy), COLUMNS=str(width))
    assert answer.code == 1
    assert_screen(f"verify-damaged-{width}", answer.out)


@pytest.mark.parametrize("name", SCREENS)
def test_every_screen_ends_with_the_evidence_and_is_safe_to_print(asked: Callable[..., Answer], name: str) -> None:
    answer = asked(*SCREENS[name])
    assert answer.lines[-1].startswith("log 5eed5eed5eed head @31 root ")
    assert answer.lines[-1].endswith(" checkpoint none unsigned")
    assert all(line.isprintable() for line in answer.lines)


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("name", ["log", "audit", "wal", "log-newest"])
def test_tables_keep_to_the_width(asked: Callable[..., Answer], name: str, width: int) -> None:
    # Two of the characters in the scenario take two cells each.
    assert max(map(len, asked(*SCREENS[name], COLUMNS=str(width)).lines)) <= width


def test_what_goes_into_a_pipe_is_whole(asked: Callable[..., Answer]) -> None:
    line = next(line for line in asked("log").lines if line.startswith("@24"))
    assert "2026-01-01T00:01:14.500000Z" in line
    assert "alice → carol, mallory “two⏎lines, \\x1b[31mred\\x1b[0m, \\u202eevil, 東京”" in line


def test_help_is_there_for_everyone() -> None:
    assert ask().out == ask("--help").out
    commands = ("audit", "completion", "log", "show", "state", "step", "story", "verify", "wal", "why")
    for command in commands:
        answer = ask(command, "-h")
        assert (answer.code, answer.out.splitlines()[0].split()[:3]) == (0, ["Usage:", "replay", command])
        assert command in ask("--help").out


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("log --type session.ex", ["session.expired"]),
        ("audit --kind turn", ["turn_failed"]),
        ("log --log {path} --agent ma", ["mallory"]),
        ("log --log {path}/nowhere --agent ma", []),
        ("story --log {path} @", ["@18", "@6"]),
        ("log --log {path} --session @1", ["@18"]),
        ("wal --log {path}/nowhere @", []),
        ("state a", ["agents/"]),
        ("state --log {path} agents/m", ["agents/mallory"]),
        ("blame --log {path} sessions/", ["sessions/@18", "sessions/@6"]),
        ("state --log {path} tasks/", ["tasks/0000000000000000000000000000000a"]),
        ("state --log {path} denials/", []),
    ],
)
def test_completion_offers_types_kinds_and_names(everything_path: Path, typed: str, offered: list[str]) -> None:
    words = f"replay {typed.format(path=everything_path)}"
    last = str(len(words.split()) - 1)
    answer = ask(_REPLAY_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=last)
    assert [line.partition(",")[2] for line in answer.out.split()] == offered


def test_completion_asks_the_log_that_the_environment_names(everything_path: Path) -> None:
    typed = {"COMP_WORDS": "replay log --agent ma", "COMP_CWORD": "3", "_REPLAY_COMPLETE": "bash_complete"}
    assert ask(LEDGERHUB_LOG=os.fspath(everything_path), **typed).out == "plain,mallory\n"


@pytest.mark.parametrize(
    ("shell", "marker"), [("bash", "COMP_WORDS"), ("zsh", "#compdef replay"), ("fish", "complete")]
)
def test_completion_scripts(shell: str, marker: str) -> None:
    answer = ask("completion", shell)
    assert answer.code == 0
    assert marker in answer.out
    assert "_REPLAY_COMPLETE" in answer.out
