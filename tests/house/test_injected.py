"""Time, ids, chance and sleep come from what `Hub.open` was given (SPEC §0, DET-1): from nowhere else in the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase

import pytest

from tests.house.sources import FLOORS, python_files, tree

HOMES = ("hub/clock.py", "hub/ids.py")

BANNED = (
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "time.time",
    "time.time_ns",
    "time.monotonic",
    "time.monotonic_ns",
    "time.sleep",
    "time.gmtime",
    "time.localtime",
    "asyncio.sleep",
    "anyio.sleep",
    "os.urandom",
    "os.getrandom",
    "random",
    "random.*",
    "secrets",
    "secrets.*",
    "uuid",
    "uuid.*",
    "numpy.random*",
)

# (module, name) -> why it may. An entry that nothing uses any more fails the test, too.
ALLOWED = {
    (
        "events/stores/base.py",
        "os.urandom",
    ): "a new log's identity is not part of what is replayed, and no two may share it",
    (
        "replay/cli/keygen.py",
        "os.urandom",
    ): "a private key is chance and nothing else; no log is replayed from it",
}


def imported(module: ast.Module) -> dict[str, str]:
    """Each name that an import of the module binds -> what it stands for, in full."""
    names: dict[str, str] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.split(".")[0]
                names[bound] = alias.name if alias.asname else bound
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def full_name(node: ast.expr, names: dict[str, str]) -> str:
    """`dt.now` -> `datetime.datetime.now` where `dt` was imported so; "" for what no import stands behind."""
    if isinstance(node, ast.Attribute):
        inner = full_name(node.value, names)
        return f"{inner}.{node.attr}" if inner else ""
    return names.get(node.id, "") if isinstance(node, ast.Name) else ""


def uses(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and full name of every use, called or handed on, of something that is banned."""
    names = imported(module)
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute | ast.Name):
            name = full_name(node, names)
            if name and any(fnmatchcase(name, pattern) for pattern in BANNED):
                yield node.lineno, name


def test_nothing_reads_a_clock_draws_chance_or_sleeps_but_through_what_was_injected() -> None:
    paths = [path for path in python_files(*FLOORS) if path not in HOMES]
    found = {(path, name): line for path in paths for line, name in uses(tree(path))}
    assert [f"{path}:{line} {name}" for (path, name), line in found.items() if (path, name) not in ALLOWED] == []
    assert [f"{path} no longer uses {name}" for path, name in ALLOWED if (path, name) not in found] == []


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import time\ntime.time()", "time.time"),
        ("import time as t\nclock = t.monotonic", "time.monotonic"),
        ("from time import monotonic as tick\ntick()", "time.monotonic"),
        ("from datetime import datetime, UTC\ndatetime.now(UTC)", "datetime.datetime.now"),
        ("import datetime as dt\ndt.datetime.utcnow()", "datetime.datetime.utcnow"),
        ("import asyncio\nasync def f():\n    await asyncio.sleep(0)", "asyncio.sleep"),
        ("import uuid\ndef f():\n    return uuid.uuid4().hex", "uuid.uuid4"),
        ("from random import choice\nchoice([1])", "random.choice"),
        ("import os\nos.urandom(16)", "os.urandom"),
        ("import secrets\nsecrets.token_hex(16)", "secrets.token_hex"),
    ],
)
def test_the_check_sees_through_names(source: str, name: str) -> None:
    assert name in {found for _, found in uses(ast.parse(source))}


def test_the_check_lets_the_rest_of_those_modules_pass() -> None:
    source = """
from datetime import datetime
import asyncio
datetime.fromisoformat("2026-01-01")
asyncio.gather()
clock.time()
self.random.choice()
"""
    assert list(uses(ast.parse(source))) == []
