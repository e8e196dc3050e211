"""Plays the demo: a first act in a process that is killed, a second one from the log, and the first questions to it."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from events.errors import InboxFull, StoreError
from events.governance import AccessDenied
from events.log import EventLog, tagged
from events.sessions import SessionParticipantHidden
from events.stores import DiskKnowledgeStore
from hub.demo.acts import Stage, act_two
from hub.demo.stage import Narrator, Pace

RESTART = "2026-01-01T10:00:00Z"
ACKS_BEFORE_KILL = 25
MARK = "this-is-a-demo"


def prepare(path: Path) -> None:
    """Make room for the demo's log; one of an earlier demo is replaced, anything else is left alone.

    Raises:
        StoreError: something else is there.
    """
    if path.exists() and not (path / MARK).exists():
        raise StoreError(f"{path} exists and is not the log of an earlier demo; move it away, or give another --log")
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    (path / MARK).write_text("`ledgerhub demo` may replace this folder\n")


def crash(path: Path, console: Console, *, live: bool) -> list[str]:
    """Run the first act in a child, kill -9 it while it posts; returns the ids that it had been acknowledged."""
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "hub.demo.child", str(path), str(writer), "live" if live else "mock"]
    environment = {**os.environ, "COLUMNS": str(console.width)}
    environment["FORCE_COLOR" if console.is_terminal and not console.no_color else "NO_COLOR"] = "1"
    with subprocess.Popen(command, pass_fds=[writer], env=environment) as child:
        os.close(writer)
        acknowledged = []
        with open(reader, encoding="ascii") as acks:
            for line in acks:
                acknowledged.append(line.strip())
                if len(acknowledged) == ACKS_BEFORE_KILL:
                    child.send_signal(signal.SIGKILL)
        child.wait()
    if len(acknowledged) < ACKS_BEFORE_KILL:
        raise StoreError(f"the demo's first act ended early, with exit code {child.returncode}: see its output above")
    return acknowledged


async def go_on(path: Path, console: Console, acknowledged: list[str], *, live: bool) -> None:
    """Play the second act, from the log."""
    narrator = Narrator(console)
    stage = await Stage.open(str(path), Pace.make(live=live, start=RESTART), narrator)
    async with stage.hub:
        await act_two(stage, acknowledged)


def questions(path: Path) -> list[tuple[str, ...]]:
    """Return what an investigator asks of this log: how an inbox came to be full, why erin was hidden, is it whole."""
    store = DiskKnowledgeStore(path)
    store.open(readonly=True)
    try:
        log = EventLog(store)
        refused = (e for e in log.read(tagged(types=(AccessDenied,))) if e.body.error == InboxFull.code)
        hidden = log.read(tagged(types=(SessionParticipantHidden,)), limit=1)
        return [("story", f"@{next(refused).position}"), ("why", f"@{next(hidden).position}"), ("verify",)]
    finally:
        store.close()


def ask(path: Path, console: Console) -> int:
    """Run the first replay commands on the log; returns how many could not be run."""
    failed = 0
    for question in questions(path):
        command = ["replay", question[0], "--log", str(path), *question[1:]]
        console.print(f"\n[bold green]$[/] [bold]{shlex.join(command)}", highlight=False)
        console.file.flush()
        failed += subprocess.run([sys.executable, "-m", "replay", *command[1:]], check=False).returncode != 0
    return failed


def demo(path: Path, console: Console, *, live: bool = False) -> int:
    """Play everything; returns the exit code.

    Args:
        path: where the log goes; left there.
        console: where it is told.
        live: on the machine's clock, 60 times as fast as life, instead of a mock clock.
    """
    prepare(path)
    acknowledged = crash(path, console, live=live)
    narrator = Narrator(console)
    narrator.scene("kill -9")
    narrator.say("The hub process was killed in the middle of a burst of envelopes. Another one opens the same log:")
    asyncio.run(go_on(path, console, acknowledged, live=live))
    narrator.scene(f"Everything above is in {path}. Ask it:")
    failed = ask(path, console)
    return 1 if failed else 0
