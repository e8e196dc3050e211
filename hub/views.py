"""What an agent gets to read of a session when it is asked: pure projections of its envelopes (VIEW-1).

A policy says how much it needs (``recent_n``), so that a turn reads that much and not the whole session (trap 61),
and projects what was read into messages, from the participant's own point of view.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from events.values.envelope import Envelope, visible_to

NameOf = Callable[[str], str]
"""Agent id to the name that people know."""
Render = Callable[[Envelope], str | None]
"""An envelope's text in a view, or None to leave it out: ``SessionAdapter.render_envelope``."""


@dataclass(frozen=True, slots=True)
class Message:
    """One line of a projected history: ``assistant`` for what the participant said itself, else ``user``."""

    role: Literal["assistant", "user"]
    content: str
    sender_id: str


class ViewPolicy(Protocol):
    """How a participant sees its session. Yours need not inherit from anything; it must be deterministic."""

    @property
    def recent_n(self) -> int | None:
        """How many of the newest content envelopes ``project`` needs to be given; None: all of them."""
        ...

    def project(
        self, envelopes: Sequence[Envelope], participant_id: str, name_of: NameOf, render: Render
    ) -> list[Message]:
        """Return what the participant reads, oldest first; ``envelopes`` are in the order of their session."""
        ...


@dataclass(frozen=True, slots=True)
class FullTranscript:
    """Everything that the participant may see; O(session)."""

    recent_n: None = field(default=None, init=False)

    def project(
        self, envelopes: Sequence[Envelope], participant_id: str, name_of: NameOf, render: Render
    ) -> list[Message]:
        """Return a message for each visible envelope that ``render`` gives text for."""
        return _messages(envelopes, participant_id, render)


@dataclass(frozen=True, slots=True)
class NamedTranscript(FullTranscript):
    """A full transcript in which ``[name]: `` stands before what others said: for three or more speakers."""

    def project(
        self, envelopes: Sequence[Envelope], participant_id: str, name_of: NameOf, render: Render
    ) -> list[Message]:
        """Return a message for each visible envelope that ``render`` gives text for, with its speaker's name."""
        return _messages(envelopes, participant_id, render, name_of=name_of)


@dataclass(frozen=True, slots=True)
class WindowedSummary:
    """The newest ``recent_n`` of what the participant may see; O(``recent_n``).

    What is older is left out: no model is asked to sum it up.

    Raises:
        ValueError: ``recent_n`` is not a whole number from 1.
    """

    recent_n: int

    def __post_init__(self) -> None:
        if type(self.recent_n) is not int or self.recent_n < 1:
            raise ValueError(f"a view's recent_n is a whole number from 1, not {self.recent_n!r}")

    def project(
        self, envelopes: Sequence[Envelope], participant_id: str, name_of: NameOf, render: Render
    ) -> list[Message]:
        """Return a message for each of the newest visible envelopes that ``render`` gives text for."""
        return _messages(envelopes, participant_id, render, self.recent_n)


@dataclass(frozen=True, slots=True)
class NamedWindowedSummary(WindowedSummary):
    """A windowed summary in which ``[name]: `` stands before what others said."""

    def project(
        self, envelopes: Sequence[Envelope], participant_id: str, name_of: NameOf, render: Render
    ) -> list[Message]:
        """Return a message for each of the newest visible envelopes, with its speaker's name."""
        return _messages(envelopes, participant_id, render, self.recent_n, name_of)


def _messages(
    envelopes: Sequence[Envelope],
    participant_id: str,
    render: Render,
    recent_n: int | None = None,
    name_of: NameOf | None = None,
) -> list[Message]:
    """Project from the newest envelope back, until ``recent_n`` messages are there or the envelopes are used up."""
    messages: list[Message] = []
    for envelope in reversed(envelopes):
        if len(messages) == recent_n:
            break
        text = render(envelope) if visible_to(envelope, participant_id) else None
        if text:
            messages.append(_message(envelope, text, participant_id, name_of))
    messages.reverse()
    return messages


def _message(envelope: Envelope, text: str, participant_id: str, name_of: NameOf | None) -> Message:
    sender_id = envelope.sender_id
    if sender_id == participant_id:
        return Message("assistant", text, sender_id)
    return Message("user", f"[{name_of(sender_id)}]: {text}" if name_of else text, sender_id)
