"""Counts what is decoded, which is what reading the log costs."""

from __future__ import annotations

from typing import Any

import pytest

from events.codec import decode_record
from events.event import Event


def count_decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which the position of every event that is decoded from now on is added.

    Hubs that are opened from now on do not fold the log anew after each append, which would decode all of it.
    """
    monkeypatch.delenv("LEDGERHUB_PARANOID", raising=False)
    positions: list[int] = []

    def counting(record: bytes, position: int, **options: Any) -> Event:
        positions.append(position)
        return decode_record(record, position, **options)

    monkeypatch.setattr("events.log.decode_record", counting)
    return positions
