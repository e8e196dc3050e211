"""RULE-8: the sliding window is exact, and looking at it changes nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from events.agents import AgentRuleSet, AgentUnregistered
from events.event import Event
from events.sessions import EnvelopePosted
from events.values import RateBlock, Rule
from projections.rates import KEPT_MIN, WINDOW_US, Rates
from tests.hub.decisions.story import nth, registered

ALICE = nth(1)


def told(*bodies: tuple[object, int]) -> Rates:
    rates = Rates()
    for position, (body, at_us) in enumerate(((registered(1, "alice"), 0), *bodies), 1):
        rates.FOLDS[type(body)](rates, Event(body, nth(position), at_us, position=position))
    return rates


def post(at_us: int, kind: str = "ag2.msg.text") -> tuple[object, int]:
    return EnvelopePosted(nth(9), ALICE, kind, 1), at_us


def ruled(cap: int, at_us: int) -> tuple[object, int]:
    return AgentRuleSet(ALICE, 2, Rule(rate=RateBlock(envelopes_per_minute=cap)).to_dict()), at_us


@given(
    gaps=st.lists(st.sampled_from([0, 1, 20_000_000, 59_999_999, 60_000_000]), max_size=30),
    cap=st.integers(1, 4),
    wait=st.integers(0, 2 * WINDOW_US),
)
def test_rule_8_the_window_is_that_of_a_plain_count(gaps: list[int], cap: int, wait: int) -> None:
    times = [sum(gaps[: n + 1]) for n in range(len(gaps))]
    rates = told(*map(post, times))
    before = rates.dump()
    now_us = (times or [0])[-1] + wait
    inside = [at_us for at_us in times if at_us > now_us - WINDOW_US]
    retry_after_s = rates.retry_after_s(ALICE, cap, now_us)
    assert (retry_after_s is not None) == (len(inside) >= cap)
    if retry_after_s is not None:
        free_us = now_us + round(retry_after_s * 1_000_000)
        assert rates.retry_after_s(ALICE, cap, free_us) is None
        assert rates.retry_after_s(ALICE, cap, free_us - 1) is not None
    assert rates.dump() == before, "a question moves nothing (DET-2)"


def test_rule_8_the_boundary() -> None:
    rates = told(post(0), post(10))
    assert rates.retry_after_s(ALICE, 2, WINDOW_US - 1) == 0.000001
    assert rates.retry_after_s(ALICE, 2, WINDOW_US) is None
    assert rates.retry_after_s(ALICE, 3, 10) is None
    assert rates.retry_after_s(ALICE, 0, 10) is None
    assert rates.retry_after_s(nth(2), 1, 10) is None


def test_rule_10_protocol_envelopes_are_not_counted() -> None:
    rates = told(post(0, "ag2.session.closed"), post(0, "ag2.task.progress"), post(0, "acme.note"))
    assert rates.retry_after_s(ALICE, 2, 0) is None
    assert rates.retry_after_s(ALICE, 1, 0) == 60


def test_rule_11_a_new_cap_counts_what_was_sent_before() -> None:
    rates = told(*(post(n) for n in range(5)), ruled(2, 5))
    assert rates.retry_after_s(ALICE, 2, 5) == (3 + WINDOW_US - 5) / 1_000_000
    assert rates.retry_after_s(ALICE, 6, 5) is None


def test_log_9_no_more_times_are_kept_than_a_cap_can_ask_for() -> None:
    flood = [post(n) for n in range(KEPT_MIN + 100)]
    assert len(told(*flood)._times[ALICE]) == KEPT_MIN
    assert len(told(ruled(300, 0), *flood)._times[ALICE]) == 300
    assert len(told(*flood, post(10 * WINDOW_US))._times[ALICE]) == 1
    assert told(*flood, (AgentUnregistered(ALICE, "alice"), 10**9))._times == {}
