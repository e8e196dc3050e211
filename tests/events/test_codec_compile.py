"""The compiled writers and readers of bodies (LOG-6, LOG-7): what is written, what is left out, what is made of it."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from events.codec_compile import NO_DEFAULT, FieldSpec, compile_read, compile_write, frozen, ordered, unpack_frozen
from events.values.frozen import FrozenDict, FrozenList

A, B = "a" * 32, "b" * 32


class Sample(NamedTuple):
    """A body with a field of each kind, once required and once with a default."""

    who: str
    others: tuple[str, ...]
    size: int
    data: object
    boss: str | None = None
    some: tuple[str, ...] | None = None
    label: str = "none"
    more: object = FrozenDict()


class Note(NamedTuple):
    """A body of one field."""

    text: str = ""


def spec(name: str, kind: str) -> FieldSpec:
    return FieldSpec(name, Sample._fields.index(name), kind, Sample._field_defaults.get(name, NO_DEFAULT))


FACTS = (
    spec("boss", "id"),
    spec("label", "scalar"),
    spec("others", "ids"),
    spec("size", "scalar"),
    spec("some", "ids"),
    spec("who", "id"),
)
CONTENT = (spec("data", "plain"), spec("more", "plain"))
write = compile_write(FACTS, CONTENT)
read = compile_read(Sample, FACTS, CONTENT)


def test_fields_are_written_in_key_order_ids_as_bytes_and_defaults_not_at_all() -> None:
    facts, content = write(Sample(A, (A, B), 3, {"b": 1, "a": {"d": 2, "c": 3}}))
    assert list(facts.items()) == [("others", [b"\xaa" * 16, b"\xbb" * 16]), ("size", 3), ("who", b"\xaa" * 16)]
    assert content == {"data": {"a": {"c": 3, "d": 2}, "b": 1}}
    assert list(content["data"]) == ["a", "b"]


@pytest.mark.parametrize(
    "body",
    [
        Sample(A, (), 0, FrozenDict()),
        Sample(A, (B,), -1, FrozenDict(x=FrozenList([1])), B, (), "", FrozenDict(y=None)),
        Sample(A, (B, A), 1, None, None, (A,), "none", None),
    ],
)
def test_what_was_written_is_read_as_it_was(body: Sample) -> None:
    facts, content = write(body)
    assert read(facts, content or {}) == body


def test_content_that_is_all_at_its_defaults_is_none() -> None:
    note = (FieldSpec("text", 0, "scalar", ""),)
    assert compile_write((), note)(Note()) == ({}, None)
    assert compile_write((), note)(Note("x")) == ({}, {"text": "x"})
    assert compile_write(note, ())(Note("x")) == ({"text": "x"}, None)


def test_a_list_of_its_own_is_a_tuple_and_what_is_in_it_cannot_be_changed() -> None:
    facts, content = write(Sample(A, (), 0, [1, [2], {"k": []}]))
    body = read(facts, content or {})
    assert body.data == (1, [2], {"k": []})
    assert [type(item) for item in body.data] == [int, FrozenList, FrozenDict]
    unpacked = unpack_frozen(b"\x81\xa4data\x92\x01\x91\x02")
    assert read(facts, unpacked).data == (1, [2])


def test_what_is_missing_without_a_default_is_named() -> None:
    facts, _ = write(Sample(A, (), 0, 1))
    with pytest.raises(KeyError, match="data"):
        read(facts, {})


def test_ordered_and_frozen_leave_what_is_plain() -> None:
    for value in (None, True, 1, 1.5, "x"):
        assert ordered(value) is value
        assert frozen(value) is value
