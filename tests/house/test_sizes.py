"""Small pieces: how long a module and a function may be, and how long they usually are.

The medians are a ratchet: lower them when the code has become shorter; they are never raised.
"""

from __future__ import annotations

import ast
from statistics import median

from tests.house.sources import FLOORS, functions, python_files, text, tree

MODULE_MOST = 500
FUNCTION_MOST = 60
MODULE_MEDIAN = 150
FUNCTION_MEDIAN = 8


def function_lines(module: ast.Module) -> dict[str, int]:
    """The lines of each function by `line name`, its docstring among them."""
    return {f"{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1 for node in functions(module)}


def above(most: int, sizes: dict[str, int]) -> list[str]:
    """What is longer than `most` lines."""
    return [f"{name}: {size} lines" for name, size in sizes.items() if size > most]


def module_sizes(*folders: str) -> dict[str, int]:
    return {path: text(path).count("\n") for path in python_files(*folders)}


def function_sizes(*folders: str) -> dict[str, int]:
    paths = python_files(*folders)
    return {f"{path}:{name}": size for path in paths for name, size in function_lines(tree(path)).items()}


def test_no_module_is_longer_than_500_lines() -> None:
    assert above(MODULE_MOST, module_sizes()) == []


def test_no_function_is_longer_than_60_lines() -> None:
    assert above(FUNCTION_MOST, function_sizes()) == []


def test_the_usual_module_is_short() -> None:
    assert median(module_sizes(*FLOORS).values()) < MODULE_MEDIAN


def test_the_usual_function_is_short() -> None:
    assert median(function_sizes(*FLOORS).values()) < FUNCTION_MEDIAN


def test_the_check_counts_methods_and_nested_functions_to_the_line() -> None:
    head = "class C:\n    async def long(self):\n        def short():\n            return 1\n"
    sample = ast.parse(head + "        x = 1\n" * 58)
    assert function_lines(sample) == {"2 long": 61, "3 short": 2}
    assert above(FUNCTION_MOST, function_lines(sample)) == ["2 long: 61 lines"]
    assert above(FUNCTION_MOST + 1, function_lines(sample)) == []
