"""One simulated world: a loop, a clock, a store, a hub that can be lost and opened again, and its agents.

The driver is plain synchronous code. It gives commands, lets the loop run as far as it likes, and looks.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any, NamedTuple

from events.errors import NetworkError, StoreError
from events.event import OPERATOR
from events.values.times import parse_iso
from hub import Hub
from hub.protocols.base import SessionAdapter
from hub.testing import MockClock, SequentialIds
from tests.simulation.checks import Ear, Watch
from tests.simulation.found import Found, must
from tests.simulation.judges import JUDGES
from tests.simulation.kinds import Grumpy, adapters
from tests.simulation.loop import VirtualLoop
from tests.simulation.model import Model
from tests.simulation.people import Actor
from tests.simulation.seeds import Options
from tests.simulation.store import FaultyStore, Unreadable


class Given(NamedTuple):
    """A command that is under way: its name for people, and its mark if it has one."""

    what: str
    token: str | None = None


Calm = tuple[int, int, int]
Answered = Callable[[Any, BaseException | None], None]
NAMES = ("ada", "bob", "cyd", "dan", "eve", "fay")


class World:
    """What a run happens in.

    Attributes:
        trace: a line per thing that happened: equal for equal seeds, to the byte.
        problems: what checks found where they could not raise.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.trace: list[str] = []
        self.problems: list[BaseException] = []
        self.commands = self.crashes = 0
        self.pending: dict[asyncio.Task[Any], Given] = {}
        self.given_up: dict[str, tuple[int, int]] = {}
        """Marks of commands whose caller went away, and how often commits had failed and hubs had crashed by then."""
        self.model = Model(JUDGES)
        self.loop = VirtualLoop()
        self.clock = MockClock()
        self.store = FaultyStore(self.reached, at_once=options.at_once)
        self.watch = Watch(self)
        self.asleep: dict[str, SessionAdapter] = {}
        """Session types that the hub has not loaded (SESS-9)."""
        self.hub: Hub | None = None
        self.crash_at: tuple[str, int] | None = None
        self.ticked: tuple[Calm, int] | None = None
        self.under_way_us: int | None = None
        """The time before the clock jumped, while what was under way then has not come to rest."""
        self.memory: dict[str, Any] = {}
        """What actions remember: retries, tasks."""
        self._marks = 0
        self.actors = [Actor(self, name) for name in NAMES[: options.agents]]
        self.open()

    @property
    def now_us(self) -> int:
        """The time of the hub's clock."""
        return parse_iso(self.clock())

    def say(self, line: str) -> None:
        """Add a line to the trace."""
        self.trace.append(line)

    def mark(self) -> str:
        """Return a mark that no command has carried yet."""
        self._marks += 1
        return f"tok{self._marks}"

    def give(
        self,
        what: str,
        work: Coroutine[Any, Any, Any],
        *,
        token: str | None = None,
        actor: str = OPERATOR,
        answered: Answered | None = None,
    ) -> asyncio.Task[Any]:
        """Start a command; what it is answered is judged by its mark and told to ``answered``."""
        self.commands += 1
        if token is not None:
            self.watch.promises.attempt(token, actor)
        started: list[asyncio.Task[Any]] = []
        self.loop.inside(lambda: started.append(self.loop.create_task(work)))
        task = started[0]
        self.pending[task] = Given(what, token)
        self.say(f"  give {what}")
        task.add_done_callback(partial(self._answered, what, token, answered))
        return task

    def _answered(self, what: str, token: str | None, answered: Answered | None, task: asyncio.Task[Any]) -> None:
        if self.pending.pop(task, None) is None or task.cancelled():
            return
        error = task.exception()
        if self.store.dead:
            return  # the process died before it could tell anybody
        self.say(f"  {what}: {_shown(error) if error else 'done'}")
        try:
            self.watch.catch_up()
            if error is not None and not isinstance(error, NetworkError | TimeoutError):
                raise error
            if token is not None and error is None:
                self.watch.promises.acknowledged(token)
            elif token is not None and isinstance(error, NetworkError) and self._is_final(token, error):
                self.watch.promises.refused(token)
            if answered is not None:
                answered(task.result() if error is None else None, error)
        except BaseException as found:
            self.problems.append(found)

    def _is_final(self, token: str, error: NetworkError) -> bool:
        """Whether an error says that nothing happened.

        It does not when the outcome could not be read, or when it tells of what came to be and was lost since: a
        session that was declined or not answered, a registration whose connection was lost meanwhile.
        """
        event = self.model.tokens.get(token)
        outlived = event is not None and event.id in (error.facts.get("session_id"), error.facts.get("agent_id"))
        return not outlived and not isinstance(error, Unreadable)

    # Running.

    def advance(self, seconds: float) -> None:
        """Let the clock jump; what is under way goes on afterwards."""
        if self.under_way_us is None and self.loop.busy:
            self.under_way_us = self.now_us
        self.loop.inside(partial(self.clock.advance, seconds))

    def run(self, callbacks: int | None = None) -> bool:
        """Let the loop go on, to rest or for so many callbacks, and look; say whether it came to rest."""
        rest = False
        while not rest:
            rest = self.loop.run(lambda: self.store.dead, *([callbacks] if callbacks is not None else []))
            if self.store.dead:
                self.lose(kept=0)
            elif callbacks is not None:
                break
        self.look(rest)
        return rest

    def look(self, rest: bool) -> None:
        """Raise what was found, and at rest compare everything."""
        for problem in (*self.problems, *self.loop.troubles):
            raise problem
        self.watch.catch_up()
        if rest:
            self.under_way_us = None
            self.watch.at_rest()
            if not self.store.in_flight:
                self._look_at_given_up()
            if self.ticked is not None and not self.store.in_flight:
                calm, since = self.ticked
                if calm == self.calm():
                    self.watch.after_ticks(self.now_us, since)
                self.ticked = None

    def give_up(self, task: asyncio.Task[Any]) -> None:
        """Let the caller of a command go away without an answer, if there is none: what was asked may have happened."""
        if task not in self.pending:
            return
        what, token = self.pending[task]
        self.say(f"  nobody waits for: {what}")
        self.loop.inside(task.cancel)
        if token is not None:
            self.given_up[token] = self.store.failures, self.crashes

    def _look_at_given_up(self) -> None:
        """A session that nobody opens any more does not stay pending (trap 6), unless the store failed meanwhile."""
        for token, before in self.given_up.items():
            talk = self.model.talks.get(getattr(self.model.tokens.get(token), "id", ""))
            if talk is not None and not self.store.troubled and before == (self.store.failures, self.crashes):
                must(talk.state != "pending", "an opener who goes away leaves nothing pending", talk.session_id)
        self.given_up.clear()

    def calm(self) -> Calm | None:
        """Return what stays the same as long as time stands still and nothing fails; None while that is not so."""
        store, hub = self.store, self.hub
        if store.troubled or hub is None or hub._closed:
            return None
        return self.now_us, self.store.failures, self.crashes

    def complete(self, what: str, work: Coroutine[Any, Any, Any]) -> Any:
        """Run one thing to its end, with a store that lets it, and return what came of it."""
        found: list[Any] = []
        self.give(what, work, answered=lambda result, error: found.append((result, error)))
        while not found:
            before = len(self.pending), self.crashes
            self.run()
            if not found and (len(self.pending), self.crashes) == before:
                raise Found("every command is answered", what)
            if self.crashes != before[1]:
                return None
        result, error = found[0]
        if error is not None:
            raise error
        return result

    # The hub's lives.

    def open(self, hiccups: int = 0, asleep: Collection[str] = ()) -> None:
        """Open a hub on the store; so many attempts fail, and some session types are not loaded."""
        store, options = self.store, self.options
        store.well()
        store.hiccups = hiccups
        self.hub = None
        types = {adapter.manifest.type: adapter for adapter in adapters(options)}
        self.asleep = {name: adapter for name, adapter in types.items() if name in asleep}

        async def opening() -> None:
            hub = await Hub.open(
                store,
                clock=self.clock,
                ids=SequentialIds(),
                ttl_sweep_interval=options.ttl_sweep_interval_s,
                expectation_sweep_interval=options.expectation_sweep_interval_s,
                invite_ack_timeout=options.invite_ack_timeout_s,
                listeners=[Ear(self, store)],
            )
            hub.register_expectation_evaluator(Grumpy())
            for name, adapter in types.items():
                if name not in self.asleep:
                    hub.register_adapter(adapter)
            self.hub = hub

        for _ in range(hiccups):
            with suppress(StoreError):
                self.complete("open the hub in vain", opening())
                raise Found("a hub does not open on a disk that fails", "")
        self.complete("open the hub", opening())

    def wake(self) -> None:
        """Load the session types that are asleep, as far as the log can be read: their sessions go on."""
        for name, adapter in list(self.asleep.items()):
            self.say(f"  load {name}")
            self.ticked = None
            if self.hub is None:
                return
            try:
                self.loop.inside(partial(self.hub.register_adapter, adapter))
            except Unreadable:
                return
            del self.asleep[name]

    def reached(self, point: str) -> None:
        """A named point of a commit is reached: crash here, if that was planned."""
        if self.crash_at is None or self.crash_at[0] != point or self.store.dead:
            return
        name, countdown = self.crash_at
        self.crash_at = (name, countdown - 1) if countdown else None
        if self.crash_at is None:
            self.say(f"  crash when a commit is {point}")
            self.store.dead = True

    def lose(self, kept: int, hiccups: int = 0, asleep: Collection[str] = ()) -> None:
        """Crash the hub's process and start another on what reached the disk, at the first attempt or a later one."""
        self.say(f"  crash: {len(self.store.waiting)} commits under way, {kept} of them on disk")
        self.crashes += 1
        self.crash_at = None
        self.pending.clear()
        old = self.store
        self.store = old.crash(kept)
        self._restart(self.loop, hiccups, asleep)

    def restart(self, asleep: Collection[str] = ()) -> None:
        """Close the hub in good order and open another on the same store: nothing may change (DET-2)."""
        hub = self.hub
        if hub is None:
            return
        self.store.held = False
        self.store.flush()
        crashes = self.crashes
        self.complete("close the hub", hub.close())
        if self.crashes == crashes:
            self.run()
            for given in self.pending.values():
                raise Found("a hub that closes lets everybody go", given.what)
            self._restart(self.loop, asleep=asleep)

    def _restart(self, old: VirtualLoop, hiccups: int = 0, asleep: Collection[str] = ()) -> None:
        for actor in self.actors:
            actor.forget()
        self.loop, self.clock = VirtualLoop(), MockClock(self.clock())
        old.discard()
        self.watch.put_down_and_take_up()
        self.open(hiccups, asleep)

    def digest(self) -> str:
        """Return the SHA-256 (hex) over the log and the trace."""
        return hashlib.sha256("\n".join((self.store.fingerprint(), *self.trace)).encode()).hexdigest()

    def actor(self, chance: Random) -> Actor:
        """Return one of the actors."""
        return chance.choice(self.actors)


def _shown(error: BaseException) -> str:
    return f"{getattr(error, 'code', type(error).__name__)}: {error}"
