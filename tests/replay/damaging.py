"""Records and their labels, for tests that change a log behind its back with ``tests.support.damage``."""

from __future__ import annotations

from events.codec import event_of, leaf_bytes
from events.merkle import leaf_hash
from events.stores.record import labels_of
from tests.support.damage import Raw


def labels(log: Raw, position: int) -> list[bytes]:
    """What the event at a position is looked up by."""
    return labels_of(event_of(log.values[position][32:], position, ""))


def signed(record: bytes) -> bytes:
    """A record with the leaf hash that it should have."""
    return leaf_hash(leaf_bytes(record)) + record
