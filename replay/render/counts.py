"""What a log comes to, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from events.values.times import iso
from replay.latencies import ERROR_MAX, Latencies
from replay.render.table import Column, Paint, table
from replay.render.text import duration, padded, printable, wrapped_lines
from replay.stats import Stats, Tally

LABEL_WIDTH = 14
COUNT_WIDTH = 9
_HOUR_US = 3_600_000_000
KEY_WIDTH = 20
_RATE_SPAN_US = 60_000_000
"""Of a shorter time no rate is told."""
_LATENCY_WIDTH = 7
_WIDE = 110


def stats_lines(stats: Stats, *, width: int | None, paint: Paint) -> Iterator[str]:
    """Give the lines of the screen; ``width`` is its cells, None unlimited."""
    total = stats.total
    when = f" in {duration(stats.span_us)}, from {iso(stats.first_us)} to {iso(stats.last_us)}" if total.events else ""
    yield from (paint(line, "bold") for line in wrapped_lines(f"{total.events:,} events{when}", width))
    for label, count, more in _counts(stats):
        left = f"{padded(label, LABEL_WIDTH)}{count:>{COUNT_WIDTH},}  "
        room = None if width is None else max(width - len(left), 20)
        for number, line in enumerate(wrapped_lines(more, room)):
            yield f"{left if number == 0 else ' ' * len(left)}{line}".rstrip()
    yield ""
    yield from _latencies(stats, width, paint)
    if stats.by is not None:
        yield ""
        yield from _groups(stats, width, paint)
    if not all(latencies.exact for latencies in _all(stats)):
        yield f"≈ at most {ERROR_MAX:.1%} too high: there are too many values to keep each"
    if not stats.acknowledged:
        yield "acknowledgements do not name a session, so none are counted for one"


def _counts(stats: Stats) -> Iterator[tuple[str, int, str]]:
    total, (minute_us, count) = stats.total, stats.busiest
    an_hour = total.envelopes * _HOUR_US / stats.span_us if stats.span_us >= _RATE_SPAN_US else 0
    rate = f"{an_hour:,.{0 if an_hour >= 100 else 1}f} an hour; " if an_hour else ""
    busiest = f"{rate}most in a minute: {count:,}, at {iso(minute_us)}" if count else ""
    yield "envelopes", total.envelopes, busiest
    yield "sessions", total.sessions, f"ended: {_listed(total.ended)}" if total.ended else ""
    yield "tasks ended", total.tasks.total(), _listed(total.tasks)
    yield "refusals", total.refused.total(), _listed(total.refused)
    yield "violations", total.violated.total(), _listed(total.violated)
    yield "failed turns", total.failed_turns, ""


def _listed(counter: Counter[str]) -> str:
    parts = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{printable(name)} {count:,}" for name, count in parts)


def _latencies(stats: Stats, width: int | None, paint: Paint) -> Iterator[str]:
    rows: list[tuple[str, ...]] = []
    columns = [Column("latency", LABEL_WIDTH), Column("n", COUNT_WIDTH, right=True)]
    columns += [Column(name, _LATENCY_WIDTH, right=True) for name in ("p50", "p95", "p99", "max")]
    for name, latencies in stats.total.latencies.items():
        found = latencies.summary()
        if found is None:
            rows.append((name, "0", "", "", "", "", ""))
            continue
        mark = "" if found.exact else "≈"
        percentiles = (f"{mark}{duration(us)}" for us in (found.p50_us, found.p95_us, found.p99_us))
        rows.append((name, f"{found.n:,}", *percentiles, duration(found.max_us), duration(found.mean_us)))
    return table((*columns, Column("mean")), rows, width=width, paint=paint)


def _groups(stats: Stats, width: int | None, paint: Paint) -> Iterator[str]:
    assert stats.by is not None
    columns = [Column(stats.by, KEY_WIDTH, "cyan")]
    columns += [Column(name, 7, right=True) for name in ("envel.", "refused", "violat.")]
    columns += [Column(name, 7, right=True, needs=_WIDE) for name in ("session", "tasks", "failed")]
    columns += [Column(name, _LATENCY_WIDTH, right=True, needs=_WIDE) for name in ("ack50", "ack99")]
    columns += [Column(name, _LATENCY_WIDTH, right=True) for name in ("reply50", "reply99")]
    rows = ((printable(key), *_cells(tally)) for key, tally in stats.groups.items())
    return table((*columns, Column("task50")), rows, width=width, paint=paint)


def _cells(tally: Tally) -> tuple[str, ...]:
    counts = (tally.envelopes, tally.refused.total(), tally.violated.total())
    more = (tally.sessions, tally.tasks.total(), tally.failed_turns)
    ack, reply, task = (tally.latencies[name].summary() for name in ("ack", "reply", "task"))
    times = [None if ack is None else ack.p50_us, None if ack is None else ack.p99_us]
    times += [None if reply is None else reply.p50_us, None if reply is None else reply.p99_us]
    times += [None if task is None else task.p50_us]
    return (*(f"{count:,}" for count in (*counts, *more)), *("" if us is None else duration(us) for us in times))


def _all(stats: Stats) -> Iterator[Latencies]:
    for tally in (stats.total, *stats.groups.values()):
        yield from tally.latencies.values()
