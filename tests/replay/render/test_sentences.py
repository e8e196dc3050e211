"""Every event class has a sentence, with names for ids and nothing that could harm a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from eventsourcing.dcb.api import DCBQuery

from events.agents import AgentObserved, AgentRegistered, AgentResumeSet, AgentSkillSet
from events.codec import encode
from events.event import HUB, OPERATOR, SCHEMAS, Event
from events.governance import AccessDenied, ExpectationViolated, HubOpened, TurnFailed
from events.log import EventLog
from events.sessions import (
    EnvelopePosted,
    InboxAcknowledged,
    SessionClosed,
    SessionCreated,
    SessionInviteRejected,
    SessionParticipantHidden,
    SessionParticipantLeft,
)
from events.stores import MemoryKnowledgeStore
from events.tasks import TaskCancelled, TaskExpired, TaskFailed, TaskProgressed, TaskStarted
from replay.names import Names
from replay.render.sentences import SENTENCES, sentence

ALICE, BOB, SESSION, NOBODY, OTHER = (digit * 32 for digit in "123fe")
MANIFEST = {"type": "consulting", "version": 1}


@pytest.fixture
def names() -> Names:
    """Names of a log with alice, bob, their consulting and a task in it."""
    store = MemoryKnowledgeStore()
    bodies: list[tuple[str, Any]] = [
        (ALICE, AgentRegistered(ALICE, "alice", "acme", {}, {})),
        (BOB, AgentRegistered(BOB, "bob", "", {}, {})),
        (SESSION, SessionCreated(SESSION, ALICE, MANIFEST, (ALICE, BOB), 0)),
        ("4" * 32, TaskStarted("t1", SESSION, BOB, 3, title="add up")),
    ]
    store.append([encode(Event(body, event_id, number)) for number, (event_id, body) in enumerate(bodies)])
    return Names(EventLog(store))


def test_every_event_class_has_a_sentence() -> None:
    assert set(SENTENCES) == set(SCHEMAS)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (AgentRegistered(ALICE, "alice", "acme", {}, {"rate": {"envelopes_per_minute": 5}}, ("a", "b"), has_skill=True),
         "alice of acme registered, claims a, b, with a skill, rule rate.envelopes_per_minute=5"),
        (AgentRegistered(BOB, "bob", "", {}, {}), "bob registered, claims nothing, the default rule"),
        (AgentResumeSet(ALICE, 3, ("x",)), "alice set its resume, version 3: claims x"),
        (AgentSkillSet(ALICE), "alice set its skill"),
        (AgentSkillSet(ALICE, removed=True), "alice removed its skill"),
        (AgentObserved(BOB, "research", "failed", 2), "bob was seen at research: failed"),
        (SessionCreated(SESSION, ALICE, MANIFEST, (ALICE,), 0, depth=2, labels={"b": "2", "a": "1"}),
         "consulting @3: alice asked for it alone, a “1”, b “2”, depth 2"),
        (SessionInviteRejected(SESSION, BOB, 2, "busy\n"), "consulting @3: bob rejected: “busy⏎”"),
        (SessionInviteRejected(SESSION, BOB, 2), "consulting @3: bob rejected"),
        (SessionParticipantHidden(SESSION, BOB), "consulting @3: bob was hidden"),
        (SessionParticipantLeft(SESSION, BOB), "consulting @3: bob left"),
        (EnvelopePosted(SESSION, ALICE, "ag2.msg.text", 4, (BOB,), rest={"text": "hi"}),
         "consulting @3: alice → bob “hi”"),
        (EnvelopePosted(SESSION, ALICE, "ag2.packet", 4, depth=2, task_id="t1", priority="high", data={"body": "x"}),
         "consulting @3: alice → nobody ag2.packet [high, depth 2, task @4 “add up”] “x”"),
        (EnvelopePosted(SESSION, ALICE, "ag2.context.set", 4, (BOB,), data={"set": {"a": 1}}),
         'consulting @3: alice → bob ag2.context.set {"set": {"a": 1}}'),
        (EnvelopePosted(SESSION, ALICE, "ag2.msg.text", 4, (BOB,)), "consulting @3: alice → bob"),
        (EnvelopePosted(NOBODY, OTHER, "ag2.msg.text", 4), f"{NOBODY}: {OTHER} → nobody"),
        (InboxAcknowledged((ALICE, ALICE, BOB), (SESSION,) * 3), "alice, bob acknowledged 3 envelopes"),
        (TaskStarted("t1", SESSION, BOB, 3, "sums", payload={"n": 1}),
         'consulting @3: bob started task @4 “add up” (sums): {"n": 1}'),
        (TaskProgressed("t1", SESSION, BOB, 4, {"done": 1}),
         'consulting @3: bob went on with task @4 “add up”: {"done": 1}'),
        (TaskFailed("t1", SESSION, BOB, 5, 2_500_000, "sums", "boom"),
         "consulting @3: bob failed task @4 “add up” (sums) after 2.5s: “boom”"),
        (TaskExpired("t1", SESSION, BOB, 5, 0),
         "consulting @3: bob let expire task @4 “add up” after 0s: “ttl_expired”"),
        (TaskCancelled("t9", SESSION, BOB, 5, 1), "consulting @3: bob cancelled task t9 after 0.001ms"),
        (ExpectationViolated(SESSION, 0, "max_silence", "audit"), "consulting @3: max_silence violated, audit"),
        (ExpectationViolated(SESSION, 0, "turn_within", "hide", (ALICE, BOB)),
         "consulting @3: turn_within violated by alice, bob, hide"),
        (AccessDenied("eve", "register", "", "auth_failed", left_out=3, message="no"),
         "eve was refused register, auth_failed, 3 like it before: “no”"),
        (AccessDenied(ALICE, "post", BOB, "inbox_full", SESSION),
         "alice was refused post to bob in consulting @3, inbox_full"),
        (AccessDenied(ALICE, "close", SESSION, "access_denied"),
         "alice was refused close to consulting @3, access_denied"),
        (TurnFailed(BOB, SESSION, NOBODY, 3, True, "boom"),
         "consulting @3: bob failed its turn, attempt 3, given up: “boom”"),
        (HubOpened("1.0", 1), "a hub opened, ledgerhub 1.0, format 1, types none"),
    ],
)  # fmt: skip
def test_sentences(names: Names, body: Any, said: str) -> None:
    actor = getattr(body, "sender_id", HUB)
    assert sentence(Event(body, NOBODY, 0, actor), names) == said


def test_who_did_it_is_said_when_it_is_not_who_it_is_about(names: Names) -> None:
    closed, skill = SessionClosed(SESSION, "enough", 4), AgentSkillSet(ALICE)
    assert sentence(Event(closed, NOBODY, 0, HUB), names) == "consulting @3: closed, enough"
    assert sentence(Event(closed, NOBODY, 0, BOB), names) == "consulting @3: closed, enough (by bob)"
    assert sentence(Event(skill, NOBODY, 0, ALICE), names) == "alice set its skill"
    assert sentence(Event(skill, NOBODY, 0, OPERATOR), names) == "alice set its skill (by operator)"
    done = InboxAcknowledged((ALICE,), (SESSION,))
    assert sentence(Event(done, NOBODY, 0, ALICE), names) == "alice acknowledged 1 envelope"


def test_a_hostile_name_stays_on_its_line() -> None:
    store = MemoryKnowledgeStore()
    body = AgentRegistered(ALICE, "al\x1b[1mice", "acme\n", {}, {})
    store.append([encode(Event(body, ALICE, 0))])
    said = sentence(Event(AgentSkillSet(ALICE), NOBODY, 0, ALICE), Names(EventLog(store)))
    assert said == "al\\x1b[1mice set its skill"


def test_a_name_is_looked_up_once(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[object] = []
    reading = names._log.read

    def read(query: DCBQuery, **options: Any) -> Iterator[Event]:
        looked.append(query)
        return reading(query, **options)

    monkeypatch.setattr(names._log, "read", read)
    for _ in range(3):
        said = names.agent(ALICE), names.session(SESSION), names.task("t1")
        assert said == ("alice", "consulting @3", "task @4 “add up”")
    assert len(looked) == 3
