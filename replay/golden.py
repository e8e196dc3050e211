"""Golden histories: a recorded log that today's code must fold and decide as it was recorded (REPLAY, snapshots).

``capture`` writes one, ``check`` reads it back: every command that the log implies is decided again on the state just
before it and must give the recorded events, byte for byte; the state at the end must have the recorded digest. A
history that is known to be bad must go on to fail, by the same step and at the same position. ``replay.golden_file``
says what a file looks like.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from events.errors import CorruptLogError, NetworkError, StoreError
from events.event import Event
from events.log import EventLog
from events.stores import MemoryKnowledgeStore
from hub.arbiter import Arbiter, RuleBasedArbiter
from hub.catalogue import Catalogue, library_version
from hub.protocols import default_adapters
from hub.protocols.base import SessionAdapter
from projections.state import HubState
from replay.commands import ReadWal, Recorded, commands, first_difference, redecide, wal_of
from replay.errors import QuestionError
from replay.golden_file import Golden, fill, read, write

_PART_HEX = 12


class Stage(StrEnum):
    """How far a golden came: it holds, or which step failed."""

    HOLDS = "holds"
    READ = "read"
    FOLD = "fold"
    DECISION = "decision"


class Outcome(NamedTuple):
    """What today's code makes of a log.

    ``position`` is the first one that failed, 0 when it holds; ``digest`` and ``projections`` are of the state as far
    as it was folded, of an empty one where a record could not be read; ``decided`` counts the commands that decided
    the same; ``message`` says what is wrong.
    """

    stage: Stage
    position: int
    digest: str
    projections: Mapping[str, str]
    decided: int
    message: str = ""

    @property
    def expectation(self) -> str:
        """The stage and where, as a golden's header has it."""
        return self.stage if self.stage is Stage.HOLDS else f"{self.stage} @{self.position}"


class Verdict(NamedTuple):
    """A golden and what today's code makes of it; ``problem`` is empty when that is what was recorded."""

    golden: Golden
    outcome: Outcome

    @property
    def problem(self) -> str:
        """What differs from the recording, in a sentence."""
        golden, outcome = self.golden, self.outcome
        if outcome.expectation != golden.expect:
            found = outcome.message or f"all {len(golden.records)} events hold"
            return found if golden.expect == Stage.HOLDS else f"it must fail with {golden.expect}, but {found}"
        if outcome.digest != golden.digest:
            wrong = [name for name, part in outcome.projections.items() if golden.projections.get(name) != part]
            return f"it folds to another state: {', '.join(wrong) or 'no projection by itself'} differs"
        return ""


def check(
    path: str | Path, adapters: Iterable[SessionAdapter] | None = None, arbiter: Arbiter | None = None
) -> Verdict:
    """Fold a golden and decide its commands again; O(its events).

    Args:
        path: the file.
        adapters: the session types it was made with; None: those that every hub knows.
        arbiter: who permits; None: the agents' rules.

    Raises:
        StoreError: it cannot be read, or a newer library wrote it.
        CorruptLogError: the file is not what was captured.
    """
    golden = read(path)
    store = MemoryKnowledgeStore(new_origin=lambda: golden.origin)
    try:
        fill(store, golden.records)
    except NetworkError as error:
        return Verdict(golden, _unreadable(_catalogue(adapters), store.head + 1, error.message))
    if store.root().hex() != golden.root:
        raise CorruptLogError(
            f"{path} does not have the records that were captured (its root differs): restore the file, or capture anew"
        )
    return Verdict(golden, judge(EventLog(store), adapters, arbiter))


def judge(log: EventLog, adapters: Iterable[SessionAdapter] | None = None, arbiter: Arbiter | None = None) -> Outcome:
    """Fold a log and decide its commands again, up to the first that fails; O(events)."""
    catalogue = _catalogue(adapters)
    state, decided = HubState(catalogue), 0
    arbiter, read_wal = arbiter or RuleBasedArbiter(), wal_of(log)
    try:
        for recorded in commands(log.read()):
            if failure := _decide(state, recorded, catalogue, arbiter, read_wal) or _fold(state, recorded.events):
                return _outcome(state, decided, *failure)
            decided += 1
    except QuestionError as error:
        return _outcome(state, decided, Stage.DECISION, error.facts["position"], error.message)
    except (StoreError, CorruptLogError) as error:
        return _unreadable(catalogue, error.facts.get("position", state.position + 1), error.message)
    return _outcome(state, decided, Stage.HOLDS, 0, "")


Failure = tuple[Stage, int, str]


def _decide(
    state: HubState, recorded: Recorded, catalogue: Catalogue, arbiter: Arbiter, read_wal: ReadWal
) -> Failure | None:
    name = type(recorded.command).__name__
    try:
        decision = redecide(state, recorded, catalogue=catalogue, arbiter=arbiter, read_wal=read_wal)
    except NetworkError as error:
        message = f"position {recorded.position}: {name} was accepted and is now refused: {error.message}"
        return Stage.DECISION, recorded.position, message
    place = first_difference(decision.events, recorded.events)
    if place is None:
        return None
    was, now = (_shown(events, place) for events in (recorded.events, decision.events))
    position = recorded.position + place
    return Stage.DECISION, position, f"position {position}: {name} gave {was} and now gives {now}"


def _shown(events: tuple[Event, ...] | list[Event], place: int) -> str:
    if place >= len(events):
        return "nothing more"
    event = events[place]
    facts = ", ".join(f"{key}={value!r:.60}" for key, value in event.body._asdict().items())
    return f"{event.type} of {event.actor} ({facts})"


def _fold(state: HubState, events: tuple[Event, ...]) -> Failure | None:
    for event in events:
        try:
            state.apply(event)
        except Exception as error:
            what = f"position {event.position}: {event.type} cannot be folded: {type(error).__name__}: {error}"
            return Stage.FOLD, event.position, what
    return None


def _outcome(state: HubState, decided: int, stage: Stage, position: int, message: str) -> Outcome:
    parts = {name: digest[:_PART_HEX] for name, digest in state.digests().items()}
    return Outcome(stage, position, state.digest(), parts, decided, message)


def _unreadable(catalogue: Catalogue, position: int, message: str) -> Outcome:
    return _outcome(HubState(catalogue), 0, Stage.READ, position, message)


def _catalogue(adapters: Iterable[SessionAdapter] | None) -> Catalogue:
    catalogue = Catalogue()
    for adapter in default_adapters() if adapters is None else adapters:
        catalogue.register_adapter(adapter)
    return catalogue


def capture(
    log: EventLog,
    path: str | Path,
    *,
    about: str = "",
    must_fail: bool = False,
    adapters: Iterable[SessionAdapter] | None = None,
    arbiter: Arbiter | None = None,
) -> Outcome:
    """Write a log as a golden file, in place of one that is there; O(its size).

    Args:
        log: all of it is captured.
        path: the file, best ending in ``.hublog``.
        about: a line for people.
        must_fail: the history is known to be bad, and today's code finds it so; it must go on to.
        adapters: the session types it was made with; None: those that every hub knows.
        arbiter: who permitted; None: the agents' rules.

    Raises:
        QuestionError: the log fails and is not said to, or holds and is said to fail, or has no events.
        OSError: the file cannot be written.
    """
    outcome = judge(log, adapters, arbiter)
    if not log.head:
        raise QuestionError("the log has no events: a golden of it would show nothing")
    if outcome.stage is not Stage.HOLDS and not must_fail:
        raise QuestionError(f"today's code does not hold to this log ({outcome.message}): capture it as one that fails")
    if outcome.stage is Stage.HOLDS and must_fail:
        raise QuestionError("today's code finds nothing wrong with this log: capture it as one that holds")
    recorder, root, parts = log.recorder, log.recorder.root().hex(), outcome.projections
    origin, expect, digest = recorder.origin, outcome.expectation, outcome.digest
    write(Golden(str(path), about, library_version(), origin, root, expect, digest, parts, ()), recorder)
    return outcome
