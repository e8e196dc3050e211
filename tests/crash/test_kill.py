"""A hub that is killed at any moment has lost nothing that it acknowledged, and shows no half decision (traps 2 to 5).

The moments are random, from a seed that is printed; ``LEDGERHUB_CRASH_SEED`` sets another.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from collections import defaultdict
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from events.agents import AgentObserved, AgentUnregistered
from events.event import Event
from events.log import EventLog
from events.sessions import (
    EnvelopePosted,
    SessionClosed,
    SessionCreated,
    SessionInviteAccepted,
    SessionInviteSent,
    SessionOpened,
)
from events.stores import DiskKnowledgeStore, Durability
from events.tasks import TaskCompleted
from hub import Agent, Hub, HubClient, LocalLink, Passport
from hub.catalogue import Catalogue
from hub.protocols import default_adapters
from projections.state import HubState
from tests.crash import load
from tests.house.sources import ROOT

SEED = int(os.environ.get("LEDGERHUB_CRASH_SEED", "20260101"))
KILLS = 25
"""Of each durability."""
LINES_MOST = 60
"""The longest a process lives, in things that it acknowledged."""


class Witness:
    """What was acknowledged, and what the log says, over all the lives of a hub."""

    def __init__(self, path: Path) -> None:
        catalogue = Catalogue()
        for adapter in default_adapters():
            catalogue.register_adapter(adapter)
        self.state = HubState(catalogue)
        self.log: list[Event] = []
        self.acknowledged: dict[str, set[str]] = defaultdict(set)
        self._path = path

    def hear(self, lines: list[str]) -> None:
        """Take note of one life: read what the log has gained, and fold it from where the last life ended."""
        store = DiskKnowledgeStore(self._path)
        store.open(readonly=True)
        self.log += EventLog(store).read(after=len(self.log))
        store.close()
        for word, *rest in map(str.split, lines):
            if word == "opened":
                self._compare(int(rest[0]), rest[1])
            else:
                self.acknowledged[word].add(rest[0])

    def _compare(self, position: int, digest: str) -> None:
        """DET-2, LOG-8: what a process remembers when it has opened is the fold of the log, by a checkpoint or not."""
        self.state.replay(self.log[self.state.position : position])
        assert digest == self.state.digest()

    def check(self) -> None:
        """Nothing acknowledged is missing, and every decision is whole."""
        assert [event.position for event in self.log] == list(range(1, len(self.log) + 1))
        for word, happened in self._happened().items():
            assert self.acknowledged[word] <= happened, f"{word}s are lost"
        assert half_done(self.log) == []

    def _happened(self) -> dict[str, set[str]]:
        bodies = [event.body for event in self.log]
        return {
            "event": {event.id for event in self.log},
            "closed": {b.session_id for b in bodies if isinstance(b, SessionClosed)},
            "task": {b.task_id for b in bodies if isinstance(b, TaskCompleted)},
            "gone": {b.agent_id for b in bodies if isinstance(b, AgentUnregistered)},
        }


def half_done(log: list[Event]) -> list[str]:
    """Name each decision of which only a part is in the log: what follows from it stands right behind it."""
    found = []
    for event, following in zip(log, [*log[1:], None], strict=True):
        body, after = event.body, None if following is None else following.body
        closes = isinstance(after, SessionClosed) and following is not None and following.cause == event.id
        whole = {
            "a session without its invites": not isinstance(body, SessionCreated)
            or isinstance(after, SessionInviteSent),
            "a last ack without the opening": not isinstance(body, SessionInviteAccepted)
            or isinstance(after, SessionOpened),
            "an answer without the close": not is_answer(event) or closes,
            "a task without its observation": not isinstance(body, TaskCompleted) or isinstance(after, AgentObserved),
        }
        found += [f"@{event.position}: {name}" for name, is_whole in whole.items() if not is_whole]
    return found


def is_answer(event: Event) -> bool:
    """Whether this is the answer of a consulting, which ends it."""
    return isinstance(event.body, EnvelopePosted) and str(event.body.rest.get("text")).startswith("answer")


def one_life(context: ForkServerContext, path: Path, durability: Durability, lines_before_kill: int) -> list[str]:
    """Run a hub, kill it once it has said so many lines, and return all that it said."""
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=load.main, args=(str(path), durability, theirs))
    process.start()
    theirs.close()
    said = []
    for line in lines_of(ours):
        said.append(line)
        if len(said) == lines_before_kill:
            process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, f"it ended by itself with {process.exitcode} after {said}"
    return said


def lines_of(pipe: multiprocessing.connection.Connection) -> Iterator[str]:
    """What is said until the pipe ends, perhaps in the middle of a word."""
    while True:
        try:
            yield pipe.recv_bytes().decode()
        except (EOFError, ConnectionResetError):
            return


@pytest.mark.parametrize("durability", ["fsync", "os"])
async def test_trap_02_trap_03_killed_anywhere_nothing_acknowledged_is_lost_and_nothing_is_half_done(
    tmp_path: Path, durability: Durability, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LOG-3, LOG-4: 25 lives of one log, each ended by SIGKILL while commits, checkpoints and answers are under way."""
    print(f"LEDGERHUB_CRASH_SEED={SEED}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    context, moments = multiprocessing.get_context("forkserver"), random.Random(f"{SEED} {durability}")
    context.set_forkserver_preload(["tests.crash.load"])
    path, witness = tmp_path / "log", Witness(tmp_path / "log")
    for _ in range(KILLS):
        witness.hear(one_life(context, path, durability, moments.randint(1, LINES_MOST)))
        witness.check()
    assert sum(map(len, witness.acknowledged.values())) > 10 * KILLS
    assert len(witness.acknowledged["closed"]) > KILLS / 2
    assert list(path.glob("checkpoints/*.checkpoint"))
    hub = await Hub.open(DiskKnowledgeStore(path))
    assert hub.state_digest() == witness.state.replay(witness.log[witness.state.position :]).digest()
    assert list(hub.store.check_indexes()) == []
    await hub.close()


async def test_a_log_that_ends_within_a_decision_would_be_noticed(hub: Hub) -> None:
    client = HubClient(LocalLink(hub), hub=hub)
    asker = await client.register(None, Passport(name="asker"))
    await client.register(Agent("other", lambda question: "answer"), Passport(name="other"))
    session = await asker.open(type="consulting", target="other")
    async with session.task("look", capability="looking") as task:
        await task.complete()
    await session.send("Is it safe?")
    await session.wait_closed()
    log = list(hub._log.read())
    assert half_done(log) == []
    named = [name.partition(": ")[2] for length in range(1, len(log)) for name in half_done(log[:length])]
    assert named == [
        "a session without its invites",
        "a last ack without the opening",
        "a task without its observation",
        "an answer without the close",
    ]
