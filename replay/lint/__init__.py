"""The odd, for who does not know what to ask: one pass over the log, folded as a hub folds it.

Findings come as they are found, in order of the log; what can be told only in the end comes in the end. Cost: O(events)
and a fold of each; memory O(what is live), O(agents), and windows of fixed size.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from events.errors import CorruptLogError, NetworkError
from events.event import Event
from projections.state import HubState
from replay.history import History
from replay.lint.agents import NearCaps, Refusals
from replay.lint.book import Orphans, Unsigned
from replay.lint.oddities import CODES, Check, Oddity, Severity, Thresholds
from replay.lint.talk import Loops, OnlyTime, Unanswered
from replay.query import PROGRESS_EVENTS, Query

__all__ = ["CODES", "Check", "Oddity", "Severity", "Thresholds", "lint"]

CHECKS: dict[str, type[Check]] = {
    "unanswered": Unanswered,
    "loop": Loops,
    "orphan": Orphans,
    "near-cap": NearCaps,
    "ttl-ended": OnlyTime,
    "refusals": Refusals,
    "unsigned": Unsigned,
}
"""Code to the check that finds it."""


def lint(
    history: History,
    limits: Thresholds | None = None,
    *,
    codes: Collection[str] = tuple(CHECKS),
    since: str | None = None,
    until: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Oddity]:
    """Give what is odd in a log, lazily.

    Args:
        history: the log.
        limits: from when on something is odd; the defaults of ``Thresholds`` when None.
        codes: which kinds are looked for.
        since: a point; what came before it is folded, from the nearest projection checkpoint, and not looked at.
        until: a point; the log is looked at as it was then.
        progress: told the position reached, now and then.

    Raises:
        QuestionError: no such point.
        CorruptLogError: an event cannot be folded.
    """
    selection = history.select(Query(since=since, until=until))
    checks = [CHECKS[code](history, limits or Thresholds()) for code in CHECKS if code in codes]
    return _looked(history, checks, selection.after, selection.until, progress)


def _looked(
    history: History, checks: list[Check], after: int, until: int, progress: Callable[[int], None] | None
) -> Iterator[Oddity]:
    state = history.rebuild(f"@{after}").state
    before = [check.before for check in checks if type(check).before is not Check.before]
    behind = [check.after for check in checks if type(check).after is not Check.after]
    for event in history.log.read(after=after, until=until):
        for look in before:
            yield from look(event, state)
        _apply(history, state, event)
        for look in behind:
            yield from look(event, state)
        if progress is not None and event.position % PROGRESS_EVENTS == 0:
            progress(event.position)
    for check in checks:
        yield from check.end(state)


def _apply(history: History, state: HubState, event: Event) -> None:
    try:
        state.apply(event)
    except NetworkError:
        raise
    except Exception as error:
        what, path = f"{type(error).__name__}: {error}", history.path
        message = f"the event at position {event.position} of {path} cannot be folded ({what}): run replay verify"
        raise CorruptLogError(message, position=event.position, path=path) from error
