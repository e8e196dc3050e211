"""Small things that a caller can get wrong, each refused in a sentence (trap 54)."""

from __future__ import annotations

from typing import Any

import pytest

from hub import Envelope
from tests.spec.stage import Stage


@pytest.mark.parametrize("limit", [-1, "3", 1.5])
async def test_a_limit_is_a_count(stage: Stage, limit: Any) -> None:
    for ask in (stage.hub.list_agents, stage.hub.list_sessions, stage.hub.list_tasks):
        with pytest.raises(ValueError, match=r"limit is .* it is a whole number from 0, or None for all"):
            await ask(limit=limit)


def test_an_envelope_of_unknown_keys_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"Envelope: .*colour"):
        Envelope.from_dict({"session_id": "s", "sender_id": "a", "colour": "red"})


def test_an_audience_has_one_order() -> None:
    """DET-1: a set has another order in each process."""
    assert Envelope("s", "a", {"c", "b", "d"}).audience == ["b", "c", "d"]  # type: ignore[arg-type]
