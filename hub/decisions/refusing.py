"""Recording that something was refused, at most once a minute for like refusals (GOV-6)."""

from __future__ import annotations

from typing import NamedTuple

from events.governance import AccessDenied
from events.values.identity import AGENT_ID
from hub.decisions.draft import Draft
from projections.denials import Refusal


class RecordDenial(NamedTuple):
    """Somebody was refused something; ``left_out`` counts like refusals that were not recorded."""

    refusal: Refusal
    message: str
    session_id: str | None = None
    left_out: int = 0


def record_denial(draft: Draft, command: RecordDenial) -> bool:
    """Add the record unless a like one is younger than a minute; returns whether it was added."""
    refusal = command.refusal
    if draft.state.denials.recorded(refusal, draft.at_us):
        return False
    session_id = command.session_id if command.session_id and AGENT_ID.fullmatch(command.session_id) else None
    body = AccessDenied(
        refusal.subject,
        refusal.action,
        refusal.target,
        refusal.error,
        session_id,
        command.left_out,
        command.message[:2000],
    )
    draft.depends_on(body.tags()[0], types=(AccessDenied,))
    draft.add(body)
    return True
