"""SPEC §12: every error has its class, code and facts; bad input gets one of them, in a sentence; traps 30, 32, 54."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Awaitable, Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from hub import (
    EV_SESSION_INVITE_ACK,
    EV_SESSION_INVITE_REJECT,
    AccessBlock,
    AccessDeniedError,
    Agent,
    AgentClient,
    AuthBlock,
    AuthError,
    CorruptLogError,
    DiskKnowledgeStore,
    Envelope,
    Hub,
    HubClient,
    InboxBlock,
    InboxFull,
    LimitsBlock,
    LocalLink,
    MemoryKnowledgeStore,
    NetworkError,
    NotFoundError,
    Passport,
    ProtocolError,
    RateBlock,
    RateLimitedError,
    Resume,
    ResumeExample,
    Rule,
    StoreError,
    StoreLockedError,
    TaskSpec,
)
from tests.spec.stage import OpenHub, Stage

NOBODY = "f" * 32

# Classes, codes, facts.

FAMILY: dict[type[NetworkError], tuple[type[Exception], str]] = {
    NotFoundError: (NetworkError, "not_found"),
    ProtocolError: (NetworkError, "protocol_error"),
    AccessDeniedError: (NetworkError, "access_denied"),
    RateLimitedError: (AccessDeniedError, "rate_limited"),
    InboxFull: (NetworkError, "inbox_full"),
    AuthError: (NetworkError, "auth_failed"),
    StoreError: (NetworkError, "store_error"),
    StoreLockedError: (StoreError, "store_locked"),
    CorruptLogError: (StoreError, "corrupt_log"),
}


@pytest.mark.parametrize("cls", FAMILY)
def test_the_family_its_codes_and_facts(cls: type[NetworkError]) -> None:
    parent, code = FAMILY[cls]
    error = cls("who, what and why", agent_id="a", retry_after=2.5)
    assert (cls.__base__, cls.code, str(error)) == (parent, code, "who, what and why")
    for same in (error, pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert (type(same), str(same), same.agent_id, same.retry_after) == (cls, str(error), "a", 2.5)
        assert same.facts == {"agent_id": "a", "retry_after": 2.5}
    with pytest.raises(AttributeError, match=r"no fact 'session_id'.*agent_id"):
        _ = error.session_id


Scenario = Callable[[Stage, str, str, str], Awaitable[Any]]
"""What is done with alice, bob and their conversation."""


async def _over_the_rate(stage: Stage, a: str, b: str, session_id: str) -> None:
    await stage.hub.set_rule(a, Rule(rate=RateBlock(envelopes_per_minute=1)))
    for _ in range(2):
        await stage.say(session_id, a)


async def _into_a_full_inbox(stage: Stage, a: str, b: str, session_id: str) -> None:
    await stage.hub.set_rule(b, Rule(inbox=InboxBlock(max_pending=1)))
    for _ in range(2):
        await stage.say(session_id, a)


async def _past_the_end(stage: Stage, a: str, b: str, session_id: str) -> None:
    await stage.hub.close_session(session_id, "enough")
    await stage.say(session_id, a)


SCENARIOS: dict[str, tuple[Scenario, type[NetworkError], str]] = {
    "no agent": (lambda s, a, b, x: s.hub.get_passport(NOBODY), NotFoundError, "agent_id"),
    "no session": (lambda s, a, b, x: s.hub.get_session(NOBODY), NotFoundError, "session_id"),
    "no task": (lambda s, a, b, x: s.hub.get_task("t9"), NotFoundError, "task_id"),
    "no sender": (lambda s, a, b, x: s.say(x, NOBODY), NotFoundError, "agent_id"),
    "name taken": (lambda s, a, b, x: s.agents("alice"), ProtocolError, "name agent_id"),
    "no such type": (lambda s, a, b, x: s.open("duel", a, b), ProtocolError, "session_type"),
    "ended": (_past_the_end, ProtocolError, "session_id state reason"),
    "outsider": (lambda s, a, b, x: s.hub.set_skill(a, "", actor=b), AccessDeniedError, "agent_id"),
    "too deep": (lambda s, a, b, x: s.say(x, a, depth=6), AccessDeniedError, "agent_id depth cap"),
    "too fast": (_over_the_rate, RateLimitedError, "agent_id cap retry_after"),
    "inbox full": (_into_a_full_inbox, InboxFull, "recipient_id pending cap"),
    "bad scheme": (
        lambda s, a, b, x: s.hub.register_identity(Passport(name="c", auth=AuthBlock(scheme="x"))),
        AuthError,
        "scheme",
    ),
}


@pytest.mark.parametrize(("scenario", "cls", "facts"), SCENARIOS.values(), ids=SCENARIOS)
async def test_a_refusal_is_of_its_class_and_carries_its_facts(
    stage: Stage, scenario: Scenario, cls: type[NetworkError], facts: str
) -> None:
    a, b = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", a, b)
    with pytest.raises(NetworkError) as caught:
        await scenario(stage, a, b, session_id)
    assert type(caught.value) is cls
    assert set(facts.split()) <= set(caught.value.facts)
    assert_a_sentence(caught.value)


async def test_store_errors_name_who_holds_the_log_and_what_is_wrong_with_it(open_hub: OpenHub, tmp_path: Path) -> None:
    log, junk = tmp_path / "log", tmp_path / "junk"
    await open_hub(DiskKnowledgeStore(log))
    junk.mkdir()
    (junk / "data.mdb").write_bytes(b"not a log" * 1000)
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreLockedError, match=r"\d+") as locked:
        await open_hub(DiskKnowledgeStore(log))
    assert locked.value.pid > 0
    for path in (junk, tmp_path / "file"):
        with pytest.raises(StoreError) as broken:
            await open_hub(DiskKnowledgeStore(path))
        assert_a_sentence(broken.value)


@pytest.mark.parametrize("store", [None, "demo.hub", Path("demo.hub"), MemoryKnowledgeStore, 5])
async def test_what_is_no_store_is_refused_in_a_sentence(store: Any) -> None:
    with pytest.raises(ValueError, match="store"):
        await Hub.open(store)


# Bad input.


def assert_a_sentence(error: BaseException, about: str = "") -> None:
    """The error is one that SPEC names, and says in one readable line what it is about."""
    text = str(error)
    assert about in text
    assert isinstance(error, NetworkError | ValueError), repr(error)
    assert not isinstance(error, UnicodeError), text
    assert 8 < len(text) < 700, text
    assert text.isprintable(), text


CYCLE: dict[str, Any] = {}
CYCLE["itself"] = CYCLE
WRONG: list[Any] = [
    *(None, 5, -1, True, 1.5, float("nan"), float("inf"), 1 << 70, b"x", object(), ..., int),
    *("", "x", " ", "x\n", "\ud800", "x" * 3_000_000, NOBODY, NOBODY.upper()),
    *([], ["x"], [[]], [None], {}, {"x": float("nan")}, {5: 5}, {"x": object()}, CYCLE, (1, 2), {1, 2}),
    *(Passport(name="x"), Resume(), Rule(), AuthBlock(), TaskSpec("x")),
]
"""Every kind of value that somebody might give for any parameter."""

VALUES: dict[type, dict[str, Any]] = {
    Passport: {"name": "x"},
    AuthBlock: {},
    Resume: {},
    ResumeExample: {"title": "x"},
    Rule: {},
    AccessBlock: {},
    LimitsBlock: {},
    RateBlock: {},
    InboxBlock: {},
    TaskSpec: {"title": "x"},
}


@pytest.mark.parametrize(("cls", "name"), [(cls, f.name) for cls in VALUES for f in fields(cls)])
def test_a_value_is_built_or_refused_in_a_sentence(cls: type, name: str) -> None:
    for wrong in WRONG:
        try:
            cls(**VALUES[cls] | {name: wrong})
        except ValueError as error:
            assert_a_sentence(error, cls.__name__)


@pytest.mark.parametrize("cls", VALUES)
@pytest.mark.parametrize("data", [{"nonsense": 1}, None, 5, [], "x", {5: 5}])
def test_a_value_from_plain_data_is_built_or_refused_in_a_sentence(cls: Any, data: Any) -> None:
    with pytest.raises(ValueError, match=cls.__name__):
        cls.from_dict(data)


class Scene:
    """Alice and bob on a link, their conversation, a task of alice's, and a note that waits for bob."""

    def __init__(self, hub: Hub, alice: AgentClient, bob: AgentClient) -> None:
        self.hub, self.alice, self.bob = hub, alice, bob
        self.a, self.b = alice.agent_id, bob.agent_id
        self.session_id = self.task_id = self.envelope_id = ""

    async def set(self) -> Scene:
        """Make what a command may have used up."""
        session = await self.alice.open(type="conversation", target="bob", ttl=0)
        self.session_id = session.session_id
        self.envelope_id = await session.send("note", audience=[])
        self.task_id = (await self.hub.observe_task(self.session_id, self.a, TaskSpec("t"))).task_id
        return self


@pytest.fixture
async def scene(hub: Hub) -> Scene:
    link = HubClient(LocalLink(hub))
    alice, bob = [await link.register(None, Passport(name=name)) for name in ("alice", "bob")]
    return await Scene(hub, alice, bob).set()


Command = Callable[[Scene], tuple[Callable[..., Awaitable[Any]], dict[str, Any]]]
COMMANDS: dict[str, Command] = {
    "register_identity": lambda s: (
        s.hub.register_identity,
        {"passport": Passport(name=f"n{s.hub.position}"), "resume": Resume(), "rule": Rule(), "skill": "x"},
    ),
    "set_resume": lambda s: (s.hub.set_resume, {"agent_id": s.a, "resume": Resume()}),
    "set_skill": lambda s: (s.hub.set_skill, {"agent_id": s.a, "markdown": "x"}),
    "set_rule": lambda s: (s.hub.set_rule, {"agent_id": s.a, "rule": Rule()}),
    "unregister": lambda s: (s.hub.unregister, {"agent_id": NOBODY}),
    "create_session": lambda s: (
        s.hub.create_session,
        {
            **{"type": "conversation", "creator_id": s.a, "target": "bob", "ttl": 5, "knobs": {}, "intent": "x"},
            **{"labels": {}, "cause": s.envelope_id, "depth": 0},
        },
    ),
    "close_session": lambda s: (s.hub.close_session, {"session_id": s.session_id, "reason": "x"}),
    "acknowledge": lambda s: (s.hub.acknowledge, {"agent_id": s.b, "envelope_id": s.envelope_id}),
    "observe_task": lambda s: (
        s.hub.observe_task,
        {
            **{"session_id": s.session_id, "owner_id": s.a, "spec": TaskSpec("x")},
            **{"task_id": f"t{s.hub.position}", "cause": s.envelope_id},
        },
    ),
    "update_task": lambda s: (
        s.hub.update_task,
        {"task_id": s.task_id, "state": "running", "progress": {}, "result": {}, "error": "x"},
    ),
    "fail_task": lambda s: (s.hub.update_task, {"task_id": s.task_id, "state": "failed", "error": "x"}),
    "record_observation": lambda s: (
        s.hub.record_observation,
        {"agent_id": s.a, "capability": "x", "outcome": "completed", "latency_ms": 1},
    ),
    "report_turn_failure": lambda s: (
        s.hub.report_turn_failure,
        {"agent_id": s.b, "session_id": s.session_id, "envelope_id": s.envelope_id, "error": "x"},
    ),
    "attach": lambda s: (
        lambda name, auth: HubClient(LocalLink(s.hub)).attach(None, name, auth=auth),
        {"name": "alice", "auth": AuthBlock()},
    ),
    "post_envelope": lambda s: (s.hub.post_envelope, {"envelope": Envelope(s.session_id, s.a)}),
    "send": lambda s: (
        s.alice.session(s.session_id).send,
        {
            **{"content": "x", "audience": ["bob"], "event_type": "x", "data": {}, "causation_id": s.envelope_id},
            **{"idempotency_key": "x", "priority": "low", "ttl_seconds": 5, "trace_id": "x", "task_id": "x"},
        },
    ),
}
POSTED = {
    **{"session_id": "", "sender_id": "", "audience": [], "event_type": "x", "event_data": {}, "envelope_id": "x"},
    **{"task_id": "x", "causation_id": NOBODY, "trace_id": "x", "priority": "low", "depth": 0, "idempotency_key": "x"},
    **{"created_at": "x", "ttl_seconds": 5, "sequence": 7},
}


def _posting(event_type: str) -> Command:
    def command(scene: Scene) -> tuple[Callable[..., Awaitable[Any]], dict[str, Any]]:
        async def post(**given: Any) -> str:
            return await scene.hub.post_envelope(Envelope(**given))

        return post, POSTED | {"session_id": scene.session_id, "sender_id": scene.a, "event_type": event_type}

    return command


COMMANDS |= {event_type: _posting(event_type) for event_type in ("x", EV_SESSION_INVITE_ACK, EV_SESSION_INVITE_REJECT)}
PARAMETERS = {
    "register_identity": "passport resume rule skill",
    "set_resume": "agent_id resume",
    "set_skill": "agent_id markdown",
    "set_rule": "agent_id rule",
    "unregister": "agent_id",
    "create_session": "type creator_id target ttl knobs intent labels cause depth",
    "close_session": "session_id reason",
    "acknowledge": "agent_id envelope_id",
    "observe_task": "session_id owner_id spec task_id cause",
    "update_task": "task_id state progress result error",
    "fail_task": "task_id state error",
    "record_observation": "agent_id capability outcome latency_ms",
    "report_turn_failure": "agent_id session_id envelope_id error",
    "attach": "name auth",
    "post_envelope": "envelope",
    "send": "content audience event_type data causation_id idempotency_key priority ttl_seconds trace_id task_id",
    **dict.fromkeys(("x", EV_SESSION_INVITE_ACK, EV_SESSION_INVITE_REJECT), " ".join(POSTED)),
}


@pytest.mark.parametrize(
    ("command", "parameter"), [(name, each) for name, listed in PARAMETERS.items() for each in listed.split()]
)
async def test_trap_54_bad_input_is_refused_by_a_named_error_in_a_sentence(
    scene: Scene, command: str, parameter: str
) -> None:
    """Whatever is given for any parameter of any command: done, or refused with nothing written."""
    for wrong in WRONG:
        call, given = COMMANDS[command](scene)
        before = scene.hub.position
        try:
            await call(**given | {parameter: wrong})
        except Exception as error:
            assert_a_sentence(error)
            written = [event.type for event in scene.hub._log.read(after=before)]
            assert set(written) <= {"access.denied"}, (wrong, written)
        else:
            await scene.set()


@pytest.mark.parametrize("command", COMMANDS)
async def test_the_commands_of_this_table_work_as_given(scene: Scene, command: str) -> None:
    """Or the table would show nothing."""
    call, given = COMMANDS[command](scene)
    assert set(given) == set(PARAMETERS[command].split())
    if command in ("unregister", EV_SESSION_INVITE_ACK, EV_SESSION_INVITE_REJECT):
        with pytest.raises((NotFoundError, ProtocolError), match=f"{NOBODY}|no open invite"):
            await call(**given)
    else:
        await call(**given)


UNKNOWN: dict[str, Callable[[Hub], Awaitable[Any]]] = {
    "close_session": lambda hub: hub.close_session(NOBODY),
    "get_session": lambda hub: hub.get_session(NOBODY),
    "read_wal": lambda hub: hub.read_wal(NOBODY),
    "post_envelope": lambda hub: hub.post_envelope(Envelope(NOBODY, hub.find_agent_id("alice") or "")),
    "invite ack": lambda hub: hub.post_envelope(
        Envelope(NOBODY, hub.find_agent_id("alice") or "", event_type=EV_SESSION_INVITE_ACK)
    ),
    "get_passport": lambda hub: hub.get_passport(NOBODY),
    "get_agent": lambda hub: hub.get_agent("nobody"),
    "get_resume": lambda hub: hub.get_resume(NOBODY),
    "get_rule": lambda hub: hub.get_rule(NOBODY),
    "get_skill": lambda hub: hub.get_skill(NOBODY),
    "get_task": lambda hub: hub.get_task("nothing"),
    "update_task": lambda hub: hub.update_task("nothing", "completed"),
    "observe_task": lambda hub: hub.observe_task(NOBODY, hub.find_agent_id("alice") or "", TaskSpec("t")),
    "acknowledge": lambda hub: hub.acknowledge(NOBODY, NOBODY),
    "create_session by": lambda hub: hub.create_session(type="conversation", creator_id=NOBODY, target="alice"),
    "create_session with": lambda hub: hub.create_session(type="conversation", creator_id="alice", target="nobody"),
    "report_turn_failure": lambda hub: hub.report_turn_failure(
        hub.find_agent_id("alice") or "", NOBODY, NOBODY, "error"
    ),
}


@pytest.mark.parametrize("ask", UNKNOWN.values(), ids=UNKNOWN)
async def test_trap_54_what_is_not_there_is_not_found(scene: Scene, ask: Callable[[Hub], Awaitable[Any]]) -> None:
    before = scene.hub.position
    with pytest.raises(NotFoundError) as caught:
        await ask(scene.hub)
    assert_a_sentence(caught.value)
    assert scene.hub.position == before


@pytest.mark.parametrize("wrong", [None, 5, b"x", "", "x" * 10_000, ("x",)])
async def test_reads_of_what_is_no_id_find_nothing(scene: Scene, wrong: Any) -> None:
    hub = scene.hub
    reads: tuple[Callable[[Any], Awaitable[Any]], ...] = (
        *(hub.get_passport, hub.get_agent, hub.get_resume, hub.get_rule, hub.get_skill),
        *(hub.get_session, hub.get_task, hub.read_wal),
    )
    for read in reads:
        with pytest.raises(NotFoundError):
            await read(wrong)
    assert (hub.find_agent_id(wrong), hub.name_for(wrong, "?"), hub.inbox_depth(wrong)) == (None, "?", 0)
    assert (hub.can_send(wrong, wrong), hub.expected_next(wrong), hub.pending_turns_for(wrong)) == (False, None, [])
    assert hub.agents_with_capability(wrong) == []
    assert not await hub.list_agents(capability=wrong or "?")


# Who may not, through an envelope.


@pytest.mark.parametrize("answer", [EV_SESSION_INVITE_ACK, EV_SESSION_INVITE_REJECT])
async def test_trap_30_only_an_invitee_with_a_pending_invite_answers_it(stage: Stage, answer: str) -> None:
    a, b, c = await stage.agents("alice", "bob", "carol")
    session_id, opening = await stage.invite("discussion", a, b, c)
    (outsider,) = await stage.agents("eve")
    await stage.accept(session_id, b)
    before = stage.hub.position
    for sender in (outsider, a, b):
        with pytest.raises(ProtocolError, match=f"no open invite for '{sender}'"):
            await stage.hub.post_envelope(Envelope(session_id, sender, event_type=answer))
    assert stage.hub.position == before
    await stage.accept(session_id, c)
    assert (await opening).state == "active"
    with pytest.raises(ProtocolError, match="no open invite"):
        await stage.hub.post_envelope(Envelope(session_id, c, event_type=answer))


async def test_trap_30_who_does_not_take_part_posts_nothing(stage: Stage) -> None:
    a, b, eve = await stage.agents("alice", "bob", "eve")
    session_id = await stage.open("conversation", a, b)
    before = stage.hub.position
    for event_type in ("ag2.msg.text", "note"):
        with pytest.raises(ProtocolError, match="only accepts sends from participants"):
            await stage.say(session_id, eve, event_type=event_type)
    assert stage.hub.position == before
    assert stage.hub.can_send(session_id, eve) is False


async def test_trap_32_an_audience_names_participants_only(stage: Stage) -> None:
    a, b, eve = await stage.agents("alice", "bob", "eve")
    session_id = await stage.open("conversation", a, b)
    before = stage.hub.position
    for audience in ([eve], [b, eve], [NOBODY], ["bob"], [""]):
        with pytest.raises(ProtocolError, match="does not take part"):
            await stage.say(session_id, a, audience=audience)
    assert stage.hub.position == before
    assert stage.hub.inbox_depth(eve) == 0


async def test_trap_31_trap_33_the_operators_own_post_obeys_the_protocol_too(stage: Stage) -> None:
    """Only the hub emits lifecycle events, whoever holds the hub object; and what it does says ``operator``."""
    a, b = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", a, b)
    for event_type in ("ag2.session.closed", "ag2.session.opened", "ag2.session.invite", "ag2.task.completed"):
        with pytest.raises(ProtocolError, match="only the hub emits"):
            await stage.say(session_id, a, event_type=event_type)
    await stage.say(session_id, a)
    assert [event.actor for event in stage.log() if event.type == "envelope.posted"] == ["operator"]


async def test_trap_33_a_task_id_is_its_owners_and_shows_nobody_else_the_task(stage: Stage) -> None:
    """Live or over: neither is it taken over, nor read by naming it."""
    a, b = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", a, b)
    await stage.hub.observe_task(session_id, a, TaskSpec("secret plan"), task_id="t")
    bob = await HubClient(LocalLink(stage.hub)).attach(None, "bob")
    for _ in range(2):
        before = stage.hub.position
        with pytest.raises(ProtocolError, match="'t' is taken") as caught:
            await bob.connection.observe_task(b, session_id, TaskSpec("mine"), task_id="t")
        assert "secret" not in str(caught.value)
        assert stage.hub.position == before
        await stage.hub.update_task("t", "completed")
    assert (await stage.hub.get_task("t")).owner_id == a


async def test_whatever_words_an_agent_fails_with_its_turn_is_recorded(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception may quote what it was given: bytes that are no Unicode, or a novel."""
    caplog.set_level(logging.CRITICAL, "ledgerhub")  # what pytest captures has to be Unicode, too
    link = HubClient(LocalLink(stage.hub))
    alice = await link.register(None, Passport(name="alice"))

    def fail(message: str) -> str:
        raise OSError("\ud800\x00\n" + "x" * 1_000_000)

    await link.register(Agent("bob", fail), Passport(name="bob"))
    session = await alice.open(type="consulting", target="bob")
    await session.send("?")
    await stage.wait(0)
    failed = await stage.audit("turn_failed")
    assert [record["final"] for record in failed] == [False, False, True]
    assert all(record["error"].startswith("OSError: ?") for record in failed)
    assert (await session.metadata()).state == "active"
