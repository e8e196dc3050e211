"""The session types, expectation evaluators and violation handlers that a hub knows."""

from __future__ import annotations

import hashlib
from importlib import metadata

from events.codec import FORMAT, canonical
from events.errors import ProtocolError
from events.values.session import Expectation
from hub.expectations import (
    BUILT_IN_EVALUATORS,
    BUILT_IN_HANDLERS,
    Evaluator,
    ViolationHandler,
    Within,
    next_deadline_us,
    patience_us,
)
from hub.protocols.base import SessionAdapter
from projections.sessions import SessionRecord


def library_version() -> str:
    """Return the installed version of ledgerhub, or ``source`` when it runs uninstalled."""
    try:
        return metadata.version("ledgerhub")
    except metadata.PackageNotFoundError:
        return "source"


class Catalogue:
    """Looks up session types by (type, version), evaluators and handlers by name."""

    def __init__(self) -> None:
        self.adapters: dict[tuple[str, int], SessionAdapter] = {}
        self.evaluators: dict[str, Evaluator] = dict(BUILT_IN_EVALUATORS)
        self.handlers: dict[str, ViolationHandler] = dict(BUILT_IN_HANDLERS)

    def register_adapter(self, adapter: SessionAdapter) -> None:
        """Add a session type.

        Raises:
            ProtocolError: its manifest names an evaluator or handler that is not registered (trap 18), or a built-in
                evaluator without ``seconds``.
        """
        manifest = adapter.manifest
        for expectation in manifest.expectations:
            for kind, name, known in (
                ("expectation evaluator", expectation.name, self.evaluators),
                ("violation handler", expectation.on_violation, self.handlers),
            ):
                if name not in known:
                    raise ProtocolError(
                        f"session type {manifest.type!r} names the {kind} {name!r}, which is not registered; "
                        f"register it first, or use one of {', '.join(sorted(known))}",
                        session_type=manifest.type,
                    )
            self._check_seconds(manifest.type, expectation)
        self.adapters[manifest.type, manifest.version] = adapter

    def _check_seconds(self, session_type: str, expectation: Expectation) -> None:
        """A built-in expectation without its seconds would fire at the first tick: more likely a slip than a wish."""
        seconds = expectation.params.get("seconds")
        built_in = isinstance(self.evaluators.get(expectation.name), Within)
        if built_in and not (isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds >= 0):
            raise ProtocolError(
                f"session type {session_type!r} expects {expectation.name!r} within params {expectation.params}; "
                'give it {"seconds": a number, 0 or more}',
                session_type=session_type,
            )

    def restore(self, key: tuple[str, int], adapter: SessionAdapter | None) -> None:
        """Put back what stood for a (type, version) before, or nothing."""
        if adapter is None:
            self.adapters.pop(key, None)
        else:
            self.adapters[key] = adapter

    def adapter(self, session_type: str, version: int) -> SessionAdapter | None:
        """Return a session type, or None when it is not loaded (SESS-9)."""
        return self.adapters.get((session_type, version))

    def newest(self, session_type: str) -> SessionAdapter | None:
        """Return the highest loaded version of a session type, or None."""
        versions = [version for name, version in self.adapters if name == session_type]
        return self.adapters[session_type, max(versions)] if versions else None

    def next_deadline_us(self, record: SessionRecord) -> int | None:
        """Return when the session's next expectation is due, or None; O(expectations)."""
        return next_deadline_us(record, self.evaluators)

    def patience_us(self, record: SessionRecord) -> int | None:
        """Return how soon after an envelope an expectation can be due at the earliest; O(expectations)."""
        return patience_us(record.manifest, self.evaluators)

    def names(self) -> tuple[str, ...]:
        """Return the loaded session types as ``type/version``, sorted."""
        return tuple(sorted(f"{name}/{version}" for name, version in self.adapters))

    def fingerprint(self) -> str:
        """Return what a projection checkpoint depends on beside the log: library, format, session types."""
        parts = [library_version(), FORMAT, list(self.names())]
        return hashlib.sha256(canonical(parts)).hexdigest()[:16]
