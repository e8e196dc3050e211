"""``replay stats``: counts, rates and latencies, against a plain recount of the same events."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from math import ceil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.event import Event
from events.stores import DiskKnowledgeStore
from replay import History, Query
from replay.latencies import ERROR_MAX, EXACT_MAX, Latencies
from replay.render.chart import BARS_MAX, COLORS, chart
from replay.stats import By, Tally, stats
from tests.replay.asking import Answer, ask, assert_screen, start
from tests.replay.scenario import Network

Ask = Callable[..., Answer]


def percentile(values: list[int], share: float) -> int:
    return sorted(values)[max(ceil(share * len(values)), 1) - 1]


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=300))
def test_percentiles_are_exact_while_all_values_are_kept(values: list[int]) -> None:
    latencies = Latencies()
    for value in values:
        latencies.add(value)
    found = latencies.summary()
    assert found is not None
    assert found[:5] == (len(values), *(percentile(values, each) for each in (0.5, 0.95, 0.99)), max(values))
    assert (found.mean_us, found.exact) == (sum(values) // len(values), True)


@given(st.lists(st.integers(0, 10**15), min_size=11, max_size=300))
def test_percentiles_of_more_values_are_never_low_and_at_most_so_much_high(values: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("replay.latencies.EXACT_MAX", 10)
        latencies = Latencies()
        for value in values:
            latencies.add(value)
    found = latencies.summary()
    assert found is not None
    assert (found.n, found.max_us, found.exact) == (len(values), max(values), False)
    for share, at in ((0.5, found.p50_us), (0.95, found.p95_us), (0.99, found.p99_us)):
        true = percentile(values, share)
        assert true <= at <= true * (1 + ERROR_MAX)


def test_memory_of_latencies_is_bounded() -> None:
    latencies = Latencies()
    for value in range(EXACT_MAX * 3):
        latencies.add(value * value)
    found = latencies.summary()
    assert found is not None
    assert not found.exact
    assert latencies._kept is None
    assert len(latencies._buckets) < 7424


def test_nothing_has_no_percentiles() -> None:
    assert Latencies().summary() is None


def recount(events: list[Event]) -> dict[str, Any]:
    """Count the plain way: everything in memory, no index, nothing shared with the code under test."""
    by_id = {event.id: event for event in events}
    of: dict[str, list[Event]] = {}
    for event in events:
        of.setdefault(event.type, []).append(event)
    posted = of.get("envelope.posted", [])
    replies, acks = [], []
    for event in posted:
        cause = by_id.get(event.cause or "")
        if cause is not None and cause.type == "envelope.posted" and event.body.sender_id in cause.body.recipients:
            replies.append(event.at_us - cause.at_us)
    for event in of.get("inbox.acknowledged", []):
        acks += [event.at_us - by_id[envelope_id].at_us for envelope_id in event.body.envelope_ids]
    over = of.get("session.closed", []) + of.get("session.expired", [])
    ends = [event for kind in ("completed", "failed", "expired", "cancelled") for event in of.get(f"task.{kind}", [])]
    return {
        "events": len(events),
        "envelopes": len(posted),
        "sessions": len(of.get("session.created", [])),
        "failed_turns": len(of.get("turn.failed", [])),
        "refused": Counter(e.body.error for e in of.get("access.denied", []) for _ in range(1 + e.body.left_out)),
        "violated": Counter(e.body.expectation for e in of.get("expectation.violated", [])),
        "tasks": Counter(event.type.partition(".")[2] for event in ends),
        "ended": Counter(each.body.reason.partition(":")[0] for each in over),
        "latencies": {"reply": replies, "ack": acks, "task": [event.body.latency_us for event in ends]},
    }


def counted(tally: Tally) -> dict[str, Any]:
    names = ("events", "envelopes", "sessions", "failed_turns", "refused", "violated", "tasks", "ended")
    return {name: getattr(tally, name) for name in names}


@pytest.mark.parametrize("name", ["history", "trouble"])
@pytest.mark.parametrize("remembered", [1, 65_536])
def test_the_total_is_that_of_a_plain_recount(
    request: pytest.FixtureRequest, name: str, remembered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is remembered: what is not is looked up."""
    monkeypatch.setattr(import_module("replay.stats"), "REMEMBERED", remembered)
    history: History = request.getfixturevalue(name)
    expected, found = recount(list(history.events())), stats(history)
    values = expected.pop("latencies")
    assert counted(found.total) == expected
    for kind, durations in values.items():
        summary = found.total.latencies[kind].summary()
        assert (0 if summary is None else summary.n) == len(durations)
        if summary is not None:
            assert summary.p95_us == percentile(durations, 0.95)
    assert found.span_us == history.end_us() - history.start_us()
    slots = [sum(slot[column] for slot in found.slots) for column in (1, 2, 3)]
    assert slots == [expected["envelopes"], expected["refused"].total(), expected["violated"].total()]


@pytest.mark.parametrize("by", list(By))
def test_groups_add_up(trouble: History, by: By) -> None:
    found = stats(trouble, by=by)
    plain = recount(list(trouble.events()))
    groups = found.groups.values()
    assert sum(each.envelopes for each in groups) == plain["envelopes"]
    assert sum(each.sessions for each in groups) == plain["sessions"]
    assert sum((each.tasks for each in groups), Counter()) == plain["tasks"]
    for name, durations in plain["latencies"].items():
        summaries = (each.latencies[name].summary() for each in groups)
        assert sum(each.n for each in summaries if each is not None) == len(durations)
    if by is not By.TYPE:  # a refused opening has no session
        assert sum(each.events for each in groups) == plain["events"]
        assert sum((each.refused for each in groups), Counter()) == plain["refused"]


def test_agents_are_told_apart_by_what_they_did(trouble: History) -> None:
    groups = stats(trouble, by=By.AGENT).groups
    assert list(groups) == sorted(groups)
    assert groups["mallory"].refused.total() == 4
    assert groups["mallory"].envelopes == 4
    assert groups["grace"].tasks == Counter(expired=2)
    assert groups["bob"].failed_turns == 1
    types = stats(trouble, by=By.TYPE).groups
    assert list(types) == ["consulting", "conversation", "discussion"]
    hours = stats(trouble, by=By.HOUR).groups
    assert list(hours) == ["2026-01-01T00:00:00Z"]


async def test_two_agents_of_one_name_stay_apart(tmp_path: Path) -> None:
    """REG-3: a name may be used again."""
    net = await Network.open(tmp_path / "log")
    first = await net.enter("bob")
    await net.agents["bob"].unregister()
    second = await net.enter("bob")
    await net.close()
    with History.open(tmp_path / "log") as history:
        groups = stats(history, by=By.AGENT).groups
    assert {"bob", f"bob ({second[-8:]})"} == set(groups) - {"hub"}
    assert first < second


@pytest.mark.parametrize(
    "query",
    [
        Query(since="@10", until="@25"),
        Query(agents=("bob",)),
        Query(sessions=("@18",)),
        Query(since="head"),
        Query(sessions=("@18",), agents=("mallory",), until="@30"),
    ],
)
def test_filters_are_those_of_replay_log(history: History, query: Query) -> None:
    found = stats(history, query)
    assert found.total.events == len(list(history.events(query)))
    assert found.acknowledged == (not query.sessions)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("words", [(), ("--by", "agent"), ("--by", "type"), ("--session", "@15")])
def test_screens(told: Ask, words: tuple[str, ...], width: int) -> None:
    answer = told("stats", *words, COLUMNS=str(width))
    assert (answer.code, answer.err) == (0, "")
    assert max(map(len, answer.lines)) <= width
    name = "-".join(("stats", *(word.strip("-@") for word in words)))
    assert_screen(f"{name}-{width}", answer.out)


def test_json(told: Ask, trouble: History) -> None:
    first, *groups = told("stats", "--by", "agent", "--json").objects
    assert (first["v"], first["kind"], first["by"], first["acks_counted"]) == (1, "stats", "agent", True)
    total = stats(trouble).total
    assert first["envelopes"] == total.envelopes
    summary = total.latencies["reply"].summary()
    assert summary is not None
    assert first["latencies"]["reply"] == summary._asdict()
    assert first["latencies"]["reply"]["exact"] is True
    assert [each["key"] for each in groups] == list(stats(trouble, by=By.AGENT).groups)
    assert {each["kind"] for each in groups} == {"group"}


def test_an_approximation_says_so(told: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replay.latencies.EXACT_MAX", 1)
    answer = told("stats")
    assert "≈" in answer.out
    assert "≈ at most 0.8% too high: there are too many values to keep each" in answer.lines
    assert told("stats", "--json").objects[0]["latencies"]["ack"]["exact"] is False


def test_a_log_of_nothing(tmp_path: Path) -> None:
    store = DiskKnowledgeStore(tmp_path / "log")
    store.open()
    store.close()
    for words in ((), ("--by", "hour"), ("--json",), ("--svg", os.fspath(tmp_path / "x.svg"))):
        assert ask("stats", *words, "--log", os.fspath(tmp_path / "log")).code == 0
    ET.parse(tmp_path / "x.svg")


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_the_chart_is_one_file_without_script_and_says_what_it_is_of(told: Ask, tmp_path: Path) -> None:
    file = tmp_path / "chart.svg"
    assert told("stats", "--by", "agent", "--svg", os.fspath(file)).code == 0
    svg = file.read_text(encoding="utf-8")
    shown = texts(svg)
    assert shown[0].startswith("log 5eed5eed5eed head @")
    assert {"alice", "mallory", *COLORS} <= set(shown)
    assert "<script" not in svg
    assert svg.count("http") == 1  # the namespace: nothing is fetched
    again = told("stats", "--svg", os.fspath(file))
    assert (again.code, again.out) == (2, "")
    assert told("stats", "--svg", os.fspath(file), "--force").code == 0


def test_a_chart_shows_the_biggest_groups_and_no_name_gets_out_of_its_text(trouble: History) -> None:
    groups = {f"<b>&'\"\x1b{number}": Tally(envelopes=number) for number in range(BARS_MAX + 5)}
    found = stats(trouble)
    shown = texts(chart(replace(found, by=By.AGENT, groups=groups), "<title>"))
    assert f"by agent, the {BARS_MAX} with the most of {BARS_MAX + 5:,}" in shown
    bars = [text for text in shown if text.startswith("<b>&'\"\\x1b")]
    assert len(bars) == BARS_MAX
    assert "<b>&'\"\\x1b4" not in bars


@pytest.mark.parametrize(
    "words", [("--agent", "nobody"), ("--by", "colour"), ("--since", "never"), ("--session", "@99999")]
)
def test_bad_questions(told: Ask, words: tuple[str, ...]) -> None:
    answer = told("stats", *words)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)


def test_a_log_that_is_being_written_is_counted_as_it_was(tmp_path: Path) -> None:
    with start(os.fspath(tmp_path / "log"), module="tests.replay.scenario") as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        head = int(writer.stdout.readline())
        with History.open(tmp_path / "log") as history:
            writer.stdin.write("more\n")
            writer.stdin.flush()
            assert int(writer.stdout.readline()) > head
            assert stats(history).total.events == head
        writer.stdin.close()
        assert writer.wait() == 0
