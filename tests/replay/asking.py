"""Asking on the command line, in this process or in another, and comparing what a screen shows with a file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner

from replay.cli import main

SNAPSHOTS = Path(__file__).parent / "snapshots"
REWRITE = "LEDGERHUB_SNAPSHOTS"
"""Set to ``write`` in the environment, the screens become the snapshots."""
_HASHES = re.compile(r"(?<=root |gest )[0-9a-f]{12}\b|(?<=leaf )[0-9a-f]{64}\b|(?<=^  )[0-9a-f]{64}$", re.MULTILINE)


class Answer(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


def ask(*words: str, **environment: str) -> Answer:
    """Run ``replay`` in this process."""
    unset: dict[str, str | None] = {"LEDGERHUB_LOG": None, "COLUMNS": None}
    result = CliRunner(env={**unset, **environment}).invoke(main, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


def start(
    *words: str, module: str = "replay", env: dict[str, str] | None = None, **pipes: Any
) -> subprocess.Popen[str]:
    """Start ``replay`` in another process, text on its pipes."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(
        [sys.executable, "-m", module, *words],
        text=True,
        env=environment | (env or {}),
        **({"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | pipes),
    )


def assert_screen(name: str, screen: str) -> None:
    """Compare a screen with the snapshot of that name; hashes are left out: they change with every field added."""
    shown, path = _HASHES.sub(lambda found: "#" * len(found[0]), screen), SNAPSHOTS / f"{name}.txt"
    if os.environ.get(REWRITE) == "write":
        SNAPSHOTS.mkdir(exist_ok=True)
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8"), f"{path.name} differs; if it should, set {REWRITE}=write"
