"""Writes, for each class of bodies, the functions that turn a body into maps to be packed, and such maps into a body.

As ``dataclasses`` does for ``__init__``: what is known of a class once (its fields, in which order, of which kind, with
which default) is not asked again for each of a million events. For ``agent.unregistered`` the source reads::

    def write(body):
        agent_id, name = body
        facts = {}
        facts['agent_id'] = fromhex(agent_id)
        facts['name'] = name
        return facts, None

    def read(facts, content):
        return new(cls, (facts['agent_id'].hex(), facts['name']))

A field with a default is written only when it differs from it, and is read by ``get``. Cost: O(fields) to run.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgpack

from events.values.frozen import FrozenDict, FrozenList

NO_DEFAULT = object()
_LEAVES = frozenset({str, int, float, bool, types.NoneType})

Write = Callable[[Any], tuple[dict[str, Any], dict[str, Any] | None]]
"""Body to facts and content as they are packed: keys sorted at every level; None when no content is to be written."""
Read = Callable[[Mapping[str, Any], Mapping[str, Any]], Any]
"""Facts and content as they were unpacked to a body; what is missing in them is at its default.

Raises KeyError, TypeError or AttributeError for maps that ``Write`` has not made.
"""


class FieldSpec(NamedTuple):
    """One field of a body: where it is, how its bytes are made, what is not written."""

    name: str
    slot: int
    kind: str
    """``id`` or ``ids`` (16 bytes each), ``scalar`` (text, numbers, truth values, nil) or ``plain`` (any JSON)."""
    default: Any


def ordered(value: Any) -> Any:
    """Return a value with the keys of every mapping sorted, as plain dicts and lists; O(size)."""
    if value.__class__ in _LEAVES:
        return value
    if isinstance(value, Mapping):
        return {key: ordered(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [ordered(item) for item in value]
    return value


def frozen(value: Any) -> Any:
    """Return an unpacked value that cannot be changed; O(size)."""
    kind = type(value)
    if kind is dict:
        return FrozenDict({key: frozen(item) for key, item in value.items()})
    return FrozenList([frozen(item) for item in value]) if kind is list else value


def _frozen_field(value: Any) -> Any:
    """A list that is a field of its own is a tuple in the body; what was unpacked by ``unpack_frozen`` stays."""
    kind = type(value)
    if kind is FrozenDict:
        return value
    return tuple([frozen(item) for item in value]) if kind is list or kind is FrozenList else frozen(value)


unpack_frozen = partial(msgpack.unpackb, object_hook=FrozenDict, list_hook=FrozenList)
"""Unpacks bytes and freezes in one pass, for maps that surely hold maps; for others ``frozen`` is cheaper."""

_WRITTEN = {
    "id": "fromhex({0})",
    "ids": "[fromhex(each) for each in {0}]",
    "scalar": "{0}",
    "plain": "ordered({0})",
}
_READ = {
    "id": "{0}.hex()",
    "ids": "tuple([each.hex() for each in {0}])",
    "scalar": "{0}",
    "plain": "frozen({0})",
}


def compile_write(facts: Sequence[FieldSpec], content: Sequence[FieldSpec]) -> Write:
    """Return the function that takes a body of these fields apart."""
    fields = sorted((*facts, *content), key=lambda spec: spec.slot)
    names = {f"default_{spec.name}": spec.default for spec in fields}
    lines = [f"{''.join(f'{spec.name}, ' for spec in fields)} = body" if fields else "pass", "facts = {}"]
    lines += [line for spec in facts for line in _written("facts", spec)]
    if content:
        lines += ["content = {}", *(line for spec in content for line in _written("content", spec))]
    lines.append(f"return facts, {'content or None' if content else 'None'}")
    write: Write = _function("write(body)", lines, {**names, "fromhex": bytes.fromhex, "ordered": ordered})
    return write


def _written(target: str, spec: FieldSpec) -> list[str]:
    put = f"{target}[{spec.name!r}] = {_WRITTEN[spec.kind].format(spec.name)}"
    return [put] if spec.default is NO_DEFAULT else [f"if not {spec.name} == default_{spec.name}:", f"    {put}"]


def compile_read(cls: type, facts: Sequence[FieldSpec], content: Sequence[FieldSpec]) -> Read:
    """Return the function that puts a body of a ``NamedTuple`` class together."""
    sources = {spec.slot: _read("facts", spec) for spec in facts} | {
        spec.slot: _read("content", spec) for spec in content
    }
    values = "".join(f"{sources[slot]}, " for slot in range(len(sources)))
    names = {f"default_{spec.name}": spec.default for spec in (*facts, *content)}
    known = {"cls": cls, "new": tuple.__new__, "frozen": _frozen_field, "missing": NO_DEFAULT}
    read: Read = _function("read(facts, content)", [f"return new(cls, ({values}))"], {**names, **known})
    return read


def _read(source: str, spec: FieldSpec) -> str:
    if spec.default is NO_DEFAULT:
        return _READ[spec.kind].format(f"{source}[{spec.name!r}]")
    default = f"default_{spec.name}"
    if spec.kind == "scalar":
        return f"{source}.get({spec.name!r}, {default})"
    found = f"(found := {source}.get({spec.name!r}, missing))"
    return f"({default} if {found} is missing else None if found is None else {_READ[spec.kind].format('found')})"


def _function(signature: str, lines: Sequence[str], names: dict[str, Any]) -> Any:
    """Compile a function of one of our own classes; the source is made of field names and the tables above alone."""
    scope = dict(names)
    exec("\n    ".join([f"def {signature}:", *lines]), scope)
    return scope[signature.partition("(")[0]]
