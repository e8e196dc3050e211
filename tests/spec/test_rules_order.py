"""SPEC §4, RULE-12 and RULE-13: in which order a post is checked, and the one seam all permissions go through."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from hub import (
    AccessBlock,
    AccessDeniedError,
    Allow,
    Arbiter,
    Deny,
    Hub,
    InboxBlock,
    InboxFull,
    LimitsBlock,
    NetworkError,
    NotFoundError,
    Passport,
    ProtocolError,
    RateBlock,
    RateLimitedError,
    Rule,
    RuleBasedArbiter,
    TaskSpec,
)
from hub.testing import settle
from tests.spec.stage import Stage

NOBODY = "f" * 32

# RULE-12.

CHECKS: dict[str, tuple[type[NetworkError], str]] = {
    "sender": (NotFoundError, "sender not registered"),
    "outbound": (AccessDeniedError, "outbound_to"),
    "depth": (AccessDeniedError, "delegation_depth"),
    "exists": (NotFoundError, "no session"),
    "ended": (ProtocolError, "is closed"),
    "active": (ProtocolError, "is pending"),
    "participant": (ProtocolError, "only accepts sends from participants"),
    "adapter": (ProtocolError, "no registered adapter"),
    "rate": (RateLimitedError, "envelopes_per_minute"),
    "inbox": (InboxFull, "max_pending"),
    "validate": (ProtocolError, "expects the question"),
}
"""The checks of a post, in their order, each with the error by which it is told."""

CANNOT_BOTH_FAIL = {
    *((("exists", later)) for later in ("ended", "active", "participant", "adapter", "validate")),
    ("ended", "active"),
    ("adapter", "validate"),
}
PAIRS = [pair for pair in combinations(CHECKS, 2) if pair not in CANNOT_BOTH_FAIL]


async def post_failing(stage: Stage, *checks: str) -> None:
    """Let sam post so that just these checks fail: everything else about the post is fine."""
    hub = stage.hub
    sam, pat, quinn = await stage.agents("sam", "pat", "quinn")
    side = await stage.open("conversation", sam, pat)
    asks, answers = (pat, sam) if "validate" in checks else (sam, pat)
    if "participant" in checks:
        asks, answers = quinn, pat
    session_id, opening = await stage.invite("consulting", asks, answers)
    if "active" not in checks:
        await stage.accept(session_id, answers)
        await opening
    if "inbox" in checks:
        await stage.say(await stage.open("conversation", quinn, pat), quinn, audience=[pat])
        await hub.set_rule(pat, Rule(inbox=InboxBlock(max_pending=1)))
    if "rate" in checks:
        await stage.say(side, sam, audience=[])
    await hub.set_rule(
        sam,
        Rule(
            access=AccessBlock(outbound_to=["quinn"] if "outbound" in checks else ["*"]),
            limits=LimitsBlock(delegation_depth=1),
            rate=RateBlock(envelopes_per_minute=1 if "rate" in checks else 0),
        ),
    )
    if "ended" in checks:
        await hub.close_session(session_id)
    if "sender" in checks:
        await hub.unregister(sam)
    if "adapter" in checks:
        await stage.restart(register_default_adapters=False)
    depth = 2 if "depth" in checks else 1
    try:
        await stage.say(NOBODY if "exists" in checks else session_id, sam, audience=[pat], depth=depth)
    finally:
        if not opening.done():
            opening.cancel()
            await settle(stage.hub)


async def test_rule_12_a_post_in_which_nothing_fails_is_accepted(stage: Stage) -> None:
    await post_failing(stage)
    assert stage.types()[-1] == "envelope.posted"


@pytest.mark.parametrize("check", CHECKS)
async def test_rule_12_each_check_by_itself(stage: Stage, check: str) -> None:
    error, match = CHECKS[check]
    with pytest.raises(error, match=match):
        await post_failing(stage, check)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
async def test_rule_12_of_two_checks_that_fail_the_earlier_is_the_error(stage: Stage, pair: tuple[str, str]) -> None:
    error, match = CHECKS[pair[0]]
    with pytest.raises(error, match=match):
        await post_failing(stage, *pair)


async def test_rule_12_a_broadcasts_reach_is_looked_at_before_rate_and_inboxes(stage: Stage) -> None:
    """Whom a broadcast reaches is known once the session is; it is still a question of access."""
    a, b = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", a, b)
    await stage.say(session_id, a)
    await stage.hub.set_rule(b, Rule(inbox=InboxBlock(max_pending=1)))
    await stage.hub.set_rule(a, Rule(access=AccessBlock(outbound_to=[]), rate=RateBlock(envelopes_per_minute=1)))
    with pytest.raises(AccessDeniedError, match="outbound_to"):
        await stage.say(session_id, a)


# RULE-13 and trap 27.


class DenyAll:
    """An arbiter that owes nothing to the library's own, and denies one gate, or all."""

    def __init__(self, gate: str | None = None, error: type[NetworkError] = AccessDeniedError) -> None:
        self.gate, self.error = gate, error
        self.asked: list[str] = []

    def _answer(self, gate: str, *_: Any) -> Allow | Deny:
        self.asked.append(gate)
        return Deny(f"{gate} is shut", self.error, {"gate": gate}) if self.gate in (None, gate) else Allow()

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("authorize_"):
            raise AttributeError(name)
        return lambda *request: self._answer(name.removeprefix("authorize_"), *request)


async def act(hub: Hub, stage: Stage, gate: str, a: str, session_id: str) -> Any:
    """Do what goes through a gate."""
    if gate == "register":
        return await hub.register_identity(Passport(name="carol"))
    if gate == "open":
        return await hub.create_session(type="discussion", creator_id=a, target=["bob"])
    if gate == "task":
        return await hub.observe_task(session_id, a, TaskSpec("t"))
    return await stage.say(session_id, a)


GATES = ("register", "open", "send", "inbox", "task")


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("error", [AccessDeniedError, InboxFull, ProtocolError])
async def test_rule_13_trap_27_every_gate_is_called_and_can_deny(
    stage: Stage, gate: str, error: type[NetworkError]
) -> None:
    a, b = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", a, b)
    arbiter = DenyAll(gate, error)
    await stage.restart(arbiter=arbiter)
    before = stage.hub.position
    with pytest.raises(error, match=f"{gate} is shut") as caught:
        await act(stage.hub, stage, gate, a, session_id)
    assert (type(caught.value), caught.value.gate, arbiter.asked[-1]) == (error, gate, gate)
    recorded = [] if error is ProtocolError else ["access.denied"]
    assert stage.types(before) == recorded


@pytest.mark.parametrize("gate", GATES)
async def test_rule_13_an_arbiter_that_allows_all_replaces_every_rule(stage: Stage, gate: str) -> None:
    nothing = Rule(
        access=AccessBlock(outbound_to=[], inbound_from=[], session_types_allowed=[]),
        limits=LimitsBlock(delegation_depth=1, max_concurrent_sessions=1, max_concurrent_tasks=1),
        rate=RateBlock(envelopes_per_minute=1),
        inbox=InboxBlock(max_pending=1),
    )
    a, b = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", a, b)
    await stage.hub.set_rule(a, nothing)
    await stage.hub.set_rule(b, nothing)
    await stage.restart(arbiter=DenyAll("none"))
    for _ in range(3):
        if gate == "open":
            await stage.open("conversation", a, b)
        elif gate == "register":
            await stage.agents(f"agent {stage.hub.position}")
        else:
            await act(stage.hub, stage, gate, a, session_id)


async def test_rule_13_trap_27_denied_delivery_filters_and_does_not_refuse(stage: Stage) -> None:
    a, b = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", a, b)
    arbiter = DenyAll("delivery")
    await stage.restart(arbiter=arbiter)
    envelope_id = await stage.say(session_id, a)
    assert "delivery" in arbiter.asked
    assert "inbox" not in arbiter.asked
    assert stage.hub.inbox_depth(b) == 0
    assert (await stage.hub.read_wal(session_id))[-1].envelope_id == envelope_id


async def test_rule_13_deny_all_lets_nothing_pass_but_what_no_gate_guards(stage: Stage) -> None:
    a, b = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", a, b)
    await stage.restart(arbiter=DenyAll())
    before = stage.hub.position
    for gate in GATES:
        with pytest.raises(AccessDeniedError):
            await act(stage.hub, stage, gate, a, session_id)
    assert set(stage.types(before)) == {"access.denied"}
    assert not stage.hub.can_send(session_id, a)
    assert (await stage.hub.close_session(session_id)).state == "closed"


async def test_rule_13_a_subclass_tightens(stage: Stage) -> None:
    class Curfew(RuleBasedArbiter):
        def authorize_send(self, request: Any) -> Any:
            verdict = super().authorize_send(request)
            if isinstance(verdict, Allow) and request.event_type == "shout":
                return Deny(f"{request.sender.name} may not shout")
            return verdict

    arbiter: Arbiter = Curfew()
    await stage.restart(arbiter=arbiter)
    a, b = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", a, b)
    await stage.say(session_id, a)
    with pytest.raises(AccessDeniedError, match="alice may not shout"):
        await stage.say(session_id, a, event_type="shout")
    with pytest.raises(AccessDeniedError, match="delegation_depth"):
        await stage.say(session_id, a, event_type="shout", depth=6)


async def test_rule_13_an_arbiter_that_raises_refuses_and_writes_nothing(stage: Stage) -> None:
    class Broken(RuleBasedArbiter):
        def authorize_send(self, request: Any) -> Any:
            raise KeyError("oops")

    a, b = await stage.agents("alice", "bob")
    session_id = await stage.open("conversation", a, b)
    await stage.restart(arbiter=Broken())
    before = stage.hub.position
    with pytest.raises(ProtocolError, match="KeyError: 'oops'; nothing was written"):
        await stage.say(session_id, a)
    assert stage.hub.position == before
