"""SPEC §3 through the hub: AUTH-1, AUTH-2, AUTH-4, and trap 36: the claim is told to nobody."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from typing import Any

import pytest

from events.event import HUB
from hub import (
    ApiKeyAuth,
    AuthBlock,
    AuthError,
    AuthRegistry,
    DiskKnowledgeStore,
    HubClient,
    LocalLink,
    NotFoundError,
    Passport,
    ProtocolError,
    RuleBasedArbiter,
)
from hub.testing import MockClock
from tests.spec.stage import OpenHub, Stage

SECRET = "hunter2-do-not-tell"
WRONG = "wrong-but-secret-too"


def shown(key: Any, name: str = "alice", scheme: str = "api_key") -> Passport:
    auth = AuthBlock(scheme=scheme, issuer="vault", audience="hub", key_fingerprint="ab:cd", claim={"key": key})
    return Passport(name=name, owner="acme", auth=auth)


class Spiteful:
    """An adapter that says whatever it was shown, in every way an exception can."""

    async def verify(self, passport: Passport, credentials: AuthBlock) -> None:
        raise RuntimeError(f"{credentials.claim} of {passport} and {passport.auth.claim['key']}")


class Tattling:
    """An adapter that refuses in so many words."""

    async def verify(self, passport: Passport, credentials: AuthBlock) -> None:
        raise AuthError(f"no: {credentials.claim['key']}", key=credentials.claim["key"])


def registry() -> AuthRegistry:
    auth = AuthRegistry.default()
    for scheme, adapter in (
        ("api_key", ApiKeyAuth({"alice": SECRET})),
        ("spiteful", Spiteful()),
        ("tattling", Tattling()),
    ):
        auth.register(scheme, adapter)
    return auth


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
async def guarded(open_hub: OpenHub, clock: MockClock, tmp_path: Path) -> Stage:
    """A hub on disk that wants a key of alice."""
    stage = Stage(open_hub, clock, DiskKnowledgeStore(tmp_path / "log", durability="os"))
    return await stage.raise_curtain(auth=registry())


async def test_auth_1_the_default_registry_admits_by_the_empty_scheme_only(stage: Stage) -> None:
    await stage.agents("alice")
    with pytest.raises(AuthError, match=r"no authentication scheme 'api_key'.*accepts: ''"):
        await stage.hub.register_identity(shown(SECRET, "bob"))


async def test_auth_2_the_right_key_is_let_in_and_the_rest_of_the_block_is_kept(guarded: Stage) -> None:
    passport = await guarded.hub.register_identity(shown(SECRET))
    await guarded.restart(auth=registry())
    kept = AuthBlock(scheme="api_key", issuer="vault", audience="hub", key_fingerprint="ab:cd")
    assert passport.auth == (await guarded.hub.get_passport(passport.agent_id)).auth == kept


REFUSED = {
    "wrong key": shown(WRONG),
    "no key": shown(""),
    "not text": shown(5),
    "unknown scheme": shown(WRONG, scheme="kerberos"),
    "an adapter that raises the claim": shown(WRONG, scheme="spiteful"),
    "an adapter that says the claim": shown(WRONG, scheme="tattling"),
}


@pytest.mark.parametrize("passport", REFUSED.values(), ids=REFUSED)
async def test_auth_2_auth_4_who_is_refused_gets_nothing_but_a_record(guarded: Stage, passport: Passport) -> None:
    hub, before = guarded.hub, guarded.hub.position
    with pytest.raises(AuthError) as caught:
        await hub.register_identity(passport)
    assert (caught.value.code, caught.value.scheme) == ("auth_failed", passport.auth.scheme)
    assert hub.find_agent_id("alice") is None
    assert guarded.types(before) == ["access.denied"]
    (record,) = await guarded.audit("access_denied")
    wanted = {"actor": "alice", "action": "register", "target": "alice", "session_id": None, "error": "auth_failed"}
    assert record.items() >= wanted.items()
    assert record["message"] == str(caught.value)


async def test_auth_2_trap_36_the_claim_is_nowhere(
    guarded: Stage, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Neither the right key nor the wrong one: not on disk, in a record, an error, a repr, a snapshot or a log line."""
    caplog.set_level(logging.DEBUG)
    hub = guarded.hub
    told: list[object] = []
    hub.audit_log.subscribe(told.append)
    for passport in (*REFUSED.values(), shown(SECRET)):
        try:
            told += [passport, passport.auth, await hub.register_identity(passport)]
        except AuthError as error:
            told += [error.facts, repr(error), *traceback.format_exception(error), error.__context__, error.__cause__]
    for name, scheme in (("alice", "api_key"), ("alice", "spiteful"), ("alice", "")):
        with pytest.raises(AuthError) as caught:
            await hub.authenticate(name, AuthBlock(scheme=scheme, claim={"key": WRONG}))
        told += [caught.value.facts, *traceback.format_exception(caught.value)]
    client = await HubClient(LocalLink(hub)).attach(None, "alice", auth=shown(SECRET).auth)
    told += [client, vars(client), await hub.audit_log.read_all(), await hub.list_agents(), hub.health()]
    told += [guarded.log(), hub._state.dump()]
    await hub.close()
    printed = capsys.readouterr()
    files = contents(tmp_path)
    assert {".mdb", ".checkpoint"} <= {path.suffix for path in files}
    for secret in (SECRET, WRONG):
        assert secret not in repr(told)
        assert secret not in caplog.text + printed.out + printed.err
        assert [path for path, data in files.items() if secret.encode() in data] == []


async def test_auth_2_a_value_that_is_refused_does_not_show_its_claim() -> None:
    for build in (
        lambda: AuthBlock(scheme=5, claim={"key": SECRET}),  # type: ignore[arg-type]
        lambda: AuthBlock(claim=SECRET),  # type: ignore[arg-type]
        lambda: AuthBlock(claim={"key": [SECRET, float("nan")]}),
        lambda: Passport.from_dict({"name": "a", "auth": {"claim": {"key": SECRET}, "nonsense": 1}}),
    ):
        with pytest.raises(ValueError, match=r"AuthBlock|auth") as caught:
            build()
        assert SECRET not in "".join(traceback.format_exception(caught.value))


async def test_auth_2_verification_comes_before_anything_is_decided(stage: Stage) -> None:
    """Whoever is refused learns neither that the name is taken nor what the arbiter says, and draws no id."""
    order: list[str] = []

    class Watching(RuleBasedArbiter):
        def authorize_register(self, passport: Passport, rule: Any) -> Any:
            order.append("arbiter")
            return super().authorize_register(passport, rule)

    class Refusing:
        async def verify(self, passport: Passport, credentials: AuthBlock) -> None:
            order.append("verify")
            if credentials.claim:
                raise AuthError("no")

    auth = AuthRegistry()
    auth.register("", Refusing())
    await stage.restart(auth=auth, arbiter=Watching())
    await stage.agents("alice")
    assert order == ["verify", "arbiter"]
    with pytest.raises(AuthError):
        await stage.hub.register_identity(Passport(name="alice", auth=AuthBlock(claim={"key": "x"})))
    with pytest.raises(ProtocolError, match="already registered"):
        await stage.hub.register_identity(Passport(name="alice"))
    assert order == ["verify", "arbiter", "verify", "verify"]


async def test_auth_4_who_is_refused_through_a_link_is_recorded_as_the_hubs_doing(guarded: Stage) -> None:
    with pytest.raises(AuthError):
        await HubClient(LocalLink(guarded.hub)).register(None, shown(WRONG))
    (event,) = [event for event in guarded.log() if event.type == "access.denied"]
    assert (event.actor, event.body.subject) == (HUB, "alice")


async def test_auth_4_a_refused_attach_is_recorded_and_an_unknown_name_is_not_found(guarded: Stage) -> None:
    passport = await guarded.hub.register_identity(shown(SECRET))
    link = HubClient(LocalLink(guarded.hub))
    for _ in range(3):
        with pytest.raises(AuthError):
            await link.attach(None, "alice", auth=shown(WRONG).auth)
    (record,) = await guarded.audit("access_denied")
    assert record.items() >= {"actor": passport.agent_id, "action": "attach", "target": "alice"}.items()
    with pytest.raises(NotFoundError):
        await link.attach(None, "nobody", auth=shown(WRONG).auth)


async def test_auth_4_a_refused_registrant_cannot_flood_the_log(guarded: Stage) -> None:
    """GOV-6 for who has no id yet: one record a minute, and the next says how many were left out."""
    hub, before = guarded.hub, guarded.hub.position
    for _ in range(2):
        for _ in range(50):
            with pytest.raises(AuthError):
                await hub.register_identity(shown(WRONG))
        guarded.clock.advance(60)
    assert guarded.types(before) == ["access.denied"] * 2
    assert [r["left_out"] for r in await guarded.audit("access_denied")] == [0, 49]
