"""Known bugs, planted from outside: each patches the product in this process and shows what the simulator is worth.

``BUGS`` is the table. A bug is one that such a hub has had, or could have by one slip; the product knows of none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from events.sessions import SessionClosed, SessionExpired
from events.stores import Batch
from events.values import Envelope
from hub import commit, hub
from hub.arbiter import ALLOW, InboxRequest, RuleBasedArbiter, Verdict
from hub.commands import Commands
from hub.commit import Committer
from hub.decisions import DECISIONS, opening, posting, sweeping
from hub.decisions.draft import Draft
from hub.delivery import Delivery
from hub.expectations import Violation
from hub.handshake import Handshakes
from hub.ids import AscendingIds
from projections.deadlines import Deadlines
from projections.inboxes import Inboxes
from projections.rates import Rates
from projections.session_packing import pack
from projections.sessions import SessionRecord, Sessions
from projections.tasks import Tasks

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], None]


class Bug(NamedTuple):
    """A known bug: what plants it, and which rules it breaks."""

    plant: Plant
    rules: tuple[str, ...]


BUGS: dict[str, Bug] = {}


def shows(*rules: str) -> Callable[[Plant], Plant]:
    """Enter a bug into ``BUGS``: a run that has it breaks one of these rules, sooner or later."""

    def enter(plant: Plant) -> Plant:
        BUGS[plant.__name__] = Bug(plant, rules)
        return plant

    return enter


@shows("a hub does not open on a disk that fails", "acknowledged means on disk")
def lost_fsync(patch: Patch) -> None:
    """A command is acknowledged once it was decided, not once it is on disk."""
    decide = Committer._decide
    patch.setattr(Committer, "_decide", lambda self, command, actor: (decide(self, command, actor)[0], None))


@shows("sequences are gapless", "listeners hear all, in order")
def dropped_condition(patch: Patch) -> None:
    """What was decided after a failed append is appended all the same."""
    patch.setattr(commit, "Batch", lambda events, completed, follows: Batch(events, completed=completed))


@shows(
    "the state is the fold of the log",
    "what is due ends",
    "live sessions are those that did not end",
    "positions are gapless",
)
def state_kept_after_failure(patch: Patch) -> None:
    """A failed append is not taken out of the state."""

    def rebuild(self: Committer) -> None:
        self._failed = False
        lost, self._lost = self._lost, []
        for done, reason in lost:
            commit._settle(done, reason)

    patch.setattr(Committer, "_rebuild", rebuild)


@shows("what is not acknowledged is delivered again")
def off_by_one_resume(patch: Patch) -> None:
    """Who connects again is not sent the first of what waits."""
    outstanding = Delivery._outstanding
    patch.setattr(Delivery, "_outstanding", lambda self, agent_id: outstanding(self, agent_id)[1:])


@shows("live sessions are those that did not end", "a session ends once, and nothing follows")
def double_close(patch: Patch) -> None:
    """A session that ended stays in the table of live ones."""
    patch.setattr(Sessions, "_leave", lambda self, record: None)


@shows("one decision is one append")
def close_apart_from_reply(patch: Patch) -> None:
    """The answer of a consulting does not close it."""
    patch.setattr(posting, "_follow_up", lambda draft, record, result, envelope_id: None)


@shows("what is owed and late is recorded")
def missed_re_arm(patch: Patch) -> None:
    """A violation that was recorded once is never recorded again (trap 46)."""

    def unrecorded(violation: Violation, index: int, record: SessionRecord) -> Violation | None:
        people = violation.violators or ("",)
        return None if any((index, who) in record.fired for who in people) else violation

    patch.setattr(sweeping, "unrecorded", unrecorded)


@shows("a violation comes once per arming")
def violation_again(patch: Patch) -> None:
    """A violation is recorded at each tick."""
    patch.setattr(sweeping, "unrecorded", lambda violation, index, record: violation)


@shows("the cap of the inbox holds")
def inbox_off_by_one(patch: Patch) -> None:
    """One more than max_pending fits into an inbox."""
    authorize = RuleBasedArbiter.authorize_inbox

    def lenient(self: RuleBasedArbiter, request: InboxRequest) -> Verdict:
        return authorize(self, InboxRequest(request.recipient, request.pending - 1))

    patch.setattr(RuleBasedArbiter, "authorize_inbox", lenient)


@shows("the rate holds")
def rate_off_by_one(patch: Patch) -> None:
    """One more than envelopes_per_minute may be sent."""
    retry_after_s = Rates.retry_after_s

    def lenient(self: Rates, agent_id: str, cap: int, now_us: int) -> float | None:
        return retry_after_s(self, agent_id, cap and cap + 1, now_us)

    patch.setattr(Rates, "retry_after_s", lenient)


@shows("the rate holds")
def rate_forgets_a_second_early(patch: Patch) -> None:
    """The window of the rate is 59 seconds."""
    retry_after_s = Rates.retry_after_s

    def hasty(self: Rates, agent_id: str, cap: int, now_us: int) -> float | None:
        return retry_after_s(self, agent_id, cap, now_us + 1_000_000)

    patch.setattr(Rates, "retry_after_s", hasty)


@shows("sequences are gapless")
def sequence_reuse(patch: Patch) -> None:
    """The envelopes of one decision share a place in the session's log."""
    patch.setattr(Draft, "sequence", lambda self, record: record.sequence + 1)


@shows("a send keeps to outbound_to")
def broadcast_bypasses_outbound(patch: Patch) -> None:
    """outbound_to is looked at for a listed audience only (trap 21)."""
    authorize_send = RuleBasedArbiter.authorize_send
    listed = posting._check_flow

    def check(draft: Draft, sender: Any, envelope: Envelope, *rest: Any) -> None:
        def lenient(self: RuleBasedArbiter, request: Any) -> Verdict:
            return authorize_send(self, request._replace(recipients=[]))

        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(RuleBasedArbiter, "authorize_send", lenient)
            listed(draft, sender, envelope, *rest)

    patch.setattr(posting, "_check_flow", check)


@shows("delivery keeps to audience and inbound_from")
def inbound_is_ignored(patch: Patch) -> None:
    """inbound_from is forgotten once a session runs (RULE-3)."""
    patch.setattr(RuleBasedArbiter, "authorize_delivery", lambda self, sender, recipient, envelope: ALLOW)


@shows("what is delivered was permitted", "delivery keeps to audience and inbound_from")
def hidden_still_sees(patch: Patch) -> None:
    """Who was hidden goes on getting what is said."""
    patch.setattr(SessionRecord, "present", lambda self: iter(one for one in self.participants if one not in self.left))
    audience = posting._audience

    def everybody(record: SessionRecord, envelope: Envelope) -> list[str]:
        hidden, record.hidden = record.hidden, frozenset()
        try:
            return audience(record, envelope)
        finally:
            record.hidden = hidden

    patch.setattr(posting, "_audience", everybody)


@shows("an agent acknowledges its own")
def acknowledged_by_another(patch: Patch) -> None:
    """Anybody may acknowledge anybody's envelopes."""

    def acknowledge(draft: Draft, command: posting.Acknowledge) -> None:
        actor, draft.actor = draft.actor, "hub"
        try:
            posting.acknowledge(draft, command)
        finally:
            draft.actor = actor

    patch.setitem(DECISIONS, posting.Acknowledge, acknowledge)


@shows("an inbox counts what is pending")
def wrong_released_count(patch: Patch) -> None:
    """An inbox goes on counting what came in sessions that have ended (trap 22)."""
    for body in (SessionClosed, SessionExpired):
        patch.delitem(Inboxes.FOLDS, body)


@shows("what is due ends")
def ttl_boundary(patch: Patch) -> None:
    """What expires now expires at the tick after."""
    due = Deadlines.due
    patch.setattr(Deadlines, "due", lambda self, now_us: due(self, now_us - 1))


@shows("only the hub emits protocol envelopes")
def forged_lifecycle(patch: Patch) -> None:
    """Agents may say what only the hub says (trap 31)."""
    patch.setattr(posting, "is_protocol_event", lambda event_type: False)


@shows(
    "an agent posts as itself",
    "an agent acknowledges its own",
    "a task is its owner's to report",
    "forgeries are refused",
)
def outsiders_post(patch: Patch) -> None:
    """Any agent may post as any other (trap 29)."""
    patch.setattr(Draft, "authorised", lambda self, *agent_ids, what: None)


@shows("a command happens once")
def key_forgotten(patch: Patch) -> None:
    """A retry is a new envelope (trap 59)."""
    patch.setattr(posting, "_sent_before", lambda command, record, envelope, digest: None)


@shows("ids ascend")
def ids_begin_anew(patch: Patch) -> None:
    """A hub that was opened again draws the ids of its youth (trap 17)."""
    patch.setattr(AscendingIds, "floor", lambda self, last_id: None)


@shows("every command is answered")
def opener_left_waiting(patch: Patch) -> None:
    """Whoever opens a session that is closed meanwhile waits for ever (SESS-3)."""
    settle = Handshakes._settle
    patch.setattr(
        Handshakes, "_settle", lambda self, session_id, error: settle(self, session_id, error) if not error else None
    )


@shows("what lapsed is not delivered")
def lapsed_is_delivered(patch: Patch) -> None:
    """An envelope's own TTL is carried and not read (trap 20)."""
    patch.setattr(Delivery, "lapsed", lambda self, envelope: False)


@shows("depth follows causation")
def depth_is_the_clients(patch: Patch) -> None:
    """Depth is whatever the sender stamps (trap 23)."""
    patch.setattr(posting, "_depth", lambda command, record: command.envelope.depth)


@shows("the cap of tasks holds", "the state is the fold of the log")
def cap_of_tasks_forgotten(patch: Patch) -> None:
    """Tasks that have ended free a place twice."""
    ended = Tasks._ended

    def twice(self: Tasks, event: Any) -> None:
        known = self.open.get(event.body.task_id)
        ended(self, event)
        if known is not None and known.owner_id in self.open_of:
            self.open_of[known.owner_id] -= 1

    for body in [body for body, fold in Tasks.FOLDS.items() if fold is ended]:
        patch.setitem(Tasks.FOLDS, body, twice)


@shows("the cap of sessions holds")
def pending_not_counted(patch: Patch) -> None:
    """max_concurrent_sessions is looked at without the session that is the last one."""
    authorize_open = RuleBasedArbiter.authorize_open

    def lenient(self: RuleBasedArbiter, request: Any) -> Verdict:
        return authorize_open(self, request._replace(open_sessions=request.open_sessions - 1))

    patch.setattr(RuleBasedArbiter, "authorize_open", lenient)


@shows("only a pending invitee answers")
def anybody_rejects(patch: Patch) -> None:
    """Whoever likes kills a handshake (trap 30)."""

    def answer(draft: Draft, command: opening.AnswerInvite) -> str:
        record = draft.session(command.session_id)
        if command.accept or command.agent_id in record.pending_acks or record.state != "pending":
            return opening.answer_invite(draft, command)
        pending, record.pending_acks = record.pending_acks, (command.agent_id,)
        try:
            return opening.answer_invite(draft, command)
        finally:
            record.pending_acks = pending

    patch.setitem(DECISIONS, opening.AnswerInvite, answer)


@shows("the turn is whose it is", "the state is the fold of the log")
def dormant_for_good(patch: Patch) -> None:
    """A session type that is loaded late finds its sessions asleep and leaves them so (SESS-9)."""
    patch.setattr(Committer, "revive", lambda self, session_ids: None)


@shows("an opener who goes away leaves nothing pending")
def abandoned_session(patch: Patch) -> None:
    """Who stops waiting for a handshake leaves the session pending (trap 6)."""

    async def abandon(self: Commands, created: Any) -> None:
        await created

    patch.setattr(Commands, "_abandon", abandon)


@shows("the state is the fold of the log")
def checkpoint_forgets(patch: Patch) -> None:
    """A checkpoint does not keep which violations were recorded (trap 13)."""

    def forgetful(record: SessionRecord, manifest_key: str, adapter_state: Any) -> bytes:
        return pack(replace(record, fired={}), manifest_key, adapter_state)

    patch.setattr("projections.sessions.pack", forgetful)


@shows("what is acknowledged was handled", "attempts are counted", "a failed turn comes again up to a limit")
def failed_is_acknowledged(patch: Patch) -> None:
    """An envelope whose handler failed is done with (trap 52)."""

    async def failed(self: Delivery, agent_id: str, envelope: Envelope, error: BaseException) -> bool:
        self.acknowledge(agent_id, envelope)
        return True

    patch.setattr(Delivery, "failed", failed)


@shows("what is due ends", "what is owed and late is recorded")
def cut_short_for_good(patch: Patch) -> None:
    """What a tick that was cut short did not come to is never looked at again."""

    async def each(due: Any, act: Any, plan: Any) -> None:
        for key in due:
            await act(key)
            plan(key)

    patch.setattr(hub, "_each", each)


@shows("who is hidden is hidden once")
def hidden_twice(patch: Patch) -> None:
    """Who violates two hiding expectations in one look is hidden by each."""
    record: Callable[..., str] = sweeping._record
    patch.setattr(sweeping, "_record", lambda draft, of, *rest: record(draft, of, *rest[:-1], set(of.hidden)))
