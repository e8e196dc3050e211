"""The pytest plugin ``ledgerhub``: deterministic hubs, snapshots of what happens in them, golden histories.

================== ============================================================================================
fixture            what it gives
================== ============================================================================================
``hub``            an open hub in memory: mock clock, sequential ids, sweepers off
``hub_clock``      its ``MockClock``; ``hub_clock.advance(seconds)`` is how time passes
``hub_factory``    ``await hub_factory(store=None, **options)``: more of them, closed with the test
``hub_snapshot``   ``assert hub == hub_snapshot``, ``assert hub_snapshot.of(session)``; ``--snapshot-update`` records
``golden``         ``golden("tests/golden/x.hublog")`` fails unless today's code holds to the recorded history
================== ============================================================================================

``hub`` and ``hub_factory`` live on the event loop of pytest-asyncio (in strict mode, too) or, in a test that uses
anyio's ``anyio_backend``, on anyio's asyncio. A test in which a ``RecordedAgent`` was asked something else than was
recorded fails, whatever else it finds.

pytest loads this in every project that has ledgerhub installed; until a fixture is used, nothing happens.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from hub import Hub
    from hub.testing import MockClock
    from replay.golden import Verdict
    from replay.snapshot.pinned import HubSnapshot

    HubFactory = Callable[..., Awaitable[Hub]]
    Check = Callable[..., list[Verdict]]


pytest_asyncio: Any = import_module("pytest_asyncio") if find_spec("pytest_asyncio") else None
"""pytest-asyncio where it is installed; a project may do with anyio."""


@pytest.fixture
def hub_clock() -> MockClock:
    """The clock of the test's hubs: it stands at 2026-01-01T00:00:00Z until it is advanced."""
    from hub.testing import MockClock  # noqa: PLC0415  (nothing is imported before it is used)

    return MockClock()


@pytest.fixture
def hub_factory(request: pytest.FixtureRequest, hub_clock: MockClock) -> HubFactory:
    """Opens hubs like ``hub``, on a store of the test's own if it gives one; closes them with the test."""
    factory: HubFactory = request.getfixturevalue(_on_loop(request, "_ledgerhub_factory"))
    return factory


@pytest.fixture
def hub(request: pytest.FixtureRequest, hub_factory: HubFactory) -> Hub:
    """An open hub in memory, with a mock clock, sequential ids and sweepers off."""
    opened: Hub = request.getfixturevalue(_on_loop(request, "_ledgerhub_hub"))
    return opened


def _on_loop(request: pytest.FixtureRequest, name: str) -> str:
    """Return the fixture for who runs the test: pytest-asyncio, or anyio."""
    if pytest_asyncio is not None and pytest_asyncio.is_async_test(request.node):
        return f"{name}_asyncio"
    if "anyio_backend" in request.fixturenames:
        backend = request.getfixturevalue("anyio_backend")
        if "asyncio" not in (backend, *backend):
            pytest.fail(f"a hub runs on asyncio, and anyio_backend is {backend!r}: give it 'asyncio'", pytrace=False)
        return f"{name}_anyio"
    if pytest_asyncio is None:
        pytest.fail("the fixture hub needs pytest-asyncio, or anyio's anyio_backend, in the test", pytrace=False)
    return f"{name}_asyncio"


async def _factory(hub_clock: MockClock) -> AsyncIterator[HubFactory]:
    from hub import Hub, MemoryKnowledgeStore  # noqa: PLC0415
    from hub.testing import SequentialIds  # noqa: PLC0415

    hubs: list[Hub] = []

    async def open_(store: Any = None, **options: Any) -> Hub:
        quiet: dict[str, Any] = {
            "clock": hub_clock,
            "ids": SequentialIds(),
            "ttl_sweep_interval": 0,
            "expectation_sweep_interval": 0,
        }
        found = await Hub.open(MemoryKnowledgeStore() if store is None else store, **(quiet | options))
        hubs.append(found)
        return found

    yield open_
    for found in reversed(hubs):
        await found.close()


async def _hub(hub_factory: HubFactory) -> Hub:
    return await hub_factory()


_factory_anyio = pytest.fixture(name="_ledgerhub_factory_anyio")(_factory)
_hub_anyio = pytest.fixture(name="_ledgerhub_hub_anyio")(_hub)
if pytest_asyncio is not None:
    _factory_asyncio = pytest_asyncio.fixture(name="_ledgerhub_factory_asyncio")(_factory)
    _hub_asyncio = pytest_asyncio.fixture(name="_ledgerhub_hub_asyncio")(_hub)


if find_spec("syrupy") is not None:

    @pytest.fixture
    def hub_snapshot(snapshot: SnapshotAssertion) -> HubSnapshot:
        """The recorded text to compare a hub, or one of its sessions, with."""
        from replay.snapshot.pinned import HubSnapshot, StoryExtension  # noqa: PLC0415

        return HubSnapshot(snapshot.use_extension(StoryExtension))

else:

    @pytest.fixture
    def hub_snapshot() -> HubSnapshot:
        """Say what is missing."""
        pytest.fail("the fixture hub_snapshot needs syrupy: pip install 'ledgerhub[pytest]'", pytrace=False)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Check:
    """Checks golden histories; ``golden(path, adapters=None, arbiter=None)``.

    The path is a file or a folder with them, from pytest's root folder. It fails the test when today's code does not
    do with one of them what was recorded.
    """
    from replay.golden import check  # noqa: PLC0415
    from replay.golden_file import find  # noqa: PLC0415

    def check_all(path: str | os.PathLike[str], **made_with: Any) -> list[Verdict]:
        __tracebackhide__ = True
        verdicts = [check(one, **made_with) for one in find(request.config.rootpath / path)]
        if problems := [f"{verdict.golden.path}: {verdict.problem}" for verdict in verdicts if verdict.problem]:
            pytest.fail("\n".join(problems), pytrace=False)
        return verdicts

    return check_all


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Tell what differs as a story."""
    if op != "==" or "replay.snapshot.pinned" not in sys.modules:
        return None
    from replay.snapshot.pinned import HubSnapshot  # noqa: PLC0415

    pinned = next((side for side in (right, left) if isinstance(side, HubSnapshot)), None)
    return None if pinned is None else pinned.explain()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test in which a recorded agent was asked something else than was recorded: the hub lives on without it."""
    _differences().clear()
    try:
        yield
    except Exception as error:
        if text := "\n".join(dict.fromkeys(_differences())):
            error.add_note(text)
        raise
    if text := "\n".join(dict.fromkeys(_differences())):
        pytest.fail(text, pytrace=False)


def _differences() -> list[str]:
    """Return what recorded agents found; nothing where there are none."""
    recorded = sys.modules.get("replay.recorded")
    return [] if recorded is None else cast("list[str]", recorded.DIFFERENCES)
