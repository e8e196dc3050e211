"""Pages whose commands are run in the order they stand in, and whose consoles show what the commands say.

``python -m tests.docs.consoles PAGE…`` writes anew what the consoles of a page show.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(sh|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PROMPT = "$ "
WIDTH = "100"


class Said(NamedTuple):
    """A block of a page as it stands there, and as it came out now; a block of ``sh`` says nothing."""

    page: str
    now: str


def shell(folder: Path) -> dict[str, str]:
    """An environment in which the project's commands are on the path, without colour, in English, at one width."""
    programs = folder / "bin"
    programs.mkdir()
    for name, words in (("replay", "-m replay"), ("ledgerhub", "-m hub.cli"), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        (programs / name).chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return {"PYTHONPATH": os.fspath(ROOT), "PATH": path, "NO_COLOR": "1", "COLUMNS": WIDTH, "LC_ALL": "C.UTF-8"}


def played(page: str, folder: Path) -> Iterator[Said]:
    """Run a page's commands in a folder.

    Raises:
        AssertionError: a command failed: neither clean nor a finding.
    """
    environment, work = shell(folder), folder / "work"
    work.mkdir()
    (work / "examples").symlink_to(ROOT / "examples")
    for kind, text in FENCE.findall(page):
        if kind == "sh":
            for line in text.splitlines():
                _run(line, work, environment)
            continue
        commands = [line for line in text.splitlines() if line.startswith(PROMPT)]
        said = [f"{line}\n{_run(line.removeprefix(PROMPT), work, environment)}" for line in commands]
        yield Said(text, "\n".join(said))


def _run(command: str, work: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["sh", "-c", command], cwd=work, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode in (0, 1), f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def main(*pages: str) -> None:
    """Write the consoles of pages anew."""
    for page in map(Path, pages):
        text = page.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            for before, now in played(text, Path(folder)):
                text = text.replace(f"```console\n{before}```", f"```console\n{now}```", 1)
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
