"""What callers were told: acknowledged means in the log for ever, refused means never in it.

A mark may be sent more than once (a retry). It counts as refused once every attempt was refused, and until another
one is made; an attempt that a crash left without an answer leaves it open.
"""

from __future__ import annotations

from tests.simulation.found import must
from tests.simulation.model import Model


class Promises:
    """The answers that commands got, by their marks."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._attempts: dict[str, int] = {}
        self._kept: dict[str, int] = {}
        self._refused: set[str] = set()
        self.actors: dict[str, str] = {}

    def attempt(self, token: str, actor: str) -> None:
        """A command is given, on somebody's authority; "" for one that nobody has yet."""
        self._attempts[token] = self._attempts.get(token, 0) + 1
        self._refused.discard(token)
        if actor:
            self.actors[token] = actor

    def acknowledged(self, token: str) -> None:
        """A command was acknowledged: it is on disk."""
        self._attempts[token] -= 1
        must(token in self._model.tokens, "acknowledged means on disk", token)
        self._kept[token] = self._model.tokens[token].position

    def refused(self, token: str) -> None:
        """A command was refused: it is nowhere."""
        self._attempts[token] -= 1
        if token not in self._kept and not self._attempts[token]:
            must(token not in self._model.tokens, "refused means nowhere", token)
            self._refused.add(token)

    def check(self, token: str) -> None:
        """Judge a mark that has just come up in the log."""
        must(token not in self._refused, "refused means nowhere", token)
        event = self._model.tokens[token]
        if event.type != "session.closed" and token in self.actors:
            right = self.actors[token]
            must(event.actor == right, "an event tells whose it is", f"{event.type}: {event.actor}, not {right}")
