"""The hub process that the demo kills: plays the first act, then talks until it is dead.

Run as ``python -m hub.demo.child LOG FD live|mock``; ids of acknowledged envelopes go to that descriptor, a line each.
"""

from __future__ import annotations

import asyncio
import os
import sys

from rich.console import Console

from hub.demo.acts import Stage, act_one, keep_talking
from hub.demo.stage import Narrator, Pace

START = "2026-01-01T09:00:00Z"


async def play(path: str, acks: int, *, live: bool) -> None:
    """Play the first act and keep talking."""
    narrator = Narrator(Console(highlight=False))
    stage = await Stage.open(path, Pace.make(live=live, start=START), narrator)
    session = await act_one(stage)
    narrator.muted = True

    def acknowledged(envelope_id: str) -> None:
        os.write(acks, f"{envelope_id}\n".encode())

    await keep_talking(session, acknowledged)


if __name__ == "__main__":
    asyncio.run(play(sys.argv[1], int(sys.argv[2]), live=sys.argv[3] == "live"))
