"""No exception vanishes: whoever catches everything tells someone."""

from __future__ import annotations

import ast

import pytest

from tests.house.sources import python_files, tree

EVERYTHING = {"Exception", "BaseException"}


def catches_everything(handled: ast.expr | None) -> bool:
    """Whether an `except` of this takes any exception whatever."""
    if isinstance(handled, ast.Tuple):
        return any(catches_everything(one) for one in handled.elts)
    return handled is None or (isinstance(handled, ast.Name) and handled.id in EVERYTHING)


def does_nothing(node: ast.stmt) -> bool:
    """Whether a statement neither tells anyone nor raises: `pass`, `...`, `continue`, a bare return."""
    if isinstance(node, ast.Return):
        return node.value is None or isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Pass | ast.Continue | ast.Break) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def drops(node: ast.AST) -> bool:
    """Whether this is an `except` that does nothing, or `suppress`, of any exception at all."""
    if isinstance(node, ast.ExceptHandler):
        return catches_everything(node.type) and all(map(does_nothing, node.body))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
        named = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        return named == "suppress" and any(map(catches_everything, node.args))
    return False


def swallowed(module: ast.Module) -> list[int]:
    """Lines where any exception at all is dropped."""
    return [getattr(node, "lineno", 0) for node in ast.walk(module) if drops(node)]


def test_no_exception_is_swallowed() -> None:
    assert [f"{path}:{line}" for path in python_files() for line in swallowed(tree(path))] == []


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    f()\nexcept Exception:\n    pass",
        "try:\n    f()\nexcept:\n    ...",
        "try:\n    f()\nexcept (OSError, BaseException) as error:\n    'never mind'",
        "def g():\n    try:\n        f()\n    except Exception:\n        return None",
        "for x in y:\n    try:\n        f()\n    except Exception:\n        continue",
        "with contextlib.suppress(Exception):\n    f()",
    ],
)
def test_the_check_finds_a_swallowed_exception(source: str) -> None:
    assert swallowed(ast.parse(source))


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    f()\nexcept OSError:\n    pass",
        "try:\n    f()\nexcept Exception as error:\n    tell(error)",
        "try:\n    f()\nexcept Exception:\n    raise",
        "with suppress(FileNotFoundError):\n    f()",
    ],
)
def test_the_check_lets_a_told_or_narrow_one_pass(source: str) -> None:
    assert swallowed(ast.parse(source)) == []
