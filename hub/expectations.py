"""What sessions expect of their participants, and what happens when they do not (SPEC §8, GOV-1 to GOV-4).

An evaluator says whether an expectation is violated now and, if it can, when it next could be; a handler says what a
violation does. Both are pure. The built-in evaluators read what the session projection keeps, so that a look at a
session costs O(participants), never O(its log).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from events.values.envelope import Envelope
from events.values.session import Expectation, SessionManifest, SessionMetadata, SessionState
from events.values.times import iso, parse_iso
from projections.sessions import SessionRecord, Since

log = logging.getLogger("ledgerhub")
EVERY_TICK_US = 0
"""The deadline of an evaluator that gives none: it is asked at each tick."""


@dataclass(frozen=True, slots=True)
class Violation:
    """Who did not do what was expected; nobody in particular when ``violators`` is empty.

    ``anchors`` gives for each violator (or for the session) the sequence since which it was expected to act; the same
    anchor fires once. Left out, the expectation fires once per violator for the life of the session (GOV-3).
    """

    violators: Sequence[str] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)
    anchors: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class ViolationEffect:
    """What a handler wants: to tell everybody, to hide some, to close the session. Done in one append (GOV-2)."""

    notify: bool = False
    hide: Sequence[str] = ()
    close_reason: str = ""


@dataclass(frozen=True, slots=True)
class ExpectationContext:
    """What an evaluator may look at."""

    record: SessionRecord
    now_us: int
    read_wal: Callable[[], Iterator[Envelope]]

    @property
    def metadata(self) -> SessionMetadata:
        """The session's snapshot."""
        return self.record.metadata

    @property
    def state(self) -> Any:
        """The session type's state, frozen."""
        return self.record.adapter_state

    @property
    def now(self) -> str:
        """The moment of the tick, ISO-8601."""
        return iso(self.now_us)

    @property
    def wal(self) -> Iterator[Envelope]:
        """The session's write-ahead log, read as far as it is taken: O(what is taken)."""
        return self.read_wal()


class Evaluator(Protocol):
    """Says whether an expectation is violated.

    It may also have ``next_deadline(expectation, metadata, state) -> str | None``: when it could next be, ISO-8601 as
    in ``metadata``, None for not before something happens. Without it the session is looked at in each tick (GOV-4).
    """

    name: str

    def evaluate(self, expectation: Expectation, context: ExpectationContext) -> Violation | None:
        """Return the violation, or None."""
        ...


class ViolationHandler(Protocol):
    """Says what a violation does."""

    name: str

    def handle(self, expectation: Expectation, violation: Violation, metadata: SessionMetadata) -> ViolationEffect:
        """Return the effect."""
        ...


Owing = Iterator[tuple[str, Since]]
"""Who owes something (``""``: the session), and since when."""


def _pending(record: SessionRecord) -> Owing:
    if record.state is SessionState.PENDING:
        yield from ((agent_id, Since(0, record.created_us)) for agent_id in record.pending_acks)


def _owed_replies(record: SessionRecord) -> Owing:
    if record.state is SessionState.ACTIVE:
        yield from record.owed.items()


def _silence(record: SessionRecord) -> Owing:
    if record.state is SessionState.ACTIVE:
        yield "", record.spoken


def _turn(record: SessionRecord) -> Owing:
    if record.turn is not None:
        yield record.turn.speaker, record.turn.since


class Within:
    """Something is owed within ``params.seconds`` of when it became due: the shape of all built-in evaluators.

    It fires at elapsed >= seconds, and at the first tick when seconds is 0 (GOV-1).
    """

    def __init__(self, name: str, owing: Callable[[SessionRecord], Owing]) -> None:
        self.name = name
        self._owing = owing

    def evaluate(self, expectation: Expectation, context: ExpectationContext) -> Violation | None:
        """List everyone who is late."""
        limit_us = seconds_us(expectation)
        late = [
            (who, since)
            for who, since in self._applies(expectation, context.record)
            if context.now_us - since.at_us >= limit_us
        ]
        if not late:
            return None
        detail = {"seconds": limit_us / 1_000_000, "since": iso(min(since.at_us for _, since in late))}
        people = [who for who, _ in late if who]
        return Violation(people, detail, [since.sequence for _, since in late])

    def next_deadline_us(self, expectation: Expectation, record: SessionRecord, index: int) -> int | None:
        """Return when the first who has not been recorded for this will be late, or None."""
        limit_us = seconds_us(expectation)
        return min(
            (
                since.at_us + limit_us
                for who, since in self._applies(expectation, record)
                if record.fired.get((index, who)) != since.sequence
            ),
            default=None,
        )

    def _applies(self, expectation: Expectation, record: SessionRecord) -> Owing:
        for who, since in self._owing(record):
            if not who or expectation.applies_to in (None, record.role_of(who)):
                yield who, since


def seconds_us(expectation: Expectation) -> int:
    """Return ``params.seconds`` in microseconds; 0 when it is not given."""
    seconds = expectation.params.get("seconds", 0)
    return round(seconds * 1_000_000) if isinstance(seconds, int | float) else 0


BUILT_IN_EVALUATORS: dict[str, Evaluator] = {
    evaluator.name: evaluator
    for evaluator in (
        Within("acks_within", _pending),
        Within("reply_within", _owed_replies),
        Within("max_silence", _silence),
        Within("turn_within", _turn),
    )
}


class Handler:
    """A handler made of a function."""

    def __init__(self, name: str, effect: Callable[[Expectation, Violation], ViolationEffect]) -> None:
        self.name = name
        self._effect = effect

    def handle(self, expectation: Expectation, violation: Violation, metadata: SessionMetadata) -> ViolationEffect:
        """Return the effect."""
        return self._effect(expectation, violation)


BUILT_IN_HANDLERS: dict[str, ViolationHandler] = {
    handler.name: handler
    for handler in (
        Handler("audit", lambda expectation, violation: ViolationEffect()),
        Handler("warn", lambda expectation, violation: ViolationEffect(notify=True)),
        Handler("notify_session", lambda expectation, violation: ViolationEffect(notify=True)),
        Handler("hide", lambda expectation, violation: ViolationEffect(hide=violation.violators)),
        Handler(
            "auto_close",
            lambda expectation, violation: ViolationEffect(close_reason=f"expectation_violated:{expectation.name}"),
        ),
    )
}


def next_deadline_us(record: SessionRecord, evaluators: Mapping[str, Evaluator]) -> int | None:
    """Return when the session's next expectation is due, ``EVERY_TICK_US`` for custom evaluators that do not say."""
    deadlines: list[int] = []
    for index, expectation in enumerate(record.manifest.expectations):
        evaluator = evaluators.get(expectation.name)
        if isinstance(evaluator, Within):
            due_us = evaluator.next_deadline_us(expectation, record, index)
        elif evaluator is not None:
            due_us = _custom_deadline_us(evaluator, expectation, record)
        else:
            continue
        if due_us is not None:
            deadlines.append(due_us)
    return min(deadlines, default=None)


def patience_us(manifest: SessionManifest, evaluators: Mapping[str, Evaluator]) -> int | None:
    """Return how soon after an envelope an expectation can be due at the earliest; None: it expects nothing.

    An envelope ends waits and begins new ones, so no deadline comes to lie before this (GOV-4). Custom evaluators have
    no patience: they are asked for a deadline after each envelope.
    """
    waits = [
        seconds_us(expectation) if isinstance(evaluator, Within) else 0
        for expectation in manifest.expectations
        if (evaluator := evaluators.get(expectation.name)) is not None
    ]
    return min(waits, default=None)


def _custom_deadline_us(evaluator: Evaluator, expectation: Expectation, record: SessionRecord) -> int | None:
    ask = getattr(evaluator, "next_deadline", None)
    if ask is None:
        return EVERY_TICK_US
    try:
        due = ask(expectation, record.metadata, record.adapter_state)
        return None if due is None else parse_iso(due)
    except Exception:
        log.exception("evaluator %r failed to give a deadline; it is asked at each tick", evaluator.name)
        return EVERY_TICK_US


def unrecorded(violation: Violation, index: int, record: SessionRecord) -> Violation | None:
    """Return the part of a violation that has not fired for the same anchors yet, or None (GOV-3)."""
    people: Iterable[str] = violation.violators or ("",)
    anchors = violation.anchors or [0] * len(violation.violators or ("",))
    new = [(who, at) for who, at in zip(people, anchors, strict=True) if record.fired.get((index, who)) != at]
    if not new:
        return None
    return Violation([who for who, _ in new if who], violation.detail, [at for _, at in new])
