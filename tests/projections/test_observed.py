"""TASK-3, trap 25: counts and an exact median."""

from __future__ import annotations

from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from events.agents import AgentObserved, AgentUnregistered
from events.event import Event
from events.values import ObservedStat
from projections.observed import OUTCOMES, WINDOW, Observed
from tests.hub.decisions.story import nth, registered

ALICE = nth(1)


def told(*bodies: object) -> Observed:
    observed = Observed()
    for position, body in enumerate((registered(1, "alice"), *bodies), 1):
        observed.FOLDS[type(body)](observed, Event(body, nth(position), 0, position=position))
    return observed


@given(
    seen=st.lists(st.tuples(st.sampled_from([*OUTCOMES, "cancelled"]), st.none() | st.integers(0, 10**9)), max_size=400)
)
def test_trap_25_the_median_is_exact_over_the_last_256(seen: list[tuple[str, int | None]]) -> None:
    stats = told(*(AgentObserved(ALICE, "x", outcome, 2, latency_us) for outcome, latency_us in seen)).of(ALICE)
    latencies_us = [latency_us for _, latency_us in seen if latency_us is not None][-WINDOW:]
    counts = {name: sum(1 for outcome, _ in seen if outcome == name) for name in OUTCOMES}
    p50_ms = median(latencies_us) / 1000 if latencies_us else None
    assert stats == ({"x": ObservedStat(n=len(seen), p50_latency_ms=p50_ms, **counts)} if seen else {})


def test_capabilities_are_apart_and_go_with_their_agent() -> None:
    bodies = [AgentObserved(ALICE, "x", "completed", 2, 1000), AgentObserved(ALICE, "y", "failed", 3)]
    assert told(*bodies).of(ALICE) == {
        "x": ObservedStat(n=1, completed=1, p50_latency_ms=1),
        "y": ObservedStat(n=1, failed=1),
    }
    assert told(*bodies).of(nth(2)) == {}
    gone = told(*bodies, AgentUnregistered(ALICE, "alice"), AgentObserved(ALICE, "x", "completed", 4))
    assert (gone.of(ALICE), gone.dump()) == ({}, {})
