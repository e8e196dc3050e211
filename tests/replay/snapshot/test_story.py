"""What differs, told as a story: which event came, went or changed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from replay.snapshot import story

BEFORE = """\
+0s operator: agent.registered alice
+0s operator: agent.registered bob
+0s alice: session.created session-1 with=alice,bob
+1s alice: envelope.posted session-1 env-1 to=bob text="What matters?"
+2s bob: envelope.posted session-1 env-2 because=env-1 to=alice text="Margin."
+2s hub: session.closed session-1 because=env-2 reason="consulting_complete"
+3s alice: session.created session-2 with=alice,bob"""
CREATED = "  … +0s alice: session.created session-1 with=alice,bob"
ASKED = '+1s alice: envelope.posted session-1 env-1 to=bob text="What matters?"'
ANSWERED = '+2s bob: envelope.posted session-1 env-2 because=env-1 to=alice text="Margin."'
CLOSED = '+2s hub: session.closed session-1 because=env-2 reason="consulting_complete"'


def test_nothing_differs() -> None:
    assert story(BEFORE, BEFORE) == []


def test_an_event_changed() -> None:
    assert story(BEFORE, BEFORE.replace("Margin", "Growth")) == [
        "1 event changed:",
        f"  … {ASKED}",
        f"  changed  {ANSWERED}",
        f"  to       {ANSWERED.replace('Margin', 'Growth')}",
    ]


def test_an_event_went() -> None:
    assert story(BEFORE, BEFORE.replace(f"{CLOSED}\n", "")) == [
        "1 event went:",
        f"  … {ANSWERED}",
        f"  went     {CLOSED}",
    ]


def test_an_event_came_and_what_follows_is_only_renumbered() -> None:
    more = '+1s carol: envelope.posted session-1 env-1 to=bob text="me too"'
    after = BEFORE.replace("env-2", "env-3").replace("env-1", "env-2").replace(ASKED[:4], f"{more}\n{ASKED[:4]}", 1)
    assert story(BEFORE, after) == [
        "1 event came:",
        CREATED,
        f"  came     {more}",
        "and 3 events as before, with other numbers or times",
    ]


def test_only_times_differ() -> None:
    assert story(BEFORE, BEFORE.replace("+3s", "+3.5s")) == [
        "the same events, with other numbers or times:",
        f"  … {CLOSED}",
        "  changed  +3s alice: session.created session-2 with=alice,bob",
        "  to       +3.5s alice: session.created session-2 with=alice,bob",
    ]


def test_another_actor_is_another_event() -> None:
    told = story(BEFORE, BEFORE.replace("+2s bob: envelope", "+2s carol: envelope"))
    assert told[0] == "1 event went, 1 event came:"
    assert [line.split()[0] for line in told[1:]] == ["…", "went", "came"]


def test_against_nothing_everything_came() -> None:
    assert story("", BEFORE)[0] == "7 events came:"
    assert story(BEFORE, "")[0] == "7 events went:"


LINES = st.lists(st.sampled_from(BEFORE.splitlines()), max_size=8)


@given(LINES, LINES)
def test_texts_differ_if_and_only_if_there_is_a_story(was: list[str], now: list[str]) -> None:
    told = story("\n".join(was), "\n".join(now))
    assert bool(told) == (was != now)
    went = sum(line.startswith(("  went", "  changed")) for line in told)
    came = sum(line.startswith(("  came", "  to ")) for line in told)
    assert len(was) - went == len(now) - came
