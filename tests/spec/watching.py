"""Session types that expect something, evaluators of one's own, and what was found violated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from events.values.times import iso, parse_iso
from hub import (
    DiscussionAdapter,
    Envelope,
    Expectation,
    ExpectationContext,
    SessionAdapter,
    SessionManifest,
    SessionMetadata,
    Violation,
)
from tests.spec.stage import Stage

NOTE = "acme.note"


def expects(name: str, on_violation: str = "audit", seconds: float = 30, applies_to: str | None = None) -> Expectation:
    return Expectation(name=name, on_violation=on_violation, params={"seconds": seconds}, applies_to=applies_to)


def watched(*expectations: Expectation, turns: bool = True) -> SessionAdapter:
    """A session type of any size with these expectations, in which people take turns or speak when they like."""
    adapter = DiscussionAdapter() if turns else SessionAdapter()
    adapter.manifest = SessionManifest(type="watched", expectations=expectations)
    return adapter


async def violated(stage: Stage) -> list[tuple[str, str]]:
    """Of each violation the expectation and who did not meet it, by name."""
    return [
        (r["expectation"], " ".join(map(stage.hub.name_for, r["violators"])))
        for r in await stage.audit("expectation_violated")
    ]


async def network(stage: Stage, *expectations: Expectation, turns: bool = True) -> tuple[str, list[str]]:
    """An open session of three with these expectations."""
    stage.hub.register_adapter(watched(*expectations, turns=turns))
    people = await stage.agents("alice", "bob", "carol")
    return await stage.open("watched", *people), people


class Recorder:
    """An endpoint that writes down what it is handed, and answers nothing."""

    def __init__(self) -> None:
        self.got: list[Envelope] = []

    async def deliver(self, envelope: Envelope) -> None:
        self.got.append(envelope)


class Custom:
    """An evaluator made of a function, told how often it was asked."""

    def __init__(self, name: str, evaluate: Callable[[ExpectationContext], Violation | None]) -> None:
        self.name = name
        self.asked = 0
        self._evaluate = evaluate

    def evaluate(self, expectation: Expectation, context: ExpectationContext) -> Violation | None:
        self.asked += 1
        return self._evaluate(context)


class Planned(Custom):
    """One that says when it could next be violated: 50 s after the session's creation."""

    def next_deadline(self, expectation: Expectation, metadata: SessionMetadata, state: Any) -> str | None:
        return iso(parse_iso(metadata.created_at) + 50_000_000)
