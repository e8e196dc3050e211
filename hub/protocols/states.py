"""Adapter states as plain data and back, so that a projection checkpoint can keep them (LOG-8).

A state is a frozen dataclass whose fields are text, whole numbers, booleans, None, enums, tuples, frozensets, dicts
with text keys, or such dataclasses. Its annotations say what comes back: tuples as tuples, frozensets as frozensets.
Equal states dump equally, whatever order their sets and dicts were made in. Cost: O(size of the state).
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any, Union


def dump(value: Any) -> Any:
    """Return a state as dicts, lists, text and numbers.

    Raises:
        TypeError: something in it is of no kind that ``load`` could build again; the message names its type.
    """
    if isinstance(value, Enum):
        return dump(value.value)
    if value is None or isinstance(value, str | int):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: dump(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, frozenset):
        return sorted(dump(item) for item in value)
    if isinstance(value, tuple):
        return [dump(item) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: dump(value[key]) for key in value}
    raise TypeError(
        f"an adapter state holds a {type(value).__name__}, which cannot be kept in a checkpoint; "
        "use frozen dataclasses of plain values, or override dump_state and load_state"
    )


def load(hint: Any, dumped: Any) -> Any:
    """Return what ``dump`` made plain, as the annotation ``hint`` says it was.

    Raises:
        ValueError: the plain data are not those of such a value, as when the state's class has changed since.
    """
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _load_dataclass(hint, dumped)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return None if dumped is None else load(next(arg for arg in args if arg is not types.NoneType), dumped)
    kind = origin or hint
    if kind is tuple and args and args[-1] is not Ellipsis:
        return tuple(load(arg, item) for arg, item in zip(args, dumped, strict=True))
    if kind in (tuple, frozenset):
        return kind(load(args[0] if args else Any, item) for item in dumped)
    if isinstance(dumped, Mapping):
        return {key: load(args[1] if args else Any, item) for key, item in dumped.items()}
    return hint(dumped) if isinstance(hint, type) and issubclass(hint, Enum) else dumped


def _load_dataclass(cls: type, dumped: Any) -> Any:
    hints = _hints(cls)
    if not isinstance(dumped, Mapping) or dumped.keys() != hints.keys():
        raise ValueError(f"these are not the fields of a {cls.__name__}: {dumped!r}")
    return cls(**{name: load(hint, dumped[name]) for name, hint in hints.items()})


@cache
def _hints(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls)}
