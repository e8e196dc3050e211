"""An event: one fact that the hub decided, with its body of facts and content (LOG-1, LOG-2).

A **body** is a ``NamedTuple`` class per event type, in past tense. Its fields are facts, which projections fold,
but those annotated ``Content``, which only people read and which may be erased one day without touching a proof.
``event_type`` registers a body class; ``SCHEMAS`` and ``BODIES`` are how codec and projections find it.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple, Protocol, TypeVar

from events.codec_compile import NO_DEFAULT, FieldSpec, Read, Write, compile_read, compile_write
from events.values.frozen import EMPTY

HUB = "hub"
"""Actor of what the hub does by itself: sweepers, timers, opening."""
OPERATOR = "operator"
"""Actor of what the holder of the hub object does (SESS-7)."""

Id = Annotated[str, "id"]
"""32 lower-case hex characters; 16 bytes in the log."""
MaybeId = Annotated[str | None, "id"]
Ids = Annotated[tuple[str, ...], "ids"]
MaybeIds = Annotated[tuple[str, ...] | None, "ids"]
ContentMap = Annotated[Mapping[str, Any], "content"]
ContentText = Annotated[str, "content"]


class Body(Protocol):
    """What every event body offers beside its fields."""

    def tags(self) -> tuple[str, ...]:
        """What the event is looked up by: ``session:<id>``, ``agent:<id>``, ``task:<id>``, ``name:<name>``."""
        ...


B = TypeVar("B", bound=type)


class Schema(NamedTuple):
    """How bodies of one class are written: fields in key order, those at their default left out."""

    name: str
    version: int
    body: Callable[..., Any]
    facts: tuple[FieldSpec, ...]
    content: tuple[FieldSpec, ...]
    defaults: Mapping[str, Any]
    write: Write
    read: Read
    nests: bool
    """Whether its facts hold maps or lists in every event."""


SCHEMAS: dict[type, Schema] = {}
"""Body class to schema."""
BODIES: dict[str, Schema] = {}
"""Event type to the schema of its newest version."""


def event_type(name: str, version: int = 1) -> Callable[[B], B]:
    """Register a ``NamedTuple`` class as the body of an event type at its newest version."""

    def register(cls: B) -> B:
        hints = typing.get_type_hints(cls, include_extras=True)
        defaults: dict[str, Any] = getattr(cls, "_field_defaults", {})
        found: dict[bool, list[FieldSpec]] = {False: [], True: []}
        for index, field in enumerate(getattr(cls, "_fields", ())):
            mark = getattr(hints[field], "__metadata__", ("",))[0]
            kind = mark if mark in ("id", "ids") else "scalar" if _is_scalar(hints[field]) else "plain"
            found[mark == "content"].append(FieldSpec(field, index, kind, defaults.get(field, NO_DEFAULT)))
        facts, content = tuple(sorted(found[False])), tuple(sorted(found[True]))
        write, read = compile_write(facts, content), compile_read(cls, facts, content)
        nests = any(spec.kind == "plain" and spec.default is NO_DEFAULT for spec in facts)
        schema = Schema(name, version, cls, facts, content, defaults, write, read, nests)
        SCHEMAS[cls] = BODIES[name] = schema
        return cls

    return register


def _is_scalar(hint: Any) -> bool:
    """Say whether a field of this annotation holds neither lists nor maps, so that it is packed as it is."""
    if typing.get_origin(hint) is Annotated:
        hint = typing.get_args(hint)[0]
    choices = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return all(choice in (str, int, bool, types.NoneType) for choice in choices)


class Event(NamedTuple):
    """One event of the log; ``position`` is 0 until it is recorded, then gapless from 1.

    ``at_us`` is microseconds since 1970 UTC and never goes back; ``actor`` is an agent id, ``hub`` or ``operator``;
    ``cause`` is the id of the event that led to this one.
    """

    body: Any
    id: str
    at_us: int
    actor: str = HUB
    cause: str | None = None
    position: int = 0

    @property
    def type(self) -> str:
        """The event's name, such as ``envelope.posted``."""
        return SCHEMAS[type(self.body)].name

    @property
    def version(self) -> int:
        """The version of the body's schema in this library."""
        return SCHEMAS[type(self.body)].version

    @property
    def tags(self) -> tuple[str, ...]:
        """What the event is looked up by."""
        tags: tuple[str, ...] = self.body.tags()
        return tags

    @property
    def facts(self) -> dict[str, Any]:
        """The fields that projections fold, by name."""
        return {spec.name: self.body[spec.slot] for spec in SCHEMAS[type(self.body)].facts}

    @property
    def content(self) -> dict[str, Any]:
        """The fields that only people read, by name."""
        return {spec.name: self.body[spec.slot] for spec in SCHEMAS[type(self.body)].content}


NO_DATA: Mapping[str, Any] = EMPTY
