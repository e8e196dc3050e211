"""Acknowledgements gather: one event says what many agents are done with, and shares the commits of others (RULE-9).

A crash loses what has gathered, and those envelopes are delivered again: delivery is at least once (CLI-5).
"""

from __future__ import annotations

import asyncio

from hub.activity import Activity
from hub.commit import Committer
from hub.decisions.posting import Acknowledge

GATHERED_MAX = 64
"""How many acknowledgements wait for each other at most, while commands keep coming."""


class Acknowledgements:
    """What was handled and is not on record yet: it goes with the commands of others, or by itself once all is quiet.

    Args:
        committer: whose errands these are.
        activity: busy while any is left.
    """

    def __init__(self, committer: Committer, activity: Activity) -> None:
        self.due = False
        self._committer, self._activity = committer, activity
        self._handled: list[tuple[str, str]] = []
        self._looking = self._scheduled = False
        self._seen = 0

    def add(self, agent_id: str, envelope_id: str, *, soon: bool) -> None:
        """Gather an acknowledgement; ``soon``: it goes with the next command, as it does when many have gathered."""
        self._handled.append((agent_id, envelope_id))
        if soon or len(self._handled) >= GATHERED_MAX:
            self.due = True
        if not self._looking:
            self._looking = True
            self._activity.begin()
            self._look_soon()

    def take(self) -> Acknowledge | None:
        """Return the command that records all of them, or None."""
        handled, self._handled, self.due = tuple(self._handled), [], False
        return Acknowledge(handled) if handled else None

    def put_back(self, command: Acknowledge) -> None:
        """The store failed: acknowledge with the next command."""
        self._handled[:0] = command.handled
        self.due = True

    def landed(self) -> None:
        """What was in flight has landed: look once more, when those who waited for it have had their turn."""
        if self._looking and not self._committer.busy:
            self._seen = -1
            self._look_soon()

    def _look_soon(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        """Record what has gathered, unless commands are being decided that it can go with."""
        self._scheduled = False
        if not self._looking or self._committer.busy:
            return  # ``landed`` comes back to it
        position = self._committer.state.position
        if self._handled and position != self._seen:
            self._seen = position
            self._look_soon()
            return
        self._committer.run_errands()
        self._looking = False
        self._activity.end()
