"""What people send is JSON, checked once and frozen once (ENV-3, trap 43)."""

from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given

from events.values.frozen import DEPTH_MAX, EMPTY, FreezeError, FrozenDict, FrozenList, freeze, thaw
from tests.support.strategies import JSON


class Colour(StrEnum):
    RED = "red"


def nested(levels: int) -> Any:
    """A value of that many containers, one in the other."""
    value: Any = 1
    for level in range(levels):
        value = {"k": value} if level % 2 else [value]
    return value


def cyclic() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["me"] = [value]
    return value


@given(JSON)
def test_a_frozen_value_reads_as_the_plain_one(value: Any) -> None:
    frozen = freeze(value)
    assert frozen == value
    assert json.dumps(frozen) == json.dumps(value)
    assert freeze(frozen) is frozen or not isinstance(frozen, dict | list)
    assert hash(frozen) == hash(freeze(copy.deepcopy(value)))
    assert copy.deepcopy(frozen) is frozen
    back = pickle.loads(pickle.dumps(frozen))
    assert (back, type(back)) == (frozen, type(frozen))


@given(JSON)
def test_thawed_is_a_plain_copy_that_can_be_changed(value: Any) -> None:
    thawed = thaw(freeze(value))
    assert thawed == value
    assert type(thawed) is type(value)
    if isinstance(thawed, dict):
        thawed["new"] = 1


def test_env_3_what_is_frozen_does_not_follow_its_source() -> None:
    source: dict[str, Any] = {"list": [1], "map": {"a": 1}}
    frozen = freeze(source)
    source["list"].append(2)
    source["map"]["a"] = 2
    source["new"] = 1
    assert frozen == {"list": [1], "map": {"a": 1}}


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.__setitem__("k", 1),
        lambda d: d.__delitem__("k"),
        lambda d: d.clear(),
        lambda d: d.pop("k"),
        lambda d: d.popitem(),
        lambda d: d.setdefault("new", 1),
        lambda d: d.update(k=2),
        lambda d: d.__ior__({"k": 2}),
        lambda d: d["list"].append(1),
        lambda d: d["list"].extend([1]),
        lambda d: d["list"].insert(0, 1),
        lambda d: d["list"].pop(),
        lambda d: d["list"].remove(1),
        lambda d: d["list"].clear(),
        lambda d: d["list"].sort(),
        lambda d: d["list"].reverse(),
        lambda d: d["list"].__setitem__(0, 2),
        lambda d: d["list"].__delitem__(0),
        lambda d: d["list"].__iadd__([1]),
        lambda d: d["list"].__imul__(2),
    ],
)
def test_trap_43_every_way_to_change_it_is_refused(change: Callable[[Any], Any]) -> None:
    value = freeze({"k": {}, "list": [1]})
    with pytest.raises(TypeError, match=r"cannot be changed; change a copy"):
        change(value)
    assert value == {"k": {}, "list": [1]}
    assert {**value, "k": 2} == {"k": 2, "list": [1]}  # a copy is the way


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"a": math.nan}, "event_data.a is nan: JSON has no such number"),
        ({"a": [1, -math.inf]}, "event_data.a[1] is -inf"),
        ({1: "x"}, "event_data has the key 1, a int: keys are text"),
        ({"a": {None: 1}}, "event_data.a has the key None, a NoneType"),
        ({Colour.RED: 1}, "a Colour: keys are text"),
        ({"a": {1, 2}}, "event_data.a is a set, which JSON cannot carry"),
        ({"a": b"x"}, "event_data.a is a bytes"),
        ({"a": object()}, "event_data.a is a object"),
        ({"a": "\ud800"}, "event_data.a holds a lone surrogate"),
        ({"\udfff": 1}, "event_data holds a lone surrogate"),
        ({"a": 1 << 64}, "event_data.a is an integer beyond 64 bits"),
        ({"a": -(1 << 63) - 1}, "event_data.a is an integer beyond 64 bits"),
        (cyclic(), "nests deeper than 64 (or contains itself)"),
        (nested(DEPTH_MAX + 1), "nests deeper than 64"),
    ],
)
def test_env_3_what_json_cannot_carry_is_refused_by_its_path(value: Any, sentence: str) -> None:
    with pytest.raises(FreezeError) as caught:
        freeze(value)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_env_3_what_json_can_carry_at_the_edge() -> None:
    edges: list[Any] = [[(1 << 64) - 1, -(1 << 63)], "𝄞", nested(DEPTH_MAX), {"": []}, EMPTY]
    for value in edges:
        assert freeze(value) == value
    assert type(freeze(Colour.RED)) is str
    assert type(freeze([True])[0]) is bool
    assert isinstance(freeze((1, 2)), FrozenList)


def test_env_3_quoting_what_was_received_does_not_pass_the_depth_limit() -> None:
    """A value that was checked is checked again for depth when it is put inside another."""
    quoted = freeze(nested(DEPTH_MAX))
    with pytest.raises(FreezeError, match=r"event_data\.quote nests deeper than 64"):
        freeze({"quote": quoted})
    assert isinstance(freeze({"quote": freeze(nested(DEPTH_MAX - 1))}), FrozenDict)
