"""Asking all that was asked after a point once more, in memory, and reporting what it comes to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from events.event import Event
from hub.arbiter import Arbiter, RuleBasedArbiter
from hub.catalogue import Catalogue
from hub.loading import load_state
from hub.protocols.base import SessionAdapter
from projections.rates import WINDOW_US
from projections.snapshots import Taken, take
from projections.state import HubState
from replay.commands import commands
from replay.differences import differences, value_json
from replay.going_on import end_of_append
from replay.history import History, Progress
from replay.implied import Limits
from replay.query import PROGRESS_EVENTS
from replay.state import COLLECTIONS
from replay.whatif.changes import Change
from replay.whatif.plan import make_plan
from replay.whatif.report import KEPT_MAX, Difference, Ending, PathChange, Report, Told
from replay.whatif.types import Types
from replay.whatif.world import Rules, World


def whatif(
    history: History,
    point: str | int = 0,
    changes: Iterable[Change] = (),
    *,
    adapters: Iterable[SessionAdapter] = (),
    arbiter: Arbiter | None = None,
    told: Told | None = None,
    progress: Progress | None = None,
) -> Report:
    """Decide the recorded commands after a point again, in memory; the log is only read, nothing is sent anywhere.

    ``replay.whatif.world`` has the rules of causality. With no change at all every event comes out the same, to the
    byte, if the log was made by this code and under these session types.

    Args:
        history: the log; up to where it was opened.
        point: behind which commands are asked again; default: all of them. One in the middle of an append is moved to
            its end.
        changes: what is to be otherwise.
        adapters: session types in place of the history's, or beside them.
        arbiter: who permits now; None: the agents' rules.
        told: of each difference as it is found.
        progress: told the positions passed.

    Raises:
        QuestionError: no such point, or a change that leads nowhere or does not fit.
        StoreError, CorruptLogError: the log cannot be read.

    Cost: the state at the point, then per command two folds and one decision, O(events after the point); memory
    O(what is live + differences), never the log.
    """
    return Variants(history, point, adapters=adapters, arbiter=arbiter).ask(changes, told=told, progress=progress)


class Variants:
    """One point of a log from which several variants are asked; the state there is folded once."""

    def __init__(
        self,
        history: History,
        point: str | int = 0,
        *,
        adapters: Iterable[SessionAdapter] = (),
        arbiter: Arbiter | None = None,
    ) -> None:
        self.history = history
        self._adapters, self._arbiter = tuple(adapters), arbiter or RuleBasedArbiter()
        state = history.at(end_of_append(history, point))
        self.point = state.position
        self.limits: Limits = {agent_id: record.rule.limits for agent_id, record in state.registry.agents.items()}
        self._taken = take(state)

    def ask(
        self, changes: Iterable[Change] = (), *, told: Told | None = None, progress: Progress | None = None
    ) -> Report:
        """Ask one variant; see ``whatif``."""
        report = Report(self.point, self.history.head, [])
        for difference in self.run(report, changes, progress=progress):
            if told is not None:
                told(difference)
        return report

    def run(
        self, report: Report, changes: Iterable[Change] = (), *, progress: Progress | None = None
    ) -> Iterator[Difference]:
        """Ask one variant lazily: gives each difference as it is found; the report is whole at the end."""
        world = self.world(report, changes)
        events = _told(self.history.log.read(after=self.point, until=self.history.head), progress)
        for recorded in commands(events, self.limits):
            yield from world.step(recorded)
        _conclude(report, world)

    def world(self, report: Report, changes: Iterable[Change] = ()) -> World:
        """Return the two worlds at the point."""
        history, was = self.history, _copy(self._taken, self.history.catalogue)
        plan = make_plan(history, was, changes)
        report.settings = plan.settings
        catalogue = plan.catalogue(history.catalogue)
        for adapter in self._adapters:
            catalogue.register_adapter(adapter)
        now = load_state(history.log, catalogue, self.point) if self._adapters else _copy(self._taken, catalogue)
        types = Types(catalogue, plan, frozenset(adapter.manifest.type for adapter in self._adapters))
        return World(was, now, plan, history.log, Rules(catalogue, self._arbiter, types), report)


def _copy(taken: Taken, catalogue: Catalogue) -> HubState:
    state = HubState(catalogue)
    if taken.position:
        state.load(taken.dump(), taken.position, taken.at_us, taken.last_id)
    return state


def _told(events: Iterator[Event], progress: Progress | None) -> Iterator[Event]:
    for count, event in enumerate(events, 1):
        yield event
        if progress is not None and count % PROGRESS_EVENTS == 0:
            progress(event.position)


def _conclude(report: Report, world: World) -> None:
    for session_id, was, now in world.ends():
        report.ended += 1
        report.reasons[was, now] += 1
        if len(report.endings) < KEPT_MAX:
            report.endings.append(Ending(session_id, was, now))
    report.caps = list(world.levels_was.against(world.levels_now))
    for change in _paths(overview(world.was), overview(world.now)):
        report.changed += 1
        if len(report.paths) < KEPT_MAX:
            report.paths.append(change)
    report.digest = world.now.digest()


def overview(state: HubState) -> dict[str, Any]:
    """Return what ``replay state`` lists of a state, by collection; of rates the last minute's number; no refusals."""
    listed = {name: shown.every(state) for name, shown in COLLECTIONS.items() if name != "denials"}
    for agent in listed["agents"].values():
        del agent["pending"]  # it stands among the inboxes, too
    since_us, sent = state.at_us - WINDOW_US, state.rates.dump()
    listed["rates"] = {
        record.passport.name: sum(at_us > since_us for at_us in sent[agent_id][1])
        for agent_id, record in state.registry.agents.items()
    }
    return listed


def _paths(was: dict[str, Any], now: dict[str, Any]) -> Iterator[PathChange]:
    for collection, listed in was.items():
        for path, before, after in differences(listed, now[collection], collection):
            yield PathChange(path, value_json(before), value_json(after))
