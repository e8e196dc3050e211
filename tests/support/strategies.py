"""Hypothesis strategies for what stands in the log: JSON, ids, and events of every class."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Union

from hypothesis import strategies as st

from events.event import HUB, OPERATOR, SCHEMAS, Event
from events.values.frozen import freeze

INT64 = st.integers(-(1 << 63), (1 << 64) - 1)
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
IDS = st.binary(min_size=16, max_size=16).map(bytes.hex)
SCALARS = st.none() | st.booleans() | INT64 | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2), max_leaves=4
)
JSON_MAPS = st.dictionaries(TEXT, JSON, max_size=3)
FROZEN_MAPS = JSON_MAPS.map(freeze)

MARKED: dict[str, st.SearchStrategy[Any]] = {"id": IDS, "ids": st.lists(IDS, max_size=3).map(tuple)}
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: INT64,
    bool: st.booleans(),
    types.NoneType: st.none(),
    Any: JSON.map(freeze),
}


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a body's field, by its annotation."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        found = MARKED[args[1]] if args[1] in MARKED else values_of(args[0])
        return found | st.none() if types.NoneType in typing.get_args(args[0]) else found
    if origin in (Union, types.UnionType):
        return st.one_of(*map(values_of, args))
    if origin is tuple:
        return st.lists(values_of(args[0]), max_size=3).map(tuple)
    if origin is not None and issubclass(origin, Mapping):
        return FROZEN_MAPS if args[1] is not str else st.dictionaries(TEXT, TEXT, max_size=3).map(freeze)
    return PLAIN[hint]


def bodies_of(cls: type) -> st.SearchStrategy[Any]:
    """Bodies of one class: every field filled, or some left at their defaults."""
    hints = typing.get_type_hints(cls, include_extras=True)
    defaults = SCHEMAS[cls].defaults
    required = {name: values_of(hint) for name, hint in hints.items() if name not in defaults}
    optional = {name: values_of(hint) for name, hint in hints.items() if name in defaults}
    return st.fixed_dictionaries(required, optional=optional).map(lambda fields: cls(**fields))


@cache
def events_of(cls: type) -> st.SearchStrategy[Event]:
    """Events of one class, as a hub makes them."""
    return st.builds(
        Event,
        bodies_of(cls),
        IDS,
        st.integers(-(1 << 60), 1 << 60),
        IDS | st.sampled_from([HUB, OPERATOR]),
        st.none() | IDS,
        st.integers(1, 1 << 40),
    )
