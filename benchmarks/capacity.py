"""How much room things take: ``python -m benchmarks.capacity`` prints what docs/capacity.md says.

Memory is what Python's allocator has handed out (tracemalloc) for the state of a hub after folding ever so many of one
thing, divided by their number. Clients, lanes and whatever a program keeps besides are not in it. On disk it is the
pages of the log's file that are in use.
"""

from __future__ import annotations

import asyncio
import gc
import tempfile
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import lmdb
from eventsourcing.dcb.api import DCBEvent

from benchmarks.footprint import resident_bytes
from benchmarks.harness import TEXT
from benchmarks.history import Stamp, Tape, write
from events.codec import decode, encode
from events.event import Event
from events.sessions import EnvelopePosted
from events.stores import DiskKnowledgeStore
from hub.catalogue import Catalogue
from hub.ids import SystemIds
from hub.protocols import default_adapters
from projections.snapshots import collect
from projections.state import HubState

COUNT = 20_000


def fresh_state() -> HubState:
    catalogue = Catalogue()
    for adapter in default_adapters():
        catalogue.register_adapter(adapter)
    return HubState(catalogue)


def numbered(events: Iterable[DCBEvent], after: int = 0) -> Iterator[Event]:
    """Events as a replay reads them from the log."""
    for position, stored in enumerate(events, after + 1):
        yield decode(stored, position, content=False)


def grown(state: HubState, change: Callable[[HubState], Any]) -> int:
    """The bytes that a change adds to a state."""
    gc.collect()
    tracemalloc.start()
    change(state)
    gc.collect()
    found, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return found


def agent(tape: Tape, count: int) -> float:
    """Memory of one registered agent with default rule and no capability."""
    stamped = list(Stamp(tape, pairs=count // 2).past(closed=0, live=0))
    return grown(fresh_state(), lambda state: state.replay(numbered(stamped))) / count


def sessions(tape: Tape, count: int) -> tuple[float, float, float]:
    """Memory of one live session of two as it is used, as it comes from a checkpoint, and its bytes in one."""
    pairs = 100
    events = list(Stamp(tape, pairs).past(closed=0, live=count))
    people = 2 * pairs
    state = fresh_state().replay(numbered(events[:people]))
    used = grown(state, lambda state: state.replay(numbered(events[people:], people)))
    packed = collect(state, None)
    size = sum(len(part) for part in packed.parts["sessions"].values())
    loaded = grown(fresh_state(), lambda fresh: fresh.load_parts(packed.parts, packed.position, 0, ""))
    return used / count, (loaded + size) / count, size / count


def pending(tape: Tape, count: int) -> float:
    """Memory of one envelope that its recipient has not acknowledged."""
    state = fresh_state().replay(numbered(Stamp(tape, pairs=1).past(closed=0, live=1)))
    (record,) = state.sessions.live.values()
    new_id = SystemIds()
    sender, recipient = record.participants
    posted = [
        encode(
            Event(
                EnvelopePosted(
                    record.session_id, sender, "ag2.msg.text", record.sequence + number, (recipient,), (recipient,)
                ),
                new_id(),
                state.at_us + number,
                sender,
            )
        )
        for number in range(1, count + 1)
    ]
    return grown(state, lambda state: state.replay(numbered(posted, state.position))) / count


def on_disk(tape: Tape, count: int, folder: Path) -> tuple[float, float]:
    """Bytes of the file for each event, and for each session with everything in it from creation to its end."""
    store = DiskKnowledgeStore(folder, durability="os")
    write(store, Stamp(tape, pairs=100).past(closed=count, live=0))
    store.open(readonly=True)
    events = store.head
    store.close()
    with lmdb.open(str(folder), readonly=True, max_dbs=4) as environment:
        used = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    return used / events, used / count


async def main() -> None:
    """Measure and print."""
    tape = await Tape.record(posts=1)
    life = len(tape.session) + len(tape.closing)
    print(f"{resident_bytes():>12,}  resident, with nothing in it")
    print(f"{agent(tape, COUNT):>12,.0f}  a registered agent")
    used, loaded, kept = sessions(tape, COUNT)
    print(f"{used:>12,.0f}  a live session of two, in use")
    print(f"{loaded:>12,.0f}  the same as a checkpoint brought it, until somebody looks")
    print(f"{kept:>12,.0f}  the same in a checkpoint")
    print(f"{pending(tape, COUNT):>12,.0f}  an envelope that is not acknowledged")
    with tempfile.TemporaryDirectory() as folder:
        event, session = on_disk(tape, COUNT // 4, Path(folder))
    print(f"{event:>12,.0f}  an event on disk, with its index entries and its share of the tree")
    print(f"{session:>12,.0f}  a session on disk: its {life} events, one envelope of {len(TEXT)} characters among them")


if __name__ == "__main__":
    asyncio.run(main())
