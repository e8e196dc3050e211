"""Channels, which a log calls sessions: their creation, and every envelope of their write-ahead logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from events.governance import ExpectationViolated
from events.sessions import (
    EnvelopePosted,
    SessionClosed,
    SessionCreated,
    SessionExpired,
    SessionInviteAccepted,
    SessionInviteRejected,
    SessionInviteSent,
    SessionOpened,
)
from events.values.frozen import EMPTY, FrozenDict
from events.values.times import parse_iso
from projections.sessions import SessionRecord
from replay.imports.ag2.items import CHANNEL, Item, Stream
from replay.imports.ag2.making import Made, Making
from replay.imports.ag2.manifests import manifest_of
from replay.imports.ag2.report import Report
from replay.imports.ag2.source import Json, Line, Source

INVITE_ACK_TIMEOUT_US = 30_000_000
"""ag2's default; the folder does not say what a hub was given."""
KINDS = {
    "ag2.channel.invite": "invited",
    "ag2.channel.invite.ack": "accepted",
    "ag2.channel.invite.reject": "rejected",
    "ag2.channel.opened": "opened",
    "ag2.channel.closed": "ended",
    "ag2.channel.expired": "ended",
    "ag2.expectation.violated": "violated",
}
"""ag2's event types to the makers of events; any other is an envelope."""
_PRIORITIES = {"urgent": "high", "background": "low"}
_EXPIRED = "ag2.channel.expired"
_ENDS = {"closed": "ag2.channel.closed", "expired": _EXPIRED}


def channel_items(source: Source, audit: Sequence[Line], report: Report) -> list[list[Item]]:
    """Return a stream for each channel: its creation, its envelopes, and its end where they do not say it."""
    said: dict[str, dict[str, Line]] = {}
    for line in audit:
        kind = str(line.data.get("kind"))
        if kind.startswith("channel_"):
            said.setdefault(str(line.data.get("channel_id")), {})[kind.removeprefix("channel_")] = line
    names = dict.fromkeys([*source.ids("channels"), *said])
    return [_channel(source, name, said.get(name, {}), report) for name in names]


def _channel(source: Source, name: str, said: Mapping[str, Line], report: Report) -> list[Item]:
    folder = f"channels/{name}"
    wal = list(source.lines(f"{folder}/wal.jsonl", needed=True))
    metadata = source.object(f"{folder}/metadata.json", needed=True)
    where = f"{folder}/metadata.json"
    if metadata is None:
        metadata, where = _from_others(name, said, wal), f"{folder} (by the audit)"
        report.note("channel_without_metadata", folder)
    stream = Stream(report)
    own = metadata.get("channel_id") or name
    first = {"metadata": metadata, "envelopes": [line.data for line in wal]}
    stream.add(metadata.get("created_at"), CHANNEL, own, "created", first, where)
    for line in wal:
        kind = KINDS.get(str(line.data.get("event_type")), "posted")
        data = {**line.data, "channel_id": own}
        stream.add(line.data.get("created_at"), CHANNEL, line.data.get("envelope_id"), kind, data, line.where)
    end = next((state for state in _ENDS if metadata.get("state") == state or state in said), None)
    if end is not None and not any(item.kind == "ended" for item in stream.items):
        report.note("end_without_wal", folder)
        record = said[end].data if end in said else {}
        at = metadata.get("closed_at") or record.get("at")
        reason = metadata.get("close_reason") or record.get("reason") or end
        data = {"channel_id": own, "event_type": _ENDS[end], "event_data": {"reason": reason}}
        stream.add(at, CHANNEL, "", "ended", data, where)
    return stream.items


def _from_others(name: str, said: Mapping[str, Line], wal: Sequence[Line]) -> Json:
    """Return what the audit, the invites and the envelopes say of a channel without metadata."""
    record = said["created"].data if "created" in said else {}
    invites = [line.data for line in wal if line.data.get("event_type") == "ag2.channel.invite"]
    data = next((invite.get("event_data") or {} for invite in invites), {})
    senders = dict.fromkeys(str(line.data.get("sender_id")) for line in wal)
    creator = record.get("creator_id") or data.get("creator_id") or next(iter(senders), "")
    invited = [person for invite in invites for person in invite.get("audience") or ()]
    people = record.get("participants") or list(dict.fromkeys([creator, *invited, *senders]))
    first_at = wal[0].data.get("created_at") if wal else None
    kind = record.get("manifest_type") or data.get("manifest_type") or "unknown"
    version = record.get("manifest_version") or data.get("manifest_version") or 1
    return {
        "channel_id": name,
        "creator_id": creator,
        "participants": [{"agent_id": person} for person in people],
        "manifest": {"type": kind, "version": version},
        "created_at": record.get("at") or first_at,
        "knobs": data.get("knobs") or {},
        "labels": data.get("labels") or {},
    }


def created(making: Making, item: Item) -> Made:
    """Ask for a session."""
    metadata, where, session_id = item.data["metadata"], item.where, making.event_id
    people = tuple(making.ref(each.get("agent_id"), where) for each in metadata.get("participants") or ())
    creator = making.ref(metadata.get("creator_id"), where)
    labels = {str(key): str(value) for key, value in (metadata.get("labels") or {}).items()}
    if parent := metadata.get("parent_channel_id"):
        labels["ag2.parent_channel_id"] = str(parent)
    if metadata.get("required_acks") is not None:
        making.report.note("manifest_field", f"{where}: required_acks {metadata['required_acks']}")
    if metadata.get("state") == "closing":
        making.report.note("manifest_field", f"{where}: state closing")
    knobs = making.content(metadata.get("knobs"), where)
    body = SessionCreated(
        session_id,
        creator,
        {},
        tuple(dict.fromkeys([*people] if creator in people else [creator, *people])),
        item.at_us + INVITE_ACK_TIMEOUT_US,
        _expires_us(metadata.get("expires_at")),
        knobs=knobs,
        labels=FrozenDict(labels),
    )
    manifest = manifest_of(making, body, metadata.get("manifest") or {}, item.data["envelopes"], where)
    making.sessions.add(session_id)
    return Made(body._replace(manifest=manifest), creator)


def _expires_us(text: object) -> int | None:
    try:
        return parse_iso(text) if isinstance(text, str) else None
    except ValueError:
        return None


def invited(making: Making, item: Item) -> Made | None:
    """Invite the one whom the envelope is for."""
    if (record := making.live(item.data["channel_id"], item.where)) is None:
        return None
    audience = item.data.get("audience") or ["nobody"]
    invitee = making.ref(audience[0], item.where)
    session_id = record.session_id
    return Made(SessionInviteSent(session_id, invitee, making.sequence(session_id)), cause=session_id)


def accepted(making: Making, item: Item) -> Made | None:
    """Take a yes."""
    if (record := making.live(item.data["channel_id"], item.where)) is None:
        return None
    session_id, sender = record.session_id, making.ref(item.data.get("sender_id"), item.where)
    making.latest[session_id, "answer"] = making.event_id
    return Made(SessionInviteAccepted(session_id, sender, making.sequence(session_id)), sender, session_id)


def rejected(making: Making, item: Item) -> Made | None:
    """Take a no."""
    if (record := making.live(item.data["channel_id"], item.where)) is None:
        return None
    session_id, sender = record.session_id, making.ref(item.data.get("sender_id"), item.where)
    making.latest[session_id, "invite_rejected"] = making.event_id
    why = str((item.data.get("event_data") or {}).get("reason") or "")
    return Made(SessionInviteRejected(session_id, sender, making.sequence(session_id), why), sender, session_id)


def opened(making: Making, item: Item) -> Made | None:
    """Open a session."""
    if (record := making.live(item.data["channel_id"], item.where)) is None:
        return None
    session_id = record.session_id
    cause = making.latest.get((session_id, "answer"), session_id)
    return Made(SessionOpened(session_id, making.sequence(session_id)), cause=cause)


def ended(making: Making, item: Item) -> Made | None:
    """End a session; its cause is what ag2 closes for at once: an answer, a rejection, a violation."""
    if (record := making.live(item.data["channel_id"], item.where)) is None:
        return None
    session_id = record.session_id
    reason = str((item.data.get("event_data") or {}).get("reason") or "")
    cause = making.latest.get((session_id, reason.partition(":")[0]))
    sequence = making.sequence(session_id)
    if item.data.get("event_type") == _EXPIRED:
        return Made(SessionExpired(session_id, sequence, reason or "ttl_expired"), cause=cause)
    return Made(SessionClosed(session_id, reason or "explicit_close", sequence), cause=cause)


def violated(making: Making, item: Item) -> Made | None:
    """Violate an expectation; one that participants were told of has a place in the session's log."""
    data = {**item.data, **(item.data.get("event_data") or {})}
    if (record := making.live(data.get("channel_id"), item.where)) is None:
        return None
    session_id, name, handler = record.session_id, str(data.get("expectation")), str(data.get("on_violation") or "warn")
    expected = record.manifest.expectations
    alike = [number for number, each in enumerate(expected) if each.name == name]
    same = [number for number in alike if expected[number].params == (data.get("params") or expected[number].params)]
    violators = tuple(making.ref(each, item.where) for each in data.get("violators") or ())
    sequence = making.sequence(session_id) if item.data.get("envelope_id") else 0
    making.latest[session_id, "expectation_violated"] = making.event_id
    body = ExpectationViolated(
        session_id,
        (same or alike or [0])[0],
        name,
        handler,
        violators,
        (record.sequence,) * max(len(violators), 1),
        sequence,
        making.content(data.get("params"), item.where),
        making.content(data.get("detail"), item.where),
    )
    return Made(body)


def posted(making: Making, item: Item) -> Made | None:
    """Post an envelope."""
    data, where = item.data, item.where
    if (record := making.live(data["channel_id"], where)) is None:
        return None
    session_id, sender = record.session_id, making.ref(data.get("sender_id"), where)
    event_type = str(data.get("event_type"))
    if event_type.startswith("ag2.channel."):
        making.report.note("strange_channel_event", f"{where}: {event_type}")
    audience = data.get("audience")
    listed = None if audience is None else tuple(making.ref(each, where) for each in audience)
    seen, rest = _split(making, record, making.content(data.get("event_data"), where))
    making.latest[session_id, "consulting_complete"] = making.event_id
    ttl_s = data.get("ttl_seconds")
    body = EnvelopePosted(
        session_id,
        sender,
        event_type,
        making.sequence(session_id),
        _recipients(making, record, sender, listed, where),
        listed,
        int(data.get("depth") or 0),
        _maybe_text(data.get("task_id")),
        _maybe_text(data.get("trace_id")),
        _PRIORITIES.get(str(data.get("priority")), "normal"),
        int(ttl_s) * 1_000_000 if isinstance(ttl_s, int | float) else None,
        _maybe_text(data.get("idempotency_key")),
        None,
        seen,
        rest,
    )
    return Made(body, sender, making.maybe_ref(data.get("causation_id"), where))


def _split(making: Making, record: SessionRecord, data: Any) -> tuple[Any, Any]:
    adapter = making.state.sessions.adapter(record)
    keys: frozenset[str] | None = getattr(adapter, "fold_keys", frozenset())
    if keys is None:
        return data, EMPTY
    if not keys:
        return EMPTY, data
    return (
        FrozenDict({key: value for key, value in data.items() if key in keys}),
        FrozenDict({key: value for key, value in data.items() if key not in keys}),
    )


def _recipients(
    making: Making, record: SessionRecord, sender: str, listed: tuple[str, ...] | None, where: str
) -> tuple[str, ...]:
    wanted = record.participants if listed is None else listed
    others = tuple(dict.fromkeys(each for each in wanted if each != sender))
    there = tuple(each for each in others if making.state.registry.get(each) is not None)
    if len(there) < len(others):
        making.report.note("recipient_gone", where, len(others) - len(there))
    return there


def _maybe_text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)
