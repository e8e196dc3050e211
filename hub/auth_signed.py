"""Authentication by what is signed, so that no secret travels: HmacAuth and Ed25519Auth (SPEC AUTH-3).

The agent signs a list in JSON: the scheme's kind, the passport's name and owner, and

=========  ==========================================================================================
audience   which hub it is meant for, as the adapter was told: an answer to one hub is none to another
nonce      text of up to 128 characters, new each time
timestamp  ISO-8601 with an offset
=========  ==========================================================================================

A claim is taken once, within ``window_s`` of its timestamp. What was taken is remembered for as long as it could be
shown again; a claim from before the adapter was made is refused, because a restart forgets. Claims that do not verify
are not remembered, so nobody can use up another agent's nonce. What is left of the danger: the claim of an agent whose
clock is ahead is overheard, and the hub restarts before that claim's time has come.
"""

from __future__ import annotations

import hashlib
import hmac
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from events.errors import AuthError
from events.notes import SignerKey, VerifierKey, is_weak
from events.values.identity import AuthBlock, Passport
from events.values.times import parse_iso
from hub.clock import Clock, now_us, system_clock

WINDOW_S = 300.0
"""How far a claim's timestamp may be from the hub's clock, in seconds."""
NONCE_LENGTH_MAX = 128
REMEMBERED_MAX = 1_000_000
"""Claims remembered at once; beyond that new ones are refused until old ones have passed."""
KEY_SIZE_BYTES = 32

BytesLookup = Callable[[Passport], "bytes | Awaitable[bytes | None] | None"]
"""The key of a passport, or None when there is none for it; sync or async."""


class _Taken:
    """The claims taken, each until it could not be shown again; amortised O(1)."""

    def __init__(self, window_us: int) -> None:
        self._until_us: dict[tuple[str, str, str], int] = {}
        self._window_us, self._sweep_us = window_us, 0

    def take(self, claim: tuple[str, str, str], until_us: int, now: int) -> str:
        """Remember a claim; return why it is not taken, or ""."""
        if claim in self._until_us:
            return "shows a claim that was shown before; sign a new one"
        if now >= self._sweep_us:
            self._until_us = {each: until for each, until in self._until_us.items() if until >= now}
            self._sweep_us = now + self._window_us
        if len(self._until_us) >= REMEMBERED_MAX:
            return "comes while too many claims are remembered; try again in a while"
        self._until_us[claim] = until_us
        return ""


class _Signed:
    """What both schemes share: whose keys, which claims, the window."""

    kind: ClassVar[str] = ""
    field: ClassVar[str] = ""
    nobody: ClassVar[bytes] = bytes(KEY_SIZE_BYTES)
    """Tried for who has no key, so that the time does not tell who has one."""

    def __init__(
        self,
        keys: Mapping[str, bytes] | BytesLookup,
        *,
        audience: str = "",
        window_s: float = WINDOW_S,
        clock: Clock = system_clock,
    ) -> None:
        self._look_up = keys if callable(keys) else None
        self._keys = {} if callable(keys) else {holder: self._usable(holder, key) for holder, key in keys.items()}
        self._audience, self._window_us, self._clock = audience, int(window_s * 1_000_000), clock
        self._taken, self._since_us = _Taken(self._window_us), now_us(clock)

    async def verify(self, passport: Passport, credentials: AuthBlock) -> None:
        """Refuse whoever does not show a new claim, signed with the key of the passport's name and owner.

        Raises:
            AuthError: a part is missing or no text, it is too old or too new, it was shown before, or it was not signed
                so by that key; an agent without a key is refused like one whose signature is wrong.
        """
        nonce, timestamp, shown = (credentials.claim.get(part) for part in ("nonce", "timestamp", self.field))
        if not all(isinstance(part, str) and part for part in (nonce, timestamp, shown)):
            raise self._refused(passport, f"shows no signed claim; give nonce, timestamp and {self.field} as text")
        assert isinstance(nonce, str) and isinstance(timestamp, str) and isinstance(shown, str)  # noqa: PT018
        now = now_us(self._clock)
        signed_us = self._time_of(passport, timestamp, now)
        if len(nonce) > NONCE_LENGTH_MAX:
            raise self._refused(passport, f"shows a nonce of more than {NONCE_LENGTH_MAX} characters")
        message = message_of(self.kind, passport, self._audience, nonce, timestamp)
        keys = await self._expected(passport)
        # Every key is tried, so that the time does not tell which one failed.
        matches = [self._matches(key, message, shown) for key in keys or [self.nobody]]
        if not keys or not all(matches):
            raise self._refused(passport, "shows a claim that is not signed with its key")
        until_us = signed_us + self._window_us
        if problem := self._taken.take((passport.name, passport.owner, nonce), until_us, now):
            raise self._refused(passport, problem)

    def _time_of(self, passport: Passport, timestamp: str, now: int) -> int:
        try:
            signed_us = parse_iso(timestamp)
        except ValueError:
            message = "shows a timestamp that is not ISO-8601 with an offset, such as 2026-01-01T00:00:00Z"
            raise self._refused(passport, message) from None
        if abs(now - signed_us) > self._window_us:
            window_s = self._window_us / 1_000_000
            raise self._refused(passport, f"shows a claim from another time than the last or next {window_s:g} s")
        if signed_us < self._since_us:
            raise self._refused(passport, "shows a claim from before this hub opened; sign a new one")
        return signed_us

    async def _expected(self, passport: Passport) -> list[bytes]:
        if self._look_up is None:
            return [self._keys[holder] for holder in (passport.name, passport.owner) if holder in self._keys]
        key = self._look_up(passport)
        key = await key if inspect.isawaitable(key) else key
        return [self._usable(passport.name, key)] if key else []

    def _refused(self, passport: Passport, why: str) -> AuthError:
        return AuthError(f"agent {passport.name!r} of owner {passport.owner!r} {why}")

    def _usable(self, holder: str, key: object) -> bytes:
        raise NotImplementedError

    def _matches(self, key: bytes, message: bytes, shown: str) -> bool:
        raise NotImplementedError


def message_of(kind: str, passport: Passport, audience: str, nonce: str, timestamp: str) -> bytes:
    """Return what is signed; the same bytes on every machine."""
    parts = [kind, passport.name, passport.owner, audience, nonce, timestamp]
    return json.dumps(parts, ensure_ascii=True, separators=(",", ":")).encode()


def _bytes_of(shown: str) -> bytes:
    """Return the bytes of hex text in lower case; of any other text none, which no signature is."""
    try:
        found = bytes.fromhex(shown)
    except ValueError:
        return b""
    return found if found.hex() == shown else b""


class HmacAuth(_Signed):
    """A shared secret that is not shown: HMAC-SHA256 (RFC 2104), ``claim={"nonce", "timestamp", "mac"}`` (AUTH-3).

    Args:
        keys: agent names and owners to their secrets, or a function from a passport to its secret. In a mapping, name
            and owner each need theirs where they have one: the same secret for both, or a function.
        audience: which hub this is; signed with the rest.
        window_s: how far a claim's timestamp may be from the clock, in seconds.
        clock: the hub's.

    Raises:
        ValueError: a secret in the mapping has fewer than 16 bytes.
    """

    kind = "ledgerhub-hmac-v1"
    field = "mac"

    @classmethod
    def claim(cls, key: bytes, passport: Passport, *, nonce: str, timestamp: str, audience: str = "") -> dict[str, Any]:
        """Return the claim that proves a passport's name and owner."""
        message = message_of(cls.kind, passport, audience, nonce, timestamp)
        return {"nonce": nonce, "timestamp": timestamp, "mac": hmac.new(key, message, hashlib.sha256).hexdigest()}

    def _usable(self, holder: str, key: object) -> bytes:
        if not isinstance(key, bytes) or len(key) < KEY_SIZE_BYTES // 2:
            raise ValueError(f"the secret of {holder!r} is not at least {KEY_SIZE_BYTES // 2} bytes; make it of chance")
        return key

    def _matches(self, key: bytes, message: bytes, shown: str) -> bool:
        return hmac.compare_digest(hmac.digest(key, message, "sha256"), _bytes_of(shown))


class Ed25519Auth(_Signed):
    """A signature by a registered public key (RFC 8032): ``claim={"nonce", "timestamp", "signature"}`` (AUTH-3).

    The hub holds nothing with which it could claim to be the agent. Needs the package ``cryptography``.

    Args:
        keys: agent names and owners to their public keys of 32 bytes, or a function from a passport to its key; names
            and owners as for ``HmacAuth``.
        audience, window_s, clock: as for ``HmacAuth``.

    Raises:
        ValueError: a key in the mapping cannot be one, or is of small order, so that anybody could sign for it.
        MissingLibraryError: the package ``cryptography`` is missing.
    """

    kind = "ledgerhub-ed25519-v1"
    field = "signature"
    nobody = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")

    def __init__(self, keys: Mapping[str, bytes] | BytesLookup, **options: Any) -> None:
        super().__init__(keys, **options)
        self._matches(self.nobody, b"", "")  # a hub without the library says so when it opens

    @classmethod
    def claim(
        cls, seed: bytes, passport: Passport, *, nonce: str, timestamp: str, audience: str = ""
    ) -> dict[str, Any]:
        """Return the claim that proves a passport's name and owner; ``seed`` is the private key, 32 bytes."""
        message = message_of(cls.kind, passport, audience, nonce, timestamp)
        signature = SignerKey("agent", seed).sign(message.decode())
        return {"nonce": nonce, "timestamp": timestamp, "signature": signature.data.hex()}

    def _usable(self, holder: str, key: object) -> bytes:
        if not isinstance(key, bytes) or len(key) != KEY_SIZE_BYTES or is_weak(key):
            raise ValueError(f"the public key of {holder!r} is not an Ed25519 one of {KEY_SIZE_BYTES} bytes")
        return key

    def _matches(self, key: bytes, message: bytes, shown: str) -> bool:
        return VerifierKey("agent", key).holds(message.decode(), _bytes_of(shown))
