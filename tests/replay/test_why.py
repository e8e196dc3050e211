"""``replay why``: from cause to cause, back to where it began, and what is not in the log is said."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eventsourcing.dcb.api import DCBQuery

from events.agents import AgentRegistered
from events.codec import encode
from events.event import OPERATOR, SCHEMAS, Event
from events.governance import AccessDenied
from events.sessions import EnvelopePosted, SessionCreated, SessionOpened
from events.stores import MemoryKnowledgeStore
from replay import History, why
from replay.reasons import derived, named
from tests.replay.asking import Answer, assert_screen, start

Asked = Callable[..., Answer]
ALICE, BOB, SESSION, NOBODY = (digit * 32 for digit in "123f")


def chain(history: History, position: int) -> list[int]:
    return [link.event.position for link in why(history, history.event(position)).links]


def reason(history: History, position: int) -> str:
    return why(history, history.event(position)).links[0].why


@pytest.mark.parametrize(
    ("position", "positions", "first"),
    [
        (1, [1], "a hub process took up the log: here it began"),
        (2, [2], "registered by itself: here it began"),
        (12, [12, 10, 2], "answers the invite @11 of the opening @10"),
        (13, [13, 12, 10, 2], "opened by the last answer, @12"),
        (15, [15, 14, 10, 2], "failed on @14"),
        (18, [18, 17, 16, 14, 10, 2], "bob asked for it while handling @17 in conversation @10"),
        (19, [19, 18, 17, 16, 14, 10, 2], "invited by the opening @18"),
        (23, [23, 22, 17, 16, 14, 10, 2], "answers @22"),
        (25, [25, 10, 2], "closed by alice; the session was asked for at @10"),
        (29, [29, 28, 26, 9], "closed by the rejection @28"),
        (36, [36, 5], "refused by the rule that dave registered with at @5, max_pending 2, used up by @34, @35"),
        (37, [37, 5], "done by the operator; dave registered at @5"),
        (40, [40, 9], "refused by the rule that mallory registered with at @9, envelopes_per_minute 4, "
                      "used up by @34, @35, @38, @39"),
        (41, [41, 9], 'refused by the rule that mallory registered with at @9, outbound_to ["dave", "erin"]'),
        (43, [43, 42, 9], 'refused by the rule set at @42 by the operator, outbound_to ["nobody"]'),
        (44, [44, 30, 9], "closed by the operator; the session was asked for at @30"),
        (59, [59, 58, 46, 2], "done with 5 envelopes, the newest @58"),
        (61, [61, 60, 7], "left by the unregistration @60"),
        (66, [66, 62, 2], "started outside a turn by the operator; the session was asked for at @62"),
        (68, [68, 66, 62, 2], "expired by the TTL set at @66, up at 2026-01-01T00:01:02.500000Z"),
        (69, [69, 67, 62, 2], "ended with its session, at @70 in the same append"),
        (70, [70, 62, 2], "expired by the TTL set at @62, up at 2026-01-01T00:20:02.500000Z"),
    ],
)  # fmt: skip
def test_each_event_is_followed_back_to_where_it_began(
    trouble: History, position: int, positions: list[int], first: str
) -> None:
    assert chain(trouble, position) == positions
    assert reason(trouble, position) == first


@pytest.mark.parametrize(
    ("position", "first"),
    [
        (11, "ends the task started at @10"),
        (12, "seen when the task ended at @11"),
        (13, "alice names no cause; the session asked for at @6 is open since @9"),
        (14, "answers @13"),
        (15, "closed by the answer @14"),
        (24, "alice names no cause, posted by the operator; the session asked for at @18 is open since @23"),
        (26, "swept: turn_within of 2m00s, since @24"),
        (28, "hidden by the violation @27"),
    ],
)
def test_reasons(history: History, position: int, first: str) -> None:
    assert reason(history, position) == first


def test_every_chain_ends_and_nothing_of_a_hubs_own_log_is_missing(history: History, trouble: History) -> None:
    for log in (history, trouble):
        for event in log.events():
            found = why(log, event)
            assert isinstance(found.began.body, AgentRegistered) or found.began.position == 1
            assert (found.missing, found.left_out) == (0, 0)
            assert found.recorded + found.derived == found.length - 1


def test_the_evidence_of_a_full_inbox_is_what_the_projection_holds(trouble: History) -> None:
    """RULE-9."""
    link = why(trouble, trouble.event(36)).links[0]
    inbox = trouble.at(35).inboxes.inboxes[trouble.event(5).id]
    assert link.evidence == tuple(pending.position for pending in inbox.pending.values())


def test_every_event_class_has_a_reason_with_a_cause_or_without() -> None:
    assert set(derived.DERIVED) == set(SCHEMAS)
    assert set(named.RECORDED) < set(SCHEMAS)


# Logs that no hub wrote.


def written(*events: tuple[str, Any, str | None]) -> History:
    """A log of these ids, bodies and causes, in memory."""
    store = MemoryKnowledgeStore()
    manifest = {"type": "conversation", "version": 1}
    whole: list[tuple[str, Any, str | None]] = [
        (ALICE, AgentRegistered(ALICE, "alice", "", {}, {}), None),
        (BOB, AgentRegistered(BOB, "bob", "", {}, {}), None),
        (SESSION, SessionCreated(SESSION, ALICE, manifest, (ALICE, BOB), 0), None),
        ("4" * 32, SessionOpened(SESSION, 1), SESSION),
        *events,
    ]
    store.append([encode(Event(body, each, at, OPERATOR, cause)) for at, (each, body, cause) in enumerate(whole)])
    return History(store)


def said(number: int, cause: str | None, sender: str = ALICE, to: str = BOB) -> tuple[str, Any, str | None]:
    return f"5{number:031x}", EnvelopePosted(SESSION, sender, "ag2.msg.text", number + 2, (to,)), cause


@pytest.mark.parametrize("cause", [NOBODY, "5" + "0" * 31, "5" + "0" * 30 + "1"])
def test_a_cause_that_is_not_in_the_log_before_the_event_is_counted(cause: str) -> None:
    """Neither an unknown id, nor the event itself, nor a later one is a cause, and no chain goes in circles."""
    log = written(said(0, cause), said(1, f"5{0:031x}"))
    found = why(log, log.event(6))
    assert [link.event.position for link in found.links] == [6, 5, 3, 1]
    assert (found.missing, found.links[1].missing, found.links[1].recorded) == (1, cause, False)
    assert found.links[1].why.startswith(f"the cause that it names, {cause}, is not in the log before it; alice")


def test_the_middle_of_a_long_chain_is_counted_and_left_out() -> None:
    turns = [said(n, f"5{n - 1:031x}" if n else None, *((ALICE, BOB), (BOB, ALICE))[n % 2]) for n in range(50)]
    log = written(*turns)
    found = why(log, log.event("head"), keep=3)
    assert [link.event.position for link in found.links] == [54, 53, 52, 5, 3, 1]
    assert (found.near, found.left_out, found.length, found.recorded) == (3, 46, 52, 49)
    assert [link.event.position for link in why(log, log.event(54)).links] == [*range(54, 4, -1), 3, 1]


@pytest.mark.parametrize(
    ("body", "said", "cause"),
    [
        (AccessDenied("eve", "register", "eve", "auth_failed"),
         "refused by authentication, before any rule was asked", None),
        (AccessDenied(ALICE, "attach", "alice", "auth_failed"),
         "refused by authentication, before any rule was asked", 1),
        (AccessDenied(ALICE, "close", SESSION, "access_denied", SESSION, message="'alice' may not"),
         "refused for what the message says; it names no setting of a rule", 3),
        (AccessDenied(ALICE, "open", "bob", "access_denied", message="'bob' takes none: its rule's inbound_from is []"),
         "refused by the rule that bob registered with at @2", 2),
        (AccessDenied(ALICE, "open", "bob", "access_denied"),
         "refused by the rule that alice registered with at @1", 1),
        (AccessDenied(NOBODY, "open", "bob", "access_denied", message="no"),
         "refused; whose rule it was is not in the log before it", None),
    ],
)  # fmt: skip
def test_refusals(body: AccessDenied, said: str, cause: int | None) -> None:
    log = written(("9" * 32, body, None))
    link = why(log, log.event("head")).links[0]
    assert (link.why, link.cause) == (said, cause)


def test_a_link_costs_a_few_look_ups_whatever_the_length_of_the_log(
    chat_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with History.open(chat_path) as log:
        reads: list[DCBQuery | None] = []
        reading = log.log.read

        def read(query: DCBQuery | None = None, **options: Any) -> Any:
            reads.append(query)
            return reading(query, **options)

        monkeypatch.setattr(log.log, "read", read)
        assert why(log, log.event(600)).length == 3
        assert len(reads) < 40


# On the command line.


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", ["refused-40", "delegated-19", "expired-69"])
def test_screens(told: Asked, name: str, width: int) -> None:
    answer = told("why", f"@{name.split('-')[1]}", COLUMNS=str(width))
    assert (answer.code, answer.err) == (0, "")
    assert max(map(len, answer.lines)) <= width
    assert all(line.isprintable() for line in answer.lines)
    assert answer.lines[-1].startswith("log 5eed5eed5eed head @70 root ")
    assert_screen(f"why-{name}-{width}", answer.out)


def test_json(told: Asked) -> None:
    answer = told("why", "@36", "--json")
    first, second, last = answer.objects
    assert list(first)[:3] == ["v", "kind", "position"]
    assert (first["position"], first["cause"], first["recorded"], first["evidence"]) == (36, 5, False, [34, 35])
    assert (second["type"], second["cause"], second["missing"]) == ("agent.registered", None, None)
    assert last == {"v": 1, "kind": "chain", "length": 2, "began": 5, "missing": 0}


def test_a_long_chain_is_shown_in_full_when_asked(told: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replay.cli.why.SHOWN_LINKS", 2)
    short, whole = told("why", "@23"), told("why", "@23", "--all")
    assert "… 3 events between: see --all" in short.lines
    positions = [line.split()[0] for line in whole.lines if line.lstrip().startswith("@")]
    assert positions == ["@23", "@22", "@17", "@16", "@14", "@10", "@2"]
    assert short.lines[-2:] == whole.lines[-2:]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["why"], "Missing argument 'POINT'"),
        (["why", "@0"], "before the log's first event"),
        (["why", "@71"], "@71 is not in the log, which ends at @70"),
        (["why", "yesterday"], "'yesterday' is not a point in a log"),
    ],
)
def test_bad_questions(told: Asked, words: list[str], sentence: str) -> None:
    answer = told(*words)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert sentence in answer.err


def test_a_broken_pipe_is_quiet(troubles_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with start("why", "@19", "--log", os.fspath(troubles_path), stdout=writer) as asking:
        os.close(writer)
        assert asking.stderr is not None
        assert (asking.wait(), asking.stderr.read()) == (141, "")
