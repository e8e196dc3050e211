"""Puts refusals on record, and counts those that are left out of it (GOV-6)."""

from __future__ import annotations

from events.errors import AccessDeniedError, AuthError, InboxFull, NetworkError
from hub.commit import Committer
from hub.decisions.refusing import RecordDenial
from hub.listeners import HubListener
from projections.denials import Refusal

RECORDED = (AccessDeniedError, AuthError, InboxFull)
"""Refusals by rule or authentication; what a protocol refuses is between caller and session."""
COUNTED_MAX = 10_000
"""Distinct refusals whose left-out ones are counted; beyond it the oldest count is dropped."""


class Refusals:
    """The counts are of this process: a refusal that was left out is nowhere in the log, so they end with it."""

    def __init__(self, committer: Committer, listeners: HubListener) -> None:
        self._committer, self._listeners = committer, listeners
        self._left_out: dict[Refusal, int] = {}

    async def note(
        self, error: NetworkError, *, subject: str, action: str, target: str, session_id: str | None, actor: str
    ) -> None:
        """Record a refusal unless a like one is younger than a minute; a store that fails is told to listeners."""
        refusal = Refusal(subject[:200], action, target[:200], error.code)
        count = self._left_out.pop(refusal, 0)
        try:
            recorded = await self._committer.run(RecordDenial(refusal, str(error), session_id, count), actor)
        except NetworkError as second:
            self._listeners.on_error(f"recording that {action} was refused to {subject}", second)
            recorded = False
        if not recorded:
            self._left_out[refusal] = self._left_out.get(refusal, 0) + count + 1
            while len(self._left_out) > COUNTED_MAX:
                del self._left_out[next(iter(self._left_out))]
