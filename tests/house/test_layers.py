"""The four floors: a room knows the floors below it and nothing above; import-linter holds it (DESIGN, The house)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.sources import FLOORS, ROOT, python_files

RUN = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the project's contracts on the four packages of `folder`."""
    command = [sys.executable, "-B", "-c", RUN, "--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    return subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False
    )


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """The project's own rooms, every module of them empty."""
    for path in python_files(*FLOORS):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    return tmp_path


def test_every_floor_keeps_to_the_floors_below() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "knows"),
    [
        ("events/log.py", "projections"),
        ("projections/state.py", "hub"),
        ("hub/errors.py", "replay"),
        ("hub/errors.py", "lmdb"),
        ("projections/state.py", "rich"),
        ("projections/rates.py", "projections.inboxes"),
        ("events/stores/memory.py", "events.codec"),
    ],
)
def test_the_contracts_find_a_module_that_looks_where_it_must_not(house: Path, module: str, knows: str) -> None:
    (house / module).write_text(f"import {knows}\n")
    result = lint(house)
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{module.removesuffix('.py').replace('/', '.')} -> {knows}" in result.stdout


def test_empty_rooms_keep_every_contract(house: Path) -> None:
    result = lint(house)
    assert result.returncode == 0, result.stdout + result.stderr
