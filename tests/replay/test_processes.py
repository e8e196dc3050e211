"""``replay`` in a process of its own: beside a hub that writes, into a pipe that breaks, on a terminal."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path
from typing import IO

import pytest

from tests.replay.asking import ask, start


def told(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], text: str) -> str:
    """Give a writer a line, and return its position after it."""
    assert process.stdin is not None
    process.stdin.write(f"{text}\n")
    process.stdin.flush()
    return told(process)


def stream(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def test_follow_shows_what_a_hub_in_another_process_writes(tmp_path: Path) -> None:
    """LOG-4."""
    path = os.fspath(tmp_path / "log")
    with start(path, module="tests.replay.scenario") as writer:
        assert told(writer) == "7"
        words = ("log", "--log", path, "--follow", "--json", "--type", "envelope.posted", "--type", "session.opened")
        with start(*words) as reader:
            assert json.loads(told(reader))["type"] == "session.opened"
            for number in range(5):
                tell(writer, f"line {number}")
                assert json.loads(told(reader))["content"] == {"rest": {"text": f"line {number}"}}
            reader.send_signal(signal.SIGINT)
            assert stream(reader.stdout).read() == ""
            assert (reader.wait(), stream(reader.stderr).read()) == (0, "")
        stream(writer.stdin).close()
        assert writer.wait() == 0


def test_follow_begins_where_it_is_told_and_ends_with_the_footer(tmp_path: Path) -> None:
    path = os.fspath(tmp_path / "log")
    with start(path, module="tests.replay.scenario") as writer:
        assert told(writer) == "7"
        tell(writer, "old")
        words = ("log", "--log", path, "--follow", "--since", "@6", "--grep", "alice →|opened")
        with start(*words, env={"COLUMNS": "100"}) as reader:
            assert told(reader) == "offsets from 2026-01-01T00:00:00Z"
            assert told(reader).split() == ["@", "offset", "what"]
            assert told(reader).endswith("conversation @4: opened")
            assert told(reader).endswith("conversation @4: alice → bob “old” (by operator)")
            tell(writer, "new")
            assert told(reader).endswith("conversation @4: alice → bob “new” (by operator)")
            reader.send_signal(signal.SIGINT)
            footer = told(reader)
            assert footer.startswith("log 5eed5eed5eed head @")
            assert reader.wait() == 0
        writer.kill()


def test_follow_ends_when_nobody_reads_although_nothing_happens(everything_path: Path) -> None:
    with start("log", "--log", os.fspath(everything_path), "--follow", "--limit", "1") as reader:
        for _ in range(3):
            told(reader)
        stream(reader.stdout).close()
        assert reader.wait() == 141
        assert stream(reader.stderr).read() == ""


@pytest.mark.parametrize("form", ["--json", "--no-color"])
def test_a_broken_pipe_is_quiet(chat_path: Path, form: str) -> None:
    with start("log", "--log", os.fspath(chat_path), form) as reader:
        told(reader)
        stream(reader.stdout).close()
        assert reader.wait() == 141
        assert stream(reader.stderr).read() == ""


def test_verify_beside_a_hub_that_writes(tmp_path: Path) -> None:
    """LOG-4: neither a finding nor a wait."""
    path = os.fspath(tmp_path / "log")
    with start(path, module="tests.replay.scenario") as writer:
        told(writer)
        for number in range(20):
            head = int(tell(writer, f"line {number}"))
            answer = ask("verify", "--log", path, "--json")
            assert (answer.code, answer.err) == (0, "")
            assert answer.objects[0]["covered"] >= head
        writer.kill()


def terminal(*words: str, **environment: str) -> tuple[int, str]:
    """Run ``replay`` on a terminal of its own; returns its exit code and all that it showed."""
    master, slave = pty.openpty()
    unset = {"NO_COLOR": "", "TERM": "xterm-256color", "COLUMNS": "100", "PAGER": "cat"}
    with start(*words, env=unset | environment, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        shown = b""
        try:
            while part := os.read(master, 65536):
                shown += part
        except OSError:
            pass  # the terminal's way to say that its other end has gone
        finally:
            os.close(master)
        return process.wait(), shown.decode().replace("\r\n", "\n")


def test_a_terminal_gets_colours_and_a_pager(everything_path: Path) -> None:
    words = ("log", "--log", os.fspath(everything_path), "--limit", "3")
    code, shown = terminal(*words, PAGER="sed -u s/^/paged:/")
    assert code == 0
    assert "\x1b[" in shown
    assert all(line.startswith("paged:") for line in shown.splitlines())
    assert "checkpoint none unsigned" in shown.splitlines()[-1]


@pytest.mark.parametrize(("option", "environment"), [("--no-color", {}), ("--no-pager", {"NO_COLOR": "1"})])
def test_colours_can_be_switched_off(everything_path: Path, option: str, environment: dict[str, str]) -> None:
    words = ("log", "--log", os.fspath(everything_path), "--limit", "3", option)
    code, shown = terminal(*words, **environment)
    assert (code, "\x1b[" in shown) == (0, False)


@pytest.mark.parametrize("option", ["--no-pager", "--json"])
def test_no_pager_and_json_go_straight_to_the_terminal(everything_path: Path, option: str) -> None:
    words = ("log", "--log", os.fspath(everything_path), "--limit", "1", option)
    code, shown = terminal(*words, PAGER="sed -u s/^/paged:/")
    assert (code, "paged:" in shown) == (0, False)


def test_an_error_in_the_middle_of_a_paged_listing_is_still_one_line(chat_copy: Path) -> None:
    with open(chat_copy / "data.mdb", "r+b") as data:
        data.truncate(4096 * 20)
    code, shown = terminal("log", "--log", os.fspath(chat_copy))
    assert (code, shown.count("\n")) == (3, 1)
