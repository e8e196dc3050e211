"""docs/evidence.md: its commands run in the order they stand in, and say what the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from replay.checkpoint import Standing

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMANDS = [line for block in BLOCK.findall(PAGE) for line in block.splitlines()]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_trap_64_every_command_of_the_page_runs(tmp_path: Path) -> None:
    programs, folder = tmp_path / "bin", tmp_path / "folder"
    for each in (programs, folder):
        each.mkdir()
    for name, module in (("replay", "replay.cli"), ("ledgerhub", "hub.cli")):
        text = f"#!/bin/sh\nexec {sys.executable} -c 'from {module} import main; main()' \"$@\"\n"
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    environment = {"PYTHONPATH": os.fspath(ROOT), "PATH": path, "NO_COLOR": "1", "COLUMNS": "120"}
    said = {}
    for command in COMMANDS:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        said[command.partition("#")[0].strip()] = done.stdout
    assert len(said) > 10
    assert "signed by acme.example/hub" in said["replay verify --key hub.pub"]
    assert said["replay log --limit 3 --key hub.pub"].endswith(" verified\n")
    for command in ("replay prove check 13.tlog-proof --key hub.pub", "replay bundle check case.zip --key hub.pub"):
        assert "✓ the checkpoint is signed by acme.example/hub" in said[command]
    assert "what was written was left out" in said["replay bundle check facts.zip --key hub.pub"]
    assert oct((folder / "hub.key").stat().st_mode & 0o777) == "0o600"


def test_every_standing_that_a_screen_can_say_is_on_the_page() -> None:
    assert [standing for standing in Standing if f"`{standing}`" not in PAGE] == []
