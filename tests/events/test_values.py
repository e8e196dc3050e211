"""The registered values: refused in one sentence, frozen, and dict in, dict out (SPEC §2 to §9)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import values
from events.values import (
    AccessBlock,
    AuthBlock,
    Envelope,
    Expectation,
    InboxBlock,
    LimitsBlock,
    ObservedStat,
    Participant,
    ParticipantSchema,
    Passport,
    RateBlock,
    Resume,
    ResumeExample,
    Rule,
    SessionManifest,
    SessionMetadata,
    SessionState,
    TaskMetadata,
    TaskSpec,
    TaskState,
    is_close_event,
    is_protocol_event,
    parse_duration,
    visible_to,
)
from events.values.base import Value
from events.values.times import iso, parse_iso
from tests.support.strategies import IDS, JSON_MAPS, TEXT

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
STRINGS = st.lists(TEXT, max_size=3)
COUNTS = st.integers(0, 10_000)
DURATIONS = st.none() | st.integers(0, 86_400) | st.sampled_from(["", "30s", "15m", "2h", "1d"])
FLOATS = st.floats(0, 1e6)
AUTH = st.builds(AuthBlock, TEXT, st.none() | TEXT, st.none() | TEXT, st.none() | TEXT, JSON_MAPS)
EXAMPLES = st.builds(ResumeExample, TEXT, TEXT)
STATS = st.builds(ObservedStat, COUNTS, COUNTS, COUNTS, COUNTS, st.none() | FLOATS)
ACCESS = st.builds(AccessBlock, st.lists(NAMES, max_size=3), st.lists(NAMES, max_size=3), st.lists(NAMES, max_size=3))
LIMITS = st.builds(LimitsBlock, DURATIONS, DURATIONS, COUNTS, COUNTS, COUNTS)
INBOX = st.builds(InboxBlock, COUNTS, st.none() | COUNTS)
EXPECTATIONS = st.builds(Expectation, TEXT, TEXT, JSON_MAPS, st.none() | TEXT)
SCHEMAS = st.builds(ParticipantSchema, COUNTS, st.none() | COUNTS)
MANIFESTS = st.builds(SessionManifest, TEXT, COUNTS, SCHEMAS, st.lists(EXPECTATIONS, max_size=2), DURATIONS, JSON_MAPS)
PARTICIPANTS = st.builds(Participant, IDS, TEXT, COUNTS, st.none() | TEXT)
SPECS = st.builds(TaskSpec, TEXT, st.none() | TEXT, JSON_MAPS, DURATIONS)

VALUES: dict[type[Value], st.SearchStrategy[Any]] = {
    AuthBlock: AUTH,
    Passport: st.builds(
        Passport,
        NAMES,
        TEXT,
        st.none() | TEXT,
        st.none() | TEXT,
        st.none() | TEXT | FLOATS,
        st.none() | TEXT,
        AUTH,
        st.sampled_from(["agent", "human", "remote_agent"]),
        COUNTS,
    ),
    ResumeExample: EXAMPLES,
    ObservedStat: STATS,
    Resume: st.builds(
        Resume, STRINGS, STRINGS, TEXT, st.lists(EXAMPLES, max_size=2), st.dictionaries(TEXT, STATS, max_size=2), COUNTS
    ),
    AccessBlock: ACCESS,
    LimitsBlock: LIMITS,
    RateBlock: st.builds(RateBlock, COUNTS),
    InboxBlock: INBOX,
    Rule: st.builds(Rule, ACCESS, LIMITS, st.builds(RateBlock, COUNTS), INBOX, COUNTS),
    Expectation: EXPECTATIONS,
    ParticipantSchema: SCHEMAS,
    SessionManifest: MANIFESTS,
    Participant: PARTICIPANTS,
    SessionMetadata: st.builds(
        SessionMetadata,
        session_id=IDS,
        manifest=MANIFESTS,
        creator_id=IDS,
        participants=st.lists(PARTICIPANTS, max_size=2),
        state=st.sampled_from(SessionState),
        created_at=TEXT,
        knobs=JSON_MAPS,
        labels=st.dictionaries(TEXT, TEXT, max_size=2),
        pending_acks=STRINGS,
        hidden=STRINGS,
    ),
    TaskSpec: SPECS,
    TaskMetadata: st.builds(
        TaskMetadata,
        task_id=TEXT,
        owner_id=IDS,
        session_id=IDS,
        spec=SPECS,
        state=st.sampled_from(TaskState),
        started_at=TEXT,
        latency_ms=st.none() | FLOATS,
        result=JSON_MAPS,
    ),
}
EVERY_VALUE = pytest.mark.parametrize("cls", VALUES)


def test_every_registered_value_is_tested_here() -> None:
    exported = {getattr(values, name) for name in values.__all__}
    assert {cls for cls in exported if isinstance(cls, type) and issubclass(cls, Value)} == set(VALUES)


@EVERY_VALUE
@settings(max_examples=25)
@given(data=st.data())
def test_a_value_comes_back_from_its_dict_and_from_json(cls: type[Value], data: st.DataObject) -> None:
    value = data.draw(VALUES[cls])
    plain = value.to_dict()
    assert cls.from_dict(plain) == value
    assert cls.from_dict(json.loads(json.dumps(plain))) == value
    assert cls.from_dict(plain).to_dict() == plain


@EVERY_VALUE
@settings(max_examples=25)
@given(data=st.data())
def test_a_value_cannot_be_changed(cls: type[Value], data: st.DataObject) -> None:
    value = data.draw(VALUES[cls])
    before = value.to_dict()
    for field in dataclasses.fields(value):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field.name, None)
        part = getattr(value, field.name)
        if isinstance(part, dict):
            with pytest.raises(TypeError, match="cannot be changed"):
                part["new"] = 1
        assert not isinstance(part, set | bytearray)
        assert isinstance(part, tuple) or not isinstance(part, list)
    changed = value.to_dict()
    changed.clear()
    assert value.to_dict() == before


def test_a_value_does_not_follow_what_it_was_built_from() -> None:
    """Trap 44, from the argument's side."""
    capabilities, claim, examples = ["a"], {"key": [1]}, [ResumeExample("t")]
    resume, auth = Resume(claimed_capabilities=capabilities, examples=examples), AuthBlock(claim=claim)
    capabilities.append("b")
    claim["key"].append(2)
    examples.clear()
    assert resume.claimed_capabilities == ("a",)
    assert resume.examples == (ResumeExample("t"),)
    assert auth.claim == {"key": [1]}


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: Passport(name=""), "Passport.name: an agent name has 1 to 128 characters, this one has 0"),
        (lambda: Passport(name="x" * 129), "Passport.name: an agent name has 1 to 128 characters, this one has 129"),
        (lambda: Passport(name=" x"), "Passport.name: the name ' x' starts or ends with a space; strip it"),
        (lambda: Passport(name="a\nb"), "Passport.name: the name 'a\\nb' has characters that cannot be printed"),
        (lambda: Passport(name="0" * 32), "has the shape of an agent id"),
        (lambda: Passport(name=5), "Passport.name: Input should be a valid string"),  # type: ignore[arg-type]
        (lambda: Passport(name="x", kind="robot"), "Passport.kind: Input should be 'agent', 'human' or 'remote"),  # type: ignore[arg-type]
        (lambda: Passport.from_dict({"name": "x", "nmae": 1}), "Passport.nmae: Unexpected keyword argument"),
        (lambda: Passport.from_dict({}), "Passport.name: Field required"),
        (lambda: Passport.from_dict({1: 2}), "Passport: "),  # type: ignore[dict-item]
        (lambda: Resume(claimed_capabilities="analysis"), "claimed_capabilities: expected a list of text, got 'ana"),  # type: ignore[arg-type]
        (lambda: Resume(domains=[1]), "Resume.domains: expected a list of text, and one of its items is not"),  # type: ignore[list-item]
        (lambda: AuthBlock(claim={"a": float("nan")}), "AuthBlock.claim: it.a is nan: JSON has no such number"),
        (lambda: AuthBlock(claim=[]), "AuthBlock.claim: expected a mapping, got a list"),  # type: ignore[arg-type]
        (lambda: AccessBlock(outbound_to="bob"), "outbound_to: expected a list of text, got 'bob'"),  # type: ignore[arg-type]
        (lambda: AccessBlock(inbound_from=[""]), "AccessBlock.inbound_from: an empty glob matches nobody; remove it"),
        (lambda: LimitsBlock(session_ttl_default="soon"), "'soon' is not a duration; write seconds as an int, or 30s"),
        (lambda: LimitsBlock(task_ttl_default=-1), "LimitsBlock.task_ttl_default: -1 is not a duration"),
        (lambda: LimitsBlock(delegation_depth=-1), "delegation_depth: Input should be greater than or equal to 0"),
        (lambda: LimitsBlock(delegation_depth=True), "delegation_depth: expected a whole number up to 4294967295"),
        (lambda: LimitsBlock(max_concurrent_tasks="5"), "expected a whole number up to 4294967295, got '5'"),  # type: ignore[arg-type]
        (lambda: RateBlock(envelopes_per_minute=1.5), "expected a whole number up to 4294967295, got 1.5"),  # type: ignore[arg-type]
        (lambda: InboxBlock(max_pending=-1), "InboxBlock.max_pending: "),
        (lambda: Rule(version="2"), "Rule.version: Input should be a valid integer"),  # type: ignore[arg-type]
        (lambda: Rule(access=5), "Rule.access: "),  # type: ignore[arg-type]
        (lambda: SessionManifest(type="t", ttl_default="1w"), "SessionManifest.ttl_default: '1w' is not a duration"),
        (lambda: TaskSpec(title="t", ttl="x"), "TaskSpec.ttl: 'x' is not a duration"),
        (lambda: TaskSpec(title="t", payload={"a": {1}}), "TaskSpec.payload: it.a is a set, which JSON cannot carry"),
    ],
)
def test_a_bad_value_is_refused_when_it_is_built_in_one_sentence(build: Callable[[], object], sentence: str) -> None:
    """REG-1, REG-2, RULE-5."""
    with pytest.raises(ValueError) as caught:
        build()
    assert type(caught.value) is ValueError
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_more_than_one_complaint_is_counted() -> None:
    with pytest.raises(ValueError, match=r"^AccessBlock\..* \(and 1 more\)$"):
        AccessBlock(outbound_to=[""], inbound_from=[""])


def test_auth_2_a_claim_is_not_in_a_repr() -> None:
    secret = "s3cret-claim"
    auth = AuthBlock(scheme="api_key", claim={"key": secret})
    shown = f"{auth!r} {Passport(name='x', auth=auth)}"
    assert secret not in shown
    assert "api_key" in shown


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [(None, None), ("", 0), (0, 0), (90, 90), ("0s", 0), ("30s", 30), ("15m", 900), ("2h", 7200), ("1d", 86_400)],
)
def test_rule_5_durations(duration: str | int | None, seconds: int | None) -> None:
    assert parse_duration(duration) == seconds


@pytest.mark.parametrize(
    "duration", [True, 1.5, "1", "1w", "-1s", "1 h", "1H", "١s", "1h30m", "9" * 13 + "s", 1 << 40, "99999d"]
)
def test_rule_5_anything_else_is_no_duration(duration: Any) -> None:
    with pytest.raises(ValueError, match="is not a duration; write seconds as an int, or 30s, 15m, 2h, 1d"):
        parse_duration(duration)


def test_env_2_who_may_see_an_envelope() -> None:
    broadcast, listed = Envelope("s", "a"), Envelope("s", "a", ["b"])
    assert [visible_to(broadcast, who) for who in "abc"] == [True, True, True]
    assert [visible_to(listed, who) for who in "abc"] == [True, True, False]


def test_env_1_an_envelope_is_frozen_with_what_is_in_it() -> None:
    data, audience = {"text": "x", "list": [1]}, ["b"]
    envelope = Envelope("s", "a", audience, event_data=data)
    audience.append("c")
    data["list"].append(2)  # type: ignore[attr-defined]
    assert (envelope.audience, envelope.event_data, envelope.text) == (["b"], {"text": "x", "list": [1]}, "x")
    with pytest.raises(dataclasses.FrozenInstanceError):
        envelope.sender_id = "c"  # type: ignore[misc]
    with pytest.raises(TypeError):
        envelope.event_data["text"] = "y"  # type: ignore[index]
    assert Envelope.from_dict(json.loads(json.dumps(envelope.to_dict()))) == envelope
    with pytest.raises(ValueError, match="sender"):
        Envelope.from_dict({"session_id": "s", "sender": "a"})


def test_the_text_of_an_envelope() -> None:
    for data, text in (({"text": "x"}, "x"), ({"body": "y"}, "y"), ({}, ""), ({"text": 5}, "")):
        assert Envelope("s", "a", event_data=data).text == text


def test_which_types_are_whose() -> None:
    closing = [name for name in vars(values) if name.startswith("EV_") and is_close_event(_of_type(name))]
    assert closing == ["EV_SESSION_CLOSED", "EV_SESSION_EXPIRED"]
    plain = [name for name in vars(values) if name.startswith("EV_") and not is_protocol_event(getattr(values, name))]
    assert sorted(plain) == ["EV_CONTEXT_SET", "EV_PACKET", "EV_TEXT"]


def _of_type(name: str) -> Envelope:
    return Envelope("s", "hub", event_type=getattr(values, name))


@given(st.integers(0, 4_102_444_800_000_000))
def test_det_0_a_time_is_microseconds_and_text_and_back(at_us: int) -> None:
    assert parse_iso(iso(at_us)) == at_us
    assert iso(at_us).endswith("Z")


def test_trap_57_one_moment_in_many_notations_is_one_moment() -> None:
    notations = [
        "2026-01-01T00:00:00Z",
        "2026-01-01T01:00:00+01:00",
        "2025-12-31T19:00:00.000000-05:00",
        "20260101T000000Z",
    ]
    assert {parse_iso(text) for text in notations} == {1_767_225_600_000_000}
    for text, why in (
        ("2026-01-01T00:00:00", "has no offset"),
        ("yesterday", "is not an ISO-8601 time"),
        ("", "is not"),
    ):
        with pytest.raises(ValueError, match=why):
            parse_iso(text)
