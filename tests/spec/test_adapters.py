"""ADP-1 to ADP-3 on the hub, and session types of one's own that are at fault: nothing of them is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from events.errors import ProtocolError
from hub import (
    EV_CONTEXT_SET,
    EV_TEXT,
    AdapterResult,
    Envelope,
    Expectation,
    ParticipantSchema,
    SessionAdapter,
    SessionManifest,
    SessionMetadata,
    SessionState,
)
from tests.spec.stage import Stage, assert_one_append

NOTE = "acme.note"


async def play(stage: Stage, kind: str, people: list[str], script: str) -> tuple[str, list[str]]:
    """Open a session of the first so many and let them speak: ``abX`` is a, b, then X refused; c is the third."""
    session_id = await stage.open(kind, *people)
    refused: list[str] = []
    for letter in script:
        before = stage.hub.position
        speaker = people["abc".index(letter.lower())]
        assert stage.hub.can_send(session_id, speaker) is letter.islower()
        if letter.islower():
            await stage.say(session_id, speaker)
            continue
        with pytest.raises(ProtocolError) as error:
            await stage.say(session_id, speaker)
        refused.append(str(error.value))
        assert stage.hub.position == before
    return session_id, refused


@pytest.mark.parametrize(
    ("kind", "size", "script", "reason", "match"),
    [
        ("consulting", 2, "ab", "consulting_complete", ""),
        ("consulting", 2, "abAB", "consulting_complete", "is closed"),
        ("consulting", 2, "B", "", "question of its initiator"),
        ("consulting", 2, "aA", "", "answer of its respondent"),
        ("consulting", 2, "Bab", "consulting_complete", "question of its initiator"),
        ("conversation", 2, "baabbb", "", ""),
        ("discussion", 2, "abABab".replace("A", "a").replace("B", "b"), "", ""),
        ("discussion", 3, "abcab", "", ""),
        ("discussion", 3, "Ba", "", "expects '{a}' to speak"),
        ("discussion", 3, "aAC", "", "expects '{b}' to speak"),
        ("discussion", 3, "abcB", "", "expects '{a}' to speak"),
    ],
)
async def test_adp_1_adp_2_adp_3_who_may_speak_when(
    stage: Stage, kind: str, size: int, script: str, reason: str, match: str
) -> None:
    people = (await stage.agents("alice", "bob", "carol"))[:size]
    session_id, refused = await play(stage, kind, people, script)
    wanted = match.format(**dict(zip("abc", people, strict=False)))
    assert all(wanted in sentence for sentence in refused)
    session = await stage.hub.get_session(session_id)
    assert (session.state, session.close_reason) == ("closed" if reason else "active", reason)


async def test_adp_1_the_answer_and_the_close_are_one_append(any_stage: Stage) -> None:
    people = await any_stage.agents("alice", "bob")
    session_id, _ = await play(any_stage, "consulting", people, "a")
    before = any_stage.hub.position
    answer = await any_stage.say(session_id, people[1])
    assert any_stage.types(before) == ["envelope.posted", "session.closed"]
    assert_one_append(any_stage.log(before), None, answer)


@pytest.mark.parametrize("kind", ["consulting", "conversation", "discussion"])
@pytest.mark.parametrize("event_type", [NOTE, EV_CONTEXT_SET])
async def test_unknown_event_types_are_accepted_logged_and_move_nothing(
    stage: Stage, kind: str, event_type: str
) -> None:
    alice, bob = await stage.agents("alice", "bob")
    session_id = await stage.open(kind, alice, bob)
    before, state = stage.hub.expected_next(session_id), stage.hub.adapter_state(session_id)
    for sender in (bob, alice, bob):
        await stage.say(session_id, sender, event_type=event_type)
    assert stage.hub.adapter_state(session_id) is state
    assert stage.hub.expected_next(session_id) == before
    assert (await stage.wal(session_id))[3:] == [event_type.removeprefix("ag2.")] * 3
    assert (stage.hub.inbox_depth(alice), stage.hub.inbox_depth(bob)) == (1, 0), (
        "delivered, and acknowledged by posting"
    )


# Types that are at fault.


@dataclass(frozen=True)
class Count:
    """How many envelopes there were."""

    number: int = 0


class Faulty(SessionAdapter):
    """Counts, and raises in whatever method it is told to, from a given envelope on."""

    manifest = SessionManifest(
        type="faulty",
        participants=ParticipantSchema(min=2),
        expectations=[Expectation(name="max_silence", params={"seconds": 60})],
    )
    state_type: ClassVar[type] = Count
    faults: ClassVar[set[str]] = set()

    def _maybe(self, method: str) -> None:
        if method in self.faults:
            raise KeyError(f"no luck in {method}")

    def initial_state(self, metadata: SessionMetadata) -> Count:
        self._maybe("initial_state")
        return Count()

    def fold(self, envelope: Envelope, state: Count) -> Count:
        self._maybe("fold")
        return replace(state, number=state.number + 1)

    def fold_departure(self, agent_id: str, state: Count) -> Count:
        self._maybe("fold_departure")
        return state

    def validate_create(self, metadata: SessionMetadata) -> None:
        self._maybe("validate_create")

    def validate_send(self, metadata: SessionMetadata, envelope: Envelope, state: Count) -> None:
        self._maybe("validate_send")

    def on_accepted(self, metadata: SessionMetadata, envelope: Envelope, state: Count) -> AdapterResult:
        self._maybe("on_accepted")
        return AdapterResult()

    def expected_next(self, metadata: SessionMetadata, state: Count) -> str | None:
        self._maybe("expected_next")
        return None


Command = Callable[[Stage, str, list[str]], Any]


async def _open(stage: Stage, session_id: str, people: list[str]) -> None:
    await stage.hub.create_session(type="faulty", creator_id=people[0], target=people[1])


async def _say(stage: Stage, session_id: str, people: list[str]) -> None:
    await stage.say(session_id, people[0])


async def _ack(stage: Stage, session_id: str, people: list[str]) -> None:
    pending = (await stage.hub.list_sessions(state="pending"))[0]
    await stage.accept(pending.session_id, *pending.pending_acks)


async def _leave(stage: Stage, session_id: str, people: list[str]) -> None:
    await stage.hub.unregister(people[2])


@pytest.mark.parametrize(
    ("method", "command"),
    [
        ("initial_state", _open),
        ("validate_create", _open),
        ("validate_send", _say),
        ("fold", _say),
        ("on_accepted", _say),
        ("expected_next", _say),
        ("expected_next", _ack),
        ("fold_departure", _leave),
    ],
)
async def test_an_adapter_that_raises_fails_the_command_and_nothing_is_written(
    any_stage: Stage, monkeypatch: pytest.MonkeyPatch, method: str, command: Command
) -> None:
    """SPEC §5 and trap 1: a NetworkError in one sentence, an untouched log, and a hub that goes on."""
    any_stage.hub.register_adapter(Faulty())
    people = await any_stage.agents("alice", "bob", "carol")
    session_id = await any_stage.open("faulty", *people)
    await any_stage.invite("faulty", people[0], people[1])
    before, digest = any_stage.hub.position, any_stage.hub.state_digest()
    monkeypatch.setattr(Faulty, "faults", {method})
    for _ in range(2):
        with pytest.raises(ProtocolError, match=r"KeyError.*; nothing was written"):
            await command(any_stage, session_id, people)
    monkeypatch.setattr(Faulty, "faults", set())
    assert any_stage.hub.position == before
    assert any_stage.hub.state_digest() == digest
    await any_stage.say(session_id, people[0])
    await _leave(any_stage, session_id, people)


async def test_an_adapter_that_raises_after_a_departure_by_hiding_stops_neither_the_tick_nor_the_hub(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Strict(Faulty):
        manifest = SessionManifest(
            type="strict", expectations=[Expectation(name="reply_within", on_violation="hide", params={"seconds": 5})]
        )

    stage.hub.register_adapter(Strict())
    alice, bob = await stage.agents("alice", "bob")
    bad, good = [await stage.open("strict", alice, bob) for _ in range(2)]
    for session_id in (bad, good):
        await stage.say(session_id, alice, audience=[bob])
    monkeypatch.setattr(Faulty, "faults", {"fold_departure"})
    before = stage.hub.position
    await stage.wait(5)
    assert stage.hub.position == before
    assert len(stage.heard.errors) == 2, "one for each session"
    monkeypatch.setattr(Faulty, "faults", set())
    await stage.wait(0)
    assert stage.types(before) == ["expectation.violated", "session.participant_hidden"] * 2


async def test_a_refusal_of_the_types_own_keeps_its_class_and_words(stage: Stage) -> None:
    class Picky(SessionAdapter):
        manifest = SessionManifest(type="picky")

        def validate_send(self, metadata: SessionMetadata, envelope: Envelope, state: Any) -> None:
            raise ProtocolError("not today", weekday="Monday")

    stage.hub.register_adapter(Picky())
    (alice,) = await stage.agents("alice")
    session_id = await stage.open("picky", alice)
    with pytest.raises(ProtocolError, match=r"^not today$") as refused:
        await stage.say(session_id, alice)
    assert refused.value.weekday == "Monday"


async def test_a_state_that_no_checkpoint_can_keep_is_refused_when_the_session_is_opened(any_stage: Stage) -> None:
    """LOG-8: it would fail the checkpoint of every later close."""

    class Forgetful(Faulty):
        manifest = SessionManifest(type="forgetful", participants=ParticipantSchema(min=2))
        state_type: ClassVar[type] = int

    any_stage.hub.register_adapter(Forgetful())
    alice, bob = await any_stage.agents("alice", "bob")
    before = any_stage.hub.position
    with pytest.raises(ProtocolError, match="state_type is int and its state is a Count"):
        await any_stage.hub.create_session(type="forgetful", creator_id=alice, target=bob)
    assert any_stage.hub.position == before


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (AdapterResult(SessionState.CLOSING), "explicit_close"),
        (AdapterResult(SessionState.CLOSED), "explicit_close"),
        (AdapterResult(SessionState.CLOSING, "sequence_complete"), "sequence_complete"),
        (AdapterResult(auto_close_reason="enough"), "enough"),
        (AdapterResult(SessionState.ACTIVE), ""),
    ],
)
async def test_trap_24_who_asks_for_closing_is_closed_in_the_same_append(
    stage: Stage, result: AdapterResult, reason: str
) -> None:
    class Once(SessionAdapter):
        manifest = SessionManifest(type="once")

        def on_accepted(self, metadata: SessionMetadata, envelope: Envelope, state: Any) -> AdapterResult:
            return result

    stage.hub.register_adapter(Once())
    (alice,) = await stage.agents("alice")
    session_id = await stage.open("once", alice)
    before = stage.hub.position
    posted = await stage.say(session_id, alice)
    assert stage.types(before) == ["envelope.posted"] + ["session.closed"] * bool(reason)
    assert_one_append(stage.log(before), *[None, posted][: stage.hub.position - before])
    assert (await stage.hub.get_session(session_id)).close_reason == reason


@pytest.mark.parametrize(
    ("expectation", "match"),
    [
        (Expectation(name="mood_within"), "expectation evaluator 'mood_within', which is not registered"),
        (Expectation(name="max_silence", on_violation="shout"), "violation handler 'shout', which is not registered"),
    ],
)
async def test_trap_18_an_unknown_evaluator_or_handler_is_refused_with_the_type(
    stage: Stage, expectation: Expectation, match: str
) -> None:
    class Odd(SessionAdapter):
        manifest = SessionManifest(type="odd", expectations=[expectation])

    with pytest.raises(ProtocolError, match=match):
        stage.hub.register_adapter(Odd())
    assert "odd/1" not in stage.hub.health()["adapters"]


async def test_a_fold_is_given_its_keys_only_live_and_at_replay(any_stage: Stage) -> None:
    """LOG-2: what is not in ``fold_keys`` is content, and no fold sees it."""
    seen: list[dict[str, Any]] = []

    class Poll(SessionAdapter):
        manifest = SessionManifest(type="poll")
        fold_keys = frozenset({"vote"})
        state_type = Count

        def initial_state(self, metadata: SessionMetadata) -> Count:
            return Count()

        def fold(self, envelope: Envelope, state: Count) -> Count:
            seen.append(dict(envelope.event_data))
            return Count(state.number + envelope.event_data["vote"])

    any_stage.hub.register_adapter(Poll())
    (alice,) = await any_stage.agents("alice")
    session_id = await any_stage.open("poll", alice)
    await any_stage.hub.post_envelope(Envelope(session_id, alice, event_data={"vote": 3, "why": "because"}))
    with pytest.raises(ProtocolError, match="fold of session type 'poll' failed with KeyError: 'vote'"):
        await any_stage.say(session_id, alice)
    assert all(data in ({"vote": 3}, {}) for data in seen)
    assert any_stage.hub.adapter_state(session_id) == Count(3)
    await any_stage.restart()
    any_stage.hub.register_adapter(Poll())
    assert any_stage.hub.adapter_state(session_id) == Count(3)
    (text,) = [e for e in await any_stage.hub.read_wal(session_id) if e.event_type == EV_TEXT]
    assert text.event_data == {"vote": 3, "why": "because"}


async def test_trap_09_a_type_that_cannot_fold_what_is_there_is_refused_and_the_rest_runs(
    any_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SESS-9: its sessions stay dormant and readable, until one is registered that can."""
    any_stage.hub.register_adapter(Faulty())
    people = await any_stage.agents("alice", "bob")
    empty, spoken, other = [await any_stage.open(kind, *people) for kind in ("faulty", "faulty", "conversation")]
    await any_stage.say(spoken, people[0])
    await any_stage.restart()
    monkeypatch.setattr(Faulty, "faults", {"fold"})
    with pytest.raises(ProtocolError, match="folding the sessions of type 'faulty' failed with KeyError"):
        any_stage.hub.register_adapter(Faulty())
    for session_id in (empty, spoken):
        with pytest.raises(ProtocolError, match="no registered adapter"):
            await any_stage.say(session_id, people[0])
    assert len(await any_stage.hub.read_wal(spoken)) == 4
    await any_stage.say(other, people[0])
    await any_stage.restart()
    monkeypatch.setattr(Faulty, "faults", set())
    any_stage.hub.register_adapter(Faulty())
    assert any_stage.hub.adapter_state(spoken) == Count(1)
    await any_stage.say(empty, people[0])
