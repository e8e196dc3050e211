"""The errors of the network: values with facts, raised once, where the decision is made (SPEC §12).

Each error carries a stable ``code`` for programs and its facts as attributes for people who catch it;
``str(error)`` is one sentence that says who, what and why.
"""

from __future__ import annotations

from typing import Any, ClassVar

MESSAGE_LENGTH_MAX = 600
"""Longer sentences, which repeat what was given, are cut; the facts keep it whole."""


class NetworkError(Exception):
    """Root of everything the hub refuses or fails at.

    Args:
        message: one sentence: what, where, what to try.
        **facts: kept in ``facts`` and readable as attributes (``error.agent_id``).
    """

    code: ClassVar[str] = "network_error"

    def __init__(self, message: str, **facts: Any) -> None:
        """Keep the sentence and its facts."""
        if len(message) > MESSAGE_LENGTH_MAX:
            message = f"{message[:MESSAGE_LENGTH_MAX]}…"
        super().__init__(message)
        self.message = message
        self.facts = facts

    def __getattr__(self, name: str) -> Any:
        facts = self.__dict__.get("facts", {})
        if name in facts:
            return facts[name]
        raise AttributeError(f"{type(self).__name__} has no fact {name!r}; it has {sorted(facts)}")

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.facts))


def _rebuild(cls: type[NetworkError], message: str, facts: dict[str, Any]) -> NetworkError:
    return cls(message, **facts)


class NotFoundError(NetworkError):
    """An agent, session, envelope or task that is not there (any more)."""

    code = "not_found"


class ProtocolError(NetworkError):
    """A command that the session's protocol, its state or a value's shape does not allow."""

    code = "protocol_error"


class AccessDeniedError(NetworkError):
    """A rule refuses the command (SPEC §4)."""

    code = "access_denied"


class RateLimitedError(AccessDeniedError):
    """The sender's rate is used up (RULE-8); ``retry_after`` is in seconds."""

    code = "rate_limited"


class InboxFull(NetworkError):
    """A recipient has no room for another pending envelope (RULE-9)."""

    code = "inbox_full"


class AuthError(NetworkError):
    """Credentials were refused (SPEC §3); never carries the claim."""

    code = "auth_failed"


class StoreError(NetworkError):
    """The log could not be read or written; nothing of the command is visible (LOG-5)."""

    code = "store_error"


class StoreLockedError(StoreError):
    """Another process writes this log; ``pid`` names it (LOG-4)."""

    code = "store_locked"


class CorruptLogError(StoreError):
    """The log's bytes are not what was written; ``position`` says where when known."""

    code = "corrupt_log"
