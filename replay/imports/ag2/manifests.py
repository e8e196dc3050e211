"""The manifests of ag2's channels as those of a log, and whether a session type folds what was said under it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from events.sessions import SessionCreated
from events.values.envelope import Envelope
from events.values.session import Participant, SessionManifest, SessionMetadata, SessionState
from events.values.times import iso
from hub.protocols.base import SessionAdapter
from replay.imports.ag2.making import Making
from replay.imports.ag2.source import Json

PREFIX = "ag2."
"""Stands before the name of a session type that does not fold here."""
_HANDLERS = {"notify_channel": "warn"}
_PROTOCOL = ("ag2.channel.", "ag2.task.", "ag2.expectation.")


def manifest_of(
    making: Making, body: SessionCreated, data: Json, envelopes: Sequence[Json], where: str
) -> dict[str, Any]:
    """Return the manifest of a session; its type keeps its name when the type that has it here folds the session.

    Any other gets the prefix ``ag2.``, so that no type takes it up that means something else by the name.
    """
    manifest = _manifest(making, data, where)
    adapter: Any = making.state.catalogue.adapter(manifest.type, manifest.version)
    problem = "there is no such type here"
    if adapter is not None:
        problem = _problem(adapter, _metadata(body, manifest, making.at_us), envelopes)
        if not problem:
            return manifest.to_dict()
    making.report.note("dormant_type", f"{where}: {manifest.type}/{manifest.version}: {problem}")
    return manifest.to_dict() | {"type": f"{PREFIX}{manifest.type}"}


def _manifest(making: Making, data: Json, where: str) -> SessionManifest:
    people = data.get("participants") or {}
    if people.get("roles"):
        people = {key: people.get(key) for key in ("min", "max")}
    fields = {
        "type": str(data.get("type") or "unknown"),
        "version": data.get("version") or 1,
        "participants": {"min": people.get("min") or 1, "max": people.get("max")},
        "expectations": [_expectation(making, each, where) for each in data.get("expectations") or ()],
        "knobs_schema": making.content(data.get("knobs_schema"), where),
    }
    try:
        return SessionManifest.from_dict(fields)
    except ValueError as error:
        making.report.note("manifest_field", f"{where}: {error}")
        return SessionManifest(type=fields["type"])


def _expectation(making: Making, data: Json, where: str) -> dict[str, Any]:
    handler = str(data.get("on_violation") or "audit")
    roles = data.get("applies_to") or []
    if len(roles) > 1:
        making.report.note("manifest_field", f"{where}: applies_to {roles}")
    return {
        "name": str(data.get("name")),
        "on_violation": _HANDLERS.get(handler, handler),
        "params": making.content(data.get("params"), where),
        "applies_to": roles[0] if len(roles) == 1 else None,
    }


def _metadata(body: SessionCreated, manifest: SessionManifest, at_us: int) -> SessionMetadata:
    people = [Participant(agent_id, "", order) for order, agent_id in enumerate(body.participants)]
    return SessionMetadata(
        session_id=body.session_id,
        manifest=manifest,
        creator_id=body.creator_id,
        participants=people,
        state=SessionState.ACTIVE,
        created_at=iso(at_us),
        knobs=body.knobs,
        labels=body.labels,
    )


def _problem(adapter: SessionAdapter, metadata: SessionMetadata, envelopes: Sequence[Json]) -> str:
    """Return what a session type raises on what was said, on a trial state (trap 1); empty when it gets through."""
    try:
        state = adapter.initial_state(metadata)
        for each in envelopes:
            event_type = str(each.get("event_type"))
            if event_type.startswith(_PROTOCOL):
                continue
            data = each.get("event_data") or {}
            seen = {key: value for key, value in data.items() if adapter.fold_keys is None or key in adapter.fold_keys}
            sender = str(each.get("sender_id"))
            state = adapter.fold(Envelope(metadata.session_id, sender, event_type=event_type, event_data=seen), state)
            adapter.expected_next(metadata, state)
    except Exception as error:  # whatever a type raises on what it was not made for
        return f"{type(error).__name__}: {error}"
    return ""
