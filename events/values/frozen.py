"""JSON values made immutable: what people send is checked once, frozen once, and shared safely (trap 43).

``freeze`` walks a value once, checks that it is JSON (ENV-3) and returns it built of ``FrozenDict`` and
``FrozenList``, which are dicts and lists to everyone who reads (``json.dumps``, ``==``) and refuse to change.
Cost: O(nodes); a value that is already frozen is returned as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NoReturn

DEPTH_MAX = 64
"""How deep event_data may nest (ENV-3)."""
SIZE_MAX_BYTES = 1 << 20
"""How large event_data may be, encoded (ENV-3)."""


class FreezeError(ValueError):
    """A value that is not JSON; the message starts with the path to it."""


def _refuse(self: object, *_args: object, **_kwargs: object) -> NoReturn:
    raise TypeError("this value belongs to the log and cannot be changed; change a copy: dict(value)")


class FrozenDict(dict[str, Any]):
    """A dict that cannot change; equal to, and encoded as, the same plain dict."""

    __slots__ = ()
    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = __ior__ = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self.items())))

    def __copy__(self) -> FrozenDict:
        return self

    def __deepcopy__(self, memo: object) -> FrozenDict:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (FrozenDict, (dict(self),))


class FrozenList(list[Any]):
    """A list that cannot change; equal to, and encoded as, the same plain list."""

    __slots__ = ()
    __setitem__ = __delitem__ = append = extend = insert = pop = remove = _refuse
    clear = sort = reverse = __iadd__ = __imul__ = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))

    def __copy__(self) -> FrozenList:
        return self

    def __deepcopy__(self, memo: object) -> FrozenList:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (FrozenList, (list(self),))


EMPTY = FrozenDict()


def freeze(value: Any, where: str = "event_data", depth: int = 1) -> Any:
    """Return ``value`` checked to be JSON and made immutable.

    Raises:
        FreezeError: NaN or infinity, a key that is not text, nesting beyond 64 (a cycle ends there too), text that
            is not Unicode, a number beyond 64 bits, or any other type; the message names the path.
    """
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is dict and _is_flat_text(value):
        _check_depth(where, depth)
        return FrozenDict(value)
    if kind is FrozenDict or kind is FrozenList:
        return value if depth == 1 else _checked_depth(value, where, depth)
    if kind is str:
        return _checked_text(value, where)
    if kind is int:
        return _checked_int(value, where)
    if kind is float:
        if not math.isfinite(value):
            raise FreezeError(f"{where} is {value}: JSON has no such number; send None or a string")
        return value
    _check_depth(where, depth)
    if isinstance(value, Mapping):
        return FrozenDict({_checked_key(k, where): freeze(v, f"{where}.{k}", depth + 1) for k, v in value.items()})
    if isinstance(value, list | tuple):
        return FrozenList([freeze(v, f"{where}[{i}]", depth + 1) for i, v in enumerate(value)])
    return _freeze_odd(value, where)


def _is_flat_text(value: dict[Any, Any]) -> bool:
    """Say whether a mapping is ASCII text to ASCII text, as most messages are: there is nothing else to check."""
    for key, item in value.items():
        if type(key) is not str or type(item) is not str or not (key.isascii() and item.isascii()):
            return False
    return True


def _check_depth(where: str, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise FreezeError(f"{where[:80]} nests deeper than {DEPTH_MAX} (or contains itself); flatten it")


def _checked_depth(value: Any, where: str, depth: int) -> Any:
    """A frozen value inside another, such as data that is quoted: it was checked, but not at this depth."""
    _check_depth(where, depth)
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, FrozenDict | FrozenList):
            _checked_depth(item, where, depth + 1)
    return value


def _freeze_odd(value: Any, where: str) -> Any:
    """Subclasses of the plain types (``StrEnum`` and the like) become the plain type; the rest is refused."""
    if isinstance(value, str):
        return freeze(str.__str__(value), where)  # what JSON makes of it: an enum's own str() may be its name
    for plain in (int, float):
        if isinstance(value, plain):
            return freeze(plain(value), where)
    raise FreezeError(f"{where} is a {type(value).__name__}, which JSON cannot carry; convert it to text or a mapping")


def _checked_key(key: Any, where: str) -> str:
    if type(key) is not str:
        raise FreezeError(f"{where} has the key {key!r}, a {type(key).__name__}: keys are text; use str(key)")
    return _checked_text(key, where)


def _checked_text(text: str, where: str) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise FreezeError(f"{where} holds a lone surrogate, which is not Unicode text; decode it first") from None
    return text


def _checked_int(number: int, where: str) -> int:
    if -(1 << 63) <= number < 1 << 64:
        return number
    raise FreezeError(f"{where} is an integer beyond 64 bits; send it as text")


def thaw(value: Any) -> Any:
    """Return a plain, changeable copy (``dict`` and ``list``) of a frozen value; O(nodes)."""
    if isinstance(value, Mapping):
        return {k: thaw(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [thaw(v) for v in value]
    return value
