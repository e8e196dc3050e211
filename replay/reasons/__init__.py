"""Why an event happened: the event before it that led to it, in a table from body class to words.

Most events name their cause. Of those that do not (a sweeper's, a refusal, an agent's own word), the cause follows
from the facts: the TTL that a session was created with, the rule that was in force, the session, the registration.
"""

from __future__ import annotations

from events.event import Event
from replay.history import History
from replay.reasons.derived import DERIVED
from replay.reasons.named import RECORDED, follows
from replay.reasons.past import Past
from replay.reasons.words import Reason

__all__ = ["Reason", "reason"]


def reason(history: History, event: Event) -> Reason:
    """Return what led to an event, and why that is its cause; O(log² n), of a refusal the envelopes counted, too."""
    past = Past(history.log, history.names, event)
    if event.cause is None:
        return DERIVED[type(event.body)](past, event)
    cause = past.find(event.cause)
    if cause is not None:
        return RECORDED.get(type(event.body), follows)(past, event, cause)._replace(cause=cause, recorded=True)
    derived = DERIVED[type(event.body)](past, event)
    why = f"the cause that it names, {event.cause}, is not in the log before it; {derived.why}"
    return derived._replace(why=why, missing=event.cause)
