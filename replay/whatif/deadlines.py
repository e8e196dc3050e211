"""Deadlines that are not the recorded ones: what time does in the changed world alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from projections.deadlines import Deadlines
from projections.state import HubState

LOOK_US = 60_000_000
"""A hub that looks does so within this time: twice its slowest sweep by default."""
LAPSE, EXPECTATIONS, TASK = "lapse", "expectations", "task"


class Due(NamedTuple):
    """What is due, about which session or task, and when.

    ``overslept``: the recorded hub let its deadline of the same kind pass and had not looked a minute later.
    """

    what: str
    about: str
    at_us: int
    overslept: bool


class OtherDeadlines:
    """The deadlines of one state that another one does not have at the same moment; O(log n) to compare.

    Args:
        was: the state as recorded.
        now: the changed one.
    """

    def __init__(self, was: HubState, now: HubState) -> None:
        self._was, self._now = was, now
        self._due = Deadlines(self._differing_us)

    def compare_session(self, session_id: str) -> None:
        """Look anew when a session lapses and when its expectations are due."""
        self._compare(LAPSE, session_id)
        self._compare(EXPECTATIONS, session_id)

    def compare_task(self, task_id: str) -> None:
        """Look anew when a task lapses."""
        self._compare(TASK, task_id)

    def until(self, until_us: int) -> Iterator[Due]:
        """Take out what is due by then, earliest first; what comes to be due meanwhile, too."""
        while (due_us := self._due.next_us()) is not None and due_us <= until_us:
            for key in self._due.due(due_us):
                what, _, about = key.partition(":")
                then_us = _due_us(self._was, key)
                yield Due(what, about, due_us, then_us is not None and then_us < until_us - LOOK_US)

    def _compare(self, what: str, about: str) -> None:
        key = f"{what}:{about}"
        self._due.schedule(key, self._differing_us(key))

    def _differing_us(self, key: str) -> int | None:
        was_us, now_us = _due_us(self._was, key), _due_us(self._now, key)
        return None if now_us == was_us else now_us


def _due_us(state: HubState, key: str) -> int | None:
    what, _, about = key.partition(":")
    return _DUE_US[what](state, about)


def _lapse_us(state: HubState, session_id: str) -> int | None:
    record = state.sessions.live.get(session_id)
    return None if record is None else record.lapses_us


def _expectations_us(state: HubState, session_id: str) -> int | None:
    record = state.sessions.live.get(session_id)
    return None if record is None else state.catalogue.next_deadline_us(record)


def _task_us(state: HubState, task_id: str) -> int | None:
    task = state.tasks.open.get(task_id)
    return None if task is None else task.expires_us


_DUE_US = {LAPSE: _lapse_us, EXPECTATIONS: _expectations_us, TASK: _task_us}
