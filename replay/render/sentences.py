"""Every event in one readable line: a table from body class to sentence, names instead of ids where they are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from events.agents import (
    AgentObserved,
    AgentRegistered,
    AgentResumeSet,
    AgentRuleSet,
    AgentSkillSet,
    AgentUnregistered,
)
from events.event import HUB, Event
from events.governance import AccessDenied, ExpectationViolated, HubOpened, TurnFailed
from events.sessions import (
    EnvelopePosted,
    InboxAcknowledged,
    SessionClosed,
    SessionCreated,
    SessionExpired,
    SessionInviteAccepted,
    SessionInviteRejected,
    SessionInviteSent,
    SessionOpened,
    SessionParticipantHidden,
    SessionParticipantLeft,
)
from events.tasks import TaskCancelled, TaskCompleted, TaskExpired, TaskFailed, TaskProgressed, TaskStarted
from events.values.envelope import EV_TEXT
from events.values.rule import Rule
from replay.names import Names
from replay.render.text import compact, duration, leaves, printable, quoted

Sentence = Callable[[Any, Names], str]
_SUBJECTS = ("sender_id", "agent_id", "owner_id", "creator_id", "subject")
_DEFAULT_RULE = Rule().to_dict()


def sentence(event: Event, names: Names) -> str:
    """Return what an event says, on one line; O(size of the event) and a look-up for each name not yet known."""
    said = SENTENCES[type(event.body)](event.body, names)
    subject = next((getattr(event.body, name) for name in _SUBJECTS if hasattr(event.body, name)), HUB)
    known = (HUB, subject, *getattr(event.body, "agent_ids", ()))
    return printable(said if event.actor in known else f"{said} (by {names.agent(event.actor)})")


def _claims(body: AgentRegistered | AgentResumeSet) -> str:
    return f"claims {', '.join(body.capabilities)}" if body.capabilities else "claims nothing"


def _rule(rule: Mapping[str, Any]) -> str:
    """Say what differs from the rule that lets everything through."""
    different = leaves({key: value for key, value in rule.items() if key != "version"}, _DEFAULT_RULE)
    return f"rule {', '.join(different)}" if different else "the default rule"


def _registered(body: AgentRegistered, names: Names) -> str:
    owner = f" of {body.owner}" if body.owner else ""
    skill = ", with a skill" if body.has_skill else ""
    return f"{body.name}{owner} registered, {_claims(body)}{skill}, {_rule(body.rule)}"


def _unregistered(body: AgentUnregistered, names: Names) -> str:
    return f"{body.name} unregistered"


def _resume_set(body: AgentResumeSet, names: Names) -> str:
    return f"{names.agent(body.agent_id)} set its resume, version {body.version}: {_claims(body)}"


def _skill_set(body: AgentSkillSet, names: Names) -> str:
    return f"{names.agent(body.agent_id)} {'removed' if body.removed else 'set'} its skill"


def _rule_set(body: AgentRuleSet, names: Names) -> str:
    return f"{names.agent(body.agent_id)} has a new rule, version {body.version}: {_rule(body.rule)}"


def _observed(body: AgentObserved, names: Names) -> str:
    took = f" in {duration(body.latency_us)}" if body.latency_us is not None else ""
    return f"{names.agent(body.agent_id)} was seen at {body.capability}: {body.outcome}{took}"


def _in(body: Any, names: Names) -> str:
    return names.session(body.session_id)


def _created(body: SessionCreated, names: Names) -> str:
    invited = tuple(agent_id for agent_id in body.participants if agent_id != body.creator_id)
    people = f" with {names.agents(invited)}" if invited else " alone"
    labels = f", {', '.join(f'{key} {quoted(body.labels[key])}' for key in sorted(body.labels))}" if body.labels else ""
    depth = f", depth {body.depth}" if body.depth else ""
    return f"{_in(body, names)}: {names.agent(body.creator_id)} asked for it{people}{labels}{depth}"


def _invited(body: SessionInviteSent, names: Names) -> str:
    return f"{_in(body, names)}: {names.agent(body.invitee_id)} was invited"


def _accepted(body: SessionInviteAccepted, names: Names) -> str:
    return f"{_in(body, names)}: {names.agent(body.agent_id)} accepted"


def _rejected(body: SessionInviteRejected, names: Names) -> str:
    why = f": {quoted(body.reason)}" if body.reason else ""
    return f"{_in(body, names)}: {names.agent(body.agent_id)} rejected{why}"


def _opened(body: SessionOpened, names: Names) -> str:
    return f"{_in(body, names)}: opened"


def _closed(body: SessionClosed, names: Names) -> str:
    return f"{_in(body, names)}: closed, {body.reason}"


def _expired(body: SessionExpired, names: Names) -> str:
    return f"{_in(body, names)}: expired, {body.reason}"


def _hidden(body: SessionParticipantHidden, names: Names) -> str:
    why = f", {body.expectation}" if body.expectation else ""
    return f"{_in(body, names)}: {names.agent(body.agent_id)} was hidden{why}"


def _left(body: SessionParticipantLeft, names: Names) -> str:
    return f"{_in(body, names)}: {names.agent(body.agent_id)} left"


def _posted(body: EnvelopePosted, names: Names) -> str:
    kind = "" if body.event_type == EV_TEXT else f" {body.event_type}"
    marks = [body.priority] if body.priority != "normal" else []
    marks += [f"depth {body.depth}"] if body.depth else []
    marks += [names.task(body.task_id)] if body.task_id else []
    noted = f" [{', '.join(marks)}]" if marks else ""
    who = f"{names.agent(body.sender_id)} → {names.agents(body.recipients)}"
    return f"{_in(body, names)}: {who}{kind}{noted} {said({**body.data, **body.rest})}".rstrip()


def said(data: Mapping[str, Any]) -> str:
    """Return what an envelope's data say: their text in quotation marks, or JSON, or nothing."""
    text = data.get("text", data.get("body"))
    if isinstance(text, str):
        return quoted(text)
    return compact(data) if data else ""


def _acknowledged(body: InboxAcknowledged, names: Names) -> str:
    count = len(body.envelope_ids)
    return (
        f"{names.agents(tuple(dict.fromkeys(body.agent_ids)))} acknowledged {count} envelope{'s' if count > 1 else ''}"
    )


def _task(what: str) -> Sentence:
    def words(body: Any, names: Names) -> str:
        took = f" after {duration(body.latency_us)}" if hasattr(body, "latency_us") else ""
        skill = f" ({body.capability})" if getattr(body, "capability", None) else ""
        more = _task_words(body)
        return f"{_in(body, names)}: {names.agent(body.owner_id)} {what} {names.task(body.task_id)}{skill}{took}{more}"

    return words


def _task_words(body: Any) -> str:
    for name in ("error", "reason"):
        if text := getattr(body, name, ""):
            return f": {quoted(text)}"
    data = getattr(body, "progress", None) or getattr(body, "result", None) or getattr(body, "payload", None)
    return f": {compact(data)}" if data else ""


def _violated(body: ExpectationViolated, names: Names) -> str:
    who = f" by {names.agents(body.violators)}" if body.violators else ""
    return f"{_in(body, names)}: {body.expectation} violated{who}, {body.on_violation}"


def _denied(body: AccessDenied, names: Names) -> str:
    target = f" to {names.anyone(body.target)}" if body.target not in ("", body.session_id) else ""
    session = f" in {names.session(body.session_id)}" if body.session_id else ""
    more = f", {body.left_out} like it before" if body.left_out else ""
    said = f": {quoted(body.message)}" if body.message else ""
    return f"{names.agent(body.subject)} was refused {body.action}{target}{session}, {body.error}{more}{said}"


def _turn_failed(body: TurnFailed, names: Names) -> str:
    last = ", given up" if body.final else ""
    error = f": {quoted(body.error)}" if body.error else ""
    return f"{_in(body, names)}: {names.agent(body.agent_id)} failed its turn, attempt {body.attempt}{last}{error}"


def _hub_opened(body: HubOpened, names: Names) -> str:
    return f"a hub opened, ledgerhub {body.library}, format {body.format}, types {', '.join(body.adapters) or 'none'}"


SENTENCES: dict[type, Sentence] = {
    AgentRegistered: _registered,
    AgentUnregistered: _unregistered,
    AgentResumeSet: _resume_set,
    AgentSkillSet: _skill_set,
    AgentRuleSet: _rule_set,
    AgentObserved: _observed,
    SessionCreated: _created,
    SessionInviteSent: _invited,
    SessionInviteAccepted: _accepted,
    SessionInviteRejected: _rejected,
    SessionOpened: _opened,
    SessionClosed: _closed,
    SessionExpired: _expired,
    SessionParticipantHidden: _hidden,
    SessionParticipantLeft: _left,
    EnvelopePosted: _posted,
    InboxAcknowledged: _acknowledged,
    TaskStarted: _task("started"),
    TaskProgressed: _task("went on with"),
    TaskCompleted: _task("completed"),
    TaskFailed: _task("failed"),
    TaskExpired: _task("let expire"),
    TaskCancelled: _task("cancelled"),
    ExpectationViolated: _violated,
    AccessDenied: _denied,
    TurnFailed: _turn_failed,
    HubOpened: _hub_opened,
}
"""Body class to sentence; a test holds it complete."""
