"""Naming damage: what was done to a log whose records, tree and indexes no longer agree, and where.

Three witnesses stand beside the records: the leaf hash next to each, the tree's nodes over every 256 of them, and the
index, which knows each event's type and tags by position. Whoever changed one of them by hand left the others.

=========  ======================================================================================================
kind       its traces
=========  ======================================================================================================
flip       a record that its leaf hash was not made of, or a node that its leaves were not
delete     a gap in positions; or the index has at p + 1 what the log has at p, from some position on; or a session's
           envelopes jump a number; or an index entry that is not there
insert     the index has at p what the log has at p + 1; or goes beyond the event without it; or a session's envelopes
           repeat a number; or an index entry too many
reorder    ids that do not ascend, although the hub's always do (trap 17)
truncate   the index has an event behind the log's last one
rollback   a checkpoint, of a projection or a signed one, stands at a later position than the log's last one
fork       a signed checkpoint has another root at its size, or is of another log (``replay.checkpoint`` looks)
=========  ======================================================================================================

What nobody can see without a signed checkpoint is a log that was made anew from a position on, witnesses and all.
Cost: O(n), once something is known to be wrong.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from events.codec import decode, event_of, leaf_bytes
from events.errors import CorruptLogError, StoreError
from events.event import BODIES, Event
from events.merkle import TILE_WIDTH, Frontier, leaf_hash
from events.stores.check import Checkable
from events.stores.query import readable, type_label
from events.stores.record import labels_of

NEIGHBOURS_MAX = 16
"""So many neighbours, where there are as many, must be displaced alike to call it a shift."""


class Kind(StrEnum):
    """What was done."""

    FLIP = "flip"
    DELETE = "delete"
    INSERT = "insert"
    REORDER = "reorder"
    TRUNCATE = "truncate"
    ROLLBACK = "rollback"
    FORK = "foreign fork"


class Part(StrEnum):
    """To what: an event, the tree, the index, what folds give, a projection checkpoint, or a signed one."""

    EVENT = "event"
    TREE = "tree"
    INDEX = "index"
    FOLD = "fold"
    CHECKPOINT = "checkpoint"
    SIGNED = "signed checkpoint"


class Finding(NamedTuple):
    """One thing that is wrong, and the position where it begins."""

    kind: Kind
    part: Part
    position: int
    message: str


def name_damage(store: Checkable, head: int) -> list[Finding]:
    """Return what is wrong with a log, the first of each kind and part; O(n).

    Raises:
        CorruptLogError: the store's own pages cannot be read.
    """
    records = _first_of_each(_records(store, head))
    if any(finding.kind in (Kind.DELETE, Kind.REORDER, Kind.INSERT) for finding in records):
        return records  # behind it nothing stands where the index says
    return [*records, *_first_of_each(_index(store, head))]


def truncated(store: Checkable, head: int) -> Finding | None:
    """Return the finding that events are gone from the log's end, or None; O(event types log n)."""
    types = [name for name in BODIES if store._in_index(type_label(name), head + 1)]
    if not types:
        return None
    return Finding(
        Kind.TRUNCATE, Part.EVENT, head + 1, f"the log ends at @{head}, but its index has {types[0]} at @{head + 1}"
    )


def explained(findings: list[Finding]) -> list[Finding]:
    """Return findings without those that follow from others, the first in the log first.

    A changed event also spoils the tile over it, its index entries and all that is folded behind it; an event taken
    out leaves one too many in the index behind the end.
    """
    events = [finding for finding in findings if finding.part is Part.EVENT]
    first = min((event.position for event in events), default=0)
    tiles = {(event.position - 1) // TILE_WIDTH for event in events}
    taken = any(event.kind is Kind.DELETE for event in events)

    def stands(finding: Finding) -> bool:
        if finding.part is Part.EVENT:
            return not (taken and finding.kind is Kind.TRUNCATE)
        if finding.part is Part.TREE and (finding.position - 1) // TILE_WIDTH in tiles:
            return False
        return not events or (finding.part is not Part.INDEX and finding.position < first)

    return sorted(filter(stands, findings), key=lambda finding: finding.position)


def misplaced(store: Checkable, event: Event, head: int) -> Finding:
    """Name what an event is whose id is not above the one before it; O(its position)."""
    position = event.position
    for earlier, _, record in store._stored(0, position - 1):
        earlier_id = decode(event_of(record, earlier, store.path), earlier, content=False).id
        if earlier_id == event.id:
            message = f"the events at @{earlier} and @{position} have one id: one of them was put in"
            neighbours = earlier == position - 1  # either may be the stranger; else it is the one that breaks the order
            return Finding(Kind.INSERT, Part.EVENT, earlier if neighbours else position, message)
        if earlier_id > event.id:
            if (shift := _shift(store, position, head)) is not None and shift.kind is Kind.INSERT:
                return shift
            message = f"the event at @{position} belongs before the one at @{earlier}: ids ascend in a log"
            return Finding(Kind.REORDER, Part.EVENT, earlier, message)
    raise AssertionError(f"the event at {position} is in its place")


def _first_of_each(findings: Iterator[Finding]) -> list[Finding]:
    first: dict[tuple[Kind, Part], Finding] = {}
    for finding in findings:
        first.setdefault((finding.kind, finding.part), finding)
    return list(first.values())


# The records, their leaves and the tree over them.


def _records(store: Checkable, head: int) -> Iterator[Finding]:
    frontier, last, last_id = Frontier(), 0, ""
    for position, leaf, record in store._stored(0, head):
        if position != last + 1:
            gone = f"position {last + 1} is" if position == last + 2 else f"positions {last + 1} to {position - 1} are"
            yield Finding(Kind.DELETE, Part.EVENT, last + 1, f"{gone} missing")
            return
        last = position
        event = yield from _record(store, position, leaf, record)
        if event is not None:
            if event.id <= last_id:
                yield misplaced(store, event, head)
            last_id = event.id
        for level, index, node in frontier.append(leaf):
            yield from _node(store, level, index, node)


def _record(store: Checkable, position: int, leaf: bytes, record: bytes) -> Generator[Finding, None, Event | None]:
    """Give what is wrong with a record; return its event when its bytes are whole.

    Raises:
        StoreError: they are, but this library is too old for them.
    """
    problem = f"the record at @{position} is not the one that its leaf hash was made of"
    try:
        if leaf_hash(leaf_bytes(record)) == leaf:
            return decode(event_of(record, position, store.path), position, content=False)
    except CorruptLogError as error:
        problem = error.message
    yield Finding(Kind.FLIP, Part.EVENT, position, problem)
    return None


def _node(store: Checkable, level: int, index: int, node: bytes) -> Iterator[Finding]:
    width = 256**level
    first, over = index * width + 1, f"the tree's node over @{index * width + 1} to @{(index + 1) * width}"
    try:
        stored = list(store._hashes(level, index, 1))
    except CorruptLogError:
        yield Finding(Kind.DELETE, Part.TREE, first, f"{over} is missing")
        return
    if stored != [node]:
        yield Finding(Kind.FLIP, Part.TREE, first, f"{over} is not the one that its leaves give")


# The index, as a witness of which event stood where.


def _index(store: Checkable, head: int) -> Iterator[Finding]:
    for position, labels in _labels(store, 0, min(head, store._indexed())):
        missing = [label for label in labels if not store._in_index(label, position)]
        if missing and (shift := _shift(store, position, head)) is not None:
            yield shift
            return
        if len(missing) == len(labels):
            message = f"the event at @{position} is in no index: no hub wrote it there"
            yield Finding(Kind.INSERT, Part.EVENT, position, message)
        elif missing:
            message = f"the index has not the event at @{position} under {readable(missing[0])}"
            yield Finding(Kind.DELETE, Part.INDEX, position, message)
    for label, positions in store._index_entries():
        for position in positions:
            if position <= head and not any(label in labels for _, labels in _labels(store, position - 1, position)):
                message = f"the index has @{position} under {readable(label)}, and the event there has it not"
                yield Finding(Kind.INSERT, Part.INDEX, position, message)


def _labels(store: Checkable, after: int, until: int) -> Iterator[tuple[int, list[bytes]]]:
    for position, _, record in store._stored(after, until):
        try:
            yield position, labels_of(event_of(record, position, store.path))
        except StoreError:
            continue  # the pass over the records tells of it


def _shift(store: Checkable, position: int, head: int) -> Finding | None:
    """Tell an event taken out or put in at a position: all behind it stand one place from where the index has them.

    The end of the log must agree: the index has one event more than the log, or one less. Where the hub was killed, the
    index ends before the log does and cannot tell.
    """
    indexed = store._indexed()
    behind = list(islice(_labels(store, position - 1, min(head, indexed - 1)), NEIGHBOURS_MAX))
    if behind and (indexed < head or truncated(store, head)) and _stand(store, behind, 1):
        message = f"the event at @{position} was taken out: the index has those behind it one later"
        return Finding(Kind.DELETE, Part.EVENT, position, message)
    ends_early = not any(
        store._in_index(label, head) for _, labels in _labels(store, head - 1, head) for label in labels
    )
    behind = list(islice(_labels(store, position, head), NEIGHBOURS_MAX))
    if ends_early and _stand(store, behind, -1):
        message = f"the event at @{position} was put in: the index has those behind it one earlier"
        return Finding(Kind.INSERT, Part.EVENT, position, message)
    return None


def _stand(store: Checkable, events: list[tuple[int, list[bytes]]], by: int) -> bool:
    """Whether the index has every one of these events so many positions further on."""
    return all(store._in_index(label, position + by) for position, labels in events for label in labels)
