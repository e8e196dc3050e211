"""Agents: who registered with what, what changed, who left. Passports are files, changes are audit records.

A folder keeps the last rule, resume and skill of an agent, and the audit says when each was set, but not to what. So
the last record of a kind stands for the file; those before it are noted and left out, for what they said is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from events.agents import (
    AgentObserved,
    AgentRegistered,
    AgentResumeSet,
    AgentRuleSet,
    AgentSkillSet,
    AgentUnregistered,
)
from replay.imports.ag2.items import AGENT, Item, Stream
from replay.imports.ag2.making import Made, Making
from replay.imports.ag2.report import Report
from replay.imports.ag2.rules import passport_of, rule_of
from replay.imports.ag2.source import Json, Line, Source

_SETS = {"rule_set": "rule", "resume_set": "resume", "skill_set": "skill"}
_TENANT = "tenant"


def agent_items(source: Source, audit: Sequence[Line], report: Report) -> tuple[list[list[Item]], dict[str, Json]]:
    """Return a stream for each registration, and by ``where`` the audit records that files stand behind."""
    registered = {str(line.data.get("agent_id")): line for line in audit if line.data.get("kind") == "agent_registered"}
    last = _last_sets(audit, report)
    streams, behind = [], dict[str, Json]()
    for agent_id in dict.fromkeys([*source.ids("agents"), *registered]):
        files = _files(source, agent_id, known=agent_id in registered)
        line = registered.get(agent_id)
        where = f"agents/{agent_id}" if files["passport"] or line is None else line.where
        for what in _SETS.values():
            if (record := last.get((agent_id, what))) is not None:
                behind[record.where] = {what: files[what]}
                files[what] = None
        if files["passport"] is None:
            report.note("gone_agent", f"{where}: {(line.data if line else {}).get('name')}")
        at = (files["passport"] or {}).get("created_at") or (line.data.get("at") if line else None)
        stream = Stream(report)
        stream.add(at, AGENT, agent_id, "registered", files | {"line": line.data if line else {}}, where)
        streams.append(stream.items)
    return streams, behind


def _last_sets(audit: Sequence[Line], report: Report) -> dict[tuple[str, str], Line]:
    last: dict[tuple[str, str], Line] = {}
    for line in audit:
        data = line.data
        what = _SETS.get(str(data.get("kind")))
        if what is None or data.get("source", _TENANT) != _TENANT or data.get("removed"):
            continue
        key = (str(data.get("agent_id")), what)
        if what != "skill" or key in last:
            report.note(f"earlier_{what}", line.where)
        last[key] = line
    return last


def _files(source: Source, agent_id: str, *, known: bool) -> dict[str, Any]:
    folder = f"agents/{agent_id}"
    there = source.text(f"{folder}/passport.json") is not None
    return {
        "passport": source.object(f"{folder}/passport.json", needed=not known),
        "rule": source.object(f"{folder}/rule.json", needed=there),
        "resume": source.object(f"{folder}/resume.json", needed=there),
        "skill": source.text(f"{folder}/SKILL.md"),
    }


def registered(making: Making, item: Item) -> Made:
    """Register an agent: with all that its files say, or under the name that is all that is left."""
    data, where, report, agent_id = item.data, item.where, making.report, making.event_id
    try:
        name, owner, facts = passport_of(
            data["passport"] or {"name": data["line"].get("name")}, agent_id, report, where
        )
        capabilities, domains, summary, examples = _resume(making, data["resume"] or {}, where)
    except (AttributeError, TypeError, ValueError) as error:
        report.note("bad_passport", f"{where}: {error}")
        name, owner, facts = passport_of({"name": f"agent {agent_id[-12:]}"}, agent_id, report, where)
        capabilities, domains, summary, examples = (), (), "", ()
    skill = data["skill"]
    body = AgentRegistered(
        agent_id,
        name,
        owner,
        facts,
        rule_of(data["rule"], report, f"{where}/rule.json"),
        capabilities,
        domains,
        skill is not None,
        summary,
        examples,
        skill or "",
    )
    return Made(body, agent_id)


def _resume(making: Making, data: Json, where: str) -> tuple[tuple[str, ...], tuple[str, ...], str, tuple[Any, ...]]:
    examples = []
    for example in data.get("examples") or ():
        given = [key for key, value in example.items() if value and key not in ("title", "note")]
        if given:
            making.report.note("example_field", f"{where}: {', '.join(given)}")
        examples.append(making.content({key: str(example.get(key) or "") for key in ("title", "note")}, where))
    capabilities, domains = (tuple(map(str, data.get(key) or ())) for key in ("claimed_capabilities", "domains"))
    return capabilities, domains, str(data.get("summary") or ""), tuple(examples)


def _agent(making: Making, item: Item) -> str | None:
    agent_id = making.ref(item.data.get("agent_id"), item.where)
    if making.state.registry.get(agent_id) is None:
        making.report.note("unusable_audit", f"{item.where}: {item.kind}")
        return None
    return agent_id


def unregistered(making: Making, item: Item) -> Made | None:
    """Unregister a live agent."""
    if (agent_id := _agent(making, item)) is None:
        return None
    return Made(AgentUnregistered(agent_id, making.state.registry.agents[agent_id].passport.name))


def rule_set(making: Making, item: Item) -> Made | None:
    """Set the rule that the folder has."""
    agent_id = _agent(making, item)
    if agent_id is None or item.data.get("rule") is None:
        return None
    version = int(item.data.get("version") or 1)
    rule = rule_of(item.data["rule"], making.report, item.where) | {"version": version}
    return Made(AgentRuleSet(agent_id, version, rule))


def resume_set(making: Making, item: Item) -> Made | None:
    """Set the resume that the folder has."""
    agent_id = _agent(making, item)
    if agent_id is None or item.data.get("resume") is None:
        return None
    resume = _resume(making, item.data["resume"], item.where)
    return Made(AgentResumeSet(agent_id, int(item.data.get("version") or 1), *resume), agent_id)


def skill_set(making: Making, item: Item) -> Made | None:
    """Set the skill that the folder has, or remove it."""
    removed, skill = bool(item.data.get("removed")), item.data.get("skill")
    agent_id = _agent(making, item)
    if agent_id is None or (skill is None and not removed):
        return None
    return Made(AgentSkillSet(agent_id, removed, "" if removed else str(skill)), agent_id)


def observed(making: Making, item: Item) -> Made | None:
    """Observe a capability: of the task that ended so, where one did."""
    data = item.data
    if (agent_id := _agent(making, item)) is None:
        return None
    capability, outcome = str(data.get("capability")), str(data.get("outcome"))
    tasks = making.ended.get((agent_id, capability, outcome))
    task_id, cause, latency_us = tasks.pop(0) if tasks else (None, None, None)
    version = int(data.get("version") or 1)
    return Made(AgentObserved(agent_id, capability, outcome, version, latency_us, task_id), cause=cause)
