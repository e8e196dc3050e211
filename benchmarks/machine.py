"""What a run ran on: figures mean nothing without it."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGES = ("lmdb", "msgpack", "eventsourcing", "ag2", "umadb")


def describe(folder: Path) -> dict[str, str]:
    """The machine, the disk below ``folder``, and the versions of everything that is compared."""
    return {
        "cpu": f"{_cpu()}, {os.cpu_count()} cores, load {', '.join(f'{load:.2f}' for load in os.getloadavg())}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "disk": _filesystem(folder),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "ledgerhub": f"{_version('ledgerhub')}, commit {_commit()}",
        **{package: _version(package) for package in PACKAGES},
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown cpu"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown cpu")


def _filesystem(folder: Path) -> str:
    """The type of the file system that holds a folder: on a tmpfs a sync costs nothing."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return "unknown file system"
    resolved = folder.resolve()
    holding = [(len(point), kind) for point, kind in mounts if resolved.is_relative_to(point)]
    return max(holding)[1] if holding else "unknown file system"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
