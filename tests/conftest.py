"""Fixtures of the whole suite: a deterministic hub, and the check that its log explains it at the end of each test."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from hub import Hub, MemoryKnowledgeStore
from hub.testing import MockClock, SequentialIds
from tests.support.replaying import assert_equals_replay

# Examples are derived from the test itself and take what they take: a loaded machine fails no test.
settings.register_profile(
    "suite", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")

OpenHub = Callable[..., Awaitable[Hub]]


@pytest.fixture(autouse=True)
def _every_hub_equals_its_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever a hub closes, in any test, its state must be the fold of its log."""
    closing = Hub.close

    async def close(hub: Hub) -> None:
        if hub._opened and not hub._closed:
            await hub._sweepers.close()
            await hub.delivery.close()
            await hub._committer.drain()
            if not hub._committer._failed:
                assert_equals_replay(hub)
        await closing(hub)

    monkeypatch.setattr(Hub, "close", close)


@pytest.fixture
def at_ease(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hubs do not compare themselves with a replay after each append, which what counts reads cannot do with."""
    monkeypatch.delenv("LEDGERHUB_PARANOID", raising=False)


@pytest.fixture
def clock() -> MockClock:
    """A clock that stands at 2026-01-01T00:00:00Z."""
    return MockClock()


@pytest.fixture
async def open_hub(clock: MockClock) -> AsyncIterator[OpenHub]:
    """Opens deterministic hubs, sweepers off, and closes those that are still open."""
    hubs: list[Hub] = []

    async def open_(store: Any = None, **options: Any) -> Hub:
        defaults: dict[str, Any] = {
            "clock": clock,
            "ids": SequentialIds(),
            "ttl_sweep_interval": 0,
            "expectation_sweep_interval": 0,
        }
        hub = await Hub.open(store if store is not None else MemoryKnowledgeStore(), **(defaults | options))
        hubs.append(hub)
        return hub

    yield open_
    for hub in reversed(hubs):
        await hub.close()


@pytest.fixture
async def hub(open_hub: OpenHub) -> Hub:
    """A hub in memory with a mock clock, sequential ids and sweepers off."""
    return await open_hub()


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Whoever runs the suite in the background ignores SIGINT, and so would the commands that the tests interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _no_colour() -> Iterator[None]:
    """Terminals differ; the suite has none."""
    before = os.environ.get("NO_COLOR")
    os.environ["NO_COLOR"] = "1"
    yield
    if before is None:
        del os.environ["NO_COLOR"]
