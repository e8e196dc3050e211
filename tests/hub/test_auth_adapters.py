from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import pytest

from events.errors import AuthError
from events.values.identity import AuthBlock, Passport
from hub.auth import ApiKeyAuth, AuthRegistry, NoAuth

KEYS = {"alice": "alice-secret-key", "carol": "cárol-secret-key", "acme": "acme-secret-key"}
SECRET = "do-not-tell-anybody"


def passport(name: str = "alice", owner: str = "", scheme: str = "api_key", **claim: Any) -> Passport:
    return Passport(name=name, owner=owner, auth=AuthBlock(scheme=scheme, claim=claim))


def keyed(keys: Any = KEYS) -> AuthRegistry:
    registry = AuthRegistry.default()
    registry.register("api_key", ApiKeyAuth(keys))
    return registry


async def refused(registry: AuthRegistry, shown: Passport, credentials: AuthBlock | None = None) -> AuthError:
    with pytest.raises(AuthError) as caught:
        await registry.verify(shown, credentials or shown.auth)
    return caught.value


class Raises:
    """An adapter that raises what it is told to, made from the claim."""

    def __init__(self, error: Callable[[str], BaseException]) -> None:
        self.error = error

    async def verify(self, passport: Passport, credentials: AuthBlock) -> None:
        raise self.error(credentials.claim["token"])


def test_auth_1_the_default_registry_lets_in_who_shows_nothing() -> None:
    registry = AuthRegistry.default()
    assert registry.schemes() == [""]
    assert isinstance(registry.get(""), NoAuth)


def test_auth_1_registries_are_apart() -> None:
    AuthRegistry.default().register("x", NoAuth())
    assert AuthRegistry.default().schemes() == [""]
    assert AuthRegistry().schemes() == []


async def test_auth_1_no_auth_takes_any_name() -> None:
    await AuthRegistry.default().verify(Passport(name="bob"), AuthBlock())


async def test_auth_1_an_empty_registry_refuses_everybody() -> None:
    error = await refused(AuthRegistry(), Passport(name="bob"))
    assert str(error) == "no authentication scheme '' here; this hub accepts: none"


async def test_auth_1_a_scheme_registered_again_is_replaced() -> None:
    registry = keyed({"alice": "new"})
    registry.register("api_key", ApiKeyAuth({"alice": "newer"}))
    await registry.verify(passport(key="newer"), passport(key="newer").auth)
    await refused(registry, passport(key="new"))


@pytest.mark.parametrize("adapter", [object(), NoAuth, ApiKeyAuth, lambda: None])
def test_auth_1_what_cannot_verify_is_no_adapter(adapter: Any) -> None:
    if isinstance(adapter, type):
        adapter = adapter.__name__
    with pytest.raises(TypeError, match=r"is not an authentication adapter; give an object with `async def verify"):
        AuthRegistry().register("x", adapter)


async def test_auth_2_an_unknown_scheme_is_refused() -> None:
    error = await refused(keyed(), passport(scheme="kerberos", token=SECRET))
    assert str(error) == "no authentication scheme 'kerberos' here; this hub accepts: '', 'api_key'"
    assert error.scheme == "kerberos"


@pytest.mark.parametrize(
    ("name", "owner", "key"),
    [
        ("alice", "", "alice-secret-key"),
        ("alice", "nobody listed", "alice-secret-key"),
        ("bob", "acme", "acme-secret-key"),
        ("carol", "", "cárol-secret-key"),
    ],
)
async def test_auth_3_the_right_api_key_is_let_in(name: str, owner: str, key: str) -> None:
    shown = passport(name, owner, key=key)
    await keyed().verify(shown, shown.auth)


ATTACKS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "nothing shown": ("alice", "", {}),
    "another field": ("alice", "", {"token": "alice-secret-key"}),
    "empty": ("alice", "", {"key": ""}),
    "null": ("alice", "", {"key": None}),
    "a number": ("alice", "", {"key": 7}),
    "true": ("alice", "", {"key": True}),
    "a list that holds it": ("alice", "", {"key": ["alice-secret-key"]}),
    "a mapping that holds it": ("alice", "", {"key": {"key": "alice-secret-key"}}),
    "a prefix": ("alice", "", {"key": "alice-secret-ke"}),
    "more than it": ("alice", "", {"key": "alice-secret-key2"}),
    "a space after it": ("alice", "", {"key": "alice-secret-key "}),
    "a zero after it": ("alice", "", {"key": "alice-secret-key\0"}),
    "other case": ("alice", "", {"key": "Alice-Secret-Key"}),
    "another agent's key": ("alice", "", {"key": "cárol-secret-key"}),
    "the owner's key for a listed name": ("alice", "acme", {"key": "acme-secret-key"}),
    "the own key for a listed owner": ("alice", "acme", {"key": "alice-secret-key"}),
    "another owner's agent": ("bob", "acme", {"key": "alice-secret-key"}),
    "the name of an owner": ("acme", "", {"key": "alice-secret-key"}),
    "a name nobody listed": ("mallory", "", {"key": "alice-secret-key"}),
    "a name nobody listed, and nothing": ("mallory", "", {"key": ""}),
    "the name in other case": ("Alice", "", {"key": "alice-secret-key"}),
    "the same letters, decomposed": ("carol", "", {"key": "ca\u0301rol-secret-key"}),
    "letters that look alike": ("alice", "", {"key": "аlice-secret-key"}),
    "the key's digest": ("alice", "", {"key": "8c6976e5b5410415bde908bd4dee15dfb167a9c873fc4bb8a81f6f2ab448a918"}),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_auth_3_api_key_attacks_are_refused(attack: str) -> None:
    name, owner, claim = ATTACKS[attack]
    error = await refused(keyed(), passport(name, owner, **claim))
    assert error.code == "auth_failed"
    assert error.name == name
    for secret in ("secret", *(str(value) for value in claim.values() if value)):
        assert secret not in f"{error} {error.facts}"


async def test_auth_3_a_wrong_key_and_an_unknown_name_are_refused_alike() -> None:
    """Nobody learns which names have a key."""
    known = await refused(keyed(), passport("alice", key="guess"))
    unknown = await refused(keyed(), passport("mallory", key="guess"))
    assert str(known).replace("alice", "mallory") == str(unknown)


@pytest.mark.parametrize("key", ["", None, 7, b"bytes"])
def test_auth_3_an_empty_key_is_no_key(key: Any) -> None:
    with pytest.raises(ValueError, match="the API key of 'bob' is empty or not text"):
        ApiKeyAuth({"bob": key})


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_auth_3_keys_may_be_looked_up(asynchronous: bool) -> None:
    async def later(key: str | None) -> str | None:
        return key

    def key_of(shown: Passport) -> Any:
        key = {"acme/alice": "a-key", "acme/blank": ""}.get(f"{shown.owner}/{shown.name}")
        return later(key) if asynchronous else key

    registry = keyed(key_of)
    good = passport("alice", "acme", key="a-key")
    await registry.verify(good, good.auth)
    for name, owner, key in (
        ("alice", "", "a-key"),
        ("alice", "acme", "x"),
        ("bob", "acme", "a-key"),
        ("blank", "acme", ""),
    ):
        await refused(registry, passport(name, owner, key=key))


def test_auth_2_the_keys_are_not_shown() -> None:
    adapter = ApiKeyAuth(KEYS)
    assert "secret" not in f"{adapter!r} {vars(adapter)}"


@pytest.mark.parametrize(
    "error",
    [
        KeyError,
        RuntimeError,
        AuthError,
        lambda token: AuthError("refused", token=token),
        lambda token: AuthError(f"not {token}!", hint="x"),
    ],
)
async def test_auth_2_trap_36_whatever_an_adapter_raises_the_claim_is_not_told(
    error: Callable[[str], BaseException],
) -> None:
    registry = AuthRegistry()
    registry.register("custom", Raises(error))
    caught = await refused(registry, passport("bob", scheme="custom", token=SECRET))
    assert caught.__cause__ is caught.__context__ is None
    told = "".join(traceback.format_exception(caught)) + str(caught.facts) + repr(caught)
    assert SECRET not in told
    assert "agent 'bob'" in str(caught)


@pytest.mark.parametrize(
    "claim", [{"deep": [{"er": SECRET}]}, {"pin": 1234}, {"token": SECRET, "on": True, "off": None}]
)
async def test_auth_2_no_part_of_the_claim_is_told(claim: dict[str, Any]) -> None:
    class Chatty:
        async def verify(self, passport: Passport, credentials: AuthBlock) -> None:
            raise AuthError(f"{passport.name} showed {credentials.claim}")

    registry = AuthRegistry()
    registry.register("custom", Chatty())
    error = await refused(registry, passport("bob", scheme="custom", **claim))
    assert str(error) == "the credentials of agent 'bob' were refused"


async def test_auth_1_an_adapters_own_words_and_facts_are_kept() -> None:
    registry = AuthRegistry()
    registry.register("custom", Raises(lambda _: AuthError("the certificate expired in May", serial="17")))
    error = await refused(registry, passport("bob", "acme", scheme="custom", token=SECRET))
    assert str(error) == "the certificate expired in May"
    assert error.facts == {"name": "bob", "owner": "acme", "scheme": "custom", "serial": "17"}


async def test_an_adapter_that_fails_refuses_and_says_with_what() -> None:
    registry = AuthRegistry()
    registry.register("custom", Raises(ConnectionError))
    error = await refused(registry, passport("bob", scheme="custom", token=SECRET))
    assert (
        str(error)
        == "the credentials of agent 'bob' could not be checked: scheme 'custom' failed with a ConnectionError"
    )


async def test_trap_28_an_identity_cannot_be_taken_over_through_a_weaker_scheme() -> None:
    registered = Passport(name="alice", auth=AuthBlock(scheme="api_key"))
    error = await refused(keyed(), registered, AuthBlock())
    assert str(error) == "agent 'alice' is registered with the scheme 'api_key'; show that one, not ''"
    await keyed().verify(registered, passport(key=KEYS["alice"]).auth)
