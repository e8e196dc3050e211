"""The plan that changes make: each path made out against a log, and what becomes of rules, types and sessions."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import chain
from typing import Any, NamedTuple

from events.agents import AgentRegistered
from events.errors import NetworkError
from events.log import tagged
from events.sessions import SessionCreated
from events.values import Rule, SessionManifest
from events.values.frozen import thaw
from events.values.times import iso, parse_iso
from hub.catalogue import Catalogue
from projections.sessions import SessionRecord
from projections.state import HubState
from replay.errors import QuestionError
from replay.history import History
from replay.points import find_agents
from replay.whatif.changes import Change, Edit, assigned, at, built, editing, key_and_fields

COLLECTIONS = ("agents", "expectations", "types", "sessions")
LOOKED_MAX = 1000
"""Among so many sessions behind the point the manifest of a type is looked for."""
SEVERAL = "(several)"
"""Stands for what was where agents had different settings."""
_EXPECTATION_FIELDS = ("name", "on_violation", "params", "applies_to")
_GLOB = re.compile(r"[*?[]")


class Setting(NamedTuple):
    """What a change comes to at the point: one value that was, and what is there instead."""

    path: str
    was: Any
    now: Any


class RuleEdit(NamedTuple):
    """A change of the rules of some agents, named by id or by a glob over names."""

    ids: frozenset[str]
    glob: str
    where: str
    edit: Edit

    def concerns(self, agent_id: str, name: str) -> bool:
        """Say whether it is of this agent's rule."""
        return agent_id in self.ids or bool(self.glob and fnmatchcase(name, self.glob))


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes, made out against a log.

    Attributes:
        settings: what they come to at the point, for people.
        rules: in order.
        types: session type to what becomes of its manifest, in order.
        live_types: the same of sessions that are live at the point: what they expect, nothing else.
        sessions: session id to what becomes of its ``expires_at`` and ``manifest``.
    """

    settings: list[Setting] = field(default_factory=list)
    rules: list[RuleEdit] = field(default_factory=list)
    types: dict[str, list[Edit]] = field(default_factory=dict)
    live_types: dict[str, list[Edit]] = field(default_factory=dict)
    sessions: dict[str, list[Edit]] = field(default_factory=dict)

    def concerns(self, agent_id: str, name: str) -> bool:
        """Say whether an agent's rule is changed."""
        return any(edit.concerns(agent_id, name) for edit in self.rules)

    def rule(self, agent_id: str, name: str, rule: Rule) -> Rule:
        """Return the rule that an agent has instead of this one."""
        for edit in self.rules:
            if edit.concerns(agent_id, name):
                rule = built(Rule.from_dict, edit.edit(rule.to_dict()), edit.where)
        return rule

    def catalogue(self, base: Catalogue) -> Catalogue:
        """Return a catalogue with the changed session types beside all that the base has."""
        changed = Catalogue()
        changed.evaluators.update(base.evaluators)
        changed.handlers.update(base.handlers)
        changed.adapters.update(base.adapters)
        for session_type in self.types:
            adapter = copy.copy(_newest(base, session_type))
            adapter.manifest = self.manifest(adapter.manifest)
            changed.adapters[session_type, adapter.manifest.version] = adapter
        return changed

    def manifest(self, manifest: SessionManifest) -> SessionManifest:
        """Return what becomes of a session type's manifest; a change of what it does not have passes it by."""
        edits = [_if_there(edit) for edit in self.types.get(manifest.type, [])]
        return _manifest(manifest, edits, f"types/{manifest.type}") if edits else manifest

    def settle(self, record: SessionRecord, *, created_before: bool) -> bool:
        """Change a live session's record where it stands; says whether anything was."""
        edits = self.sessions.get(record.session_id, [])
        expected = self.live_types.get(record.manifest.type, []) if created_before else []
        if expected:
            record.manifest = _manifest(record.manifest, expected, f"sessions/{record.session_id}/manifest")
        if edits:
            data = _session_data(record)
            for edit in edits:
                data = edit(data)
            where = f"sessions/{record.session_id}"
            record.manifest = built(SessionManifest.from_dict, data["manifest"], f"{where}/manifest")
            record.expires_us = _time(data["expires_at"], f"{where}/expires_at")
        if edits or expected:
            record.touch()
        return bool(edits or expected)


def make_plan(history: History, state: HubState, changes: Iterable[Change]) -> Plan:
    """Make out changes against a log and the state at the point.

    Raises:
        QuestionError: a path leads nowhere, or a value does not fit; the message lists what there is.
    """
    plan = Plan()
    for change in changes:
        collection, *rest = change.path.split("/")
        if collection not in COLLECTIONS:
            raise QuestionError(
                f"{change.path!r} cannot be set: paths begin with {', '.join(COLLECTIONS[:-1])} or {COLLECTIONS[-1]}"
            )
        _PLANNERS[collection](plan, history, state, rest, change)
    return plan


# Agents.


def _plan_agent(plan: Plan, history: History, state: HubState, rest: Sequence[str], change: Change) -> None:
    name, fields = key_and_fields(rest, change, "agents/NAME/rule.FIELD")
    if fields[:1] != ["rule"]:
        raise QuestionError(f"of an agent only its rule can be set, not {fields[0]!r}: write agents/{name}/rule.FIELD")
    where = f"agents/{name}/rule"
    edit = RuleEdit(frozenset(), name, where, editing(fields[1:], change.value, where))
    if _GLOB.search(name):
        found = [agent_id for agent_id, each in state.registry.agents.items() if edit.concerns("", each.passport.name)]
        registered = history.log.read(tagged(types=(AgentRegistered,)), until=history.head, content=False)
        if not found and not any(edit.concerns("", event.body.name) for event in registered):
            raise QuestionError(f"no agent of this log has a name that fits {name!r}: write agents/* for all of them")
    else:
        found = list(find_agents(history.log, name))
        edit = edit._replace(ids=frozenset(found), glob="")
    rules = [rule for agent_id in found if (rule := _rule_of(history, state, agent_id)) is not None]
    was = [rule.to_dict() for rule in rules or [Rule()]]
    now = [built(Rule.from_dict, edit.edit(data), where).to_dict() for data in was]
    plan.rules.append(edit)
    values = [at(data, fields[1:]) for data in was]
    same = all(value == values[0] for value in values)
    plan.settings.append(Setting(change.path, values[0] if same else SEVERAL, at(now[0], fields[1:])))


def _rule_of(history: History, state: HubState, agent_id: str) -> Rule | None:
    """Return the rule that an agent has at the point, or will register with; None when it is gone by then."""
    record = state.registry.get(agent_id)
    if record is not None:
        return record.rule
    event = history.log.find(agent_id)
    return Rule.from_dict(event.body.rule) if event is not None and event.position > state.position else None


# Session types.


def _plan_expectation(plan: Plan, history: History, state: HubState, rest: Sequence[str], change: Change) -> None:
    session_type, fields = key_and_fields(rest, change, "expectations/TYPE/NAME.seconds")
    logged = _as_logged(history, state, session_type)
    name, _, handler = fields[0].partition(":")
    edit = _expecting(session_type, name, handler, fields[1:], change.value)
    was = thaw(logged.to_dict())
    now = edit(was)
    _check_manifest(history.catalogue, _manifest(logged, [edit], f"expectations/{session_type}"))
    plan.types.setdefault(session_type, []).append(edit)
    plan.live_types.setdefault(session_type, []).append(_if_there(edit))
    for old, new in zip(was["expectations"], now["expectations"], strict=True):
        if (name, handler or old["on_violation"]) == (old["name"], old["on_violation"]):
            label = f"expectations/{session_type}/{name}:{old['on_violation']}.{'.'.join(fields[1:])}"
            inner = _expectation_fields(old, fields[1:])
            plan.settings.append(Setting(label, at(old, inner), at(new, inner)))


def _expecting(session_type: str, name: str, handler: str, fields: Sequence[str], value: Any) -> Edit:
    """Set a field of every expectation of that name, and handler where one is given."""
    where = f"expectations/{session_type}"

    def edit(manifest: Any) -> Any:
        found = 0
        expectations = []
        for each in manifest["expectations"]:
            fits = each["name"] == name and handler in ("", each["on_violation"])
            found += fits
            inner = _expectation_fields(each, fields)
            expectations.append(assigned(each, inner, value, f"{where}/{name}") if fits else each)
        if not found:
            there = ", ".join(f"{each['name']}:{each['on_violation']}" for each in manifest["expectations"])
            asked = f"{name}:{handler}" if handler else name
            raise QuestionError(f"{session_type} sessions have no expectation {asked!r}: they have {there or 'none'}")
        return {**manifest, "expectations": expectations}

    return edit


def _expectation_fields(expectation: Mapping[str, Any], fields: Sequence[str]) -> list[str]:
    """``seconds`` is short for ``params.seconds``."""
    if not fields:
        raise QuestionError(
            f"say what of {expectation['name']!r} to set: "
            f"{', '.join((*expectation['params'], *_EXPECTATION_FIELDS[1:]))}"
        )
    return [*fields] if fields[0] in _EXPECTATION_FIELDS else ["params", *fields]


def _if_there(edit: Edit) -> Edit:
    """A live session was created with a manifest of its own, which need not have what the type has today."""

    def tolerant(manifest: Any) -> Any:
        try:
            return edit(manifest)
        except QuestionError:
            return manifest

    return tolerant


def _plan_type(plan: Plan, history: History, state: HubState, rest: Sequence[str], change: Change) -> None:
    session_type, fields = key_and_fields(rest, change, "types/TYPE/ttl_default")
    if fields[0] in ("type", "version"):
        raise QuestionError(f"{change.path!r} is what a session type is found by, and cannot be set")
    where = f"types/{session_type}"
    edit = editing(fields, change.value, where)
    manifest = _as_logged(history, state, session_type)
    now = _manifest(manifest, [edit], where)
    _check_manifest(history.catalogue, now)
    plan.types.setdefault(session_type, []).append(edit)
    plan.settings.append(Setting(change.path, at(manifest.to_dict(), fields), at(now.to_dict(), fields)))


def _as_logged(history: History, state: HubState, session_type: str) -> SessionManifest:
    """Return a type's manifest as sessions have it about the point, or as today's code has it; O(live + LOOKED_MAX)."""
    today: SessionManifest = _newest(history.catalogue, session_type).manifest
    live = (record.manifest for record in state.sessions.live.values())
    created = history.log.read(
        tagged(types=(SessionCreated,)), after=state.position, until=history.head, limit=LOOKED_MAX, content=False
    )
    later = (
        SessionManifest.from_dict(thaw(e.body.manifest)) for e in created if e.body.manifest["type"] == session_type
    )
    return next((manifest for manifest in chain(live, later) if manifest.type == session_type), today)


def _newest(catalogue: Catalogue, session_type: str) -> Any:
    adapter = catalogue.newest(session_type)
    if adapter is None:
        known = sorted({name for name, _ in catalogue.adapters})
        raise QuestionError(f"there is no session type {session_type!r}: there are {', '.join(known) or 'none'}")
    return adapter


def _manifest(manifest: SessionManifest, edits: Iterable[Edit], where: str) -> SessionManifest:
    data = thaw(manifest.to_dict())
    for edit in edits:
        data = edit(data)
    changed: SessionManifest = built(SessionManifest.from_dict, data, where)
    return changed


# Sessions.


def _plan_session(plan: Plan, history: History, state: HubState, rest: Sequence[str], change: Change) -> None:
    key, fields = key_and_fields(rest, change, "sessions/ID/expires_at")
    session_id = history.session_id(key)
    where = f"sessions/{key}"
    edit = editing(fields, change.value, where)
    record = state.sessions.live.get(session_id)
    created = history.event(session_id)
    if record is None and created.position <= state.position:
        raise QuestionError(f"the session {key!r} was over by @{state.position}: give an earlier point")
    if record is not None:
        data = _session_data(record)
    else:
        data = {"expires_at": _iso(created.body.expires_us), "manifest": thaw(created.body.manifest)}
    now = edit(data)
    _time(now["expires_at"], f"{where}/expires_at")
    manifest = built(SessionManifest.from_dict, now["manifest"], f"{where}/manifest")
    _check_manifest(history.catalogue, manifest)
    plan.sessions.setdefault(session_id, []).append(edit)
    plan.settings.append(Setting(change.path, at(data, fields), at(now, fields)))


def _check_manifest(catalogue: Catalogue, manifest: SessionManifest) -> None:
    """Refuse what no hub would take as a session type (trap 18)."""
    adapter = copy.copy(_newest(catalogue, manifest.type))
    adapter.manifest = manifest
    trial = Catalogue()
    trial.evaluators, trial.handlers = catalogue.evaluators, catalogue.handlers
    try:
        trial.register_adapter(adapter)
    except NetworkError as error:
        raise QuestionError(error.message) from None


def _session_data(record: SessionRecord) -> dict[str, Any]:
    """Return what of a session can be set."""
    return {"expires_at": _iso(record.expires_us), "manifest": thaw(record.manifest.to_dict())}


def _iso(at_us: int | None) -> str | None:
    return None if at_us is None else iso(at_us)


def _time(text: Any, where: str) -> int | None:
    if text is None:
        return None
    try:
        return parse_iso(text)
    except (ValueError, TypeError, AttributeError):
        raise QuestionError(f"{where} is {text!r}: give a time such as 2026-08-21T10:00:00Z, or null") from None


Planner = Callable[[Plan, History, HubState, Sequence[str], Change], None]
_PLANNERS: Mapping[str, Planner] = {
    "agents": _plan_agent,
    "expectations": _plan_expectation,
    "types": _plan_type,
    "sessions": _plan_session,
}
