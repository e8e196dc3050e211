from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count, pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hub.ids
from events.values.identity import AGENT_ID
from hub.ids import AscendingIds, SystemIds


def hexed(number: int) -> str:
    return f"{number:032x}"


def counting(start: int = 1, step: int = 1) -> Iterator[str]:
    return map(hexed, count(start, step))


def ids_of(values: Iterable[object], last: str = "") -> AscendingIds:
    return AscendingIds(iter(values).__next__, last)  # type: ignore[arg-type]


def at(monkeypatch: pytest.MonkeyPatch, *times_ns: int) -> None:
    """Give the default source these moments, one at a time."""
    monkeypatch.setattr(hub.ids, "time", SimpleNamespace(time_ns=iter(times_ns).__next__))


class Resuming:
    """A source that can be told where to go on."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self) -> str:
        self.number += 1
        return hexed(self.number)

    def continue_above(self, last_id: str) -> None:
        self.number = int(last_id, 16)


def test_system_ids_are_ids_and_ascend() -> None:
    ids = SystemIds()
    drawn = [ids() for _ in range(2000)]
    assert all(AGENT_ID.fullmatch(value) for value in drawn)
    assert all(a < b for a, b in pairwise(drawn))


@pytest.mark.parametrize("ticks", [[5, 5, 5, 5], [9, 7, 3, 9], [1, 2, 2, 1]])
def test_env_1_system_ids_ascend_with_a_frozen_clock_and_one_that_steps_back(
    ticks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, *(tick * 1_000_000_000 for tick in ticks))
    ids = SystemIds()
    drawn = [ids() for _ in ticks]
    assert drawn == sorted(set(drawn))


def test_system_ids_begin_with_the_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, 1_767_225_600_123_456_789)
    assert int(SystemIds()()[:12], 16) == 1_767_225_600_123


def test_system_ids_carry_into_the_next_millisecond_rather_than_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, 7_000_000, 7_999_999)
    monkeypatch.setattr(hub.ids, "os", SimpleNamespace(urandom=lambda size: b"\xff" * size))
    ids = SystemIds()
    assert ids() == hexed((8 << 80) - 1)
    assert ids() == hexed((8 << 80) + (1 << 32) - 1)


def test_trap_17_system_ids_go_on_above_the_log_with_the_clock_behind() -> None:
    last = "f" * 20 + "0" * 12
    ids = AscendingIds(SystemIds(), last)
    assert last < ids() < ids()


def test_trap_17_a_source_that_can_go_on_above_the_log_does() -> None:
    ids = AscendingIds(Resuming(), hexed(41))
    assert [ids(), ids()] == [hexed(42), hexed(43)]


def test_trap_17_a_plain_source_is_skipped_until_it_is_above_the_log() -> None:
    ids = ids_of(counting(), last=hexed(41))
    assert [ids(), ids()] == [hexed(42), hexed(43)]


def test_a_source_that_is_above_the_log_already_loses_nothing() -> None:
    ids = ids_of(counting(50), last=hexed(41))
    assert [ids(), ids()] == [hexed(50), hexed(51)]


def test_a_floor_below_what_was_drawn_changes_nothing() -> None:
    ids = AscendingIds(Resuming())
    assert ids() == hexed(1)
    ids.floor(hexed(1))
    assert ids() == hexed(2)


def test_trap_17_skipping_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub.ids, "SKIPS_MAX", 100)
    with pytest.raises(
        ValueError, match=r"in 100 draws and the log ends with 'f{32}'; give the source a continue_above"
    ):
        ids_of(counting(), last="f" * 32)()


@pytest.mark.parametrize(
    "value", ["", "1", "A" * 32, "g" * 32, "0" * 31, "0" * 33, "0" * 32 + "\n", None, 7, b"0" * 32]
)
def test_det_0_what_is_no_id_is_refused_in_a_sentence(value: object) -> None:
    with pytest.raises(ValueError, match="32 lower-case hex") as refused:
        ids_of([value])()
    assert repr(value) in str(refused.value)


@pytest.mark.parametrize("second", [5, 4, 0])
def test_det_0_ids_that_do_not_ascend_are_refused_in_a_sentence(second: int) -> None:
    ids = ids_of([hexed(5), hexed(second), hexed(6)])
    ids()
    with pytest.raises(ValueError, match=f"gave '{hexed(second)}' after '{hexed(5)}': each id must be above"):
        ids()
    assert ids() == hexed(6)


def test_det_0_a_source_that_fell_behind_the_floor_once_may_not_do_so_again() -> None:
    ids = ids_of([hexed(1), hexed(9), hexed(2)], last=hexed(5))
    assert ids() == hexed(9)
    with pytest.raises(ValueError, match="each id must be above"):
        ids()


@given(st.integers(0, 2**120), st.integers(0, 300), st.integers(1, 7))
def test_trap_17_always_above_the_floor_and_ascending(last: int, behind: int, step: int) -> None:
    ids = ids_of(counting(max(0, last - behind), step), last=hexed(last))
    drawn = [ids() for _ in range(5)]
    assert hexed(last) < drawn[0]
    assert all(a < b for a, b in pairwise(drawn))
