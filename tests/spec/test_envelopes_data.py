"""SPEC §7, ENV-3: what an envelope may carry, and what it may not."""

from __future__ import annotations

import json
from enum import Enum, IntEnum, StrEnum
from typing import Any

import pytest

from hub import (
    Envelope,
    HubClient,
    LocalLink,
    ProtocolError,
)
from tests.spec.acting import talking
from tests.spec.stage import Stage

MIB = 1 << 20


def nested(depth: int, innermost: Any = "x") -> dict[str, Any]:
    """A mapping that nests so deep."""
    data: Any = innermost
    for level in range(depth - 1):
        data = [data] if level % 2 else {"d": data}
    return {"d": data}


class Colour(StrEnum):
    RED = "red"


class Mood(str, Enum):  # noqa: UP042  (what StrEnum is not: str() gives "Mood.GOOD", JSON "good")
    GOOD = "good"


class Level(IntEnum):
    HIGH = 3


FITS: dict[str, tuple[Any, Any]] = {
    "empty": ({}, {}),
    "every kind": (
        data := {"s": "é💡", "i": -1, "f": 0.5, "t": True, "n": None, "l": [1, [2]], "m": {"": {}}},
        data,
    ),
    "tuples are lists": ({"t": (1, (2,))}, {"t": [1, [2]]}),
    "enums are their values": ({"e": Colour.RED, "i": Level.HIGH, "m": Mood.GOOD}, {"e": "red", "i": 3, "m": "good"}),
    "the largest integers": (ints := {"max": (1 << 64) - 1, "min": -(1 << 63)}, ints),
    "64 deep": (nested(64), nested(64)),
    "1 MiB": (full := {"text": "x" * (MIB - 11)}, full),
    "1 MiB of two-byte characters": (wide := {"text": "é" * ((MIB - 11) // 2)}, wide),
    "the same thing twice": ({"a": (same := {"x": [1]}), "b": same}, {"a": {"x": [1]}, "b": {"x": [1]}}),
}


@pytest.mark.parametrize(("given", "kept"), FITS.values(), ids=FITS)
async def test_env_3_what_fits(stage: Stage, given: Any, kept: Any) -> None:
    """1 MiB counts the encoded bytes, the 11 of the mapping around the text among them; as JSON it is as many."""
    a, _, session_id = await talking(stage)
    await stage.hub.post_envelope(Envelope(session_id, a, event_data=given))
    await stage.restart()
    envelope = (await stage.hub.read_wal(session_id))[-1]
    assert envelope.event_data == kept
    assert json.loads(json.dumps(envelope.event_data)) == kept


CYCLE: dict[str, Any] = {"a": {}}
CYCLE["a"]["b"] = [CYCLE]
REFUSED: dict[str, tuple[Any, str]] = {
    "no mapping": ([1], "send a mapping"),
    "nothing": (None, "send a mapping"),
    "text": ("text", "send a mapping"),
    "NaN": ({"a": [1.0, float("nan")]}, r"event_data\.a\[1\] is nan"),
    "infinity": ({"a": float("-inf")}, r"event_data\.a is -inf"),
    "a key that is a number": ({"a": {5: 1}}, r"event_data\.a has the key 5, a int"),
    "a key that is None": ({None: 1}, "key None"),
    "bytes": ({"a": b"x"}, "is a bytes"),
    "a set": ({"a": {1}}, "is a set"),
    "an object": ({"a": object()}, "is a object"),
    "a class": ({"a": dict}, "is a type"),
    "a lone surrogate": ({"a": ["\ud800"]}, r"event_data\.a\[0\] holds a lone surrogate"),
    "a key with a lone surrogate": ({"\udfff": 1}, "lone surrogate"),
    "an integer beyond 64 bits": ({"a": 1 << 64}, "beyond 64 bits"),
    "a negative one": ({"a": -(1 << 63) - 1}, "beyond 64 bits"),
    "65 deep": (nested(65), "deeper than 64"),
    "a million deep": (nested(1_000_000), "deeper than 64"),
    "a cycle": (CYCLE, "deeper than 64 .or contains itself"),
    "1 MiB and one byte": ({"text": "x" * (MIB - 10)}, r"1048577 bytes encoded; the limit is 1048576 .1 MiB"),
    "many small things": ({"l": list(range(1 << 16, (1 << 16) + 220_000))}, "the limit is 1048576"),
    "one byte too many in two-byte characters": ({"text": "é" * ((MIB - 11) // 2) + "ab"}, "the limit is 1048576"),
}


@pytest.mark.parametrize(("data", "match"), REFUSED.values(), ids=REFUSED)
async def test_env_3_what_does_not_fit_is_refused_naming_the_limit(stage: Stage, data: Any, match: str) -> None:
    a, _, session_id = await talking(stage)
    before = stage.hub.position
    envelope = Envelope(session_id, a, event_data=data)
    for post in (stage.hub.post_envelope, (await HubClient(LocalLink(stage.hub)).attach(None, "alice")).send_envelope):
        with pytest.raises(ProtocolError, match=match):
            await post(envelope)
    assert stage.hub.position == before
    await stage.say(session_id, a)


async def test_env_3_data_that_is_quoted_again_and_again_is_measured_as_a_whole(stage: Stage) -> None:
    """A frozen value inside another was checked before, but not at this depth nor beside the rest."""
    a, _, session_id = await talking(stage)
    data: Any = {"text": "x"}
    for _ in range(63):
        await stage.hub.post_envelope(Envelope(session_id, a, event_data=data))
        data = {"quoted": (await stage.hub.read_wal(session_id))[-1].event_data}
    await stage.hub.post_envelope(Envelope(session_id, a, event_data=data))
    data = {"quoted": (await stage.hub.read_wal(session_id))[-1].event_data}
    with pytest.raises(ProtocolError, match="deeper than 64"):
        await stage.hub.post_envelope(Envelope(session_id, a, event_data=data))
