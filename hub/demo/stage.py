"""What a demo is played on: a clock that can be hurried, and a narrator who says what happens while it happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from rich.console import Console
from rich.markup import escape

from events.event import Event
from events.governance import AccessDenied, ExpectationViolated
from events.values import Expectation, SessionManifest, is_protocol_event
from events.values.times import iso
from hub.clock import Clock, system_clock, timers_of
from hub.hub import Hub
from hub.listeners import HubListener
from hub.protocols import DiscussionAdapter
from hub.testing import MockClock, settle
from projections.audit import audit_record
from projections.wal import wal_envelope

LIVE_SPEED = 60
"""How many of the demo's seconds pass in a real one with ``--live``."""


class Pace:
    """Lets the demo's time pass: at once on a mock clock, 60 times as fast as life on the machine's.

    Args:
        clock: the hub's; a ``MockClock`` is advanced, any other is waited for.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    @classmethod
    def make(cls, *, live: bool, start: str) -> Pace:
        """Return the pace of a live demo, or of one on a mock clock that shows ``start``."""
        return cls(system_clock if live else MockClock(start))

    @property
    def live(self) -> bool:
        """Whether time is the machine's."""
        return not isinstance(self.clock, MockClock)

    def seconds(self, seconds: int) -> int:
        """Return how long so many of the demo's seconds are on the hub's clock, at least 1."""
        return max(1, seconds // LIVE_SPEED) if self.live else seconds

    def work(self, seconds: int) -> None:
        """Let an agent's work take time; on the machine's clock it takes what it takes."""
        if isinstance(self.clock, MockClock):
            self.clock.advance(seconds)

    async def let_pass(self, hub: Hub, seconds: int) -> None:
        """Let time pass, and then what was due happen."""
        await settle(hub)
        if isinstance(self.clock, MockClock):
            self.clock.advance(seconds)
        else:
            waited = asyncio.get_running_loop().create_future()
            timers_of(self.clock).call_later(self.seconds(seconds), lambda: waited.set_result(None))
            await waited
        await hub._expectation_tick()
        await hub._ttl_tick()
        await settle(hub)


class BriskDiscussion(DiscussionAdapter):
    """A discussion whose patience fits the demo's pace."""

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self.manifest: SessionManifest = replace(
            self.manifest,
            expectations=tuple(
                Expectation(e.name, e.on_violation, {"seconds": pace.seconds(e.params["seconds"])})
                for e in self.manifest.expectations
            ),
        )


class Narrator(HubListener):
    """Prints what is recorded, one line an event, names instead of ids.

    Args:
        console: where to.
        name_for: the hub's, once there is one.
    """

    def __init__(self, console: Console, name_for: Callable[[str], str] = str) -> None:
        self.console = console
        self.name_for = name_for
        self.muted = False

    def scene(self, title: str) -> None:
        """Say what comes."""
        self.console.print()
        self.console.print(f"[bold]── {escape(title)}")

    def say(self, text: str) -> None:
        """Say something in the narrator's own voice."""
        self.console.print(f"  [italic]{escape(text)}", soft_wrap=True)

    def refused(self, error: Exception) -> None:
        """Show the sentence that a refused caller got."""
        self.console.print(f"  [red]✗ {type(error).__name__}[/]  {escape(str(error))}", soft_wrap=True)

    def on_event(self, event: Event) -> None:
        """Print an event that is worth a line."""
        line = None if self.muted else self._line(event)
        if line:
            at = iso(event.at_us)[11:19]
            self.console.print(f"  [dim]{at} @{event.position:<4}[/] {line}", soft_wrap=True)

    def _line(self, event: Event) -> str | None:
        if isinstance(event.body, AccessDenied):
            return f"[red]recorded:[/] {self._name(event.body.subject)} was refused to {event.body.action}"
        envelope = wal_envelope(event)
        if envelope is not None and not is_protocol_event(envelope.event_type):
            return f"[cyan]{self._name(envelope.sender_id)}[/]: {escape(envelope.text[:100])}"
        record = audit_record(event)
        if record is None or (isinstance(event.body, ExpectationViolated) and not event.body.violators):
            return None
        sentence = _SENTENCES.get(record["kind"])
        return None if sentence is None else sentence(record, self._name)

    def _name(self, agent_id: str) -> str:
        return escape(self.name_for(agent_id))


Sentence = Callable[[dict[str, object], Callable[[str], str]], str | None]


def _people(record: dict[str, object], name: Callable[[str], str]) -> str:
    people = record["violators"] if "violators" in record else record["participants"]
    assert isinstance(people, list)
    return ", ".join(name(person) for person in people)


_SENTENCES: dict[str, Sentence] = {
    "agent_registered": lambda r, name: f"[green]{r['name']} of {r['owner']} registered",
    "session_created": lambda r, name: f"[blue]{r['manifest_type']}[/] opened: {_people(r, name)}",
    "session_closed": lambda r, name: f"[blue]closed:[/] {r['reason']}",
    "session_expired": lambda r, name: f"[blue]expired:[/] {r['reason']}",
    "rule_set": lambda r, name: f"[yellow]{r['actor']} changed the rule of {name(str(r['agent_id']))}",
    "expectation_violated": lambda r, name: f"[yellow]{r['expectation']} → {r['on_violation']}:[/] {_people(r, name)}",
    "participant_hidden": lambda r, name: f"[yellow]{name(str(r['agent_id']))} is hidden from the session",
    "task_terminated": lambda r, name: (
        f"[magenta]task {r['outcome']}[/] ({r['capability']}, {r['latency_ms']} ms) by {name(str(r['owner_id']))}"
    ),
    "turn_failed": lambda r, name: f"[red]turn failed[/] for {name(str(r['agent_id']))}: {r['error']}",
}
