"""DET-1 in both directions: seeded runs are equal in every process, unseeded ones differ."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.house.sources import ROOT
from tests.simulation.run import play


def simulate(hash_seed: str, *options: str) -> str:
    """What a process of its own prints."""
    command = [sys.executable, "-m", "tests.simulation", *options]
    env = os.environ | {"PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True).stdout


def test_det_1_a_seed_is_one_run_whatever_the_hash_seed() -> None:
    told = simulate("1", "--seed", "20", "--runs", "4", "--trace")
    assert told == simulate("2", "--seed", "20", "--runs", "4", "--trace")
    assert play(20).digest in told


def test_unseeded_runs_differ() -> None:
    assert simulate("1") != simulate("1")
    assert len({play(seed).digest for seed in range(4)}) == 4
