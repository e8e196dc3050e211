"""A table of what lives whose records are unpacked when they are first asked for (LOG-8, LOG-9)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TypeVar

V = TypeVar("V")


class Live(dict[str, V]):
    """Key to record, in order of keys; those that a checkpoint brought stay as its bytes until somebody looks.

    Keys are ids, which ascend: their order is that of creation. A record that is there is found as fast as in any dict;
    one that is packed costs its unpacking, once. Iterating over records unpacks all of them.
    """

    __slots__ = ("_packed", "_unordered", "_unpack")

    def __init__(self) -> None:
        super().__init__()
        self._packed: dict[str, bytes] = {}
        self._unpack: Callable[[str, bytes], V] | None = None
        self._unordered = False

    def fill(self, packed: Mapping[str, bytes], unpack: Callable[[str, bytes], V]) -> None:
        """Take over packed records in place of all there are; ``unpack`` is called with a key and its bytes."""
        self.clear()
        self._packed, self._unpack = dict(packed), unpack
        self._unordered = bool(packed)

    def packed(self, key: str) -> bytes | None:
        """Return the bytes of a record that nobody has looked at, else None; O(1)."""
        return self._packed.get(key)

    def unpacked(self) -> list[str]:
        """Return the keys of the records that are no longer bytes; O(those)."""
        return list(super().__iter__())

    def __missing__(self, key: str) -> V:
        packed = self._packed.pop(key)
        assert self._unpack is not None
        try:
            record = self._unpack(key, packed)
        except BaseException:
            self._packed[key] = packed
            raise
        self[key] = record
        return record

    def get(self, key: str, default: V | None = None) -> V | None:  # type: ignore[override]
        """Return the record of a key, or the default."""
        found = super().get(key)
        if found is None:
            return self[key] if key in self._packed else default
        return found

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or key in self._packed

    def __len__(self) -> int:
        return super().__len__() + len(self._packed)

    def __setitem__(self, key: str, record: V) -> None:
        if self._packed:
            self._packed.pop(key, None)
        super().__setitem__(key, record)

    def __delitem__(self, key: str) -> None:
        if self._packed.pop(key, None) is None:
            super().__delitem__(key)

    def __iter__(self) -> Iterator[str]:
        if self._unordered:
            return iter(sorted([*super().__iter__(), *self._packed]))
        return super().__iter__()

    def keys(self) -> Collection[str]:  # type: ignore[override]
        """Return the keys in order."""
        return list(self)

    def values(self) -> Collection[V]:  # type: ignore[override]
        """Return the records in order, all unpacked."""
        return [self[key] for key in self] if self._unordered else super().values()

    def items(self) -> Collection[tuple[str, V]]:  # type: ignore[override]
        """Return keys and records in order, all unpacked."""
        return [(key, self[key]) for key in self] if self._unordered else super().items()
