"""What the registered values share: frozen pydantic dataclasses that refuse bad input in one sentence."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import wraps
from typing import Annotated, Any, Self, TypeVar, cast, dataclass_transform

import pydantic
from pydantic import BeforeValidator, ConfigDict, PlainValidator
from pydantic.dataclasses import dataclass as pydantic_dataclass

from events.values.frozen import FreezeError, FrozenDict, freeze, thaw

T = TypeVar("T")
_CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)
SENTENCE_LENGTH_MAX = 600


def _explain(error: pydantic.ValidationError) -> str:
    """Say a pydantic error in one sentence: the value, the field, the complaint."""
    first = error.errors(include_url=False, include_input=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    complaint = first["msg"].removeprefix("Value error, ")
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{error.title}{f'.{path}' if path else ''}: {complaint}{more}"[:SENTENCE_LENGTH_MAX]


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def frozen_value(cls: type[T]) -> type[T]:
    """Make a class a frozen, validated dataclass whose constructor raises ``ValueError`` with one sentence."""
    built = pydantic_dataclass(frozen=True, config=_CONFIG)(cls)
    validate = built.__init__

    @wraps(validate)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            validate(self, *args, **kwargs)
        except pydantic.ValidationError as error:
            raise ValueError(_explain(error)) from None

    built.__init__ = __init__  # type: ignore[method-assign]
    return cast("type[T]", built)


def _frozen_mapping(value: Any) -> FrozenDict:
    if not isinstance(value, Mapping):
        raise ValueError(f"expected a mapping, got a {type(value).__name__}")
    try:
        frozen: FrozenDict = freeze(value, "it")
    except FreezeError as error:
        raise ValueError(str(error)) from None
    return frozen


def _strings(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, list | tuple | set | frozenset):
        raise ValueError(f"expected a list of text, got {value!r}")
    items = sorted(value) if isinstance(value, set | frozenset) else value
    if not all(isinstance(item, str) for item in items):
        raise ValueError("expected a list of text, and one of its items is not text")
    return tuple(items)


def frozen_items(items: Any) -> Any:
    """Keep a list as a tuple, a validated mapping as a frozen one."""
    if isinstance(items, list):
        return tuple(items)
    return FrozenDict(items) if isinstance(items, Mapping) else items


JsonMap = Annotated[Mapping[str, Any], PlainValidator(_frozen_mapping)]
"""A JSON mapping, frozen when the value is built."""
Strings = Annotated[list[str] | tuple[str, ...], BeforeValidator(_strings)]
"""A list of text, kept as a tuple; a bare string is refused rather than split into letters."""


class Value:
    """Dict in, dict out, for every registered value."""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build the value from plain data, e.g. parsed JSON.

        Raises:
            ValueError: an unknown key, a missing key or a value of the wrong type.
        """
        try:
            return cls(**data)
        except TypeError as error:
            raise ValueError(f"{cls.__name__}: {error}") from None

    @classmethod
    def trusted(cls, **fields: Any) -> Self:
        """Build the value from all of its fields, checked and frozen before; nothing is checked again. O(fields)."""
        value = object.__new__(cls)
        value.__dict__.update(fields)
        return value

    def but(self, **changes: Any) -> Self:
        """Return the value with other fields, as ``trusted`` does it: nothing is checked. O(fields)."""
        return self.trusted(**{**self.__dict__, **changes})

    def to_dict(self) -> dict[str, Any]:
        """Return the value as plain dicts, lists, text and numbers: JSON, and msgpack."""
        return {f.name: plain(getattr(self, f.name)) for f in dataclasses.fields(self)}  # type: ignore[arg-type]


def plain(value: Any) -> Any:
    """Return a registered value, or a field of one, as plain dicts, lists, text and numbers; O(its size)."""
    if isinstance(value, Value):
        return value.to_dict()
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return thaw(value)
