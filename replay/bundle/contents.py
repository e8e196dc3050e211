"""What is in a bundle, worked out from its events alone: by whoever makes it, and again by whoever checks it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from events.agents import AgentRegistered
from events.checkpoint import Checkpoint
from events.codec import decode_record
from events.event import HUB, OPERATOR, Event
from events.leaf import DIGEST_SIZE_BYTES, NO_CONTENT, read_content, read_leaf
from events.merkle import leaf_hash
from events.notes import Note

FORMAT = "ledgerhub-bundle@1"
SESSION, CAUSE, AGENT = "session", "cause", "agent"


class Piece(NamedTuple):
    """One event of a bundle: the bytes of its leaf, and its content, None when it was left out."""

    position: int
    leaf: bytes
    content: bytes | None

    @property
    def has_content(self) -> bool:
        """Whether there is a content file for it."""
        return bool(self.content)

    @property
    def is_empty(self) -> bool:
        """Whether the event never had any content."""
        return self.leaf[-DIGEST_SIZE_BYTES:] == NO_CONTENT

    def event(self) -> Event:
        """Return the event without its content.

        Raises:
            StoreError: a newer library wrote it.
            CorruptLogError: the leaf is not that of an event.
        """
        return decode_record(self.leaf[:-DIGEST_SIZE_BYTES], self.position, content=False)


def named_agents(event: Event) -> set[str]:
    """Return the ids of all agents that an event names: who did it, whom it concerns."""
    tagged = {tag.removeprefix("agent:") for tag in event.tags if tag.startswith("agent:")}
    return tagged | ({event.actor} - {HUB, OPERATOR})


def roles(events: Sequence[Event], session_id: str) -> dict[int, str]:
    """Return by position why an event is in the bundle of a session; who has no role does not belong there."""
    by_id = {event.id: event for event in events}
    found = {event.position: SESSION for event in events if f"session:{session_id}" in event.tags}
    waiting = [event for event in events if event.position in found]
    while waiting:
        cause = by_id.get(waiting.pop().cause or "")
        if cause is not None and cause.position not in found:
            found[cause.position] = CAUSE
            waiting.append(cause)
    named: set[str] = set().union(*(named_agents(event) for event in events if event.position in found))
    registered = (event for event in events if isinstance(event.body, AgentRegistered))
    for event in registered:
        if event.body.agent_id in named:
            found.setdefault(event.position, AGENT)
    return found


def missing_causes(events: Iterable[Event]) -> list[str]:
    """Return the causes that are named and are not there, sorted."""
    events = list(events)
    return sorted({event.cause for event in events if event.cause} - {event.id for event in events})


def event_line(piece: Piece, role: str) -> str:
    """Return an event for reading, as stored, on one line.

    Raises:
        NoteError: leaf or content are not those of an event.
    """
    leaf = read_leaf(piece.leaf)
    told = {"position": piece.position, "role": role} | leaf._asdict()
    content = None if piece.content is None else read_content(piece.content)
    told |= {"content": content, "content_sha256": leaf.content_sha256.hex(), "leaf": leaf_hash(piece.leaf).hex()}
    return json.dumps(told, ensure_ascii=False) + "\n"


def manifest(
    note: Note,
    session_id: str,
    events: Sequence[Event],
    *,
    content: bool,
    files: Mapping[str, bytes],
) -> bytes:
    """Return the manifest.

    Args:
        note: the checkpoint.
        session_id: whose bundle it is.
        events: all in it.
        content: False when the contents were left out.
        files: SHA-256 and size of each member but this one, by name, in order; see ``fingerprint``.
    """
    checkpoint = Checkpoint.parse(note.text)
    told = roles(events, session_id)
    value: dict[str, Any] = {
        "format": FORMAT,
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "signed_by": [signature.name for signature in note.signatures],
        "session": session_id,
        "content": content,
        "events": dict(sorted(Counter(told.values()).items())),
        "missing_causes": missing_causes(events),
        "sha256": {name: digest.hex() for name, digest in files.items()},
    }
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def fingerprint(data: bytes) -> bytes:
    """Return what the manifest says of a member."""
    return sha256(data).digest()
