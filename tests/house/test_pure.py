"""Decisions are pure functions, and projections pure folds: no waiting, no files, no network, no printing."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.house.sources import python_files, tree

PURE = ("hub/decisions", "hub/protocols")
EFFECTS = {"asyncio", "io", "logging", "os", "pathlib", "shutil", "socket", "subprocess", "threading"}
CALLS = {"open", "print", "input"}


def effects(module: ast.Module) -> Iterator[str]:
    """`line what` for everything in a module that a pure function has no use for."""
    for node in ast.walk(module):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield f"{node.lineno} {type(node).__name__}"
        elif isinstance(node, ast.Import):
            yield from (f"{node.lineno} {name.name}" for name in node.names if name.name.split(".")[0] in EFFECTS)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in EFFECTS:
            yield f"{node.lineno} {node.module}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            yield f"{node.lineno} {node.func.id}()"


def test_decisions_and_protocols_have_no_effects() -> None:
    assert [f"{path}:{effect}" for path in python_files(*PURE) for effect in effects(tree(path))] == []


@pytest.mark.parametrize(
    "source",
    [
        "async def f(): pass",
        "import asyncio",
        "from os.path import join",
        "print(1)",
        "open('x')",
        "import os.path as p",
    ],
)
def test_the_check_finds_an_effect(source: str) -> None:
    assert list(effects(ast.parse(source)))


def test_the_check_lets_a_pure_function_pass() -> None:
    source = "from dataclasses import replace\ndef f(state):\n    return replace(state, open=open)"
    assert list(effects(ast.parse(source))) == []
