"""With nothing changed, a log comes out as it is, to the byte."""

from __future__ import annotations

from collections.abc import Iterable

from events.codec import encode
from hub.protocols.base import SessionAdapter
from replay.commands import commands
from replay.history import History
from replay.whatif import Report, Variants


def assert_same_again(history: History, point: int = 0, adapters: Iterable[SessionAdapter] = ()) -> Report:
    """Ask everything behind a point again and compare each event with its record, and the states at the end."""
    variants = Variants(history, point, adapters=adapters)
    report = Report(variants.point, history.head, [])
    world = variants.world(report)
    events = history.log.read(after=variants.point, until=history.head)
    for recorded in commands(events, variants.limits):
        assert list(world.step(recorded)) == [], recorded
        assert [encode(e).data for e in world.decided] == [encode(e).data for e in recorded.events]
        assert [e.position for e in world.decided] == [e.position for e in recorded.events]
    assert world.now.position == history.head
    assert world.now.digests() == world.was.digests()
    assert (report.diverges, report.renumbered) == (False, 0)
    return report
