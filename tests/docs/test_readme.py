"""Every snippet of the README runs as it stands (trap 64); every replay line in it is one that the command knows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return [text for found, text in BLOCK.findall(README.read_text()) if found == language]


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run this Python in a folder, with the project on its path."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(README.parent), "PATH": "", "NO_COLOR": "1", "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_trap_64_there_are_snippets_to_run() -> None:
    assert len(blocks("python")) >= 2
    assert any("replay" in line for block in blocks("sh") for line in block.splitlines())


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_trap_64_every_python_snippet_runs(number: int, tmp_path: Path) -> None:
    done = run(["-W", "error", "-c", blocks("python")[number]], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_first_snippet_shows_what_it_says(tmp_path: Path) -> None:
    """Alice's view: the invite went to bob alone."""
    done = run(["-c", blocks("python")[0]], tmp_path)
    lines = done.stdout.splitlines()
    assert lines[0] == "closed consulting_complete"
    assert [line.split()[1] for line in lines[1:]] == [
        "ag2.session.invite.ack",
        "ag2.session.opened",
        "ag2.msg.text",
        "ag2.msg.text",
        "ag2.session.closed",
    ]


def test_every_replay_line_is_answered_by_the_log_of_the_first_snippet(tmp_path: Path) -> None:
    assert run(["-c", blocks("python")[0]], tmp_path).returncode == 0
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("replay")]
    assert lines
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        if "--follow" in words:
            continue  # never ends; tests/replay has it
        done = run(["-m", "replay", *words], tmp_path)
        assert done.returncode in (0, 1), f"{line}\n{done.stderr}"  # clean, or a finding
        assert (bool(done.stdout), done.stderr) == (True, ""), line
