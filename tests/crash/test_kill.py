"""kill -9 of a hub under load, again and again on one log: nothing acknowledged is lost, nothing is half done."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from pathlib import Path

import pytest

from events.event import Event
from events.log import EventLog
from events.sessions import EnvelopePosted, SessionClosed, SessionCreated, SessionInviteSent
from events.stores import DiskKnowledgeStore
from events.tasks import TaskCompleted
from hub import Agent, Hub, HubClient, LocalLink, Passport
from hub.catalogue import Catalogue
from hub.loading import load_state
from hub.protocols import default_adapters
from projections.state import HubState
from tests.crash import load

KILLS = 25
"""For each durability."""
ACKS_MAX = 60
SEED = 20260101

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.crash.load"])


def kill_after(path: Path, durability: str, number: int, acks: int) -> list[tuple[str, str]]:
    """Run a loaded hub and kill it once it has told of so many acknowledgements; returns all that it told."""
    reader, writer = os.pipe()
    child = processes.Process(target=load.serve, args=(str(path), durability, number, _Sent(writer)))
    child.start()
    os.close(writer)
    told: list[tuple[str, str]] = []
    with open(reader, encoding="ascii") as lines:
        for line in lines:
            kind, event_id = line.split()
            told.append((kind, event_id))
            if len(told) == acks:
                assert child.pid is not None
                os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert child.exitcode == -signal.SIGKILL, f"round {number} ended by itself with {child.exitcode}"
    return told


class _Sent:
    """A file descriptor on its way to the child."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __reduce__(self) -> tuple[object, ...]:
        return _received, (multiprocessing.reduction.DupFd(self.descriptor),)


def _received(duplicate: object) -> int:
    descriptor: int = duplicate.detach()  # type: ignore[attr-defined]
    return descriptor


def half_done(events: list[Event]) -> list[str]:
    """Name each decision of which only a part is in the log."""
    found = []
    for event, following in zip(events, [*events[1:], None], strict=True):
        body, after = event.body, None if following is None else following.body
        if isinstance(body, SessionCreated) and not isinstance(after, SessionInviteSent):
            found.append(f"@{event.position}: a session without its invites")
        closes = isinstance(after, SessionClosed) and following is not None and following.cause == event.id
        if isinstance(body, EnvelopePosted) and body.rest.get("text") == "Yes." and not closes:
            found.append(f"@{event.position}: an answer without the close that follows from it")
        if isinstance(body, TaskCompleted) and (following is None or following.type != "agent.observed"):
            found.append(f"@{event.position}: a task without its observation")
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_trap_02_nothing_acknowledged_is_lost_however_often_the_hub_is_killed(tmp_path: Path, durability: str) -> None:
    """LOG-3, and trap 3: a crash at any instant leaves the log at a decision's boundary."""
    print(f"seed {SEED}")
    chance = random.Random(f"{SEED} {durability}")
    path, checked, answers = tmp_path / "log", 0, 0
    catalogue = Catalogue()
    for adapter in default_adapters():
        catalogue.register_adapter(adapter)
    for number in range(KILLS):
        told = kill_after(path, durability, number, chance.randint(1, ACKS_MAX))
        store = DiskKnowledgeStore(path)
        store.open(readonly=True)
        log = EventLog(store)
        missing = [(kind, event_id) for kind, event_id in told if log.find(event_id) is None]
        assert missing == [], f"round {number}, seed {SEED}"
        events = list(log.read(after=checked))
        assert half_done(events) == [], f"round {number}, seed {SEED}"
        answers += sum(isinstance(event.body, SessionClosed) for event in events)
        checked = log.head
        if number % 8 == 0 or number == KILLS - 1:
            replayed = HubState(catalogue).replay(log.read(content=False))
            assert load_state(log, catalogue).digest() == replayed.digest()
            assert list(store.check_indexes()) == []
        store.close()
    assert answers > KILLS, "the load never got to what can be half done"


async def test_a_log_that_ends_within_a_decision_would_be_noticed(hub: Hub) -> None:
    client = HubClient(LocalLink(hub), hub=hub)
    asker = await client.register(None, Passport(name="asker"))
    await client.register(Agent("other", lambda question: "Yes."), Passport(name="other"))
    session = await asker.open(type="consulting", target="other")
    async with session.task("look", capability="looking") as task:
        await task.complete()
    await session.send("Is it safe?")
    await session.wait_closed()
    events = list(hub._log.read())
    assert half_done(events) == []
    named = [name.partition(": ")[2] for length in range(1, len(events)) for name in half_done(events[:length])]
    assert named == [
        "a session without its invites",
        "a task without its observation",
        "an answer without the close that follows from it",
    ]
