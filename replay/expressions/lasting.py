"""Which expressions, once true, stay true: proven from their form, so that they can be searched for by halving.

What ends stays ended (SESS-5, TASK-4), the envelopes of a session are only ever added to, whoever was hidden or left
stays so, and a session or task that exists is in the log for good. ``and`` and ``or`` of such things are such.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from replay.expressions import Expression
from replay.expressions.working import POSITION

_ENDS = {"sessions": {"closed", "expired"}, "tasks": {"completed", "failed", "expired", "cancelled"}}
_SET_ONCE = {"sessions": {"closed_at", "close_reason", "rejected_by"}, "tasks": {"ended_at", "latency_ms"}}
"""Fields that get a value once and keep it; before they are None, or empty."""
_GROWING = {"hidden", "left"}
_FLIPPED: dict[type, type] = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}


def lasts(expression: Expression) -> bool:
    """Whether it is proven that the expression, once true at a position of a log, is true at all later ones."""
    return _lasts(expression.tree)


def _lasts(node: ast.expr) -> bool:
    match node:
        case ast.BoolOp(values=values):
            return all(map(_lasts, values))
        case ast.Compare(left=left, ops=[ast.Lt() | ast.LtE() as sign], comparators=[right]):
            return _compared(right, _FLIPPED[type(sign)](), left)
        case ast.Compare(left=left, ops=[sign], comparators=[right]):
            return _compared(left, sign, right)
    return False


def _compared(left: ast.expr, sign: ast.cmpop, right: ast.expr) -> bool:
    match sign, right:
        case ast.Gt() | ast.GtE(), ast.Constant(value=int() | float()):
            return _grows(left)
        case ast.Eq(), ast.Constant(value=str() as value):
            return _ends_as(left, [value]) or (bool(value) and _is_set_once(left))
        case ast.In(), ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            values = [item.value for item in items if isinstance(item, ast.Constant)]
            return len(values) == len(items) and _ends_as(left, values)
        case ast.In(), ast.Attribute(attr=name):
            return isinstance(left, ast.Constant) and name in _GROWING and _kept(right.value) == "sessions"
        case ast.In(), ast.Name(id=name):
            return isinstance(left, ast.Constant) and name in _ENDS
        case ast.NotEq() | ast.IsNot(), ast.Constant(value=None):
            return _kept(left) is not None or _is_set_once(left, but="close_reason")
    return False


def _kept(node: ast.expr) -> str | None:
    """Return the collection of a thing that, once there, stays in the log: one session or task, named outright."""
    match node:
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str())) if name in _ENDS:
            return name
        case ast.Attribute(value=ast.Name(id=name)) if name in _ENDS:
            return name
    return None


def _grows(node: ast.expr) -> bool:
    match node:
        case ast.Name(id=name):
            return name == POSITION
        case ast.Attribute(value=thing, attr="envelopes"):
            return _kept(thing) == "sessions"
        case ast.Call(func=ast.Name(id="len"), args=[ast.Attribute(value=thing, attr=name)]):
            return name in _GROWING and _kept(thing) == "sessions"
    return False


def _ends_as(node: ast.expr, values: Sequence[object]) -> bool:
    match node:
        case ast.Attribute(value=thing, attr="state") if (collection := _kept(thing)) is not None:
            return bool(values) and set(values) <= _ENDS[collection]
    return False


def _is_set_once(node: ast.expr, but: str = "") -> bool:
    match node:
        case ast.Attribute(value=thing, attr=name) if (collection := _kept(thing)) is not None:
            return name != but and name in _SET_ONCE[collection]
    return False
