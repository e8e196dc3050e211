"""The built-in session types, and what one of your own gets for free: pure functions, no hub."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import ProtocolError
from events.values.envelope import EV_TEXT, Envelope
from events.values.session import Expectation, Participant, SessionManifest, SessionMetadata, SessionState
from hub.agents import Agent
from hub.protocols import (
    AdapterResult,
    ConsultingAdapter,
    ConversationAdapter,
    DiscussionAdapter,
    SessionAdapter,
    default_adapters,
)
from hub.protocols.base import NO_STATE
from hub.views import FullTranscript, NamedWindowedSummary, WindowedSummary
from projections.sessions import SessionFolds

NOTE = "acme.note"


def session(adapter: SessionAdapter, people: str = "ab", creator: str = "a", **knobs: object) -> SessionMetadata:
    """A session of the participants named by the letters, in that order."""
    roles = {creator: "initiator"}
    other = "respondent" if len(people) == 2 else "participant"
    return SessionMetadata(
        session_id="s-1",
        manifest=adapter.manifest,
        creator_id=creator,
        participants=[Participant(p, roles.get(p, other), order) for order, p in enumerate(people)],
        state=SessionState.ACTIVE,
        created_at="2026-01-01T00:00:00Z",
        knobs=knobs,
    )


def said(sender_id: str, text: str = "x", event_type: str = EV_TEXT) -> Envelope:
    return Envelope("s-1", sender_id, event_type=event_type, event_data={"text": text})


class Play:
    """A session without a hub: validate, fold, ask what follows."""

    def __init__(self, adapter: SessionAdapter, people: str = "ab", creator: str = "a") -> None:
        self.adapter, self.metadata = adapter, session(adapter, people, creator)
        self.state = adapter.initial_state(self.metadata)

    @property
    def next(self) -> str | None:
        return self.adapter.expected_next(self.metadata, self.state)

    def say(self, sender_id: str, event_type: str = EV_TEXT) -> AdapterResult:
        envelope = said(sender_id, event_type=event_type)
        self.adapter.validate_send(self.metadata, envelope, self.state)
        bare = Envelope(envelope.session_id, sender_id, event_type=event_type)  # LOG-2: content is not folded
        self.state = self.adapter.fold(bare, self.state)
        return self.adapter.on_accepted(self.metadata, envelope, self.state)

    def refused(self, sender_id: str) -> str:
        before = self.state
        with pytest.raises(ProtocolError) as error:
            self.say(sender_id)
        assert self.state is before
        assert (error.value.session_id, error.value.sender_id) == ("s-1", sender_id)
        return str(error.value)

    def leave(self, agent_id: str) -> None:
        self.state = self.adapter.fold_departure(agent_id, self.state)


class Mood(StrEnum):
    CALM = "calm"


@dataclass(frozen=True, slots=True)
class Vote:
    by: str
    weight: int = 1


@dataclass(frozen=True)
class PollState:
    """One field of every kind that a state may have."""

    votes: tuple[Vote, ...] = ()
    pair: tuple[str, int] = ("x", 0)
    seen: frozenset[str] = frozenset()
    sets: frozenset[tuple[int, int]] = frozenset()
    counts: dict[str, tuple[int, ...]] | None = None
    mood: Mood | None = None
    last: Vote | None = None
    done: bool = False
    bare: tuple = ()  # type: ignore[type-arg]


class Poll(SessionAdapter):
    manifest = SessionManifest(type="poll", expectations=[Expectation(name="max_silence")])
    state_type: ClassVar[type] = PollState

    def initial_state(self, metadata: SessionMetadata) -> Any:
        return PollState()


def expectations(adapter: SessionAdapter) -> Iterable[tuple[str, int, str]]:
    return [(e.name, e.params["seconds"], e.on_violation) for e in adapter.manifest.expectations]


@pytest.mark.parametrize(
    ("adapter", "name", "people", "expected"),
    [
        (
            ConsultingAdapter(),
            "consulting",
            (2, 2),
            [("acks_within", 30, "auto_close"), ("reply_within", 600, "auto_close")],
        ),
        (ConversationAdapter(), "conversation", (2, 2), [("max_silence", 3600, "audit")]),
        (DiscussionAdapter(), "discussion", (2, None), [("turn_within", 120, "warn"), ("turn_within", 600, "hide")]),
    ],
)
def test_adp_1_adp_2_adp_3_manifests(
    adapter: SessionAdapter, name: str, people: tuple[int, int | None], expected: list[tuple[str, int, str]]
) -> None:
    manifest = adapter.manifest
    assert (manifest.type, manifest.version, manifest.ttl_default) == (name, 1, "2h")
    assert (manifest.participants.min, manifest.participants.max) == people
    assert expectations(adapter) == expected


def test_the_built_in_types_are_the_default_and_keep_no_content() -> None:
    """LOG-2: what people write never reaches a built-in fold."""
    adapters = default_adapters()
    assert [adapter.manifest.type for adapter in adapters] == ["consulting", "conversation", "discussion"]
    assert all(adapter.fold_keys == frozenset() and adapter.turn_events == {EV_TEXT} for adapter in adapters)
    folds: list[SessionFolds] = list(adapters)
    assert len(folds) == 3


def test_adp_1_one_question_one_answer_and_closed() -> None:
    play = Play(ConsultingAdapter())
    assert play.next == "a"
    assert play.say("a") == AdapterResult()
    assert play.next == "b"
    assert play.say("b") == AdapterResult(SessionState.CLOSED, "consulting_complete")
    assert play.next is None


def test_adp_1_the_initiator_is_the_creator_wherever_it_stands() -> None:
    play = Play(ConsultingAdapter(), "ba", creator="a")
    play.say("a")
    assert play.next == "b"


def test_adp_1_out_of_turn_is_refused_by_name() -> None:
    play = Play(ConsultingAdapter())
    assert play.refused("b") == "the consulting 's-1' expects the question of its initiator 'a', not 'b'"
    play.say("a")
    assert play.refused("a") == "the consulting 's-1' expects the answer of its respondent 'b', not 'a'"
    play.say("b")
    for late in "ab":
        assert (
            play.refused(late)
            == f"the consulting 's-1' is complete: it has its answer and expects nobody to speak, not {late!r}"
        )


def test_adp_2_either_side_at_any_time_and_it_never_closes() -> None:
    play = Play(ConversationAdapter())
    for speaker in "bbabaaa":
        assert play.next is None
        assert play.say(speaker) == AdapterResult()
    assert play.state is NO_STATE


@pytest.mark.parametrize(
    ("people", "creator", "turns"),
    [("abc", "a", "abcabca"), ("bac", "a", "acbacba"), ("bca", "a", "abcabca"), ("ab", "b", "baba")],
)
def test_adp_3_round_robin_in_participant_order_creator_first(people: str, creator: str, turns: str) -> None:
    play = Play(DiscussionAdapter(), people, creator)
    for speaker in turns:
        assert play.next == speaker
        for other in set(people) - {speaker}:
            assert play.refused(other) == f"the discussion 's-1' expects {speaker!r} to speak, not {other!r}"
        assert play.say(speaker) == AdapterResult()


def test_trap_51_adp_3_the_turn_of_who_left_passes_on() -> None:
    play = Play(DiscussionAdapter(), "abcd")
    play.leave("a")
    assert play.next == "b"
    play.leave("c")
    assert play.next == "b"
    play.say("b")
    assert play.next == "d"
    play.say("d")
    assert play.next == "b"
    assert "expects 'b' to speak, not 'c'" in play.refused("c")
    play.leave("d")
    play.say("b")
    assert play.next == "b"
    play.leave("b")
    assert play.next is None
    assert "expects 'nobody' to speak" in play.refused("b")


@given(st.integers(2, 6), st.lists(st.integers(0, 5) | st.none(), max_size=30))
def test_adp_3_always_someone_who_is_there_speaks(size: int, acts: list[int | None]) -> None:
    """None: whoever is expected speaks; a number: that participant leaves."""
    people = "abcdef"[:size]
    play, there = Play(DiscussionAdapter(), people), set(people)
    for act in acts:
        if act is not None and act < size:
            play.leave(people[act])
            there.discard(people[act])
        elif play.next is not None:
            before = play.next
            play.say(before)
            assert play.next != before or there == {before}
        assert (play.next in there) if there else play.next is None
        assert play.adapter.load_state(play.adapter.dump_state(play.state)) == play.state


@pytest.mark.parametrize("ordering", ["random", "", None, ["round_robin"], 1])
def test_adp_3_no_ordering_but_round_robin(ordering: object) -> None:
    adapter = DiscussionAdapter()
    with pytest.raises(ProtocolError, match="set it to 'round_robin'") as error:
        adapter.validate_create(session(adapter, ordering=ordering))
    assert repr(ordering) in str(error.value)


@pytest.mark.parametrize("knobs", [{}, {"ordering": "round_robin"}, {"mood": "calm"}])
def test_adp_3_round_robin_is_the_default_and_other_knobs_are_the_users(knobs: dict[str, Any]) -> None:
    adapter = DiscussionAdapter()
    metadata = session(adapter, "abc", **knobs)
    adapter.validate_create(metadata)
    assert adapter.initial_state(metadata).speaker == "a"


@pytest.mark.parametrize("adapter", default_adapters())
def test_unknown_event_types_are_accepted_and_move_nothing(adapter: SessionAdapter) -> None:
    play = Play(adapter, "ab")
    before, speaker = play.state, play.next
    for sender in "ba":
        assert play.say(sender, NOTE) == AdapterResult()
    assert play.state is before
    assert play.next == speaker
    assert adapter.render_envelope(said("a", event_type=NOTE)) is None
    assert adapter.extract_turn_input(said("a", event_type=NOTE)) is None


@pytest.mark.parametrize(
    ("adapter", "people", "view"),
    [
        (ConsultingAdapter(), "ab", FullTranscript()),
        (ConversationAdapter(), "ab", WindowedSummary(10)),
        (DiscussionAdapter(), "ab", NamedWindowedSummary(4)),
        (DiscussionAdapter(), "abc", NamedWindowedSummary(6)),
        (Poll(), "ab", FullTranscript()),
    ],
)
def test_adp_1_adp_2_adp_3_views(adapter: SessionAdapter, people: str, view: object) -> None:
    metadata = session(adapter, people)
    assert adapter.default_view_policy(metadata, "a") == view


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"text": "hi"}, "hi"),
        ({"text": "hi", "more": 1}, "hi"),
        ({"b": 1, "a": ["é"]}, '{"a": ["é"], "b": 1}'),
        ({"text": 7}, '{"text": 7}'),
        ({}, None),
    ],
)
def test_cli_3_what_an_agent_is_asked_with(data: dict[str, object], text: str | None) -> None:
    envelope = Envelope("s-1", "a", event_data=data)
    assert ConsultingAdapter().extract_turn_input(envelope) == text
    assert ConsultingAdapter().render_envelope(envelope) == text


@pytest.mark.parametrize("reply", ["", None, "  \n"])
def test_cli_3_an_empty_reply_is_no_envelope(reply: object) -> None:
    play = Play(ConversationAdapter())
    assert play.adapter.build_round_envelope(play.metadata, "b", reply, play.state) is None


def test_cli_3_a_reply_becomes_an_envelope_to_all() -> None:
    play = Play(ConversationAdapter())
    envelope = play.adapter.build_round_envelope(play.metadata, "b", " hi ", play.state)
    assert envelope == Envelope("s-1", "b", event_data={"text": " hi "})
    with pytest.raises(TypeError, match="an agent replied with a Agent"):
        play.adapter.build_round_envelope(play.metadata, "b", Agent("b", str), play.state)


@pytest.mark.parametrize(("adapter", "turns"), [(a, "ab"[:n]) for a in default_adapters() for n in range(3)])
def test_log_8_states_come_back_as_they_were(adapter: SessionAdapter, turns: str) -> None:
    play = Play(adapter)
    for speaker in turns:
        play.say(speaker)
    dumped = adapter.dump_state(play.state)
    loaded = adapter.load_state(dumped)
    assert loaded == play.state
    assert type(loaded) is type(play.state)
    assert adapter.dump_state(loaded) == dumped


VOTES = st.builds(Vote, st.text(max_size=3), st.integers())
POLLS = st.builds(
    PollState,
    st.lists(VOTES, max_size=3).map(tuple),
    st.tuples(st.text(max_size=2), st.integers()),
    st.frozensets(st.text(max_size=2)),
    st.frozensets(st.tuples(st.integers(), st.integers()), max_size=3),
    st.none() | st.dictionaries(st.text(max_size=2), st.lists(st.integers(), max_size=2).map(tuple), max_size=3),
    st.none() | st.just(Mood.CALM),
    st.none() | VOTES,
    st.booleans(),
    st.lists(st.integers(), max_size=2).map(tuple),
)


@given(POLLS)
def test_log_8_a_state_of_ones_own_comes_back_by_its_annotations(state: PollState) -> None:
    loaded = Poll().load_state(Poll().dump_state(state))
    assert loaded == state
    assert loaded.mood is state.mood
    assert type(loaded.counts) is type(state.counts)


def test_det_2_equal_states_dump_equally_whatever_their_sets_order() -> None:
    names = [f"agent-{n}" for n in range(50)]
    forth, back = PollState(seen=frozenset(names)), PollState(seen=frozenset(reversed(names)))
    assert Poll().dump_state(forth) == Poll().dump_state(back)
    assert Poll().dump_state(forth)["seen"] == sorted(names)


@pytest.mark.parametrize("kept", [1.5, ["a list"], {"a", "set"}, {1: "key"}, object(), b"bytes"])
def test_a_state_that_cannot_be_kept_is_refused(kept: Any) -> None:
    with pytest.raises(TypeError, match=f"an adapter state holds a {type(kept).__name__}, which cannot be kept"):
        Poll().dump_state(PollState(counts=kept))


def test_a_state_of_another_class_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Poll\.state_type is PollState and its state is a Vote; set state_type"):
        Poll().dump_state(Vote("a"))


@pytest.mark.parametrize("dumped", [{}, {"by": "a"}, {"by": "a", "weight": 1, "colour": "red"}, None, [], "text"])
def test_log_8_a_dump_of_another_shape_is_refused(dumped: object) -> None:
    class Votes(Poll):
        state_type = Vote

    with pytest.raises(ValueError, match="these are not the fields of a Vote"):
        Votes().load_state(dumped)


def test_a_type_of_ones_own_needs_a_manifest_and_nothing_else() -> None:
    class Chat(SessionAdapter):
        manifest = SessionManifest(type="chat")

    play = Play(Chat(), "abc")
    play.adapter.validate_create(play.metadata)
    assert play.adapter.fold_keys is None
    assert play.next is None
    assert play.say("c") == AdapterResult()
    play.leave("c")
    assert play.adapter.load_state(play.adapter.dump_state(play.state)) == play.state
