"""RULE-9, CLI-5: inboxes hold gaps, count what is pending, and release what ended (trap 22, trap 52)."""

from __future__ import annotations

import pytest

from events.agents import AgentRegistered, AgentUnregistered
from events.event import Event
from events.governance import TurnFailed
from events.sessions import EnvelopePosted, InboxAcknowledged, SessionClosed, SessionExpired
from projections.inboxes import RELEASED_MAX, Inboxes, Pending
from tests.hub.decisions.story import nth, registered

ALICE, BOB, TALK, OTHER = nth(1), nth(2), nth(10), nth(11)


class Told:
    """Inboxes, told one event after the other; the id of an event is that of its position."""

    def __init__(self) -> None:
        self.inboxes = Inboxes()
        self.position = 0
        for number, name in ((1, "alice"), (2, "bob")):
            self.tell(registered(number, name))

    def tell(self, body: object) -> str:
        self.position += 1
        self.inboxes.FOLDS[type(body)](self.inboxes, Event(body, nth(self.position), 0, position=self.position))
        return nth(self.position)

    def post(self, session_id: str = TALK, sender: str = ALICE, to: str = BOB, kind: str = "ag2.msg.text") -> str:
        return self.tell(EnvelopePosted(session_id, sender, kind, 1, (to,)))

    def acknowledge(self, *envelope_ids: str, agent_id: str = BOB) -> None:
        self.tell(InboxAcknowledged((agent_id,) * len(envelope_ids), envelope_ids))

    @property
    def waiting(self) -> list[str]:
        return [envelope_id for envelope_id, _ in self.inboxes.outstanding(BOB)]


def test_a_cursor_holds_gaps() -> None:
    told = Told()
    ids = [told.post() for _ in range(5)]
    told.acknowledge(ids[3], ids[1])
    assert (told.waiting, told.inboxes.depth(BOB)) == ([ids[0], ids[2], ids[4]], 3)
    told.acknowledge(ids[1], nth(99))
    assert told.inboxes.depth(BOB) == 3, "twice, or unknown, is nothing"
    assert told.inboxes.waits(BOB, ids[0]) == Pending(TALK, int(ids[0], 16))
    assert told.inboxes.waits(BOB, ids[1]) is None
    assert told.inboxes.waits(ALICE, ids[0]) is None


def test_ones_own_post_acknowledges_that_session_up_to_then() -> None:
    told = Told()
    here, there = told.post(), told.post(OTHER)
    told.post(sender=BOB, to=ALICE)
    later = told.post()
    assert told.waiting == [there, later]
    told.post(sender=BOB, to=ALICE, kind="ag2.task.progress")
    assert told.waiting == [there, later], "a protocol envelope is no answer"
    assert told.inboxes.waits(BOB, here) is None


def test_rule_10_protocol_envelopes_do_not_count() -> None:
    told = Told()
    told.post(kind="ag2.session.opened")
    told.post(kind="ag2.task.started")
    assert (told.inboxes.depth(BOB), told.waiting) == (0, [])
    told.post(kind="acme.note")
    assert told.inboxes.depth(BOB) == 1


@pytest.mark.parametrize("end", [SessionClosed(TALK, "done", 9), SessionExpired(TALK, 9)])
def test_trap_22_an_ended_session_releases_its_share_and_is_delivered_all_the_same(
    end: SessionClosed | SessionExpired,
) -> None:
    told = Told()
    ids = [told.post(TALK), told.post(OTHER), told.post(TALK)]
    told.tell(end)
    assert told.inboxes.depth(BOB) == 1
    assert told.waiting == [ids[0], ids[2], ids[1]], "released first"
    told.acknowledge(ids[0])
    assert told.waiting == [ids[2], ids[1]]


def test_log_9_of_what_was_released_the_latest_are_kept() -> None:
    told = Told()
    ids = [told.post() for _ in range(RELEASED_MAX + 10)]
    told.tell(SessionClosed(TALK, "done", 9))
    assert told.waiting == ids[10:]
    assert told.inboxes._in_session == {}


def test_trap_52_failed_turns_are_counted_until_the_last() -> None:
    told = Told()
    envelope_id = told.post()
    for attempt in (1, 2):
        told.tell(TurnFailed(BOB, TALK, envelope_id, attempt))
        assert (told.inboxes.attempts(BOB, envelope_id), told.waiting) == (attempt, [envelope_id])
    told.tell(TurnFailed(BOB, TALK, envelope_id, 3, final=True))
    assert (told.inboxes.attempts(BOB, envelope_id), told.waiting) == (0, [])
    told.tell(TurnFailed(BOB, TALK, nth(99), 1))
    assert told.inboxes.inboxes[BOB].attempts == {}, "of what does not wait nothing is kept"


def test_who_leaves_takes_its_inbox_along() -> None:
    told = Told()
    told.post()
    told.post(OTHER)
    told.tell(AgentUnregistered(BOB, "bob"))
    assert (told.inboxes.depth(BOB), told.waiting, list(told.inboxes.inboxes)) == (0, [], [ALICE])
    told.tell(SessionClosed(TALK, "done", 9))
    assert not any(told.inboxes._in_session.values())


def test_nobody_has_no_inbox() -> None:
    inboxes = Inboxes()
    assert (inboxes.depth(BOB), inboxes.outstanding(BOB), inboxes.attempts(BOB, nth(1))) == (0, [], 0)
    assert inboxes.waits(BOB, nth(1)) is None
    assert AgentRegistered in inboxes.FOLDS
