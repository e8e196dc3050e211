"""Counts what is decoded, which is what reading the log costs."""

from __future__ import annotations

from typing import Any

import pytest

from events.codec import decode
from events.event import Event


def count_decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which the position of every event that is decoded from now on is added."""
    positions: list[int] = []

    def counting(stored: Any, position: int, **options: Any) -> Event:
        positions.append(position)
        return decode(stored, position, **options)

    monkeypatch.setattr("events.log.decode", counting)
    return positions
