"""One event in full: as stored and as read, what caused it, what it caused, and its proof (REPLAY, show)."""

from __future__ import annotations

from dataclasses import dataclass

import msgpack
from eventsourcing.dcb.api import DCBEvent

from events.codec import leaf_bytes, split
from events.event import Event
from events.merkle import leaf_hash, verify_inclusion
from replay.effects import Effects
from replay.history import Evidence, History

EFFECTS_READ_MAX = 10_000
"""Effects are looked for among so many events that follow under the tags of the event and its effects."""


@dataclass(frozen=True, slots=True)
class Detail:
    """An event and all that stands around it.

    Attributes:
        event: as this library reads it.
        stored: type, tags and data as they are in the log.
        stored_version: of its type when it was written.
        upcasts: the versions that it was brought to from there, one after the other; the last one is ``event.version``.
        cause: the event that led to it, None when there is none or it is not in this log.
        effects: events caused by it, oldest first.
        effects_complete: False when more events followed than were looked at.
        leaf: the leaf hash kept in the log, and whether the record still gives it.
        proof: the audit path in the tree of ``size`` events.
        proven: whether the path leads from the leaf to the log's root.
        evidence: what is known of the log, and of its newest signed checkpoint.
    """

    event: Event
    stored: DCBEvent
    stored_version: int
    upcasts: tuple[int, ...]
    cause: Event | None
    effects: tuple[Event, ...]
    effects_complete: bool
    leaf: bytes
    leaf_holds: bool
    size: int
    proof: tuple[bytes, ...]
    proven: bool
    evidence: Evidence

    @property
    def covered(self) -> bool:
        """Whether the newest signed checkpoint is of a tree that has the event in it."""
        return self.evidence.checkpoint is not None and self.event.position <= self.evidence.checkpoint


def detail(history: History, point: str | int) -> Detail:
    """Return everything about one event; O(log² n), and the events looked through for its effects.

    Raises:
        QuestionError: it is not a point of this log.
        CorruptLogError: the event or the tree over it cannot be read.
    """
    event, log = history.event(point), history.log
    recorder, position = log.recorder, event.position
    stored = recorder.get(position)
    assert stored is not None
    leaf, proof = recorder.leaf_hash(position), recorder.inclusion_proof(position, history.head)
    found = Effects(history, event, EFFECTS_READ_MAX, direct=True)
    effects = tuple(effect.event for effect in found)
    version: int = msgpack.unpackb(split(stored.data, position)[0])[0]
    return Detail(
        event=event,
        stored=stored,
        stored_version=version,
        upcasts=tuple(range(version + 1, event.version + 1)),
        cause=log.find(event.cause) if event.cause else None,
        effects=effects,
        effects_complete=found.complete,
        leaf=leaf,
        leaf_holds=leaf_hash(leaf_bytes(stored.data)) == leaf,
        size=history.head,
        proof=tuple(proof),
        proven=verify_inclusion(leaf, position - 1, history.head, proof, recorder.root(history.head)),
        evidence=history.evidence(),
    )
