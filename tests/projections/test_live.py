"""LOG-8, LOG-9: a table whose records stay packed until somebody looks, against a plain dictionary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.changed import Changed
from projections.live import Live

KEYS = st.sampled_from("abcdef")
STEPS = st.lists(st.tuples(st.sampled_from(["get", "index", "set", "del", "in", "list"]), KEYS), max_size=30)


def unpacked(key: str, packed: bytes) -> str:
    return f"{key}={packed.decode()}"


@given(start=st.sets(KEYS), steps=STEPS)
def test_it_is_the_dictionary_of_its_unpacked_records_in_order_of_keys(
    start: set[str], steps: list[tuple[str, str]]
) -> None:
    live: Live[str] = Live()
    live.fill({key: key.upper().encode() for key in start}, unpacked)
    model = {key: f"{key}={key.upper()}" for key in start}
    for step, key in steps:
        if step == "get":
            assert live.get(key, "-") == model.get(key, "-")
        elif step == "index" and key in model:
            assert live[key] == model[key]
        elif step == "set":
            live[key] = model[key] = "new"
        elif step == "del" and key in model:
            del live[key], model[key]
        elif step == "list":
            assert list(live.values()) == [model[key] for key in live.keys()]  # noqa: SIM118
            assert list(live.items()) == [(key, model[key]) for key in live]
        assert (key in live) == (key in model)
        assert (len(live), bool(live)) == (len(model), bool(model))
        assert sorted(live) == sorted(model)
        if start:
            assert list(live) == sorted(model)


def test_only_what_is_looked_at_is_unpacked() -> None:
    looked: list[str] = []

    def unpack(key: str, packed: bytes) -> str:
        looked.append(key)
        return unpacked(key, packed)

    live: Live[str] = Live()
    live.fill({"a": b"1", "b": b"2", "c": b"3"}, unpack)
    assert (len(live), "b" in live, list(live), live.get("z")) == (3, True, ["a", "b", "c"], None)
    del live["c"]
    assert (looked, live.unpacked(), live.packed("b")) == ([], [], b"2")
    assert (live["b"], live["b"], looked, live.unpacked()) == ("b=2", "b=2", ["b"], ["b"])
    assert (live.packed("b"), live.packed("a")) == (None, b"1")


def test_what_cannot_be_unpacked_stays_packed() -> None:
    def unpack(key: str, packed: bytes) -> str:
        raise ValueError("not a record")

    live: Live[str] = Live()
    live.fill({"a": b"1"}, unpack)
    with pytest.raises(ValueError, match="not a record"):
        live.get("a")
    assert (list(live), live.packed("a")) == (["a"], b"1")
    with pytest.raises(KeyError):
        live["b"]


CHANGES = st.lists(st.tuples(st.sampled_from(["change", "end", "save"]), KEYS), max_size=40)


@given(steps=CHANGES)
def test_log_8_changes_upon_changes_are_what_there_is(steps: list[tuple[str, str]]) -> None:
    """What was taken, laid over what was taken before, is the table; and nothing is told twice, or of what was never
    saved."""
    changed, parts, saved = Changed(), dict[str, int](), dict[str, int]()
    for count, (step, key) in enumerate([*steps, ("save", "")]):
        if step == "change":
            parts[key] = count
            changed.note(key)
        elif step == "end" and parts.pop(key, None) is not None:
            changed.gone(key)
        elif step == "save":
            for name, part in changed.take(parts.get):
                if part is None:
                    del saved[name]
                else:
                    assert saved.get(name) != part
                    saved[name] = part
            assert saved == parts
            assert list(changed.take(parts.get)) == []
