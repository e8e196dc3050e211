"""What may stand in an expression: it is parsed, and refused for what it cannot have, before any state is looked at."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from replay.errors import QuestionError
from replay.expressions.working import FUNCTIONS, INBOX, POSITION, WORKS
from replay.state import COLLECTIONS

TEXT_LENGTH_MAX = 1000
NODES_MAX = 200
"""How many names, literals and operations an expression may have."""
DEPTH_MAX = 40
"""How deep they may be nested."""
EXAMPLE = 'inbox("bob") > 50'


def read(text: str) -> ast.expr:
    """Return what a text was parsed to, checked.

    Raises:
        QuestionError: it is not an expression, or has what none may have.
    """
    if len(text) > TEXT_LENGTH_MAX:
        raise QuestionError(f"the expression has {len(text)} characters: at most {TEXT_LENGTH_MAX} are read")
    tree = _parsed(text)
    if sum(isinstance(node, ast.expr) for node in ast.walk(tree)) > NODES_MAX:
        raise QuestionError(f"the expression has more than {NODES_MAX} parts: ask for less at once")
    _check(tree, frozenset(), 0)
    return tree


def _parsed(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a backslash in a text
            return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        where = f" at character {error.offset}" if error.offset else ""
        raise QuestionError(f"{text!r} is not an expression ({error.msg}{where}): write it as {EXAMPLE}") from None
    except (ValueError, RecursionError, MemoryError):
        raise QuestionError(f"the expression cannot be read: write it as {EXAMPLE}") from None


def _check(node: ast.AST, known: frozenset[str], depth: int) -> None:
    if depth > DEPTH_MAX:
        raise QuestionError(f"the expression is nested deeper than {DEPTH_MAX}: ask for less at once")
    check = _CHECKS.get(type(node))
    if check is None and type(node) not in WORKS:
        raise QuestionError(f"an expression cannot have {_noun(node)}: it may {_ALLOWED}")
    if check is not None:
        check(node, known)
    for child, known_there in _children(node, known):
        _check(child, known_there, depth + 1)


_ALLOWED = "compare, calculate, look at fields with . and [ ], and call functions"


def _noun(node: ast.AST) -> str:
    nouns = {ast.JoinedStr: "an f-string", ast.Dict: "a dict", ast.Slice: "a slice", ast.NamedExpr: ":="}
    return nouns.get(type(node), f"a {type(node).__name__.lower()}")


def _children(node: ast.AST, known: frozenset[str]) -> Iterator[tuple[ast.AST, frozenset[str]]]:
    """Give what is worked out below a node, with the names that are known there."""
    if isinstance(node, ast.GeneratorExp | ast.ListComp):
        for part in node.generators:
            yield part.iter, known  # before its own name has a meaning
            known |= {part.target.id} if isinstance(part.target, ast.Name) else set()
            yield from ((test, known) for test in part.ifs)
        yield node.elt, known
    else:
        below = node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node)
        yield from ((child, known) for child in below if isinstance(child, ast.expr))


def _check_name(node: ast.Name, known: frozenset[str]) -> None:
    there = {*COLLECTIONS, POSITION, *known}
    if node.id in FUNCTIONS:
        raise QuestionError(f"{node.id} is a function: write {node.id}(…)")
    if node.id not in there:
        raise _unknown("name", node.id, there)


def _check_call(node: ast.Call, known: frozenset[str]) -> None:
    if not isinstance(node.func, ast.Name):
        raise QuestionError(f"an expression can call {', '.join(FUNCTIONS)}, and nothing else")
    if node.func.id not in FUNCTIONS:
        raise _unknown("function", node.func.id, FUNCTIONS)
    if node.keywords or len(node.args) != 1 or isinstance(node.args[0], ast.Starred):
        raise QuestionError(f"{node.func.id} takes one argument: write {node.func.id}(…)")


def _check_literal(node: ast.Constant, known: frozenset[str]) -> None:
    if not isinstance(node.value, str | int | float | None):
        raise QuestionError(f"an expression has texts, numbers, True, False and None, not {node.value!r}")


def _check_each(node: ast.GeneratorExp | ast.ListComp, known: frozenset[str]) -> None:
    for part in node.generators:
        if not isinstance(part.target, ast.Name) or part.is_async:
            raise QuestionError("an expression goes through things one by one: write any(… for x in sessions)")
        if part.target.id in {*COLLECTIONS, *FUNCTIONS, POSITION}:
            raise QuestionError(f"{part.target.id!r} has a meaning already: call what you go through something else")


def _unknown(what: str, name: str, there: Iterable[str]) -> QuestionError:
    there = sorted(there)
    close = get_close_matches(name, there, 1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(there)}"
    return QuestionError(f"there is no {what} {name!r} in an expression: {hint}")


_CHECKS: dict[type, Callable[[Any, frozenset[str]], None]] = {
    ast.Name: _check_name,
    ast.Call: _check_call,
    ast.Constant: _check_literal,
    ast.GeneratorExp: _check_each,
    ast.ListComp: _check_each,
}


def things(tree: ast.expr) -> frozenset[tuple[str, str]] | None:
    """Return the things that are named outright, or None when it looks at more than these."""
    nodes = list(ast.walk(tree))
    named = [thing for node in nodes if (thing := named_thing(node)) is not None]
    names = sum(isinstance(node, ast.Name) and node.id in {*COLLECTIONS, POSITION, INBOX} for node in nodes)
    return frozenset(named) if named and len(named) == names else None


def named_thing(node: ast.AST) -> tuple[str, str] | None:
    """Return the ``(collection, key)`` that ``sessions["7be2"]``, ``agents.bob`` or ``inbox("bob")`` names, or None."""
    match node:
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str() as key)) if name in COLLECTIONS:
            return name, key
        case ast.Attribute(value=ast.Name(id=name), attr=key) if name in COLLECTIONS:
            return name, key
        case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str() as key)]) if name == INBOX:
            return "inboxes", key
    return None
