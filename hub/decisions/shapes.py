"""What a command is made of, checked before anything is looked up: bad input is a ``ProtocolError``, always (trap 54).

The fields of a command class are annotated with what they may be, and that is what is checked; nothing is converted.
"""

from __future__ import annotations

from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from events.errors import ProtocolError

Kinds = tuple[type, ...]


def check(command: tuple[Any, ...]) -> None:
    """Refuse a command with a field of the wrong type; O(fields + items of its tuples).

    Raises:
        ProtocolError: the message names the field and the types, and never shows the value, which may be a secret.
    """
    for (name, kinds), value in zip(_fields(command.__class__), command, strict=True):
        kind = value.__class__
        if kind not in kinds and (kind is bool or not isinstance(value, kinds)):
            wanted = " or ".join("None" if kind is NoneType else kind.__name__ for kind in kinds)
            raise ProtocolError(f"{name} is of the type {type(value).__name__}; it has to be {wanted}")
        if kind is tuple and not all(isinstance(item, str | tuple) for item in value):
            raise ProtocolError(f"{name} lists something that is not text; it has to be a list of ids or names")


@cache
def _fields(command: type) -> tuple[tuple[str, Kinds], ...]:
    """Return the fields of a command class, each with the types that it may have."""
    hints = get_type_hints(command).items()
    unions = ((name, get_args(hint) if isinstance(hint, UnionType) else (hint,)) for name, hint in hints)
    return tuple((name, tuple(get_origin(kind) or kind for kind in kinds)) for name, kinds in unions)
