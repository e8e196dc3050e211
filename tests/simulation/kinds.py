"""Session types of the simulator: what they expect is drawn, so that expectations are violated within a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from events.values import Envelope, Expectation
from hub.catalogue import Catalogue
from hub.expectations import ExpectationContext, Violation, seconds_us
from hub.protocols import default_adapters
from hub.protocols.base import SessionAdapter
from hub.protocols.conversation import ConversationAdapter
from hub.protocols.discussion import DiscussionAdapter
from tests.simulation.found import OnPurpose
from tests.simulation.seeds import Options

EV_NOTE = "sim.note"
"""A type that no session type knows: accepted, delivered, and moves nothing (SPEC §5)."""
EV_POISON = "sim.poison"
"""A type at which the fold of ``chat`` raises (trap 1)."""


class Grumpy:
    """Is content with no opener for long, says so once, and loses its temper in every third second (trap 42)."""

    name = "grumpy"

    def evaluate(self, expectation: Expectation, context: ExpectationContext) -> Violation | None:
        """Blame the creator of a session that is old enough."""
        if in_a_temper(context.now_us):
            raise OnPurpose("grumpy has lost its temper")
        late = context.now_us - context.record.created_us >= seconds_us(expectation)
        return Violation([context.record.creator_id]) if late else None


def in_a_temper(now_us: int) -> bool:
    """Say whether ``grumpy`` raises at this moment."""
    return now_us // 1_000_000 % 3 == 0


class Brisk(DiscussionAdapter):
    """A discussion that expects what was drawn."""

    def __init__(self, expectations: Sequence[str]) -> None:
        self.manifest = _manifest(DiscussionAdapter, "brisk", expectations, "5m")


class Chat(ConversationAdapter):
    """A conversation that expects what was drawn, and chokes on poison."""

    def __init__(self, expectations: Sequence[str]) -> None:
        self.manifest = _manifest(ConversationAdapter, "chat", expectations, "10m")

    def fold(self, envelope: Envelope, state: Any) -> Any:
        """Choke on poison."""
        if envelope.event_type == EV_POISON:
            raise ValueError("poison")
        return super().fold(envelope, state)


def _manifest(base: type[SessionAdapter], name: str, expectations: Sequence[str], ttl: str) -> Any:
    expected = []
    for text in expectations:
        what, handler, seconds = text.split(":")
        expected.append(Expectation(what, handler, {"seconds": int(seconds)}))
    return replace(base.manifest, type=name, expectations=expected, ttl_default=ttl)


def adapters(options: Options) -> tuple[SessionAdapter, ...]:
    """Return the session types of a run, beside the built-in ones."""
    return Brisk(options.brisk), Chat(options.chat)


def catalogue(options: Options) -> Catalogue:
    """Return all session types of a run, apart from any hub."""
    found = Catalogue()
    found.evaluators[Grumpy.name] = Grumpy()
    for adapter in (*default_adapters(), *adapters(options)):
        found.register_adapter(adapter)
    return found
