"""What a log cannot be asked: a point, agent, session or path that is not there, or is not written like one."""

from __future__ import annotations

from events.errors import NetworkError


class QuestionError(NetworkError):
    """A question that has no answer in this log; the message says what, where and what to try."""

    code = "bad_question"


class AbsentError(QuestionError):
    """What was asked for stands in the log, but not at the point that was asked about."""
