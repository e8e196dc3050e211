"""A log as text, one line an event: when, who, what, and everything about it that is a test's business.

``+2s bob: envelope.posted session-1 env-2 to=alice because=env-1 text="Margin."``

The words are event types and field names as they stand in the log, which never change their meaning, so that a text
that is pinned today is the same under a later ledgerhub. Left out are fields at their defaults, what only the hub
counts (sequences, versions, digests), and which library wrote it. Offsets are from the first event shown, in seconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from events.event import SCHEMAS, Event
from events.sessions import EnvelopePosted
from events.values.envelope import EV_TEXT
from events.values.identity import Passport
from events.values.rule import Rule
from replay.errors import QuestionError
from replay.snapshot.cast import Cast
from replay.snapshot.masks import MASK, NOTHING, Masks
from replay.sources import Source, opened

_ABOUT = ("session_id", "envelope_id", "task_id", "agent_id")
_BOOKKEEPING = {"sequence", "version", "digest", "has_skill", "invite_due_us", "ordinal", "anchors"}
_LIBRARY = {"library", "format", "adapters"}
_UNSHOWN = {"name", *_ABOUT, "data", "rest", *_BOOKKEEPING, *_LIBRARY}
"""What stands among the subjects, is shown as data of an envelope, or is no test's business."""
_LABELS = {"recipients": "to", "participants": "with", "manifest": "type"}
_DEFAULT_RULE = Rule().to_dict()
_DEFAULT_PASSPORT = Passport("anyone").to_dict()


def text_of(source: Source, masks: Masks = NOTHING) -> str:
    """Return a log as text; O(its events). ``await settle(hub)`` before a hub's is taken.

    Raises:
        QuestionError: the source is no log.
        StoreError, CorruptLogError: it cannot be read.
    """
    with opened(source) as log:
        return "\n".join(lines(log.read(), masks))


def session_text(source: Source, session_id: str, masks: Masks = NOTHING) -> str:
    """Return one session of a log as text, its names numbered and its time counted within it; O(events of the log).

    Raises:
        QuestionError: the log has no such session; else as ``text_of``.
    """
    tag, cast, mine = f"session:{session_id}", Cast(), []
    with opened(source) as log:
        for event in log.read():
            cast.meet(event)
            if tag in event.tags:
                mine.append(event)
    if not mine:
        raise QuestionError(f"there is no session {session_id!r} in this log")
    return "\n".join(lines(mine, masks, cast))


def lines(events: Iterable[Event], masks: Masks = NOTHING, cast: Cast | None = None) -> Iterator[str]:
    """Give a line for each event that is not left out; O(events).

    Args:
        events: in order, with content.
        masks: what a test does not care about.
        cast: names known already; None: nobody's.
    """
    cast, start_us = cast or Cast(), None
    for event in events:
        cast.meet(event)
        if masks.leaves_out(event):
            continue
        cast.number(event)
        start_us = event.at_us if start_us is None else start_us
        said = " ".join([event.type, *_subjects(event, cast), *_because(event, cast), *_fields(event, masks, cast)])
        line = f"+{_seconds(event.at_us - start_us)} {cast.name(event.actor)}: {cast.translate(said)}"
        yield _UNSEEN.sub(_escaped, line)


_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Characters that end a line, move the cursor or turn text around: a fixed set, whatever Unicode version."""


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _seconds(us: int) -> str:
    """Return microseconds as seconds, exactly: ``0s``, ``62.5s``."""
    whole, part = divmod(us, 1_000_000)
    return f"{whole}.{part:06}".rstrip("0") + "s" if part else f"{whole}s"


def _subjects(event: Event, cast: Cast) -> Iterator[str]:
    """Give the names of what an event is about: a session, an envelope, a task, an agent."""
    for field in _ABOUT:
        if found := getattr(event.body, field, None):
            yield cast.name(found)
        elif field == "envelope_id" and isinstance(event.body, EnvelopePosted):
            yield cast.name(event.id)


def _because(event: Event, cast: Cast) -> Iterator[str]:
    """Give the envelope that led to an event; what follows within an append goes without saying."""
    if event.cause is not None and cast.is_envelope(event.cause):
        yield f"because={cast.name(event.cause)}"


def _fields(event: Event, masks: Masks, cast: Cast) -> Iterator[str]:
    body, schema = event.body, SCHEMAS[type(event.body)]
    kinds = {spec.name: spec.kind for spec in schema.facts}
    for name, value in zip(body._fields, body, strict=True):
        if name in _UNSHOWN or value in (None, "") or (name in schema.defaults and value == schema.defaults[name]):
            continue
        label = _LABELS.get(name) or name.removesuffix("_us").removesuffix("_ids").removesuffix("_id")
        if {name, label} & masks.keys:
            yield f"{label}={MASK}"
        elif name in _SHOWN:
            yield from (f"{label}={shown}" for shown in _SHOWN[name](value, event, cast))
        elif kinds.get(name) in ("id", "ids"):
            yield f"{label}={','.join(map(cast.name, [value] if isinstance(value, str) else value))}"
        else:
            yield f"{label}={_json(masks.mask(value))}"
    if isinstance(body, EnvelopePosted):
        data = masks.mask({**body.data, **body.rest})
        yield from (f"{key if _WORD.fullmatch(key) else _json(key)}={_json(data[key])}" for key in sorted(data))


_WORD = re.compile(r"[A-Za-z0-9_.-]+")


def _json(value: Any) -> str:
    return MASK if value == MASK else json.dumps(value, ensure_ascii=False, sort_keys=True)


# What is shown in a way of its own: zero or one text.

Shown = Callable[[Any, Event, Cast], Iterable[str]]


def _unless_actor(agent_id: str, event: Event, cast: Cast) -> Iterable[str]:
    return () if agent_id == event.actor else (cast.name(agent_id),)


def _until(at_us: int, event: Event, cast: Cast) -> Iterable[str]:
    return (f"+{_seconds(at_us - event.at_us)}",)


def _lasting(us: int, event: Event, cast: Cast) -> Iterable[str]:
    return (_seconds(us),)


def _type(manifest: Mapping[str, Any], event: Event, cast: Cast) -> Iterable[str]:
    return (f"{manifest['type']}/{manifest['version']}",)


def _passport(passport: Mapping[str, Any], event: Event, cast: Cast) -> Iterable[str]:
    return _differing(passport, _DEFAULT_PASSPORT)


def _rule(rule: Mapping[str, Any], event: Event, cast: Cast) -> Iterable[str]:
    return _differing({key: value for key, value in rule.items() if key != "version"}, _DEFAULT_RULE)


def _differing(value: Mapping[str, Any], base: Mapping[str, Any]) -> Iterable[str]:
    found = _differences(value, base)
    return (_json(found),) if found else ()


def _differences(value: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of nested data is not as in the base."""
    found = {}
    for key, item in value.items():
        inner = base.get(key)
        if isinstance(item, Mapping) and isinstance(inner, Mapping):
            if deeper := _differences(item, inner):
                found[key] = deeper
        elif item != inner:
            found[key] = item
    return found


def _event_type(event_type: str, event: Event, cast: Cast) -> Iterable[str]:
    return () if event_type == EV_TEXT else (event_type,)


def _detail(detail: Mapping[str, Any], event: Event, cast: Cast) -> Iterable[str]:
    """Leave out since when, which is a time of day."""
    kept = {key: item for key, item in detail.items() if key != "since"}
    return (_json(kept),) if kept else ()


_SHOWN: Mapping[str, Shown] = {
    "sender_id": _unless_actor,
    "owner_id": _unless_actor,
    "creator_id": _unless_actor,
    "expires_us": _until,
    "latency_us": _lasting,
    "ttl_us": _lasting,
    "manifest": _type,
    "passport": _passport,
    "rule": _rule,
    "event_type": _event_type,
    "detail": _detail,
}
