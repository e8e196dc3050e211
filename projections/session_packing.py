"""A session's record as the bytes that a projection checkpoint keeps of it (LOG-8).

====== =================== ============================================================================
offset type                meaning
====== =================== ============================================================================
0      u16, u16 big-endian number of participants, and which of them is the creator
4      16 bytes each       the participants' ids
then   msgpack array       manifest's key, created_us, invite_due_us, expires_us, depth, knobs, labels, state,
                           pending_acks, joined_us (of each participant, or nil), hidden, left, sequence, the session
                           type's state (nil: dormant), spoken, turn, owed, fired, sent
====== =================== ============================================================================

Agents are told by their place among the participants, or by name where they have none. Manifests are kept once, not
with each session. The participants stand in front, so that a packed session is found by agent. Cost: O(size).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgpack

from events.codec_compile import unpack_frozen
from events.values.session import SessionManifest, SessionState
from projections.session_record import NONE, Sent, SessionRecord, Since, Turn

_START = struct.Struct(">HH")
_ID_BYTES = 16


class People(NamedTuple):
    """Who is in a packed session."""

    participants: tuple[str, ...]
    creator_id: str
    end: int
    """Where their ids end in the bytes."""


def people(packed: bytes) -> People:
    """Return the participants of a packed session; O(participants)."""
    count, creator = _START.unpack_from(packed)
    end = _START.size + count * _ID_BYTES
    ids = packed[_START.size : end].hex()
    participants = tuple([ids[at : at + 2 * _ID_BYTES] for at in range(0, len(ids), 2 * _ID_BYTES)])
    return People(participants, participants[creator], end)


def pack(record: SessionRecord, manifest_key: str, adapter_state: Any) -> bytes:
    """Return the bytes of a record whose session type's state is given as plain data."""
    everybody = record.participants
    places: dict[str, int | str] = {agent_id: place for place, agent_id in enumerate(everybody)}

    def who(agent_id: str) -> int | str:
        return places.get(agent_id, agent_id)

    turn = record.turn
    row = (
        manifest_key,
        record.created_us,
        record.invite_due_us,
        record.expires_us,
        record.depth,
        record.knobs,
        record.labels,
        record.state.value,
        [who(each) for each in record.pending_acks],
        [record.joined_us.get(each) for each in everybody],
        [who(each) for each in sorted(record.hidden)],
        [who(each) for each in sorted(record.left)],
        record.sequence,
        adapter_state,
        record.spoken,
        None if turn is None else (who(turn.speaker), *turn.since, turn.envelope_id),
        [(who(each), *since) for each, since in record.owed.items()],
        [(ordinal, who(each), anchor) for (ordinal, each), anchor in record.fired.items()],
        [(who(each), key, *sent) for (each, key), sent in record.sent.items()],
    )
    start = _START.pack(len(everybody), everybody.index(record.creator_id))
    tail: bytes = msgpack.packb(row)
    return start + bytes.fromhex("".join(everybody)) + tail


def unpack(session_id: str, packed: bytes, manifests: dict[str, SessionManifest]) -> tuple[SessionRecord, Any]:
    """Return the record, and its session type's state as plain data.

    Raises:
        KeyError, TypeError, ValueError, IndexError, struct.error: the bytes are not those of ``pack``.
    """
    found = people(packed)
    everybody = found.participants
    (
        manifest_key,
        created_us,
        invite_due_us,
        expires_us,
        depth,
        knobs,
        labels,
        state,
        pending,
        joined,
        hidden,
        left,
        sequence,
        adapter_state,
        spoken,
        turn,
        owed,
        fired,
        sent,
    ) = unpack_frozen(packed[found.end :])

    def who(place: int | str) -> str:
        return place if isinstance(place, str) else everybody[place]

    def all_of(places: Iterable[int | str]) -> tuple[str, ...]:
        return tuple([who(place) for place in places])

    record = SessionRecord(
        session_id,
        found.creator_id,
        manifests[manifest_key],
        everybody,
        created_us,
        invite_due_us,
        expires_us,
        depth,
        knobs,
        labels,
        SessionState(state),
        all_of(pending),
        {each: at_us for each, at_us in zip(everybody, joined, strict=True) if at_us is not None},
        hidden=frozenset(all_of(hidden)),
        left=frozenset(all_of(left)),
        sequence=sequence,
        spoken=Since(*spoken),
        turn=Turn(who(turn[0]), Since(turn[1], turn[2]), turn[3]) if turn else None,
        owed={who(each): Since(at, at_us) for each, at, at_us in owed} if owed else NONE,
        fired={(ordinal, who(each)): anchor for ordinal, each, anchor in fired} if fired else NONE,
        sent={(who(each), key): Sent(envelope_id, digest) for each, key, envelope_id, digest in sent} if sent else NONE,
    )
    return record, adapter_state


def dump_record(record: SessionRecord, adapter_state: Any) -> dict[str, Any]:
    """Return a record as plain data, the same for equal records: what a digest is made of."""
    return {
        "session_id": record.session_id,
        "creator_id": record.creator_id,
        "manifest": record.manifest.to_dict(),
        "participants": list(record.participants),
        "created_us": record.created_us,
        "invite_due_us": record.invite_due_us,
        "expires_us": record.expires_us,
        "depth": record.depth,
        "knobs": record.knobs,
        "labels": record.labels,
        "state": record.state.value,
        "pending_acks": list(record.pending_acks),
        "joined_us": record.joined_us,
        "hidden": sorted(record.hidden),
        "left": sorted(record.left),
        "sequence": record.sequence,
        "adapter_state": adapter_state,
        "spoken": list(record.spoken),
        "turn": [record.turn.speaker, *record.turn.since, record.turn.envelope_id] if record.turn else None,
        "owed": {agent_id: list(since) for agent_id, since in record.owed.items()},
        "fired": [[*key, anchor] for key, anchor in record.fired.items()],
        "sent": [[*key, *sent] for key, sent in record.sent.items()],
    }


def load_record(item: Mapping[str, Any], manifest: SessionManifest) -> SessionRecord:
    """Return the record behind plain data, without its session type's state."""
    turn = item["turn"]
    given = {key: value for key, value in item.items() if key != "adapter_state"} | {
        "manifest": manifest,
        "participants": tuple(item["participants"]),
        "state": SessionState(item["state"]),
        "pending_acks": tuple(item["pending_acks"]),
        "hidden": frozenset(item["hidden"]),
        "left": frozenset(item["left"]),
        "spoken": Since(*item["spoken"]),
        "turn": Turn(turn[0], Since(turn[1], turn[2]), turn[3]) if turn else None,
        "owed": {agent_id: Since(*since) for agent_id, since in item["owed"].items()},
        "fired": {(index, violator): anchor for index, violator, anchor in item["fired"]},
        "sent": {(sender, key): Sent(*sent) for sender, key, *sent in item["sent"]},
    }
    return SessionRecord(**given)
