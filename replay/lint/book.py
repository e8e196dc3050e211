"""What is odd of the log itself: causes that are not in it, a tail that nobody signed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from events.event import Event
from projections.state import HubState
from replay.lint.oddities import Check, Oddity
from replay.render.sentences import sentence
from replay.render.text import printable, shortened

REMEMBERED = 65_536
WHAT_WIDTH = 80


class Orphans(Check):
    """Events that name a cause which is not in the log before them: cut out, made up, or of another log.

    Most causes are among the last ``REMEMBERED`` events; others are looked up, O(log² n).
    """

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._latest: OrderedDict[str, None] = OrderedDict()

    def before(self, event: Event, state: HubState) -> Iterator[Oddity]:
        """Look for the event's cause."""
        if event.cause is not None and event.cause not in self._latest and not self._recorded(event):
            what = shortened(sentence(event, self.names), WHAT_WIDTH)
            said = f"@{event.position} names the cause {event.cause}, which is not in the log before it: {what}"
            yield Oddity("orphan", printable(said), (event.position,), f"replay show @{event.position}")
        self._latest[event.id] = None
        if len(self._latest) > REMEMBERED:
            self._latest.popitem(last=False)

    def _recorded(self, event: Event) -> bool:
        found = self.history.log.find(event.cause or "")
        return found is not None and found.position < event.position


class Unsigned(Check):
    """Events behind the newest signed checkpoint: who may write the log could make them anew (LOG-6)."""

    def end(self, state: HubState) -> Iterator[Oddity]:
        """Compare the newest checkpoint with the end."""
        evidence = self.history.evidence()
        signed, head = evidence.checkpoint or 0, evidence.head
        if head - signed <= (self.limits.unsigned if signed else 0):
            return
        since = f"since the newest, @{signed}" if signed else "at all"
        anew = f"who may write the log could make {head - signed:,} events anew, unnoticed"
        said = f"no signed checkpoint {since}: {anew}"
        yield Oddity("unsigned", said, (signed + 1, head), "replay checkpoint --sign KEY")
