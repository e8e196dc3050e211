"""The rules and passports of ag2 as those of a log."""

from __future__ import annotations

import json
from typing import Any, cast

from events.values.identity import AuthBlock, Passport, name_problem
from events.values.rule import Rule, parse_duration
from replay.imports.ag2.report import Report
from replay.imports.ag2.source import Json

_NO_SCHEME = "none"
KINDS = ("agent", "human", "remote_agent")


def rule_of(data: Json | None, report: Report, where: str) -> dict[str, Any]:
    """Return a rule; the default, noted, for one that cannot be read."""
    if data is None:
        return Rule().to_dict()
    try:
        return Rule.from_dict(_rule(data, report, where)).to_dict()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        report.note("bad_rule", f"{where}: {error}")
        return Rule().to_dict()


def _rule(data: Json, report: Report, where: str) -> dict[str, Any]:
    access, limits = data["access"], data["limits"]
    rate, inbox = limits.get("rate") or {}, limits.get("inbox") or {}
    types = access.get("channel_types") or {}
    initiate, accept = types.get("initiate", ["*"]), types.get("accept", ["*"])
    if initiate != accept:
        report.note("rule_field", f"{where}: channel_types of initiate {initiate} and accept {accept} became one list")
    if rate.get("per_minute"):
        report.note("rule_field", f"{where}: rate.per_minute {rate['per_minute']}, which ag2 did not enforce")
    if rate.get("burst"):
        report.note("rule_field", f"{where}: rate.burst {rate['burst']}")
    if inbox.get("overflow", "reject") != "reject":
        report.note("rule_field", f"{where}: inbox.overflow {inbox['overflow']}")
    return {
        "version": data.get("version", 1),
        "access": {
            "outbound_to": access.get("outbound_to", ["*"]),
            "inbound_from": access.get("inbound_from", ["*"]),
            "session_types_allowed": list(dict.fromkeys([*initiate, *accept])),
        },
        "limits": {
            "session_ttl_default": _duration(limits.get("channel_ttl_default")),
            "task_ttl_default": _duration(limits.get("task_ttl_default", "15m")),
            "delegation_depth": limits.get("delegation_depth", 5),
            "max_concurrent_sessions": limits.get("max_concurrent_channels", 0),
            "max_concurrent_tasks": limits.get("max_concurrent_tasks", 0),
        },
        "rate": {"envelopes_per_minute": rate.get("per_minute", 0)},
        "inbox": {"max_pending": inbox.get("max_pending", 1000), "high_water": inbox.get("high_water")},
    }


def _duration(value: Any) -> Any:
    """ag2 takes a bare number in text for seconds, too."""
    value = int(value) if isinstance(value, str) and value.isdigit() else value
    parse_duration(value)
    return value


def passport_of(data: Json, agent_id: str, report: Report, where: str) -> tuple[str, str, dict[str, Any]]:
    """Return name, owner and the other facts of a passport, without what its claim held (AUTH-2)."""
    name = name_of(data.get("name"), agent_id, report, where)
    auth, cost = data.get("auth") or {}, data.get("cost")
    if auth.get("claim"):
        report.note("secret", where)
    if data.get("hub_id"):
        report.note("passport_field", f"{where}: hub_id {data['hub_id']}")
    scheme = auth.get("scheme", _NO_SCHEME)
    block: dict[str, Any] = {key: auth.get(key) for key in ("issuer", "audience", "key_fingerprint")}
    kind = data.get("kind") or KINDS[0]
    if kind not in KINDS:
        report.note("passport_field", f"{where}: kind {kind}")
        kind = KINDS[0]
    passport = Passport(
        name=name,
        owner=str(data.get("owner") or ""),
        provider=_text(data.get("provider")),
        model=_text(data.get("model")),
        cost=json.dumps(cost, sort_keys=True) if isinstance(cost, dict) else cost,
        region=_text(data.get("region")),
        auth=AuthBlock(scheme="" if scheme == _NO_SCHEME else str(scheme), **block),
        kind=cast(Any, kind),
        version=data.get("version", 1),
    ).to_dict()
    passport["auth"].pop("claim")
    return name, passport.pop("owner"), {k: v for k, v in passport.items() if k not in _ELSEWHERE}


_ELSEWHERE = ("name", "agent_id", "created_at")
"""Fields of a passport that the event has by itself."""


def name_of(name: object, agent_id: str, report: Report, where: str) -> str:
    """Return a name that an agent can have (REG-2); one that cannot be is replaced."""
    text = str(name)
    if name is not None and name_problem(text) is None:
        return text
    report.note("bad_name", f"{where}: {name!r}")
    return f"agent {agent_id[-12:]}"


def _text(value: object) -> str | None:
    return None if value is None else str(value)
