"""The live sessions: who is in them, where they stand, whose turn it is, what is owed (SPEC §5, §8).

A session leaves this table with the event that ends it (LOG-9); ``projections.archive`` folds an ended one from the
log with the same code. Memory: O(live sessions). A post costs O(1) beside the session type's own fold.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, ClassVar, Protocol

from events.codec import canonical
from events.event import Event
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
    SessionParticipantHidden,
    SessionParticipantLeft,
)
from events.tasks import TERMINAL, TaskProgressed, TaskStarted
from events.values.envelope import EV_PACKET, EV_TEXT, Envelope, is_protocol_event
from events.values.frozen import freeze
from events.values.session import SessionManifest, SessionMetadata, SessionState
from projections.base import Fold, is_default
from projections.changed import Changed
from projections.live import Live
from projections.session_packing import dump_record, load_record, pack, people, unpack
from projections.session_record import NONE, Sent, SessionRecord, Since, Turn
from projections.wal import posted_envelope

__all__ = ["Catalogue", "Sent", "SessionFolds", "SessionRecord", "Sessions", "Since", "Turn"]

UNREADABLE = (KeyError, TypeError, ValueError, IndexError, AttributeError, struct.error)
"""What bytes, or plain data, raise that are not those of a record, or of a session type's state."""


class SessionFolds(Protocol):
    """The part of a session type that the projection needs; pure (SPEC §5, Adapters).

    A method marked ``projections.base.default`` does nothing and is not called for each envelope.
    """

    def initial_state(self, metadata: SessionMetadata) -> Any:
        """Return the state of a fresh session."""
        ...

    def fold(self, envelope: Envelope, state: Any) -> Any:
        """Return the state after an envelope whose event_data holds the keys the type declares (``fold_keys``)."""
        ...

    def expected_next(self, metadata: SessionMetadata, state: Any) -> str | None:
        """Return who is to speak next, or None."""
        ...

    def fold_departure(self, agent_id: str, state: Any) -> Any:
        """Return the state after a participant left or was hidden."""
        ...

    def dump_state(self, state: Any) -> Any:
        """Return the state as plain data."""
        ...

    def load_state(self, dumped: Any) -> Any:
        """Return the state behind plain data."""
        ...


class Catalogue(Protocol):
    """Where the projection looks up session types and, for the heap, deadlines."""

    def adapter(self, session_type: str, version: int) -> SessionFolds | None:
        """Return a session type, or None when it is not loaded (SESS-9)."""
        ...

    def next_deadline_us(self, record: SessionRecord) -> int | None:
        """Return when the session's next expectation is due, in microseconds since 1970, or None."""
        ...

    def patience_us(self, record: SessionRecord) -> int | None:
        """Return how soon after an envelope an expectation can be due at the earliest; None: never, it has none."""
        ...


class Sessions:
    """Session id to record, in order of creation.

    Args:
        catalogue: where session types are looked up.
        keep_ended: True keeps ended sessions in the table, which is how the archive folds one.
    """

    def __init__(self, catalogue: Catalogue, *, keep_ended: bool = False) -> None:
        self.live: Live[SessionRecord] = Live()
        self.changed = Changed()
        self.manifests: dict[str, SessionManifest] = {}
        """What packed sessions were created with, by the key that they name."""
        self.rescue: Callable[[str], SessionRecord | None] | None = None
        """Folds a live session from the log when its packed record cannot be read: a checkpoint is a cache."""
        self._manifest_keys: dict[int, str] = {}
        self.created_by: dict[str, int] = {}
        self._by_agent: dict[str, dict[str, None]] = {}
        self._manifests: dict[tuple[str, int], tuple[Mapping[str, Any], SessionManifest]] = {}
        self._catalogue = catalogue
        self._keep_ended = keep_ended

    def of_agent(self, agent_id: str) -> Iterator[SessionRecord]:
        """Give the live sessions of a participant, oldest first; O(those)."""
        return (self.live[session_id] for session_id in self._by_agent.get(agent_id, ()))

    def adapter(self, record: SessionRecord) -> SessionFolds | None:
        """Return the session's type, or None while it is not loaded."""
        return self._catalogue.adapter(record.manifest.type, record.manifest.version)

    def revive(self, record: SessionRecord | None) -> None:
        """Put a live session's record in place of its dormant one."""
        if record is not None and record.session_id in self.live:
            self.live[record.session_id] = record
            self.changed.note(record.session_id)

    def expected_next(self, record: SessionRecord) -> str | None:
        """Return whose turn it is, or None."""
        return self.next_once_active(record) if record.state is SessionState.ACTIVE else None

    def next_once_active(self, record: SessionRecord) -> str | None:
        """Return whose turn it is, or will be once everybody accepted; None while the type is not loaded."""
        adapter = self.adapter(record)
        if adapter is None or record.adapter_state is None or is_default(adapter.expected_next):
            return None
        return adapter.expected_next(record.metadata, record.adapter_state)

    def _created(self, event: Event) -> None:
        body: SessionCreated = event.body
        record = SessionRecord(
            body.session_id,
            body.creator_id,
            self._manifest(body.manifest),
            body.participants,
            event.at_us,
            body.invite_due_us,
            body.expires_us,
            body.depth,
            body.knobs,
            body.labels,
        )
        record.joined_us = {body.creator_id: event.at_us}
        record.spoken = Since(0, event.at_us)
        if adapter := self.adapter(record):
            unread: Any = None
            metadata = unread if is_default(adapter.initial_state) else record.metadata
            record.adapter_state = adapter.initial_state(metadata)
        self._enter(record)
        self.changed.note(record.session_id)

    def _manifest(self, facts: Mapping[str, Any]) -> SessionManifest:
        """One object for equal manifests: a million sessions share a handful of types."""
        key = (facts["type"], facts["version"])
        known = self._manifests.get(key)
        if known is None or known[0] != facts:
            known = self._manifests[key] = (facts, SessionManifest.from_dict(facts))
        return known[1]

    def _enter(self, record: SessionRecord) -> None:
        self.live[record.session_id] = record
        self._index(record.session_id, record.creator_id, record.participants)

    def _index(self, session_id: str, creator_id: str, participants: tuple[str, ...]) -> None:
        self.created_by[creator_id] = self.created_by.get(creator_id, 0) + 1
        for agent_id in participants:
            sessions = self._by_agent.get(agent_id)
            if sessions is None:
                self._by_agent[agent_id] = {session_id: None}
            else:
                sessions[session_id] = None

    def _touched(self, session_id: str) -> SessionRecord:
        self.changed.note(session_id)
        return self.live[session_id]

    def _invited(self, event: Event) -> None:
        body: SessionInviteSent = event.body
        record = self._touched(body.session_id)
        record.sequence = body.sequence
        record.pending_acks = (*record.pending_acks, body.invitee_id)
        record.touch()

    def _accepted(self, event: Event) -> None:
        body: SessionInviteAccepted = event.body
        record = self._touched(body.session_id)
        record.sequence = body.sequence
        record.pending_acks = _without(record.pending_acks, body.agent_id)
        record.joined_us[body.agent_id] = event.at_us
        record.touch()

    def _rejected(self, event: Event) -> None:
        body: SessionInviteRejected = event.body
        record = self._touched(body.session_id)
        record.sequence = body.sequence
        record.pending_acks = _without(record.pending_acks, body.agent_id)
        record.rejected_by = body.agent_id
        record.touch()

    def _opened(self, event: Event) -> None:
        body: SessionOpened = event.body
        record = self._touched(body.session_id)
        record.sequence = body.sequence
        record.state = SessionState.ACTIVE
        record.touch()
        self._turn(record, event, body.sequence, None)

    def _posted(self, event: Event) -> None:
        body: EnvelopePosted = event.body
        record = self._touched(body.session_id)
        record.sequence = body.sequence
        if body.idempotency_key is not None:
            if record.sent is NONE:
                record.sent = {}
            record.sent[body.sender_id, body.idempotency_key] = Sent(event.id, body.digest or "")
        if is_protocol_event(body.event_type):
            return
        record.spoken = Since(body.sequence, event.at_us)
        adapter = self.adapter(record)
        if adapter is not None and record.adapter_state is not None and not is_default(adapter.fold):
            before = record.adapter_state
            record.adapter_state = adapter.fold(posted_envelope(event, facts_only=True), before)
            if record.adapter_state is not before:
                self._turn(record, event, body.sequence, body.sender_id)
        if body.event_type in (EV_TEXT, EV_PACKET):  # a reply is owed to words, and words are a reply (GOV-1)
            self._owe(record, body)

    def _owe(self, record: SessionRecord, body: EnvelopePosted) -> None:
        if record.owed:
            record.owed.pop(body.sender_id, None)
        owing: tuple[str, ...] = ()
        if body.audience is not None:
            owing = body.recipients
        elif record.turn and record.turn.speaker in body.recipients:
            owing = (record.turn.speaker,)
        if owing and record.owed is NONE:
            record.owed = {}
        for agent_id in owing:
            record.owed[agent_id] = record.spoken

    def _turn(self, record: SessionRecord, event: Event, sequence: int, sender_id: str | None) -> None:
        speaker = self.expected_next(record)
        if speaker is None:
            record.turn = None
        elif record.turn is None or record.turn.speaker != speaker or sender_id == speaker:
            record.turn = Turn(speaker, Since(sequence, event.at_us), event.id if sender_id else None)

    def _departed(self, event: Event) -> None:
        body: SessionParticipantHidden | SessionParticipantLeft = event.body
        record = self._touched(body.session_id)
        if isinstance(body, SessionParticipantHidden):
            record.hidden |= {body.agent_id}
        else:
            record.left |= {body.agent_id}
            record.pending_acks = _without(record.pending_acks, body.agent_id)
        if record.owed:
            record.owed.pop(body.agent_id, None)
        record.touch()
        adapter = self.adapter(record)
        if adapter is not None and record.adapter_state is not None:
            record.adapter_state = adapter.fold_departure(body.agent_id, record.adapter_state)
            self._turn(record, event, record.sequence, None)

    def _counted(self, event: Event) -> None:
        """A task's envelope takes a place in the session's log and moves nothing else."""
        record = self.live.get(event.body.session_id)
        if record is not None:
            self.changed.note(record.session_id)
            record.sequence = event.body.sequence

    def _violated(self, event: Event) -> None:
        body: ExpectationViolated = event.body
        record = self._touched(body.session_id)
        record.sequence = body.sequence or record.sequence
        if record.fired is NONE:
            record.fired = {}
        for violator, anchor in zip(body.violators or ("",), body.anchors, strict=True):
            record.fired[body.ordinal, violator] = anchor

    def _ended(self, event: Event) -> None:
        body: SessionClosed | SessionExpired = event.body
        record = self._touched(body.session_id)
        record.sequence = body.sequence
        record.state = SessionState.CLOSED if isinstance(body, SessionClosed) else SessionState.EXPIRED
        record.close_reason, record.closed_us = body.reason, event.at_us
        record.turn = None
        record.touch()
        if not self._keep_ended:
            self._leave(record)

    def _leave(self, record: SessionRecord) -> None:
        del self.live[record.session_id]
        self.changed.gone(record.session_id)
        self.created_by[record.creator_id] -= 1
        if not self.created_by[record.creator_id]:
            del self.created_by[record.creator_id]
        for agent_id in record.participants:
            sessions = self._by_agent[agent_id]
            sessions.pop(record.session_id, None)
            if not sessions:
                del self._by_agent[agent_id]

    FOLDS: ClassVar[dict[type, Fold]] = {
        SessionCreated: _created,
        SessionInviteSent: _invited,
        SessionInviteAccepted: _accepted,
        SessionInviteRejected: _rejected,
        SessionOpened: _opened,
        EnvelopePosted: _posted,
        SessionParticipantHidden: _departed,
        SessionParticipantLeft: _departed,
        ExpectationViolated: _violated,
        SessionClosed: _ended,
        SessionExpired: _ended,
        **dict.fromkeys((TaskStarted, TaskProgressed, *TERMINAL), _counted),
    }

    def dump(self) -> Any:
        """Return every live session; O(live)."""
        return [dump_record(record, self._dumped_state(record)) for record in self.live.values()]

    def load(self, dumped: Any) -> None:
        """Take over a dump; O(live)."""
        self.__init__(self._catalogue, keep_ended=self._keep_ended)  # type: ignore[misc]
        for item in dumped:
            record = load_record(item, self._manifest(item["manifest"]))
            self._enter(self._with_state(record, item["adapter_state"]))
            self.changed.note(record.session_id)

    def _with_state(self, record: SessionRecord, dumped: Any) -> SessionRecord:
        adapter = self.adapter(record)
        if adapter is not None and dumped is not None:
            record.adapter_state = adapter.load_state(dumped)
        return record

    def _dumped_state(self, record: SessionRecord) -> Any:
        adapter = self.adapter(record)
        return None if adapter is None or record.adapter_state is None else adapter.dump_state(record.adapter_state)

    def keys(self) -> Collection[str]:
        """Return the keys of all parts."""
        return self.live

    def part(self, session_id: str) -> bytes | None:
        """Return a live session as a projection checkpoint keeps it; None when it is over. O(its size)."""
        if (packed := self.live.packed(session_id)) is not None:
            return packed
        record = self.live.get(session_id)
        return None if record is None else pack(record, self._manifest_key(record.manifest), self._dumped_state(record))

    def _manifest_key(self, manifest: SessionManifest) -> str:
        key = self._manifest_keys.get(id(manifest))
        if key is None:
            key = hashlib.sha256(canonical(manifest.to_dict())).hexdigest()[:16]
            if key not in self.manifests:
                self.manifests[key], self._manifest_keys[id(manifest)] = manifest, key
        return key

    def load_manifests(self, manifests: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over what packed sessions were created with, before those are loaded."""
        for key, facts in manifests.items():
            self.manifests[key] = manifest = self._manifest(freeze(facts, "manifest"))
            self._manifest_keys[id(manifest)] = key

    def load_parts(self, parts: Mapping[str, bytes]) -> None:
        """Take over packed sessions, in place of none; O(live): each is unpacked when it is asked for."""
        self.live.fill(parts, self._unpack)
        for session_id in sorted(parts):
            found = people(parts[session_id])
            self._index(session_id, found.creator_id, found.participants)
        self.changed.restart(saved=parts)

    def _unpack(self, session_id: str, packed: bytes) -> SessionRecord:
        try:
            return self._with_state(*unpack(session_id, packed, self.manifests))
        except UNREADABLE:
            record = None if self.rescue is None else self.rescue(session_id)
            if record is None:
                raise
            return record


def _without(agent_ids: tuple[str, ...], agent_id: str) -> tuple[str, ...]:
    return tuple([each for each in agent_ids if each != agent_id])
