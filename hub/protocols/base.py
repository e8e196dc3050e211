"""What a session type is: its manifest and pure functions over a frozen state (SPEC §5, Adapters).

Subclass ``SessionAdapter``, set ``manifest`` and override what differs; every default is that of a session in which
anyone may speak at any time. Nothing here may await, read a clock or keep anything: the hub calls an adapter when it
decides, and calls it again with the same arguments when it replays the log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from events.errors import ProtocolError
from events.values.envelope import EV_TEXT, Envelope
from events.values.session import SessionManifest, SessionMetadata, SessionState
from hub.agents import reply_text
from hub.protocols import states
from hub.views import FullTranscript, ViewPolicy
from projections.base import default


@dataclass(frozen=True, slots=True)
class AdapterResult:
    """What an accepted envelope leads to.

    ``auto_close_reason`` that is not empty, or a ``next_state`` of closing or closed, ends the session in the append
    of that envelope (traps 3, 24). The defaults lead to nothing.
    """

    next_state: SessionState | None = None
    auto_close_reason: str = ""


@dataclass(frozen=True, slots=True)
class NoState:
    """The state of a session type that remembers nothing."""


NOTHING = AdapterResult()
NO_STATE = NoState()


class SessionAdapter:
    """A session type, looked up by ``manifest.type`` and ``manifest.version``.

    Attributes:
        manifest: its data: how many take part, what is expected of them, how long it lives.
        fold_keys: which keys of an envelope's ``event_data`` reach ``fold``, and are kept as facts; all else there is
            content, which may be erased one day (LOG-2). None: all keys are facts. Default: None.
        turn_events: event types that take a turn and that agents answer. Default: text.
        state_type: the class of its states; ``load_state`` builds it. Default: ``NoState``.
    """

    manifest: SessionManifest
    fold_keys: frozenset[str] | None = None
    turn_events: frozenset[str] = frozenset({EV_TEXT})
    state_type: ClassVar[type] = NoState

    @default
    def initial_state(self, metadata: SessionMetadata) -> Any:
        """Return the state of a fresh session; never None."""
        return NO_STATE

    @default
    def fold(self, envelope: Envelope, state: Any) -> Any:
        """Return the state after an accepted envelope; the same object when nothing moved.

        It is given no protocol envelopes, and of ``event_data`` the ``fold_keys`` only. What it raises makes the post
        fail with nothing written (trap 1).
        """
        return state

    @default
    def fold_departure(self, agent_id: str, state: Any) -> Any:
        """Return the state after a participant left or was hidden: pass its turn on here (GOV-2, trap 51)."""
        return state

    def validate_create(self, metadata: SessionMetadata) -> None:
        """Refuse a session before anything of it is written; raises ProtocolError saying what is wrong with it.

        How many take part is checked against the manifest before this is called.
        """

    def validate_send(self, metadata: SessionMetadata, envelope: Envelope, state: Any) -> None:
        """Refuse an envelope that may not be sent in this state; raises ProtocolError naming who and why."""

    def on_accepted(self, metadata: SessionMetadata, envelope: Envelope, state: Any) -> AdapterResult:
        """Return what an envelope leads to; ``state`` is the one after its fold."""
        return NOTHING

    @default
    def expected_next(self, metadata: SessionMetadata, state: Any) -> str | None:
        """Return the agent id of who is to speak next, or None when it is nobody's turn, or everybody's."""
        return None

    def default_view_policy(self, metadata: SessionMetadata, participant_id: str) -> ViewPolicy:
        """Return how a participant sees the session unless it chose otherwise."""
        return FullTranscript()

    def extract_turn_input(self, envelope: Envelope) -> str | None:
        """Return what an agent is asked with, or None when there is nothing to answer."""
        return self.render_envelope(envelope)

    def render_envelope(self, envelope: Envelope) -> str | None:
        """Return an envelope's text in a view; None leaves it out. Data without text shows as JSON."""
        if envelope.event_type not in self.turn_events:
            return None
        return envelope.text or _as_json(envelope.event_data)

    def build_round_envelope(
        self, metadata: SessionMetadata, sender_id: str, reply: object, state: Any
    ) -> Envelope | None:
        """Return the envelope of an agent's reply, to everyone; None when the reply is blank (CLI-3).

        Raises:
            TypeError: the reply is neither text, nor None, nor an object whose ``.body`` is one of them.
        """
        text = reply_text(reply)
        return Envelope(metadata.session_id, sender_id, event_data={"text": text}) if text.strip() else None

    def dump_state(self, state: Any) -> Any:
        """Return a state as plain data for a projection checkpoint; see ``hub.protocols.states`` for what it takes.

        Raises:
            TypeError: the state is no ``state_type``, or holds what cannot be kept.
        """
        if type(state) is not self.state_type:
            raise TypeError(
                f"{type(self).__name__}.state_type is {self.state_type.__name__} and its state is a "
                f"{type(state).__name__}; set state_type, or override dump_state and load_state"
            )
        return states.dump(state)

    def load_state(self, dumped: Any) -> Any:
        """Return the state behind plain data.

        Raises:
            ValueError: the data are not those of a ``state_type``.
        """
        return states.load(self.state_type, dumped)


def _as_json(data: Mapping[str, Any]) -> str | None:
    return json.dumps(data, ensure_ascii=False, sort_keys=True) if data else None


def refusal(metadata: SessionMetadata, envelope: Envelope, what: str) -> ProtocolError:
    """Return the error for an envelope out of turn: ``what`` says what the session expects instead."""
    return ProtocolError(
        f"the {metadata.manifest.type} {metadata.session_id!r} {what}, not {envelope.sender_id!r}",
        session_id=metadata.session_id,
        sender_id=envelope.sender_id,
    )
