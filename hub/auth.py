"""Who may call itself what: schemes of authentication, and what is never said about them (SPEC §3).

The claim of an ``AuthBlock`` is the secret part. It is shown to the scheme's adapter and forgotten: no event, record,
error, ``repr`` or log line has it (AUTH-2, trap 36). Whatever an adapter raises leaves this module as a new
``AuthError`` without the adapter's traceback, and without any message that repeats a part of the claim.
"""

from __future__ import annotations

import hashlib
import hmac
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Protocol

from events.errors import AuthError
from events.values.identity import AuthBlock, Passport

KeyLookup = Callable[[Passport], "str | Awaitable[str | None] | None"]
"""The key that a passport must be shown with, or None when there is none for it; sync or async."""


class AuthAdapter(Protocol):
    """One scheme of authentication (AUTH-1)."""

    async def verify(self, passport: Passport, credentials: AuthBlock) -> None:
        """Return when the credentials prove the passport's identity, its name and owner; else raise AuthError."""
        ...


class AuthRegistry:
    """The schemes that a hub accepts. A new one is empty and so refuses everybody."""

    def __init__(self) -> None:
        self._adapters: dict[str, AuthAdapter] = {}

    @classmethod
    def default(cls) -> AuthRegistry:
        """Return a registry that lets everybody in who shows nothing: ``NoAuth`` for the empty scheme."""
        registry = cls()
        registry.register("", NoAuth())
        return registry

    def register(self, scheme: str, adapter: AuthAdapter) -> None:
        """Accept a scheme; one that was registered before is replaced.

        Raises:
            TypeError: the adapter has no async ``verify``.
        """
        if not inspect.iscoroutinefunction(getattr(adapter, "verify", None)):
            raise TypeError(
                f"a {type(adapter).__name__} is not an authentication adapter; "
                "give an object with `async def verify(self, passport, credentials)`"
            )
        self._adapters[scheme] = adapter

    def get(self, scheme: str) -> AuthAdapter:
        """Return a scheme's adapter; AuthError when it is unknown."""
        if adapter := self._adapters.get(scheme):
            return adapter
        known = ", ".join(map(repr, self.schemes())) or "none"
        raise AuthError(f"no authentication scheme {scheme[:64]!r} here; this hub accepts: {known}", scheme=scheme)

    def schemes(self) -> list[str]:
        """Return the names of the accepted schemes, sorted."""
        return sorted(self._adapters)

    async def verify(self, passport: Passport, credentials: AuthBlock) -> None:
        """Check credentials for a passport, by their scheme.

        Raises:
            AuthError: unknown scheme; another scheme than the passport's own, so that an identity cannot be taken
                over through a weaker one (trap 28); refused; or the adapter failed, which is a refusal, too.
        """
        adapter = self.get(credentials.scheme)
        if credentials.scheme != passport.auth.scheme:
            raise AuthError(
                f"agent {passport.name!r} is registered with the scheme {passport.auth.scheme!r}; show that one, "
                f"not {credentials.scheme[:64]!r}",
                **_facts(passport, credentials),
            )
        # Raised out here, where no exception is being handled: __context__ would carry the adapter's own.
        if refused := await _refusal(adapter, passport, credentials):
            raise refused


async def _refusal(adapter: AuthAdapter, passport: Passport, credentials: AuthBlock) -> AuthError | None:
    try:
        await adapter.verify(passport, credentials)
    except AuthError as error:
        if not _repeats(f"{error} {error.facts}", credentials.claim):
            return AuthError(error.message, **{**_facts(passport, credentials), **error.facts})
        return AuthError(f"the credentials of agent {passport.name!r} were refused", **_facts(passport, credentials))
    except Exception as error:
        return AuthError(
            f"the credentials of agent {passport.name!r} could not be checked: scheme {credentials.scheme!r} failed "
            f"with a {type(error).__name__}",
            **_facts(passport, credentials),
        )
    return None


def _facts(passport: Passport, credentials: AuthBlock) -> dict[str, Any]:
    return {"name": passport.name, "owner": passport.owner, "scheme": credentials.scheme}


def _repeats(text: str, claim: Mapping[str, Any]) -> bool:
    return any(leaf in text for leaf in _leaves(claim))


def _leaves(value: Any) -> Iterator[str]:
    """Give every text and number in a claim, as text; keys are names, not secrets."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    elif value not in ("", None) and not isinstance(value, bool):
        yield str(value)


class NoAuth:
    """Lets everybody in: names are taken on trust."""

    async def verify(self, passport: Passport, credentials: AuthBlock) -> None:
        """Refuse nobody."""


class ApiKeyAuth:
    """A shared key, shown as ``AuthBlock(scheme=…, claim={"key": "…"})`` (AUTH-3).

    Args:
        keys: agent names and owners to their keys, or a function from a passport to its key. In a mapping, name and
            owner each need their key where they have one: an agent of its own key cannot claim a listed owner, nor an
            owner's agent a listed name. Use a function where one agent has to have both.

    Keys are compared in constant time, and a wrong key, a missing agent and an empty key are refused alike: neither
    time nor message says which it was. Text is compared as given, without Unicode normalisation.

    Raises:
        ValueError: an empty key in the mapping.
    """

    def __init__(self, keys: Mapping[str, str] | KeyLookup) -> None:
        self._look_up: KeyLookup | None = None
        self._keys: dict[str, bytes] = {}
        if callable(keys):
            self._look_up = keys
            return
        listed: Mapping[str, object] = keys
        for holder, key in listed.items():
            if not isinstance(key, str) or not key:
                raise ValueError(f"the API key of {holder!r} is empty or not text; give it one, or leave it out")
            self._keys[holder] = _digest(key)

    async def verify(self, passport: Passport, credentials: AuthBlock) -> None:
        """Refuse whoever does not show the key of the passport's name and owner.

        Raises:
            AuthError: no key is shown, it is not text, or it is not the right one.
        """
        shown = credentials.claim.get("key")
        if not isinstance(shown, str) or not shown:
            raise AuthError(f"agent {passport.name!r} shows no API key; give AuthBlock(claim={{'key': …}}) as text")
        expected = await self._expected(passport)
        digest = _digest(shown)
        # Every comparison is made, so that the time does not tell which one failed.
        matches = [hmac.compare_digest(digest, other) for other in expected or (_digest(""),)]
        if not all(matches):
            raise AuthError(
                f"the API key that agent {passport.name!r} of owner {passport.owner!r} shows is not its key"
            )

    async def _expected(self, passport: Passport) -> list[bytes]:
        if self._look_up is None:
            return [self._keys[holder] for holder in (passport.name, passport.owner) if holder in self._keys]
        key = self._look_up(passport)
        key = await key if inspect.isawaitable(key) else key
        return [_digest(key)] if key else []


def _digest(key: str) -> bytes:
    """Digests are of one length, so comparing them does not tell the key's."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
