from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.values.envelope import EV_CONTEXT_SET, EV_TEXT, Envelope
from hub.protocols.base import SessionAdapter
from hub.views import FullTranscript, Message, NamedTranscript, NamedWindowedSummary, ViewPolicy, WindowedSummary

RENDER = SessionAdapter().render_envelope
NAMES = {"a": "alice", "b": "bob", "c": "carol"}


def said(sender_id: str, text: str, audience: list[str] | None = None, event_type: str = EV_TEXT) -> Envelope:
    return Envelope("s", sender_id, audience, event_type, {"text": text})


def view(policy: ViewPolicy, envelopes: Sequence[Envelope], participant_id: str = "a") -> list[Message]:
    return policy.project(envelopes, participant_id, NAMES.__getitem__, RENDER)


TALK = [
    said("a", "one"),
    said("b", "two"),
    said("c", "whispered", ["b"]),
    said("b", "shown", event_type=EV_CONTEXT_SET),
    said("a", "told b", ["b"]),
    said("c", "three", ["a", "b"]),
]


def test_view_1_a_full_transcript_is_all_that_is_visible_from_ones_own_side() -> None:
    assert view(FullTranscript(), TALK) == [
        Message("assistant", "one", "a"),
        Message("user", "two", "b"),
        Message("assistant", "told b", "a"),
        Message("user", "three", "c"),
    ]
    assert FullTranscript().recent_n is None


def test_view_1_audience_is_honoured() -> None:
    assert "whispered" in [m.content for m in view(FullTranscript(), TALK, "b")]
    for policy in (FullTranscript(), NamedTranscript(), WindowedSummary(9), NamedWindowedSummary(9)):
        assert not [m for m in view(policy, TALK, "a") if "whispered" in m.content]


def test_view_1_named_variants_say_who_spoke_but_not_to_the_speaker() -> None:
    named = ["one", "[bob]: two", "told b", "[carol]: three"]
    assert [m.content for m in view(NamedTranscript(), TALK)] == named
    assert [m.content for m in view(NamedWindowedSummary(3), TALK)] == named[1:]


def test_view_1_a_window_is_the_newest_that_is_visible() -> None:
    assert [m.content for m in view(WindowedSummary(2), TALK)] == ["told b", "three"]
    assert [m.content for m in view(WindowedSummary(100), TALK)] == ["one", "two", "told b", "three"]
    assert WindowedSummary(2).recent_n == 2


def test_trap_61_a_window_looks_at_no_more_than_it_shows() -> None:
    looked: list[str] = []

    def render(envelope: Envelope) -> str:
        looked.append(envelope.text)
        return envelope.text

    WindowedSummary(3).project([said("b", str(n)) for n in range(1000)], "a", NAMES.__getitem__, render)
    assert looked == ["999", "998", "997"]


@pytest.mark.parametrize("recent_n", [0, -1, True, 2.0, "3", None])
@pytest.mark.parametrize("policy", [WindowedSummary, NamedWindowedSummary])
def test_view_1_a_window_has_a_size(policy: type[WindowedSummary], recent_n: object) -> None:
    with pytest.raises(ValueError, match=f"a whole number from 1, not {recent_n!r}"):
        policy(recent_n)  # type: ignore[arg-type]


def test_policies_and_messages_are_values() -> None:
    assert FullTranscript() == FullTranscript()
    assert WindowedSummary(2) == WindowedSummary(2) != WindowedSummary(3)
    assert isinstance(NamedWindowedSummary(4), WindowedSummary)
    for value, field in ((WindowedSummary(2), "recent_n"), (Message("user", "x", "b"), "content")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field, 3)


class Headlines:
    """A user's own policy: it inherits from nothing."""

    recent_n: int | None = 1

    def project(self, envelopes, participant_id, name_of, render):  # type: ignore[no-untyped-def]
        return [Message("user", f"{name_of(e.sender_id)} spoke", e.sender_id) for e in envelopes if render(e)]


def test_view_1_a_policy_of_ones_own_needs_no_base_class() -> None:
    assert view(Headlines(), TALK[:2]) == [Message("user", "alice spoke", "a"), Message("user", "bob spoke", "b")]


ENVELOPES = st.builds(
    said,
    st.sampled_from("abc"),
    st.text("xyz", max_size=3),
    st.none() | st.lists(st.sampled_from("abc"), max_size=2),
    st.sampled_from([EV_TEXT, EV_CONTEXT_SET]),
)


@given(st.lists(ENVELOPES, max_size=20), st.integers(1, 8), st.sampled_from("abc"))
def test_view_1_a_window_is_the_end_of_the_transcript(talk: list[Envelope], recent_n: int, reader: str) -> None:
    assert view(WindowedSummary(recent_n), talk, reader) == view(FullTranscript(), talk, reader)[-recent_n:]
    assert view(NamedWindowedSummary(recent_n), talk, reader) == view(NamedTranscript(), talk, reader)[-recent_n:]
