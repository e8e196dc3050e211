"""GOV-4: the heap of deadlines against a plain dictionary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from projections.deadlines import SLACK, Deadlines

KEYS = st.sampled_from("abcd")
STEPS = st.lists(st.one_of(st.tuples(KEYS, st.none() | st.integers(0, 50)), st.integers(0, 60)))


@given(steps=STEPS)
def test_gov_4_what_is_due_is_what_a_dictionary_says_earliest_first(
    steps: list[tuple[str, int | None] | int],
) -> None:
    model = dict[str, int]()
    deadlines = Deadlines(model.get)
    for step in steps:
        if isinstance(step, tuple):
            key, due_us = step
            deadlines.schedule(key, due_us)
            model.pop(key, None)
            if due_us is not None:
                model[key] = due_us
        else:
            due = sorted((due_us, key) for key, due_us in model.items() if due_us <= step)
            assert deadlines.due(step) == [key for _, key in due]
            for _, key in due:
                del model[key]
        assert len(deadlines) == len(model)
        next_us = deadlines.next_us()
        assert (next_us is None) <= (not model)
        assert next_us is None or not model or next_us <= min(model.values())


def test_gov_4_postponing_moves_nothing_until_the_old_time_comes() -> None:
    """Told of each move, or of none: the deadline is asked for when the first time comes up."""
    for told in (True, False):
        model = {"a": 10}
        deadlines = Deadlines(model.get)
        deadlines.schedule("a", 10)
        for due_us in range(11, 10_000):
            model["a"] = due_us
            if told:
                deadlines.schedule("a", due_us)
        assert (len(deadlines._heap), deadlines.entry_us("a")) == (1, 10)
        assert deadlines.due(9_998) == []
        assert deadlines.entry_us("a") == 9_999
        assert deadlines.due(9_999) == ["a"]


def test_gov_4_what_has_no_deadline_any_more_is_forgotten_when_its_time_comes() -> None:
    nothing: dict[str, int] = {}
    deadlines = Deadlines(nothing.get)
    deadlines.load([("a", 5), ("b", 3)])
    assert (len(deadlines), deadlines.next_us()) == (2, 3)
    assert deadlines.due(5) == []
    assert (len(deadlines), deadlines.next_us()) == (0, None)


def test_log_9_what_was_cancelled_leaves_memory() -> None:
    deadlines = Deadlines({"stays": 5}.get)
    deadlines.schedule("stays", 5)
    for number in range(10_000):
        deadlines.schedule(f"key {number}", 10**9)
        deadlines.schedule(f"key {number}", None)
    assert len(deadlines) == 1
    assert len(deadlines._heap) <= SLACK + 3
    assert deadlines.due(10**9) == ["stays"]
