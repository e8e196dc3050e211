"""What an expression is worth in a state: a table from kind of node to the function that works it out."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from projections.state import HubState
from replay.errors import AbsentError, QuestionError
from replay.history import History
from replay.state import COLLECTIONS, Keyed, whole

STEPS_MAX = 2_000_000
"""How many nodes one evaluation may work out: ``any`` over many things counts each."""
POSITION = "position"
_BY_AGENT = frozenset({"agents", "inboxes", "observed", "rates"})
INBOX = "inbox"


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection of the hub's state; iterated, it gives the things in it."""

    name: str


def work_out(text: str, tree: ast.expr, history: History, state: HubState) -> Any:
    """Return what an expression that was read is worth in a state, as JSON data.

    Raises:
        QuestionError: it asks for what no hub has, compares what cannot be compared, or takes too many steps.
    """
    return _plain(_Evaluation(history, state, text).value(tree, {}))


class _Evaluation:
    """One expression in one state; counts its steps."""

    def __init__(self, history: History, state: HubState, text: str) -> None:
        self.history, self.state, self.text = history, state, text
        self.steps = 0

    def value(self, node: ast.AST, names: Mapping[str, Any]) -> Any:
        """Return what a node is worth; ``names`` are those of the things that are gone through."""
        self.steps += 1
        if self.steps > STEPS_MAX:
            raise QuestionError(f"{self.text!r} takes more than {STEPS_MAX:,} steps in one state: ask for less at once")
        return WORKS[type(node)](self, node, names)

    def thing(self, collection: str, key: Any) -> Any:
        """Return one thing of a collection, None when it is not there in this state."""
        if not isinstance(key, str):
            raise QuestionError(f"{collection}[{key!r}] names nothing: give a name or an id as text")
        if collection in _BY_AGENT and self.state.registry.resolve(key) is None:
            self.history.agent_ids(key)  # an agent that never was is a slip
            return None
        try:
            return COLLECTIONS[collection].one(self.history, self.state, key)
        except AbsentError:
            return None

    def items(self, value: Any) -> list[Any]:
        """Return what is gone through: the things of a collection, the items of a list, the keys of a mapping."""
        if isinstance(value, Collection):
            keys = COLLECTIONS[value.name].keys(self.state)
            self.steps += len(keys)
            return [self.thing(value.name, key) for key in keys]
        if isinstance(value, list | Mapping):
            return list(value)
        if value is None:
            return []
        raise QuestionError(f"{_shown(value)} has nothing to go through: give a collection or a list")


def _name(work: _Evaluation, node: ast.Name, names: Mapping[str, Any]) -> Any:
    if node.id in names:
        return names[node.id]
    return work.state.position if node.id == POSITION else Collection(node.id)


def _constant(work: _Evaluation, node: ast.Constant, names: Mapping[str, Any]) -> Any:
    return node.value


def _list(work: _Evaluation, node: ast.List | ast.Tuple | ast.Set, names: Mapping[str, Any]) -> list[Any]:
    return [work.value(each, names) for each in node.elts]


def _field(work: _Evaluation, node: ast.Attribute, names: Mapping[str, Any]) -> Any:
    of = work.value(node.value, names)
    if of is None:
        return None
    if isinstance(of, Collection):
        return work.thing(of.name, node.attr)
    if not isinstance(of, Mapping):
        raise QuestionError(f"{ast.unparse(node.value)} is {_shown(of)}, which has no field {node.attr!r}")
    if node.attr not in of and not isinstance(of, Keyed):
        has = f"it has {', '.join(map(str, of))}" if of else "it is empty"
        close = get_close_matches(node.attr, of, 1)
        hint = f"did you mean {close[0]}?" if close else has
        raise QuestionError(f"there is no field {node.attr!r} in {ast.unparse(node.value)}: {hint}")
    return of.get(node.attr)


def _item(work: _Evaluation, node: ast.Subscript, names: Mapping[str, Any]) -> Any:
    of, key = work.value(node.value, names), work.value(node.slice, names)
    if isinstance(of, Collection):
        return work.thing(of.name, key)
    if of is None or key is None:
        return None
    if isinstance(of, Mapping) and isinstance(key, str):
        return of.get(key)
    if isinstance(of, list) and type(key) is int:
        return of[key] if -len(of) <= key < len(of) else None
    raise QuestionError(f"{ast.unparse(node.value)} is {_shown(of)}, which has no item {_shown(key)}")


def _both(work: _Evaluation, node: ast.BoolOp, names: Mapping[str, Any]) -> bool:
    decisive = isinstance(node.op, ast.Or)
    return any(_true(work, each, names) is decisive for each in node.values) is decisive


def _true(work: _Evaluation, node: ast.AST, names: Mapping[str, Any]) -> bool:
    value = work.value(node, names)
    return bool(_length(work, value)) if isinstance(value, Collection) else bool(value)


def _choice(work: _Evaluation, node: ast.IfExp, names: Mapping[str, Any]) -> Any:
    return work.value(node.body if _true(work, node.test, names) else node.orelse, names)


def _unary(work: _Evaluation, node: ast.UnaryOp, names: Mapping[str, Any]) -> Any:
    if isinstance(node.op, ast.Not):
        return not _true(work, node.operand, names)
    value = work.value(node.operand, names)
    if value is None:
        return None
    if isinstance(node.op, ast.Invert) or not isinstance(value, int | float):
        raise QuestionError(f"{ast.unparse(node)} is no number: {_ARITHMETIC}")
    return -value if isinstance(node.op, ast.USub) else +value


_ARITHMETIC = "calculate with + - * / // % on numbers"
_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def _binary(work: _Evaluation, node: ast.BinOp, names: Mapping[str, Any]) -> Any:
    left, right = work.value(node.left, names), work.value(node.right, names)
    if left is None or right is None:
        return None
    apply = _OPERATORS.get(type(node.op))
    if apply is None or not isinstance(left, int | float) or not isinstance(right, int | float):
        raise QuestionError(f"{ast.unparse(node)} cannot be calculated: {_ARITHMETIC}")
    try:
        return apply(left, right)
    except ArithmeticError as error:
        raise QuestionError(f"{ast.unparse(node)} cannot be calculated here: {error}") from None


_ORDERS: dict[type, Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def _compare(work: _Evaluation, node: ast.Compare, names: Mapping[str, Any]) -> bool:
    left = work.value(node.left, names)
    for sign, right_node in zip(node.ops, node.comparators, strict=True):
        right = work.value(right_node, names)
        if not _holds(work, sign, left, right):
            return False
        left = right
    return True


def _holds(work: _Evaluation, sign: ast.cmpop, left: Any, right: Any) -> bool:
    if isinstance(sign, ast.Eq | ast.Is | ast.NotEq | ast.IsNot):
        return (whole(left) == whole(right)) is isinstance(sign, ast.Eq | ast.Is)
    if isinstance(sign, ast.In | ast.NotIn):
        return _contains(work, left, right) is isinstance(sign, ast.In)
    if left is None or right is None:
        return False
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    if not numbers and not (isinstance(left, str) and isinstance(right, str)):
        raise QuestionError(f"{_shown(left)} and {_shown(right)} have no order: compare two numbers, or two texts")
    return _ORDERS[type(sign)](left, right)


def _contains(work: _Evaluation, part: Any, of: Any) -> bool:
    if of is None:
        return False
    if isinstance(of, Collection):
        return work.thing(of.name, part) is not None
    if isinstance(of, list):
        return whole(part) in map(whole, of)
    if isinstance(part, str) and isinstance(of, str | Mapping):
        return part in of
    raise QuestionError(f"{_shown(part)} cannot be in {_shown(of)}: look in a collection, a list, a mapping or a text")


def _each(work: _Evaluation, node: ast.GeneratorExp | ast.ListComp, names: Mapping[str, Any]) -> list[Any]:
    return [work.value(node.elt, inner) for inner in _bound(work, node.generators, names)]


def _bound(work: _Evaluation, parts: list[ast.comprehension], names: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if not parts:
        yield names
        return
    first, *rest = parts
    assert isinstance(first.target, ast.Name)  # checked
    for item in work.items(work.value(first.iter, names)):
        inner = {**names, first.target.id: item}
        if all(_true(work, test, inner) for test in first.ifs):
            yield from _bound(work, rest, inner)


def _call(work: _Evaluation, node: ast.Call, names: Mapping[str, Any]) -> Any:
    assert isinstance(node.func, ast.Name)  # checked
    return FUNCTIONS[node.func.id](work, work.value(node.args[0], names))


WORKS: dict[type, Callable[[_Evaluation, Any, Mapping[str, Any]], Any]] = {
    ast.Name: _name,
    ast.Constant: _constant,
    ast.List: _list,
    ast.Tuple: _list,
    ast.Set: _list,
    ast.Attribute: _field,
    ast.Subscript: _item,
    ast.BoolOp: _both,
    ast.UnaryOp: _unary,
    ast.BinOp: _binary,
    ast.Compare: _compare,
    ast.IfExp: _choice,
    ast.GeneratorExp: _each,
    ast.ListComp: _each,
    ast.Call: _call,
}
"""Kind of node to what works it out; nothing else may stand in an expression."""

# Functions.


def _length(work: _Evaluation, value: Any) -> int | None:
    if isinstance(value, Collection):
        return len(COLLECTIONS[value.name].keys(work.state))
    if value is None:
        return None
    if isinstance(value, str | list | Mapping):
        return len(value)
    raise QuestionError(f"{_shown(value)} has no length: give a collection, a list, a mapping or a text")


def _numbers(work: _Evaluation, value: Any) -> list[int | float]:
    found = [each for each in work.items(value) if each is not None]
    if not all(isinstance(each, int | float) for each in found):
        raise QuestionError("sum, min and max take numbers: write sum(inbox(a.passport.name) for a in agents)")
    return found


def _sum(work: _Evaluation, value: Any) -> Any:
    try:
        return sum(_numbers(work, value))
    except ArithmeticError as error:
        raise QuestionError(f"a sum cannot be calculated: {error}") from None


FUNCTIONS: dict[str, Callable[[_Evaluation, Any], Any]] = {
    "len": _length,
    "any": lambda work, value: any(map(bool, work.items(value))),
    "all": lambda work, value: all(map(bool, work.items(value))),
    "sum": _sum,
    "min": lambda work, value: min(_numbers(work, value), default=None),
    "max": lambda work, value: max(_numbers(work, value), default=None),
    INBOX: lambda work, value: None if (box := work.thing("inboxes", value)) is None else box["depth"],
}


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    if isinstance(value, int | float):
        return f"the number {value:.6g}" if abs(value) < 1e300 else "a huge number"
    if isinstance(value, Collection):
        return f"the collection {value.name}"
    return "a list" if isinstance(value, list) else f"a mapping of {', '.join(list(value)[:6]) or 'nothing'}"


def _plain(value: Any) -> Any:
    if isinstance(value, Collection):
        raise QuestionError(f"{value.name} is a whole collection: write len({value.name}), or {value.name}[…]")
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise QuestionError(f"the value is {value}, which is no number that can be written: calculate less")
    return whole(value)
