from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from events.values.times import iso, parse_iso
from hub.clock import LoopTimers, Timers, now_us, system_clock, timers_of, yield_once


class VirtualClock:
    """A clock that keeps the timers it was asked for."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def __call__(self) -> str:
        return "2026-01-01T00:00:00Z"

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> VirtualClock:
        self.asked.append(delay_s)
        return self

    def cancel(self) -> None:
        self.asked.clear()


def test_the_system_clock_gives_what_the_hub_takes() -> None:
    before, text, after = now_us(system_clock), system_clock(), now_us(system_clock)
    assert text.endswith("Z")
    assert before <= parse_iso(text) <= after


def test_det_0_equal_moments_in_mixed_notations_are_equal() -> None:
    """Trap 57: times are compared as moments, not as text."""
    notations = ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2025-12-31T19:00:00.000000-05:00")
    assert {now_us(lambda text=text: text) for text in notations} == {1_767_225_600_000_000}  # type: ignore[misc]
    assert iso(1_767_225_600_000_000) == notations[0]


@pytest.mark.parametrize("given", ["2026-01-01T00:00:00", "2026-01-01", "yesterday", "", None, 1_767_225_600, b"2026"])
def test_det_0_trap_57_a_naive_or_malformed_clock_value_is_refused_in_a_sentence(given: object) -> None:
    with pytest.raises(ValueError, match=r"^the hub's clock gave a time that cannot be used: ") as refused:
        now_us(lambda: given)  # type: ignore[arg-type, return-value]
    assert repr(given) in str(refused.value)


def test_a_clock_with_timers_of_its_own_keeps_them() -> None:
    clock = VirtualClock()
    timers = timers_of(clock)
    timers.call_later(30.0, lambda: None)
    assert timers is clock
    assert clock.asked == [30.0]


async def test_any_other_clock_gets_timers_on_the_running_loop() -> None:
    timers = timers_of(system_clock)
    fired: list[str] = []
    timers.call_later(3600.0, lambda: fired.append("an hour")).cancel()
    done = asyncio.Event()
    timers.call_later(0.0, lambda: fired.append("at once"))
    timers.call_later(-5.0, done.set)
    await done.wait()
    assert isinstance(timers, Timers)
    assert fired == ["at once"]


def test_loop_timers_without_a_loop_say_so() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        LoopTimers().call_later(1.0, lambda: None)


async def test_yielding_once_lets_what_is_ready_run_once() -> None:
    steps: list[int] = []

    async def walk() -> None:
        for step in range(3):
            steps.append(step)
            await yield_once()

    walker = asyncio.create_task(walk())
    await yield_once()
    assert steps == [0]
    await walker
    assert steps == [0, 1, 2]
