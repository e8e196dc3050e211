"""A long log costs what is asked of it: events decoded and memory, counted; times are measured by hand.

``LEDGERHUB_LONG_EVENTS=1000000`` runs the same on a million events; every bound here is the same for both.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from replay import Change, History, Impact, bisect, blame, diff, impact, look, story, whatif, why
from replay.expressions import compile
from replay.show import detail
from tests.replay.asking import start
from tests.support.counting import count_decoded
from tests.support.longlog import CHECKPOINT_EVENTS, LIVE, LONG, PAIRS, POSTS, long_log

pytestmark = pytest.mark.timeout(900)  # whoever comes first makes the log, and the others wait for it

MEMORY_MAX_KB = 300 * 1024
LIFE_EVENTS = 13
"""Of one session: created, invited, accepted, opened, four envelopes and their acknowledgements, closed."""


@pytest.fixture(scope="session")
def long_path() -> Path:
    """A long log with projection checkpoints; only to be read."""
    return long_log()


@pytest.fixture
def long(long_path: Path) -> Iterator[History]:
    """That log, open."""
    with History.open(long_path) as history:
        yield history


@pytest.fixture
def session(long: History) -> int:
    """Where a session in the middle of the log was asked for."""
    events = long.log.read(after=long.head // 2)
    return next(event.position for event in events if event.type == "session.created")


@pytest.fixture
def decoded(long: History, session: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The positions that are decoded from here on."""
    return count_decoded(monkeypatch)


def test_the_log_is_as_long_as_it_says(long: History) -> None:
    assert LONG - 2 * LIFE_EVENTS < long.head <= LONG
    assert long.evidence().root is not None


@pytest.mark.parametrize("part", [0.04, 0.3, 0.5, 0.77, 1.0])
def test_a_state_is_folded_from_the_nearest_checkpoint(long: History, decoded: list[int], part: float) -> None:
    position = int(long.head * part)
    rebuilt = long.rebuild(position)
    assert rebuilt.state.position == position
    assert rebuilt.folded < CHECKPOINT_EVENTS
    assert len(decoded) == rebuilt.folded


def test_a_path_of_a_state_costs_little_more(long: History, decoded: list[int], session: int) -> None:
    state = long.at("head")
    before = len(decoded)
    assert look(long, state, f"sessions/@{session}/state") == "closed"
    assert look(long, state, "agents/past-7-sender-0/rule/rate/envelopes_per_minute") == 0
    assert len(decoded) - before < 200


def test_why_costs_its_chain(long: History, decoded: list[int], session: int) -> None:
    chain = why(long, long.event(session + LIFE_EVENTS - 1))
    assert chain.began.type == "agent.registered"
    assert len(decoded) < 400


def test_show_costs_its_neighbours(long: History, decoded: list[int], session: int) -> None:
    found = detail(long, session)
    assert (len(found.effects), found.proven) == (2, True)
    assert len(decoded) <= 11_000


def test_a_story_costs_its_session(long: History, decoded: list[int], session: int) -> None:
    told = story(long, f"@{session}")
    assert sum(1 for _ in told.steps()) == LIFE_EVENTS - 1 - POSTS  # acknowledgements are no part of it
    assert len(decoded) < 1500


def test_diff_of_a_path_costs_its_things_own_events(long: History, decoded: list[int], session: int) -> None:
    changes = list(diff(long, session - 1, "head", f"sessions/@{session}"))
    assert {change.event.position for change in changes} <= set(range(session, session + LIFE_EVENTS))
    assert len(decoded) < 1000


def test_diff_of_two_points_costs_two_states_and_what_differs(long: History, decoded: list[int]) -> None:
    begin = long.head - 2000
    changes = list(diff(long, begin, "head"))
    folded = long.rebuild(begin).folded + long.rebuild("head").folded
    ids = {change.root for change in changes}
    assert len(ids) >= 2000 // LIFE_EVENTS
    assert len(decoded) < 2 * folded + 60 * len(changes)


def test_blame_costs_its_things_own_events(long: History, decoded: list[int], session: int) -> None:
    assert len(list(blame(long, "agents/past-7-sender-0/rule"))) == 1
    assert len(list(blame(long, f"sessions/@{session}/state"))) == 3
    assert len(decoded) < 1000


def test_impact_looks_at_what_shares_a_tag(long: History, decoded: list[int], session: int) -> None:
    start_event = long.event(session + 4)
    tally = Impact(start_event)
    assert sum(1 for _ in impact(long, start_event, tally)) == 1  # its acknowledgement
    assert tally.complete
    assert len(decoded) < 100 + 2 * LONG // PAIRS


def test_bisect_of_one_thing_costs_its_events(long: History, decoded: list[int], session: int) -> None:
    search = bisect(long, compile(f'sessions["@{session}"].state == "closed"'))
    assert (search.folded, search.event and search.event.position) == (LIFE_EVENTS - POSTS, session + LIFE_EVENTS - 1)
    assert len(decoded) < 500


def test_bisect_of_what_lasts_halves_the_checkpoints(long: History, decoded: list[int]) -> None:
    search = bisect(long, compile(f"position > {long.head - 10}"))
    assert search.event is not None
    assert search.event.position == long.head - 9
    assert search.folded <= CHECKPOINT_EVENTS
    assert search.checkpoints <= 6


def test_what_if_costs_the_state_at_the_point_and_what_comes_behind_it(long: History, decoded: list[int]) -> None:
    point = long.head - 500
    report = whatif(long, point, [Change.parse("agents/*/rule.rate.envelopes_per_minute=1")])
    assert report.asked > 0
    assert long.rebuild(point).folded < CHECKPOINT_EVENTS
    assert len(decoded) < 2 * CHECKPOINT_EVENTS + 1000


def test_the_commands_of_a_session_cost_the_state_before_it_and_its_length(
    long: History, decoded: list[int], session: int
) -> None:
    assert type(next(long.commands(session=f"@{session}")).command).__name__ == "CreateSession"
    assert len(decoded) < CHECKPOINT_EVENTS + 500


def test_live_sessions_are_counted_without_being_looked_at(long: History, decoded: list[int]) -> None:
    state = long.at("head")
    before = len(decoded)
    assert compile("len(sessions)")(long, state) == LIVE
    assert compile('any(s.state == "closing" for s in sessions)')(long, state) is False
    assert len(decoded) == before


@pytest.mark.parametrize(
    "words",
    [
        ("state", "--at", "{middle}"),
        ("why", "{end}"),
        ("show", "{middle}"),
        ("story", "{middle}"),
        ("diff", "{middle}", "{end}"),
        ("blame", "inboxes/past-7-sender-0/depth"),
        ("impact", "{middle}"),
        ("bisect", "--expr", 'inbox("past-7-recipient-0") > 50'),
        ("log", "--count", "--actor", "hub"),
        ("whatif", "--at", "-1s", "--set", "agents/*/rule.rate.envelopes_per_minute=1"),
    ],
    ids=lambda words: words[0],
)
def test_memory_stays_small(long_path: Path, session: int, words: tuple[str, ...]) -> None:
    """Resident, pages of the map that were touched among it, of a process of its own."""
    filled = [word.format(middle=f"@{session}", end=f"@{session + LIFE_EVENTS - 1}") for word in words]
    assert resident_kb(*filled, "--log", os.fspath(long_path)) < MEMORY_MAX_KB


@pytest.mark.parametrize(
    "words",
    [("stats", "--by", "agent"), ("lint", "--ignore", "unanswered"), ("export",), ("export", "--form", "parquet")],
    ids="-".join,
)
def test_memory_of_one_pass_over_all_stays_small(long_path: Path, words: tuple[str, ...]) -> None:
    """Beside the pages of the map, all of which are read once, and are the system's to take back."""
    map_kb = (long_path / "data.mdb").stat().st_size // 1024
    assert resident_kb(*words, "--log", os.fspath(long_path)) < MEMORY_MAX_KB + map_kb


def resident_kb(*words: str) -> int:
    """Run a command in a process of its own, and return the most memory that was resident, in KiB."""
    if not Path("/proc/self/status").exists():
        pytest.skip("how much memory a process took is read from /proc, which this system has not")
    with start(*words, module="tests.replay.measured", stdout=subprocess.DEVNULL) as process:
        _, said = process.communicate()
    assert process.returncode in (0, 1), said
    assert said.strip().isdigit(), said
    return int(said)
