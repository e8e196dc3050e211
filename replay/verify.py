"""Verifying a log: every byte read, every event folded, every derived thing compared with what it derives from.

First the store's own check: positions, leaf hashes, tree and indexes against the records. Then the fold: every event
decoded, content too, ids and times in order, sessions' envelopes counted, each projection checkpoint on the way
compared with the state. Last the signed checkpoints: they alone tell a log that was made anew, hashes and all. Only if
the check finds something, ``replay.damage`` says what it is.
O(n) time; memory O(what is live).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from events.codec import decode
from events.errors import CorruptLogError
from events.event import Event
from hub.loading import checkpoint_folder, restored
from projections.snapshots import positions
from projections.state import HubState
from replay.checkpoint import Kept, Vouched, vouched
from replay.damage import Finding, Kind, Part, explained, misplaced, name_damage, truncated
from replay.history import Evidence, History
from replay.query import PROGRESS_EVENTS

Told = Callable[[str, int], None]
"""Told the stage and how many events it is through with."""


@dataclass(frozen=True, slots=True)
class Report:
    """What ``verify`` read and found.

    Attributes:
        evidence: the log, its head and root.
        covered: events whose every byte was read, hashed, decoded and folded; those behind damage are not.
        size_bytes: of their data.
        digest: of the state after the last of them.
        reproduced: positions of the projection checkpoints that the fold gives, too.
        passed_over: positions of those that a hub would pass over: of other code, of another log, or garbled.
        vouched: what signed checkpoints say.
        findings: what is wrong, the first in the log first.
        last_good: the last position up to which nothing speaks against the log.
    """

    evidence: Evidence
    covered: int
    size_bytes: int
    digest: str
    reproduced: tuple[int, ...]
    passed_over: tuple[int, ...]
    vouched: Vouched
    findings: tuple[Finding, ...]
    last_good: int

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    @property
    def first_bad(self) -> int | None:
        """The first position that something is wrong with, or None."""
        return self.findings[0].position if self.findings else None


def verify(history: History, told: Told | None = None, elsewhere: Iterable[Kept] = ()) -> Report:
    """Verify a log up to the history's head.

    Args:
        history: the log; with its ``key``, a checkpoint signed by that has to vouch for the log.
        told: told how far it is.
        elsewhere: signed checkpoints that were kept elsewhere than beside the log.

    Raises:
        StoreError: it holds an event that a newer library wrote.
        CorruptLogError: its pages cannot be read at all.
        MissingLibraryError: there is a key, and the package ``cryptography`` is missing.
    """
    told = told or (lambda stage, done: None)
    found = _check_store(history, told)
    good = min((finding.position for finding in found if finding.part is Part.EVENT), default=history.head + 1) - 1
    fold = _Fold(history, good)
    said = _vouched(history, found, elsewhere)
    found += fold.run(told)
    findings = tuple(explained([*found, *said.findings]))
    return Report(
        evidence=history.evidence(),
        covered=fold.state.position,
        size_bytes=fold.size_bytes,
        digest=fold.state.digest(),
        reproduced=tuple(fold.reproduced),
        passed_over=tuple(fold.passed_over),
        vouched=said,
        findings=findings,
        last_good=_last_good(findings, history.head),
    )


def _last_good(findings: tuple[Finding, ...], head: int) -> int:
    """What is made of good events can be made anew; all else is doubtful from there on."""
    made = (Part.INDEX, Part.CHECKPOINT, Part.SIGNED)
    return min([head, *(finding.position - 1 for finding in findings if finding.part not in made)])


def _vouched(history: History, found: Iterable[Finding], elsewhere: Iterable[Kept]) -> Vouched:
    """Ask the signed checkpoints; that a root differs says nothing new where the tree is not what the events give."""
    torn = any(finding.part in (Part.EVENT, Part.TREE) and finding.position <= history.head for finding in found)
    try:
        said = vouched(history.log, history.head, history.key, elsewhere)
    except CorruptLogError:
        if torn:
            return Vouched()
        raise
    kept = (finding for finding in said.findings if not (torn and finding.kind is Kind.FORK))
    return replace(said, findings=tuple(kept))


def _check_store(history: History, told: Told) -> list[Finding]:
    recorder, head = history.log.recorder, history.head
    try:
        trouble = next(recorder.check_indexes(lambda done: told("checking", done)), None)
    except CorruptLogError as error:
        trouble = error.message  # perhaps a node that is missing: naming it reads on, or raises this again
    found = name_damage(recorder, head) if trouble else []
    if trouble and not found:
        found = [Finding(Kind.FLIP, Part.INDEX, head, trouble)]
    cut = [truncated(recorder, head), _rolled_back(history)]
    return found + [finding for finding in cut if finding is not None and history.log.head == head]


def _rolled_back(history: History) -> Finding | None:
    """A hub writes a projection checkpoint only of what is on disk, so one ahead of the log has seen more of it."""
    later = [position for position in _checkpoint_positions(history) if position > history.head]
    if not later:
        return None
    message = f"the log ends at @{history.head}, but a projection checkpoint of @{later[-1]} stands beside it"
    return Finding(Kind.ROLLBACK, Part.EVENT, history.head + 1, message)


def _checkpoint_positions(history: History) -> list[int]:
    folder = checkpoint_folder(history.log)
    return [] if folder is None else positions(folder)


class _Fold:
    """The second stage, up to a position."""

    def __init__(self, history: History, until: int) -> None:
        self._history, self._until = history, until
        self._checkpoints = [position for position in _checkpoint_positions(history) if position <= until]
        self.state = HubState(history.catalogue)
        self.size_bytes = 0
        self.reproduced: list[int] = []
        self.passed_over: list[int] = []
        self._wrong: list[Finding] = []

    def run(self, told: Told) -> list[Finding]:
        """Fold until the end, or the first event that does not fit."""
        try:
            for stored in self._history.log.recorder.scan(until=self._until):
                event = decode(stored.event, stored.position)
                if finding := self._misfit(event) or self._apply(event):
                    return [*self._wrong, finding]
                self._compare()
                self.size_bytes += len(stored.event.data)
                if event.position % PROGRESS_EVENTS == 0:
                    told("folding", event.position)
        except CorruptLogError as error:
            if "position" not in error.facts:
                raise
            return [*self._wrong, Finding(Kind.FLIP, Part.EVENT, error.position, error.message)]
        return self._wrong

    def _misfit(self, event: Event) -> Finding | None:
        """What the event's place in the log says against it."""
        if event.id <= self.state.last_id:
            return misplaced(self._history.log.recorder, event, self._history.head)
        if event.at_us < self.state.at_us:
            message = f"the event at @{event.position} is older than the one before it: time does not go back in a log"
            return Finding(Kind.REORDER, Part.EVENT, event.position, message)
        sequence = getattr(event.body, "sequence", 0)
        session = self.state.sessions.live.get(event.body.session_id) if sequence else None
        if session is None or sequence == session.sequence + 1:
            return None
        if (moved := self._moved_here(event)) is not None:
            return moved
        kind = Kind.DELETE if sequence > session.sequence else Kind.INSERT
        name = self._history.names.session(session.session_id)
        message = f"{name} goes from envelope {session.sequence} to {sequence} at @{event.position}"
        return Finding(kind, Part.EVENT, event.position, message)

    def _moved_here(self, event: Event) -> Finding | None:
        """Tell whether an event belongs further on in the log: then one that is not above it in order follows."""
        last_id = event.id
        for later in self._history.log.read(after=event.position, until=self._until, content=False):
            if later.id <= last_id:
                finding = misplaced(self._history.log.recorder, later, self._history.head)
                return finding if finding.position == event.position else None
            last_id = later.id
        return None

    def _apply(self, event: Event) -> Finding | None:
        try:
            self.state.apply(event)
        except Exception as error:  # whatever a fold stumbles over is a finding, and told
            message = f"the event at @{event.position} ({event.type}) cannot be folded: {type(error).__name__}: {error}"
            return Finding(Kind.FLIP, Part.FOLD, event.position, message)
        return None

    def _compare(self) -> None:
        """Compare a projection checkpoint with the state at its position, where there is one."""
        history, folder, position = self._history, checkpoint_folder(self._history.log), self.state.position
        if folder is None or self._checkpoints[:1] != [position]:
            return
        del self._checkpoints[0]
        kept = HubState(history.catalogue)
        if restored(kept, folder, history.log, history.catalogue, position) is None or kept.position != position:
            self.passed_over.append(position)
        elif kept.digest() == self.state.digest():
            self.reproduced.append(position)
        else:
            message = f"the projection checkpoint of @{position} is not what the events up to there give: delete it"
            self._wrong.append(Finding(Kind.FLIP, Part.CHECKPOINT, position, message))


def report_json(report: Report) -> dict[str, Any]:
    """Return a report as a program reads it."""
    evidence = report.evidence
    return {
        "origin": evidence.origin,
        "head": evidence.head,
        "root": evidence.root,
        "clean": report.clean,
        "covered": report.covered,
        "size_bytes": report.size_bytes,
        "digest": report.digest,
        "checkpoints": {"reproduced": list(report.reproduced), "passed_over": list(report.passed_over)},
        "signed_checkpoint": evidence.checkpoint,
        "signed": {
            "standing": evidence.standing,
            "agreed": list(report.vouched.agreed),
            "others": report.vouched.others,
        },
        "first_bad": report.first_bad,
        "last_good": report.last_good,
        "findings": [finding._asdict() for finding in report.findings],
    }
