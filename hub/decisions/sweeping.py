"""What time does by itself: sessions, invites and tasks lapse, expectations are found violated (GOV-1 to GOV-5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from events.governance import ExpectationViolated
from events.sessions import SessionParticipantHidden
from events.values.envelope import Envelope
from events.values.frozen import FrozenDict, freeze
from events.values.session import Expectation, SessionState
from hub.decisions.closing import check_departure, close, expire, expire_task
from hub.decisions.draft import Draft
from hub.expectations import Evaluator, ExpectationContext, Violation, ViolationEffect, ViolationHandler, unrecorded
from projections.sessions import SessionRecord


class Lapse(NamedTuple):
    """A session's time may be up: its TTL, or while pending the time for acks."""

    session_id: str


class LapseTask(NamedTuple):
    """A task's time may be up."""

    task_id: str


class CheckExpectations(NamedTuple):
    """A session's expectations may be violated.

    ``read_wal`` gives a custom evaluator the session's log, lazily; ``failed`` is told of evaluators and handlers that
    raise, which stop neither the others nor the tick (trap 42).
    """

    session_id: str
    read_wal: Callable[[], Iterator[Envelope]]
    failed: Callable[[str, BaseException], None]


def lapse(draft: Draft, command: Lapse) -> None:
    """End a session whose time is up; anything else does nothing."""
    record = draft.state.sessions.live.get(command.session_id)
    if record is None:
        return
    draft.depends_on(f"session:{command.session_id}")
    if record.expires_us is not None and record.expires_us <= draft.at_us:
        expire(draft, record)
    elif record.state is SessionState.PENDING and record.invite_due_us <= draft.at_us:
        close(draft, record, "invite_timeout")


def lapse_task(draft: Draft, command: LapseTask) -> None:
    """Expire a task whose time is up."""
    task = draft.state.tasks.open.get(command.task_id)
    if task is None or task.expires_us is None or task.expires_us > draft.at_us:
        return
    draft.depends_on(f"task:{command.task_id}")
    draft.depends_on(f"session:{task.session_id}")
    expire_task(draft, task, draft.state.sessions.live.get(task.session_id), "ttl_expired", cause=task.event_id)


def check_expectations(draft: Draft, command: CheckExpectations) -> None:
    """Record every new violation of a session and do what its handler says, all in one append (GOV-2)."""
    record = draft.state.sessions.live.get(command.session_id)
    if record is None:
        return
    draft.depends_on(f"session:{command.session_id}")
    context = ExpectationContext(record, draft.at_us, command.read_wal)
    close_reason = ""
    cause: str | None = None
    left, hidden = set(record.present()), set(record.hidden)
    for index, expectation in enumerate(record.manifest.expectations):
        found = _violation(draft, command, context, index, expectation)
        if found is None:
            continue
        violation, effect = found
        violated = _record(draft, record, index, expectation, violation, effect, hidden)
        left -= set(effect.hide)
        # A session with nobody left to move it on would stay open for good (trap 51).
        reason = effect.close_reason or ("" if left else f"expectation_violated:{expectation.name}")
        if reason and not close_reason:
            close_reason, cause = reason, violated
    if close_reason:
        close(draft, record, close_reason, cause=cause)


def _violation(
    draft: Draft, command: CheckExpectations, context: ExpectationContext, index: int, expectation: Expectation
) -> tuple[Violation, ViolationEffect] | None:
    evaluator: Evaluator | None = draft.catalogue.evaluators.get(expectation.name)
    handler: ViolationHandler | None = draft.catalogue.handlers.get(expectation.on_violation)
    if evaluator is None or handler is None:
        return None
    try:
        violation = evaluator.evaluate(expectation, context)
        violation = unrecorded(violation, index, context.record) if violation is not None else None
        if violation is None:
            return None
        effect = handler.handle(expectation, violation, context.metadata)
        freeze(violation.detail, "detail")
        if strangers := [who for who in violation.violators if who not in context.record.participants]:
            raise ValueError(f"the violators {strangers} do not take part in the session")
        for agent_id in effect.hide:
            check_departure(draft, context.record, agent_id)
    except Exception as error:
        command.failed(f"expectation {expectation.name!r} of session {command.session_id}", error)
        return None
    return violation, effect


def _record(
    draft: Draft,
    record: SessionRecord,
    index: int,
    expectation: Expectation,
    violation: Violation,
    effect: ViolationEffect,
    hidden: set[str],
) -> str:
    violated = draft.add(
        ExpectationViolated(
            record.session_id,
            index,
            expectation.name,
            expectation.on_violation,
            tuple(violation.violators),
            tuple(violation.anchors),
            draft.sequence(record) if effect.notify else 0,
            FrozenDict(expectation.params),
            freeze(violation.detail, "detail"),
        )
    )
    for agent_id in effect.hide:
        if agent_id in record.participants and agent_id not in hidden:
            hidden.add(agent_id)
            draft.add(SessionParticipantHidden(record.session_id, agent_id, expectation.name), cause=violated.id)
    return violated.id
