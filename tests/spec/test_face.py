"""SPEC §1: the snippet runs as written, the names are there and awaited as stated, what is handed out is a snapshot."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

import hub as face
from events.stores import LogRecorder
from hub import (
    AccessBlock,
    Envelope,
    Hub,
    HubClient,
    LocalLink,
    MemoryKnowledgeStore,
    Passport,
    ProtocolError,
    Resume,
    ResumeExample,
    Rule,
    StoreError,
    TaskSpec,
)
from hub.testing import MockClock, SequentialIds
from tests.spec.stage import OpenHub, Stage

SNIPPET = """
from hub import Hub, HubClient, LocalLink, MemoryKnowledgeStore, Passport, Resume, ResumeExample, Rule
from hub import AccessBlock, LimitsBlock, RateBlock, InboxBlock, Agent, EV_SESSION_CLOSED

hub = await Hub.open(
    MemoryKnowledgeStore(),
    ttl_sweep_interval=30.0, expectation_sweep_interval=10.0, invite_ack_timeout=30.0,
)
link = LocalLink(hub)
hc = HubClient(link, hub=hub)
alice = await hc.register(Agent("alice", ask_fn), Passport(name="alice", owner="acme", model="any"), Resume(
    claimed_capabilities=["analysis", "policy"], domains=["finance"], summary="Senior policy analyst.",
    examples=[ResumeExample(title="Q3 risk brief", note="…")]),
    rule=Rule(access=AccessBlock(outbound_to=["bob", "carol"], session_types_allowed=["consulting", "discussion"]),
              limits=LimitsBlock(session_ttl_default="4h", delegation_depth=2),
              rate=RateBlock(envelopes_per_minute=60), inbox=InboxBlock(max_pending=100)))
bob = await hc.register(Agent("bob", answer_fn), Passport(name="bob"), Resume())
session = await alice.open(type="consulting", target="bob")
await session.send("What matters most?", audience=[bob.agent_id])
await alice.wait_for_session_event(session_id=session.session_id,
                                   predicate=lambda e: e.event_type == EV_SESSION_CLOSED, timeout=60.0)
for e in await hub.read_wal(session.session_id): print(e.event_type, e.event_data)
for r in await hub._audit_log.read_all(): print(r["kind"], r["at"], r)
await hub.close()
"""


@pytest.mark.parametrize("answer_is_async", [False, True])
async def test_the_snippet_runs_as_written(capsys: pytest.CaptureFixture[str], answer_is_async: bool) -> None:
    async def answer_later(message: str) -> str:
        return f"About {message!r}: people."

    def answer_now(message: str) -> str:
        return f"About {message!r}: people."

    names: dict[str, Any] = {"ask_fn": str.upper, "answer_fn": answer_later if answer_is_async else answer_now}
    await eval(compile(SNIPPET, "SPEC §1", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed] == [
        "ag2.session.invite",
        "ag2.session.invite.ack",
        "ag2.session.opened",
        "ag2.msg.text",
        "ag2.msg.text",
        "ag2.session.closed",
        "agent_registered",
        "agent_registered",
        "session_created",
        "session_closed",
    ]
    assert printed[3:6] == [
        "ag2.msg.text {'text': 'What matters most?'}",
        """ag2.msg.text {'text': "About 'What matters most?': people."}""",
        "ag2.session.closed {'reason': 'consulting_complete'}",
    ]
    assert "'manifest_type': 'consulting'" in printed[8]


def _names(listed: str) -> list[str]:
    return listed.split()


COROUTINES = _names(
    "open close get_passport get_agent get_resume get_rule get_skill list_agents get_session list_sessions read_wal "
    "get_task list_tasks register_identity register unregister set_resume set_skill set_rule create_session "
    "close_session post_envelope acknowledge observe_task update_task record_observation report_turn_failure "
    "_ttl_tick expire_due _expectation_tick __aenter__ __aexit__"
)
PLAIN = _names(
    "find_agent_id name_for agents_with_capability can_send expected_next pending_turns_for inbox_depth health "
    "state_digest register_adapter register_expectation_evaluator register_violation_handler register_listener "
    "register_sweeper"
)
CLIENTS = {
    "HubClient": "close register attach unregister read_wal can_send default_view_policy __aenter__ __aexit__",
    "AgentClient": "open send_envelope wait_for_session_event set_resume set_skill set_rule add_example unregister "
    "close __aenter__ __aexit__",
    "Session": "send close wait_closed",
}


@pytest.mark.parametrize("name", [*COROUTINES, *PLAIN])
def test_hub_methods_are_awaited_or_plain_as_stated(name: str) -> None:
    assert inspect.iscoroutinefunction(getattr(Hub, name)) == (name in COROUTINES)


@pytest.mark.parametrize(("cls", "names"), CLIENTS.items())
def test_client_methods_are_coroutines(cls: str, names: str) -> None:
    assert [n for n in names.split() if not inspect.iscoroutinefunction(getattr(getattr(face, cls), n))] == []


@pytest.mark.parametrize("opens", [Hub.open, Hub])
def test_opening_takes_the_stated_arguments_with_the_stated_defaults(opens: Callable[..., Any]) -> None:
    first, *options = inspect.signature(opens).parameters.values()
    assert first.name == "store"
    assert all(option.kind is inspect.Parameter.KEYWORD_ONLY for option in options)
    assert {option.name: option.default for option in options} == {
        "auth": None,
        "clock": None,
        "ids": None,
        "ttl_sweep_interval": 30.0,
        "expectation_sweep_interval": 10.0,
        "invite_ack_timeout": 30.0,
        "register_default_adapters": True,
        "listeners": (),
        "arbiter": None,
    }


def test_every_public_name_of_the_specification_is_in_hub() -> None:
    named = _names("""
    Hub HubClient LocalLink MemoryKnowledgeStore DiskKnowledgeStore Passport Resume ResumeExample Rule AccessBlock
    LimitsBlock RateBlock InboxBlock Agent AgentClient Session AuthBlock AuthRegistry NoAuth ApiKeyAuth Allow Deny
    RuleBasedArbiter Envelope visible_to SessionManifest SessionMetadata Expectation AdapterResult Violation
    FullTranscript WindowedSummary parse_skill_frontmatter render_fallback_skill is_close_event
    NetworkError NotFoundError ProtocolError AccessDeniedError RateLimitedError InboxFull AuthError StoreError
    StoreLockedError CorruptLogError
    EV_TEXT EV_PACKET EV_CONTEXT_SET EV_SESSION_INVITE EV_SESSION_INVITE_ACK EV_SESSION_INVITE_REJECT EV_SESSION_OPENED
    EV_SESSION_CLOSED EV_SESSION_EXPIRED EV_EXPECTATION_VIOLATED EV_TASK_STARTED EV_TASK_PROGRESS EV_TASK_COMPLETED
    EV_TASK_FAILED EV_TASK_EXPIRED EV_TASK_CANCELLED
    AUDIT_KIND_AGENT_REGISTERED AUDIT_KIND_AGENT_UNREGISTERED AUDIT_KIND_RESUME_SET AUDIT_KIND_SKILL_SET
    AUDIT_KIND_RULE_SET AUDIT_KIND_SESSION_CREATED AUDIT_KIND_SESSION_CLOSED AUDIT_KIND_SESSION_EXPIRED
    AUDIT_KIND_TASK_TERMINATED AUDIT_KIND_EXPECTATION_VIOLATED AUDIT_KIND_ACCESS_DENIED AUDIT_KIND_TURN_FAILED
    AUDIT_KIND_PARTICIPANT_HIDDEN
    """)
    assert set(named) <= set(face.__all__)
    assert [name for name in face.__all__ if not hasattr(face, name)] == []


class Untouchable(MemoryKnowledgeStore):
    """A store that nobody may open."""

    def open(self, *, readonly: bool = False) -> None:
        raise AssertionError("the constructor opened the store")


async def test_the_constructor_stores_its_arguments_and_does_nothing_else() -> None:
    def no_time() -> str:
        raise AssertionError("the constructor read the clock")

    hub = Hub(Untouchable(), clock=no_time, ids=no_time)
    await hub.close()


async def test_open_close_and_async_with(clock: MockClock) -> None:
    store: LogRecorder = MemoryKnowledgeStore()
    async with Hub(store, clock=clock, ids=SequentialIds()) as hub:
        assert hub.position == 1
        assert hub.health()["status"] == "ok"
    await hub.close()
    assert hub.health()["status"] == "closed"
    assert not store.is_open
    with pytest.raises(ProtocolError, match="closed"):
        await hub.register_identity(Passport(name="late"))
    async with await Hub.open(store, clock=clock, ids=SequentialIds()) as again:
        assert again.audit_log is again._audit_log
        with pytest.raises(ProtocolError, match="opened already"):
            await again.start()


async def test_a_closed_hub_leaves_its_store_closed_whatever_it_is_asked(open_hub: OpenHub) -> None:
    """Another process may have taken the log over meanwhile."""
    store = MemoryKnowledgeStore()
    hub = await open_hub(store)
    alice = await hub.register_identity(Passport(name="alice"))
    await hub.close()
    for ask in (
        lambda: hub.position,
        hub.state_digest,
        hub.health,
        lambda: hub.name_for("f" * 32),
        lambda: hub.get_resume(alice.agent_id),
        lambda: hub.read_wal("f" * 32),
        hub.list_sessions,
        hub.audit_log.read_all,
    ):
        with suppress(StoreError):
            answer = ask()
            if inspect.isawaitable(answer):
                await answer
        assert not store.is_open
    with pytest.raises(StoreError, match="closed; open another hub"):
        await hub.audit_log.read_all()


async def test_the_reads_of_the_hub_answer_from_the_log_and_from_memory(stage: Stage) -> None:
    hub = stage.hub
    a, b = await stage.agents("alice", "bob")
    session_id = await stage.open("consulting", a, b)
    assert (hub.find_agent_id("alice"), hub.find_agent_id("zoe")) == (a, None)
    assert [hub.name_for(a), hub.name_for("f" * 32), hub.name_for("f" * 32, "?")] == ["alice", "f" * 32, "?"]
    assert (await hub.get_agent("bob"), await hub.get_agent(b)) == (await hub.get_passport(b),) * 2
    assert (hub.can_send(session_id, a), hub.can_send(session_id, b)) == (True, False)
    assert hub.can_send(session_id, b, "note")
    assert (hub.expected_next(session_id), hub.pending_turns_for(a), hub.pending_turns_for(b)) == (a, [session_id], [])
    await stage.say(session_id, a)
    assert (hub.expected_next(session_id), hub.inbox_depth(b)) == (b, 1)
    assert await hub.list_sessions(agent_id=b, state="active") == [await hub.get_session(session_id)]
    assert hub.health().items() >= {"registered_agents": 2, "live_sessions": 1, "pending_inbox_total": 1}.items()
    assert hub.position == len(stage.log())


# Snapshots.


def _change(value: Any) -> list[Callable[[], object]]:
    """Ways to change a value and what is inside it."""
    if hasattr(value, "__dataclass_fields__"):
        return [lambda: setattr(value, next(iter(value.__dataclass_fields__)), "changed")]
    key = "x" if isinstance(value, Mapping) else 0
    return [lambda: value.__setitem__(key, 1), lambda: value.append(1), lambda: value.update(x=1)]


async def test_trap_44_what_getters_return_cannot_be_changed(stage: Stage) -> None:
    hub = stage.hub
    knobs: dict[str, Any] = {"ordering": "round_robin", "deep": {"list": [1]}}
    resume = Resume(claimed_capabilities=["a"], examples=[ResumeExample("t")])
    a = (await hub.register_identity(Passport(name="alice"), resume)).agent_id
    (b,) = await stage.agents("bob")
    await hub.record_observation(a, "a", "completed", latency_ms=1)
    session_id = await stage.open("discussion", a, b, knobs=knobs, labels={"k": "v"})
    await stage.say(session_id, a)
    task = await hub.observe_task(session_id, a, TaskSpec("t", payload={"p": [1]}))
    session, resume, rule = await hub.get_session(session_id), await hub.get_resume(a), await hub.get_rule(a)
    envelope = (await hub.read_wal(session_id))[-2]
    before = hub.state_digest()
    for value in (
        await hub.get_passport(a),
        (await hub.get_passport(a)).auth,
        rule,
        rule.access,
        rule.access.outbound_to,
        resume,
        resume.claimed_capabilities,
        resume.examples,
        resume.examples[0],
        resume.observed,
        resume.observed["a"],
        session,
        session.knobs,
        session.knobs["deep"]["list"],
        session.labels,
        session.participants,
        session.participants[0],
        session.manifest,
        session.manifest.expectations[0].params,
        task.spec.payload,
        task,
        envelope,
        envelope.event_data,
        hub.adapter_state(session_id),
    ):
        for change in _change(value):
            with pytest.raises((FrozenInstanceError, TypeError, AttributeError)):
                change()
    assert hub.state_digest() == before
    for given in (await hub.list_agents(), await hub.list_sessions(), hub.agents_with_capability("a")):
        assert isinstance(given, list)
        given.clear()
    hub.health().clear()
    (await hub.audit_log.read_all())[0].clear()
    assert (await hub.audit_log.read_all())[0]["kind"] == "agent_registered"
    assert len(await hub.list_agents()) == 2


async def test_trap_44_what_was_given_to_a_setter_may_change_afterwards(stage: Stage) -> None:
    hub = stage.hub
    globs, capabilities, knobs = ["bob"], ["a"], {"deep": {"list": [1]}}
    labels, data, payload = {"k": "v"}, {"deep": {"list": [1]}}, {"deep": [1]}
    passport = Passport(name="alice")
    a = (await hub.register_identity(passport)).agent_id
    (b,) = await stage.agents("bob")
    audience = [b]
    await hub.set_resume(a, Resume(claimed_capabilities=capabilities))
    await hub.set_rule(a, Rule(access=AccessBlock(outbound_to=globs)))
    session_id = await stage.open("conversation", a, b, knobs=knobs, labels=labels)
    task = await hub.observe_task(session_id, a, TaskSpec("t", payload=payload))
    await hub.post_envelope(Envelope(session_id, a, audience, "note", data))
    position, digest = hub.position, hub.state_digest()
    for given in (globs, capabilities, audience):
        given.append("eve")
    for mapping in (knobs["deep"], data["deep"], payload):
        mapping.clear()
    labels.clear()
    assert (hub.position, hub.state_digest()) == (position, digest)
    session, envelope = await hub.get_session(session_id), (await hub.read_wal(session_id))[-1]
    assert (await hub.get_rule(a)).access.outbound_to == ("bob",)
    assert (await hub.get_resume(a)).claimed_capabilities == ("a",)
    assert (session.knobs, session.labels) == ({"deep": {"list": [1]}}, {"k": "v"})
    assert (envelope.event_data, envelope.audience) == ({"deep": {"list": [1]}}, [b])
    assert (await hub.get_task(task.task_id)).spec.payload == {"deep": [1]}


async def test_registration_stamps_a_copy_which_is_the_one_returned_and_the_clients(open_hub: OpenHub) -> None:
    hub = await open_hub()
    passport = Passport(name="alice")
    client = await HubClient(LocalLink(hub), hub=hub).register(None, passport)
    assert (passport.agent_id, passport.created_at) == ("", "")
    assert client.passport == await hub.get_passport(client.agent_id)
    assert client.passport.created_at == "2026-01-01T00:00:00Z"
