"""The stage of these tests, on a log in memory, on disk, or on each in turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub import DiskKnowledgeStore
from hub.testing import MockClock
from tests.spec.stage import OpenHub, Stage


@pytest.fixture
async def stage(open_hub: OpenHub, clock: MockClock) -> Stage:
    """A hub in memory that nobody is registered at."""
    return await Stage(open_hub, clock).raise_curtain()


@pytest.fixture(params=["memory", "disk"])
async def any_stage(request: pytest.FixtureRequest, open_hub: OpenHub, clock: MockClock, tmp_path: Path) -> Stage:
    """The same, on each kind of store: on disk what is decided is not recorded at once."""
    store = DiskKnowledgeStore(tmp_path / "log", durability="os") if request.param == "disk" else None
    return await Stage(open_hub, clock, store).raise_curtain()
