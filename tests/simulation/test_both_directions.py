"""DET-1 in both directions: seeded runs are equal in every process, unseeded ones differ."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.house.sources import ROOT
from tests.simulation.run import play


def simulate(hash_seed: str, *options: str, python: str = sys.executable) -> str:
    """What a process of its own prints."""
    command = [python, "-m", "tests.simulation", *options]
    env = os.environ | {"PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True).stdout


def test_det_1_a_seed_is_one_run_whatever_the_hash_seed() -> None:
    told = simulate("1", "--seed", "20", "--runs", "4", "--trace")
    assert told == simulate("2", "--seed", "20", "--runs", "4", "--trace")
    assert play(20).digest in told


@pytest.mark.parametrize("python", ["python3.11", "python3.12", "python3.13", "python3.14"])
def test_det_1_a_seed_is_one_run_on_every_python_that_is_at_hand(python: str) -> None:
    found = shutil.which(python)
    if found is None or python.endswith(f".{sys.version_info.minor}"):
        pytest.skip(f"{python} is this one, or is not on PATH")
    if subprocess.run([found, "-c", "import hub"], cwd=ROOT, check=False, capture_output=True).returncode:
        pytest.skip(f"{python} has not the packages that ledgerhub needs")
    told = simulate("3", "--seed", "20", "--runs", "2", "--trace", python=found)
    assert play(20).digest in told
    assert play(21).digest in told


def test_unseeded_runs_differ() -> None:
    assert simulate("1") != simulate("1")
    assert len({play(seed).digest for seed in range(4)}) == 4
