from __future__ import annotations

import logging
from typing import Any

import pytest

from events.agents import AgentUnregistered
from events.event import Event
from events.values.envelope import Envelope
from hub.listeners import CALLS, HubListener, Listeners

EVENT = Event(AgentUnregistered("0" * 32, "bob"), "1" * 32, 0, position=1)
ENVELOPE = Envelope("s", "alice", envelope_id="e")
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "on_event": (EVENT,),
    "on_inbox_pressure": ("bob", 80, 80),
    "on_error": ("sweeper", ValueError("x")),
    "on_delivery_failed": ("bob", ENVELOPE, ValueError("x")),
    "on_task_mirror_failed": ("t-1", ValueError("x")),
    "on_close": (),
}


class Hears(HubListener):
    """Notes every call."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def __getattribute__(self, name: str) -> Any:
        if name in CALLS:
            return lambda *args: self.heard.append((name, *args))
        return super().__getattribute__(name)


class Fails(HubListener):
    """Raises at every event and every error."""

    def on_event(self, event: Event) -> None:
        raise LookupError("no room")

    def on_error(self, where: str, error: BaseException) -> None:
        raise LookupError("again")


def told(*listeners: HubListener) -> Listeners:
    everybody = Listeners()
    for listener in listeners:
        everybody.register(listener)
    return everybody


def test_every_call_is_known_here() -> None:
    assert set(ARGUMENTS) == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_all_hear_every_call_in_order_of_registration(name: str) -> None:
    first, second = Hears(), Hears()
    getattr(told(first, second), name)(*ARGUMENTS[name])
    assert first.heard == second.heard == [(name, *ARGUMENTS[name])]


@pytest.mark.parametrize("name", CALLS)
def test_a_listener_need_not_override_anything(name: str) -> None:
    assert getattr(HubListener(), name)(*ARGUMENTS[name]) is None


def test_gov_4_one_that_raises_harms_nobody_and_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    before, after = Hears(), Hears()
    told(before, Fails(), after).on_event(EVENT)
    assert [call[:2] for call in before.heard] == [("on_event", EVENT), ("on_error", "Fails.on_event")]
    assert [call[:2] for call in after.heard] == [("on_error", "Fails.on_event"), ("on_event", EVENT)]
    assert isinstance(after.heard[0][2], LookupError)
    assert [(r.name, r.getMessage()) for r in caplog.records] == [("ledgerhub", "Fails.on_event failed")]


def test_one_that_raises_at_an_error_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    hears = Hears()
    told(Fails(), hears).on_error("a sweeper", ValueError("x"))
    assert [call[:2] for call in hears.heard] == [("on_error", "a sweeper")]
    assert [r.getMessage() for r in caplog.records] == ["a sweeper failed", "Fails.on_error failed"]


def test_who_failed_is_not_asked_to_hear_of_it(caplog: pytest.LogCaptureFixture) -> None:
    told(Fails()).on_event(EVENT)
    assert [r.getMessage() for r in caplog.records] == ["Fails.on_event failed"]


@pytest.mark.parametrize(
    ("name", "level", "words"),
    [
        ("on_error", logging.ERROR, "sweeper failed"),
        ("on_delivery_failed", logging.WARNING, "agent bob failed at envelope e"),
        ("on_task_mirror_failed", logging.WARNING, "the hub could not be told about task t-1"),
    ],
)
def test_failures_are_logged_even_when_nobody_listens(
    name: str, level: int, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    getattr(Listeners(), name)(*ARGUMENTS[name])
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (level, words)
    assert record.exc_info is not None


def test_a_listener_is_told_once_and_can_go() -> None:
    hears, stays = Hears(), Hears()
    everybody = told(hears, hears, stays)
    everybody.on_close()
    leave = everybody.register(hears)
    leave()
    leave()
    everybody.on_close()
    assert hears.heard == [("on_close",)]
    assert stays.heard == [("on_close",)] * 2


def test_one_may_go_while_all_are_told() -> None:
    everybody, last = Listeners(), Hears()

    class Leaves(HubListener):
        def on_close(self) -> None:
            leave()

    leave = everybody.register(Leaves())
    everybody.register(last)
    everybody.on_close()
    everybody.on_close()
    assert last.heard == [("on_close",)] * 2


def test_an_async_listener_is_refused_because_nobody_would_await_it() -> None:
    class Waits(HubListener):
        async def on_event(self, event: Event) -> None:  # type: ignore[override]
            """Never run."""

    with pytest.raises(TypeError, match=r"Waits\.on_event is async"):
        Listeners().register(Waits())


def test_what_is_no_listener_is_refused() -> None:
    with pytest.raises(TypeError, match="a list is not a listener"):
        Listeners().register([])  # type: ignore[arg-type]
