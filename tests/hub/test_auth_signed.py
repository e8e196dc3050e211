"""AUTH-3: HmacAuth and Ed25519Auth, and a table of attacks that both refuse."""

from __future__ import annotations

import hmac as hmac_module
from collections.abc import Callable
from typing import Any

import pytest

from events.errors import AuthError
from events.notes import MissingLibraryError, SignerKey
from events.values.identity import AuthBlock, Passport
from hub import AuthRegistry, Ed25519Auth, HmacAuth, Hub, HubClient, LocalLink, MemoryKnowledgeStore, auth_signed
from hub.testing import MockClock
from tests.support.missing import forget

NOW = "2026-01-01T00:00:00Z"
SEED, OTHER_SEED, ACME_SEED = (bytes([n]) * 32 for n in (1, 2, 3))


def public(seed: bytes) -> bytes:
    return SignerKey("x", seed).verifier.public


class Scheme:
    """One of the two, with the keys of alice, bob and the owner acme."""

    def __init__(self, cls: type[HmacAuth] | type[Ed25519Auth]) -> None:
        self.cls, self.clock = cls, MockClock(NOW)
        shared = cls is HmacAuth
        self.key: Callable[[bytes], bytes] = (lambda seed: seed) if shared else public
        self.keys = {"alice": self.key(SEED), "bob": self.key(OTHER_SEED), "acme": self.key(ACME_SEED)}
        self.registry = self.open()

    def open(self, **options: Any) -> AuthRegistry:
        registry = AuthRegistry.default()
        registry.register("signed", self.cls(self.keys, clock=self.clock, **options))
        return registry

    def claim(self, seed: bytes = SEED, name: str = "alice", owner: str = "", **more: Any) -> dict[str, Any]:
        parts = {"nonce": "n1", "timestamp": NOW} | more
        return self.cls.claim(seed, Passport(name=name, owner=owner), **parts)

    async def show(self, claim: dict[str, Any], name: str = "alice", owner: str = "") -> None:
        passport = Passport(name=name, owner=owner, auth=AuthBlock(scheme="signed", claim=claim))
        await self.registry.verify(passport, passport.auth)

    async def refused(self, claim: dict[str, Any], name: str = "alice", owner: str = "") -> AuthError:
        with pytest.raises(AuthError) as caught:
            await self.show(claim, name, owner)
        return caught.value


@pytest.fixture(params=[HmacAuth, Ed25519Auth])
def scheme(request: pytest.FixtureRequest) -> Scheme:
    return Scheme(request.param)


@pytest.mark.parametrize(
    ("name", "owner", "seed"),
    [("alice", "", SEED), ("alice", "nobody listed", SEED), ("carol", "acme", ACME_SEED), ("bob", "", OTHER_SEED)],
)
async def test_auth_3_a_claim_signed_with_the_right_key_is_let_in(
    scheme: Scheme, name: str, owner: str, seed: bytes
) -> None:
    await scheme.show(scheme.claim(seed, name, owner), name, owner)


def replaced(**parts: Any) -> Callable[[Scheme], dict[str, Any]]:
    return lambda scheme: scheme.claim() | parts


def signed(seed: bytes = SEED, **more: Any) -> Callable[[Scheme], dict[str, Any]]:
    return lambda scheme: scheme.claim(seed, **more)


def damaged(change: Callable[[str], Any]) -> Callable[[Scheme], dict[str, Any]]:
    def claim(scheme: Scheme) -> dict[str, Any]:
        whole = scheme.claim()
        return whole | {scheme.cls.field: change(whole[scheme.cls.field])}

    return claim


ATTACKS: dict[str, tuple[Callable[[Scheme], dict[str, Any]], str, str]] = {
    "nothing shown": (lambda scheme: {}, "alice", ""),
    "no nonce": (replaced(nonce=""), "alice", ""),
    "a nonce that is no text": (replaced(nonce=7), "alice", ""),
    "no timestamp": (replaced(timestamp=None), "alice", ""),
    "a timestamp that is a number": (replaced(timestamp=1767225600), "alice", ""),
    "a timestamp without an offset": (replaced(timestamp="2026-01-01T00:00:00"), "alice", ""),
    "no signature": (damaged(lambda text: ""), "alice", ""),
    "a signature that is a list": (damaged(lambda text: [text]), "alice", ""),
    "a signature that is true": (damaged(lambda text: True), "alice", ""),
    "a signature cut short": (damaged(lambda text: text[:-2]), "alice", ""),
    "more than a signature": (damaged(lambda text: text + "00"), "alice", ""),
    "a signature in capitals": (damaged(str.upper), "alice", ""),
    "spaces in a signature": (damaged(lambda text: text[:2] + " " + text[2:]), "alice", ""),
    "one bit of a signature": (damaged(lambda text: f"{int(text[0], 16) ^ 1:x}{text[1:]}"), "alice", ""),
    "zeros": (damaged(lambda text: "0" * len(text)), "alice", ""),
    "the identity and zero": (damaged(lambda text: "01" + "00" * 63), "alice", ""),
    "another agent's key": (signed(OTHER_SEED), "alice", ""),
    "a key nobody listed": (signed(b"9" * 32), "alice", ""),
    "another agent's claim": (signed(OTHER_SEED, name="bob"), "alice", ""),
    "one's own claim for another name": (signed(SEED), "bob", ""),
    "one's own claim for another owner": (signed(SEED, name="carol", owner="acme"), "carol", "acme"),
    "the owner's key for a listed name": (signed(ACME_SEED, owner="acme"), "alice", "acme"),
    "the own key for a listed owner": (signed(SEED, owner="acme"), "alice", "acme"),
    "a name nobody listed": (signed(SEED, name="mallory"), "mallory", ""),
    "name and owner run together": (signed(SEED, name="alicea", owner="cme"), "alice", "acme"),
    "another nonce than signed": (replaced(nonce="n2"), "alice", ""),
    "another timestamp than signed": (replaced(timestamp="2026-01-01T00:00:01Z"), "alice", ""),
    "the same moment, written otherwise": (replaced(timestamp="2026-01-01T01:00:00+01:00"), "alice", ""),
    "a claim for another hub": (signed(SEED, audience="hub.example"), "alice", ""),
    "too old": (signed(SEED, timestamp="2025-12-31T23:54:59Z"), "alice", ""),
    "from before the hub opened": (signed(SEED, timestamp="2025-12-31T23:59:59Z"), "alice", ""),
    "too far ahead": (signed(SEED, timestamp="2026-01-01T00:05:01Z"), "alice", ""),
    "a nonce without end": (signed(SEED, nonce="n" * 129), "alice", ""),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_auth_3_attacks_on_signed_claims_are_refused(scheme: Scheme, attack: str) -> None:
    make, name, owner = ATTACKS[attack]
    claim = make(scheme)
    error = await scheme.refused(claim, name, owner)
    assert (error.code, error.name, error.scheme) == ("auth_failed", name, "signed")
    shown = claim.get(scheme.cls.field)
    assert not isinstance(shown, str) or not shown or shown not in f"{error} {error.facts}"


async def test_auth_3_a_claim_of_the_other_scheme_is_none() -> None:
    """The kind is signed, so that a key used for both is not a way around."""
    hmac, other = Scheme(HmacAuth), Scheme(Ed25519Auth)
    assert HmacAuth.kind != Ed25519Auth.kind
    await hmac.refused(hmac.claim() | {"mac": other.claim()["signature"]})
    await other.refused(other.claim() | {"signature": hmac.claim()["mac"] * 2})


async def test_auth_3_a_claim_is_taken_once(scheme: Scheme) -> None:
    claim = scheme.claim()
    await scheme.show(claim)
    for _ in range(2):
        assert str(await scheme.refused(claim)).endswith("was shown before; sign a new one")
    await scheme.show(scheme.claim(nonce="n2"))


async def test_auth_3_a_claim_cannot_be_shown_again_for_as_long_as_it_holds(scheme: Scheme) -> None:
    claim = scheme.claim(timestamp="2026-01-01T00:04:00Z")  # a clock that is ahead
    await scheme.show(claim)
    for number in range(10):
        scheme.clock.advance(60)
        await scheme.refused(claim)
        await scheme.show(scheme.claim(nonce=f"later {number}", timestamp=scheme.clock()))


async def test_auth_3_a_wrong_claim_does_not_use_up_the_nonce(scheme: Scheme) -> None:
    await scheme.refused(scheme.claim(OTHER_SEED))
    await scheme.show(scheme.claim())


async def test_auth_3_agents_do_not_share_nonces(scheme: Scheme) -> None:
    await scheme.show(scheme.claim())
    await scheme.show(scheme.claim(OTHER_SEED, "bob"), "bob")


async def test_auth_3_a_restart_forgets_and_takes_no_claim_from_before(scheme: Scheme) -> None:
    claim = scheme.claim()
    await scheme.show(claim)
    scheme.clock.advance(1)
    scheme.registry = scheme.open()
    assert str(await scheme.refused(claim)).endswith("from before this hub opened; sign a new one")


@pytest.mark.parametrize(("offset_s", "passes"), [(-300, True), (-301, False), (300, True), (301, False)])
async def test_auth_3_the_window_is_exact(scheme: Scheme, offset_s: int, passes: bool) -> None:
    scheme.clock.advance(1000)
    later = MockClock(NOW)
    later.advance(1000 + offset_s)
    claim = scheme.claim(timestamp=later())
    if passes:
        await scheme.show(claim)
    else:
        assert "from another time than the last or next 300 s" in str(await scheme.refused(claim))


async def test_auth_3_what_is_remembered_is_bounded_and_passes(scheme: Scheme, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth_signed, "REMEMBERED_MAX", 3)
    for number in range(3):
        await scheme.show(scheme.claim(nonce=f"n{number}"))
    assert "try again in a while" in str(await scheme.refused(scheme.claim(nonce="n4")))
    scheme.clock.advance(301)
    await scheme.show(scheme.claim(nonce="n4", timestamp=scheme.clock()))


async def test_auth_3_the_audience_is_signed(scheme: Scheme) -> None:
    scheme.registry = scheme.open(audience="hub.example")
    await scheme.refused(scheme.claim())
    await scheme.show(scheme.claim(audience="hub.example"))


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_auth_3_signing_keys_may_be_looked_up(scheme: Scheme, asynchronous: bool) -> None:
    async def later(key: bytes | None) -> bytes | None:
        return key

    def key_of(shown: Passport) -> Any:
        key = scheme.key(SEED) if shown.name == "alice" else None
        return later(key) if asynchronous else key

    scheme.keys = key_of  # type: ignore[assignment]
    scheme.registry = scheme.open()
    await scheme.show(scheme.claim())
    await scheme.refused(scheme.claim(SEED, "bob"), "bob")


async def test_auth_3_a_wrong_key_and_an_unknown_name_are_refused_alike_when_signed(scheme: Scheme) -> None:
    known = await scheme.refused(scheme.claim(b"9" * 32))
    unknown = await scheme.refused(scheme.claim(b"9" * 32, "mallory"), "mallory")
    assert str(known).replace("alice", "mallory") == str(unknown)


@pytest.mark.parametrize("key", [b"", b"short", "text", None, b"\x01" + bytes(31)])
def test_auth_3_what_is_no_key_is_refused_at_once(key: Any) -> None:
    with pytest.raises(ValueError, match="the public key of 'alice' is not an Ed25519 one"):
        Ed25519Auth({"alice": key})
    if key is None or len(key) < 16:
        with pytest.raises(ValueError, match="the secret of 'alice' is not at least 16 bytes"):
            HmacAuth({"alice": key})


def test_auth_3_the_mac_is_that_of_the_standard_library() -> None:
    claim = HmacAuth.claim(SEED, Passport(name="alice", owner="acme"), nonce="n", timestamp=NOW)
    message = b'["ledgerhub-hmac-v1","alice","acme","","n","2026-01-01T00:00:00Z"]'
    assert claim["mac"] == hmac_module.new(SEED, message, "sha256").hexdigest()


def test_auth_3_without_the_library_it_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch, "cryptography")
    with pytest.raises(MissingLibraryError, match=r"pip install 'ledgerhub\[sign\]'"):
        Ed25519Auth({})
    HmacAuth({"alice": SEED})


async def test_auth_3_through_a_hub_the_claim_is_nowhere_in_the_log(scheme: Scheme) -> None:
    """AUTH-2: registered with a signed claim; what the log keeps is who, not how it was proven."""
    hub = await Hub.open(MemoryKnowledgeStore(), clock=scheme.clock, auth=scheme.registry)
    client = HubClient(LocalLink(hub), hub=hub)
    claim = scheme.claim()
    passport = Passport(name="alice", auth=AuthBlock(scheme="signed", claim=claim))
    await client.register(None, passport)
    records = b"".join(found.event.data for found in hub.store.scan())
    assert b"alice" in records
    assert claim[scheme.cls.field].encode() not in records
    with pytest.raises(AuthError):
        await client.register(None, Passport(name="bob", auth=AuthBlock(scheme="signed", claim=claim)))
    await hub.close()
