"""One run, command by command, in words that another run shares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from events.errors import NetworkError
from events.event import Event
from events.governance import HubOpened
from events.sessions import SessionCreated
from events.values.frozen import thaw
from hub.decisions.posting import Post
from hub.decisions.refusing import RecordDenial
from hub.decisions.sweeping import CheckExpectations
from projections.state import HubState
from replay.commands import Recorded, commands, first_difference, redecide, wal_of
from replay.history import History, Progress
from replay.query import PROGRESS_EVENTS
from replay.render.text import compact
from replay.snapshot.cast import Cast
from replay.snapshot.masks import Masks
from replay.snapshot.text import lines


class Step(NamedTuple):
    """A command in words: ``asked`` without what came of it, ``said`` with."""

    recorded: Recorded
    asked: str
    said: tuple[str, ...]

    @property
    def head(self) -> Event:
        """The event that implies the command."""
        return self.recorded.events[self.recorded.head]


class Run:
    """One log, read command by command.

    Args:
        history: the log.
        label: what it is called: A or B.
        masks: what does not count.
        progress: told the positions passed.
    """

    def __init__(self, history: History, label: str, masks: Masks, progress: Progress | None = None) -> None:
        self.history, self.label, self.cast = history, label, Cast()
        self._masks, self._progress = masks, progress
        self.opened: Event | None = None

    def steps(self) -> Iterator[Step]:
        """Give the commands that are not left out, lazily; memory O(names)."""
        for count, recorded in enumerate(commands(self.history.log.read(until=self.history.head))):
            said = tuple(lines(recorded.events, self._masks, self.cast))
            head = recorded.events[recorded.head]
            if isinstance(head.body, HubOpened):
                self.opened = head
            if said:
                yield Step(recorded, self.cast.translate(_asked(recorded)), (*said, *_expected(head)))
            if self._progress is not None and count % PROGRESS_EVENTS == 0:
                self._progress(head.position)

    def before(self, step: Step) -> HubState:
        """Return the state that a command was decided on; O(events since the nearest checkpoint)."""
        return self.history.at(step.recorded.position - 1)

    def decides_again(self, step: Step) -> bool:
        """Say whether today's code decides a command as it was recorded."""
        state, log = self.before(step), self.history.log
        try:
            decided = redecide(state, step.recorded, catalogue=self.history.catalogue, read_wal=wal_of(log))
        except NetworkError:
            return False
        return first_difference(decided.events, step.recorded.events) is None


def _asked(recorded: Recorded) -> str:
    """Say what was asked, in ids."""
    command: Any = recorded.command
    if isinstance(command, CheckExpectations):
        command = command.session_id
    elif isinstance(command, RecordDenial):
        command = command.refusal
    elif isinstance(command, Post):
        # How deep it is and whom it reaches is the hub's to say.
        command = {name: value for name, value in command.envelope.to_dict().items() if name != "depth"}
    return f"{type(recorded.command).__name__} of {recorded.actor}: {command!r}"


def _expected(event: Event) -> Iterator[str]:
    """Say what a session expects of its people, which the name and version of its type do not tell."""
    if isinstance(event.body, SessionCreated):
        yield compact(thaw(event.body.manifest))
