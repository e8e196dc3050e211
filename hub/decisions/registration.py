"""Registering, unregistering and changing an agent (SPEC §2); recording what it was seen to do (TASK-3)."""

from __future__ import annotations

from typing import Any, NamedTuple

from events.agents import (
    AgentObserved,
    AgentRegistered,
    AgentResumeSet,
    AgentRuleSet,
    AgentSkillSet,
    AgentUnregistered,
)
from events.errors import ProtocolError
from events.sessions import SessionParticipantLeft
from events.values.envelope import Envelope
from events.values.identity import Passport, Resume, name_problem
from events.values.rule import Rule
from events.values.session import SessionState
from hub.decisions.closing import check_departure, close
from hub.decisions.draft import Draft, guarded
from hub.protocols.base import SessionAdapter
from projections.observed import OUTCOMES
from projections.sessions import SessionRecord


class Register(NamedTuple):
    """An authenticated identity wants in; ``by_itself`` through a link, so that it is its own actor."""

    passport: Passport
    resume: Resume
    rule: Rule
    skill: str | None = None
    by_itself: bool = False


class Unregister(NamedTuple):
    """An agent leaves."""

    agent_id: str


class SetResume(NamedTuple):
    """An agent claims something else."""

    agent_id: str
    resume: Resume


class SetSkill(NamedTuple):
    """An agent sets (text) or removes (None) its skill."""

    agent_id: str
    markdown: str | None


class SetRule(NamedTuple):
    """Another rule shall hold for an agent."""

    agent_id: str
    rule: Rule


class RecordObservation(NamedTuple):
    """Somebody saw a capability at work, outside of a task."""

    agent_id: str
    capability: str
    outcome: str
    latency_us: int | None = None


SKILL_SIZE_MAX_BYTES = 1 << 20


def register(draft: Draft, command: Register) -> str:
    """Add the one event that makes an identity with resume, rule and skill; returns its id (REG-2, trap 7)."""
    passport, resume = command.passport, command.resume
    if problem := name_problem(passport.name):
        raise ProtocolError(problem, name=passport.name)
    draft.depends_on(f"name:{passport.name}", types=(AgentRegistered, AgentUnregistered))
    holder = draft.state.registry.names.get(passport.name)
    if holder is not None:
        raise ProtocolError(
            f"the name {passport.name!r} is already registered, by {holder}: unregister that agent, attach to it, "
            "or choose another name",
            name=passport.name,
            agent_id=holder,
        )
    draft.permit(draft.arbiter.authorize_register(passport, command.rule))
    _check_skill(command.skill)
    agent_id = draft.new_id()
    facts = passport.to_dict()
    for stamped in ("name", "owner", "agent_id", "created_at"):
        del facts[stamped]
    facts["auth"].pop("claim")
    draft.add(
        AgentRegistered(
            agent_id,
            passport.name,
            passport.owner,
            facts,
            command.rule.to_dict(),
            tuple(resume.claimed_capabilities),
            tuple(resume.domains),
            command.skill is not None,
            resume.summary,
            tuple(example.to_dict() for example in resume.examples),
            command.skill or "",
        ),
        event_id=agent_id,
        actor=agent_id if command.by_itself else "",
    )
    return agent_id


def unregister(draft: Draft, command: Unregister) -> None:
    """Remove an agent; sessions that it alone could move on close with it, the others stay (REG-8, trap 51)."""
    draft.authorised(command.agent_id, what="unregister another agent")
    record = draft.agent(command.agent_id)
    draft.depends_on(f"agent:{command.agent_id}")
    gone = draft.add(AgentUnregistered(command.agent_id, record.passport.name))
    for session in list(draft.state.sessions.of_agent(command.agent_id)):
        draft.depends_on(f"session:{session.session_id}")
        check_departure(draft, session, command.agent_id)
        draft.add(SessionParticipantLeft(session.session_id, command.agent_id), cause=gone.id)
        if _stuck_without(draft, session, command.agent_id):
            close(draft, session, "participant_left", cause=gone.id)


def _stuck_without(draft: Draft, session: SessionRecord, agent_id: str) -> bool:
    """Say whether nobody can move the session on once the agent is gone."""
    if session.state is SessionState.PENDING:
        return agent_id == session.creator_id or agent_id in session.pending_acks
    others = [p for p in session.participants if p != agent_id and p not in session.left and p not in session.hidden]
    if not others:
        return True
    adapter = draft.catalogue.adapter(session.manifest.type, session.manifest.version)
    if adapter is None or session.adapter_state is None:
        return False
    expected = adapter.expected_next(session.metadata, session.adapter_state)
    if len(session.participants) == 2 and expected == others[0]:
        return _awaited_after(session, adapter, expected) == agent_id
    if expected != agent_id:
        return False
    if len(session.participants) == 2:
        return True
    after = guarded(
        f"fold_departure of {session.manifest.type!r}", adapter.fold_departure, agent_id, session.adapter_state
    )
    return adapter.expected_next(session.metadata, after) == agent_id


def _awaited_after(session: SessionRecord, adapter: SessionAdapter, speaker: str) -> str | None:
    """Say who would be expected after the one who is: that question would be put to nobody."""
    envelope = Envelope(session.session_id, speaker)
    after = guarded(f"fold of {session.manifest.type!r}", adapter.fold, envelope, session.adapter_state)
    return adapter.expected_next(session.metadata, after)


def set_resume(draft: Draft, command: SetResume) -> None:
    """Replace an agent's claims; version and date are the hub's, observed stays (REG-4)."""
    draft.authorised(command.agent_id, what="set another agent's resume")
    record = draft.agent(command.agent_id)
    draft.depends_on(f"agent:{command.agent_id}")
    resume = command.resume
    draft.add(
        AgentResumeSet(
            command.agent_id,
            record.resume_version + 1,
            tuple(resume.claimed_capabilities),
            tuple(resume.domains),
            resume.summary,
            tuple(example.to_dict() for example in resume.examples),
        )
    )


def set_skill(draft: Draft, command: SetSkill) -> None:
    """Set or remove an agent's skill text (REG-6)."""
    draft.authorised(command.agent_id, what="set another agent's skill")
    draft.agent(command.agent_id)
    draft.depends_on(f"agent:{command.agent_id}")
    _check_skill(command.markdown)
    draft.add(AgentSkillSet(command.agent_id, command.markdown is None, command.markdown or ""))


def _check_skill(markdown: str | None) -> None:
    if markdown is None:
        return
    if not isinstance(markdown, str):
        raise ProtocolError(f"a skill is markdown text or None, not a {type(markdown).__name__}")
    if len(markdown.encode(errors="surrogatepass")) > SKILL_SIZE_MAX_BYTES:
        raise ProtocolError(f"a skill has at most {SKILL_SIZE_MAX_BYTES} bytes; keep the rest elsewhere and link it")


def set_rule(draft: Draft, command: SetRule) -> None:
    """Replace an agent's rule from the next decision on (RULE-11); the version is the hub's."""
    draft.authorised(command.agent_id, what="set another agent's rule")
    record = draft.agent(command.agent_id)
    draft.depends_on(f"agent:{command.agent_id}")
    version = record.rule.version + 1
    draft.add(AgentRuleSet(command.agent_id, version, {**command.rule.to_dict(), "version": version}))


def record_observation(draft: Draft, command: RecordObservation) -> None:
    """Count an outcome of a capability (TASK-3); only the operator's to say (trap 34)."""
    draft.authorised(what="record observations: they are the hub's")
    draft.depends_on(f"agent:{command.agent_id}")
    capability: Any = command.capability
    if not isinstance(capability, str) or not capability:
        raise ProtocolError(f"a capability is text, not {capability!r}")
    if command.outcome not in OUTCOMES:
        raise ProtocolError(f"the outcome {command.outcome!r} is none of {', '.join(OUTCOMES)}")
    version = draft.agent(command.agent_id).resume_version + 1
    draft.add(AgentObserved(command.agent_id, command.capability, command.outcome, version, command.latency_us))
