"""Why something was refused: the rule that was in force, whose it was, and what had used it up (GOV-6, RULE-13)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from events.agents import AgentRuleSet
from events.errors import AuthError, InboxFull, RateLimitedError
from events.event import OPERATOR, Event
from events.governance import AccessDenied, TurnFailed
from events.log import tagged
from events.sessions import EnvelopePosted, InboxAcknowledged, SessionClosed, SessionExpired
from events.values.envelope import is_protocol_event
from events.values.frozen import thaw
from events.values.identity import AGENT_ID
from projections.rates import WINDOW_US
from replay.reasons.past import Past
from replay.reasons.words import Reason
from replay.render.text import compact, printable

SHOWN_MAX = 8
"""How many of the envelopes that used up a rate or filled an inbox are named."""
READ_MAX = 10_000
"""Among so many events they are looked for."""
TARGETS_MAX = 64
"""Among so many of those who were to be reached is looked for whose rule it was."""
_ENDS = (SessionClosed, SessionExpired)
_KEY = re.compile(r"its rule's (\w+)")


def refusal(past: Past, event: Event) -> Reason:
    """Return why an ``access.denied`` was; O(log n), and the envelopes counted.

    The message names the setting and whose rule it is in (``hub.arbiter``); of any other message (another arbiter's,
    or one that was erased) it is the rule of who was refused.
    """
    body: AccessDenied = event.body
    if body.error == AuthError.code:
        return Reason(_known(past, body.subject), "refused by authentication, before any rule was asked")
    key = _KEY.search(body.message)
    owner_id = _owner(past, body)
    rule = past.rule(owner_id) if owner_id else None
    if rule is None:
        return Reason(None, "refused; whose rule it was is not in the log before it")
    if body.message and not key:
        return Reason(_session_or(past, body, rule), "refused for what the message says; it names no setting of a rule")
    setting = _setting(rule, key[1]) if key else ""
    how = f"rule set at @{rule.position}" if isinstance(rule.body, AgentRuleSet) else _first_rule(rule)
    by = " by the operator" if rule.actor == OPERATOR and isinstance(rule.body, AgentRuleSet) else ""
    used = _used(past, event, rule)
    return Reason(rule, f"refused by the {how}{by}{setting}{_after(used)}", evidence=tuple(used))


def _first_rule(rule: Event) -> str:
    return f"rule that {printable(rule.body.name)} registered with at @{rule.position}"


def _known(past: Past, subject: str) -> Event | None:
    return past.registration(subject) if AGENT_ID.fullmatch(subject) else None


def _session_or(past: Past, body: AccessDenied, other: Event) -> Event:
    return (past.session(body.session_id) if body.session_id else None) or other


def _owner(past: Past, body: AccessDenied) -> str | None:
    """Return who the message begins with, as ``hub.arbiter`` words it: who was refused, or one of the targets."""
    for who in islice((body.subject, *body.target.split(",")), TARGETS_MAX):
        registered = past.registration(who) if AGENT_ID.fullmatch(who) else past.named(who)
        if registered is None:
            continue
        if body.message.removeprefix("the inbox of ").startswith(repr(registered.body.name)):
            return str(registered.body.agent_id)
    return body.subject if AGENT_ID.fullmatch(body.subject) else None


def _value(rule: Event, key: str) -> Any:
    return next((block[key] for block in rule.body.rule.values() if isinstance(block, Mapping) and key in block), None)


def _setting(rule: Event, key: str) -> str:
    value = _value(rule, key)
    return "" if value is None else f", {key} {compact(thaw(value))}"


def _after(used: list[int]) -> str:
    if not used:
        return ""
    shown = ", ".join(f"@{position}" for position in used[:SHOWN_MAX])
    return f", used up by {shown}" + (f" and {len(used) - SHOWN_MAX} more" if len(used) > SHOWN_MAX else "")


def _used(past: Past, event: Event, rule: Event) -> list[int]:
    error = event.body.error
    if error == RateLimitedError.code:
        found, cap = _sent(past, event.body.subject, event.at_us - WINDOW_US), _value(rule, "envelopes_per_minute")
    elif error == InboxFull.code:
        found, cap = _waiting(past, rule.body.agent_id), _value(rule, "max_pending")
    else:
        return []
    return sorted(islice(found, cap or 0))


def _sent(past: Past, agent_id: str, since_us: int) -> Iterator[int]:
    """Give where an agent's envelopes of the last minute are, newest first."""
    for event in islice(past.backwards(tagged(f"agent:{agent_id}", types=(EnvelopePosted,))), READ_MAX):
        if event.at_us <= since_us:
            return
        if event.body.sender_id == agent_id and not is_protocol_event(event.body.event_type):
            yield event.position


def _waiting(past: Past, agent_id: str) -> Iterator[int]:
    """Give where the envelopes are that count against an inbox's cap, newest first (RULE-9)."""
    done: set[str] = set()
    over: dict[str, bool] = {}
    query = tagged(f"agent:{agent_id}", types=(EnvelopePosted, InboxAcknowledged, TurnFailed))
    for event in islice(past.backwards(query), READ_MAX):
        body = event.body
        if isinstance(body, InboxAcknowledged):
            done |= {each for who, each in zip(body.agent_ids, body.envelope_ids, strict=True) if who == agent_id}
        elif isinstance(body, TurnFailed):
            done |= {body.envelope_id} if body.final and body.agent_id == agent_id else set()
        elif body.sender_id == agent_id:
            over[body.session_id] = True  # what was sent to it there before, it has answered
        elif event.id not in done and not is_protocol_event(body.event_type):
            if body.session_id not in over:
                over[body.session_id] = past.newest(f"session:{body.session_id}", types=_ENDS) is not None
            if not over[body.session_id]:
                yield event.position
