"""``replay lint``: each oddity made by a real hub and found, and a log without any in which nothing is found."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Awaitable, Callable
from importlib import import_module
from itertools import permutations
from pathlib import Path

import pytest

from events.codec import encode
from events.errors import CorruptLogError, NetworkError
from events.event import Event
from events.sessions import EnvelopePosted, SessionExpired
from events.stores import DiskKnowledgeStore
from events.values import AccessBlock, Envelope, InboxBlock, LimitsBlock, RateBlock, Rule, TaskSpec
from hub.testing import settle
from replay import History
from replay.lint import CHECKS, CODES, Oddity, Severity, Thresholds, lint
from replay.lint.talk import gist
from tests.replay.asking import Answer, ask, assert_screen, start
from tests.replay.scenario import Network

Ask = Callable[..., Answer]
Play = Callable[[Network], Awaitable[None]]


async def found(path: Path, play: Play, *codes: str, **limits: float) -> list[Oddity]:
    """Play with a hub, and look for what is odd."""
    net = await Network.open(path / "log")
    await play(net)
    await net.close()
    with History.open(path / "log") as history:
        return list(lint(history, Thresholds(**limits), codes=codes or tuple(CHECKS)))  # type: ignore[arg-type]


async def pair(net: Network, session_type: str = "conversation", ttl: int = 0, **rules: Rule) -> str:
    for name in ("alice", "bob"):
        await net.enter(name, rule=rules.get(name))
    session = await net.agents["alice"].open(type=session_type, target="bob", ttl=ttl)
    await settle(net.hub)
    return session.session_id


async def posted(net: Network, session_id: str, name: str, text: str, to: str = "", cause: str | None = None) -> str:
    net.clock.advance(1)
    audience = [net.agents[to].agent_id] if to else None
    sender = net.agents[name].agent_id
    data = {"text": text}
    return await net.hub.post_envelope(Envelope(session_id, sender, audience, event_data=data, causation_id=cause))


async def test_a_log_without_anything_odd(tmp_path: Path) -> None:
    async def play(net: Network) -> None:
        await net.enter("alice")
        await net.enter("bob", "It depends.")
        session = await net.agents["alice"].open(type="consulting", target="bob")
        await session.send("What matters most?")
        await settle(net.hub)

    assert [finding.code for finding in await found(tmp_path, play)] == ["unsigned"]
    answer = ask("lint", "--ignore", "unsigned", "--log", os.fspath(tmp_path / "log"))
    assert answer.code == 0
    assert answer.lines[0].startswith("nothing odd: looked for unanswered, loop, ")


async def test_who_was_asked_by_name_and_never_answered(tmp_path: Path) -> None:
    async def play(net: Network) -> None:
        session_id = await pair(net)
        await posted(net, session_id, "alice", "Are you there?", to="bob")
        await net.hub.close_session(session_id, "gave_up")

    (finding,) = await found(tmp_path, play, "unanswered")
    with History.open(tmp_path / "log") as history:
        envelope, closed = (history.event(f"@{position}") for position in finding.positions)
    assert (envelope.type, closed.type) == ("envelope.posted", "session.closed")
    assert "bob never answered alice's “Are you there?”" in finding.sentence
    assert finding.next == f"replay story @{envelope.position}"


async def test_an_answer_that_is_there_or_not_owed_is_nothing_odd(tmp_path: Path) -> None:
    async def play(net: Network) -> None:
        session_id = await pair(net)
        await posted(net, session_id, "alice", "Are you there?", to="bob")
        await posted(net, session_id, "bob", "Yes.")
        await net.hub.close_session(session_id, "done")

    assert await found(tmp_path, play, "unanswered") == []


@pytest.mark.parametrize(("late_s", "count"), [(600, 1), (599, 0)])
async def test_a_live_session_that_waits_too_long(tmp_path: Path, late_s: float, count: int) -> None:
    async def play(net: Network) -> None:
        session_id = await pair(net)
        await posted(net, session_id, "alice", "Are you there?", to="bob")
        net.clock.advance(late_s)
        await net.hub.set_rule(net.agents["bob"].agent_id, Rule())  # so that the log has that time

    findings = await found(tmp_path, play, "unanswered")
    assert len(findings) == count
    assert all("the session has waited for 10m00s" in finding.sentence for finding in findings)


@pytest.mark.parametrize(("rounds", "repeats", "count"), [(4, 4, 1), (3, 4, 0), (3, 3, 1)])
async def test_two_who_say_nearly_the_same_again_and_again(
    tmp_path: Path, rounds: int, repeats: int, count: int
) -> None:
    async def play(net: Network) -> None:
        session_id = await pair(net)
        for number in range(rounds):
            await posted(net, session_id, "alice", f"Ticket {number} is open!")
            await posted(net, session_id, "bob", f"Which ticket? I see {number * 7}.")

    findings = await found(tmp_path, play, "loop", repeats=repeats)
    assert len(findings) == count
    for finding in findings:
        assert f"alice said “Ticket 0 is open!”, or nearly that, {rounds} times from @" in finding.sentence


async def test_one_who_repeats_what_nobody_answers_is_no_loop(tmp_path: Path) -> None:
    async def play(net: Network) -> None:
        session_id = await pair(net)
        for _ in range(9):
            await posted(net, session_id, "alice", "Hello?")

    assert await found(tmp_path, play, "loop") == []


async def test_who_is_polite_now_and_then_is_in_no_loop(tmp_path: Path) -> None:
    words = map("".join, permutations("abcde"))

    async def play(net: Network) -> None:
        session_id = await pair(net)
        for _ in range(5):
            for name in ("alice", "bob") * 3:
                await posted(net, session_id, name, next(words))
            await posted(net, session_id, "alice", "Thanks!")

    assert await found(tmp_path, play, "loop") == []


async def test_a_long_chain_of_answers(tmp_path: Path) -> None:
    async def play(net: Network) -> None:
        session_id, cause = await pair(net), None
        for number in range(12):
            words = " ".join("abcdefghijklmnop"[number:])
            cause = await posted(net, session_id, ("alice", "bob")[number % 2], words, cause=cause)
        await net.hub.close_session(session_id)

    (finding,) = await found(tmp_path, play, "loop", chain=12)
    assert "a chain of 12 answers of two to each other" in finding.sentence
    assert finding.next == f"replay why @{finding.positions[1]}"
    with History.open(tmp_path / "log") as history:
        assert list(lint(history, Thresholds(chain=13), codes=["loop"])) == []


def test_what_counts_as_nearly_the_same() -> None:
    assert gist("Ticket #17 is OPEN!") == gist("ticket 9, is open") == "ticket 0 is open"
    assert gist("open") != gist("closed")
    assert gist("…!") == ""


async def test_agents_near_their_caps_at_the_fullest(tmp_path: Path) -> None:
    limits = LimitsBlock(max_concurrent_sessions=2, delegation_depth=3)
    alice = Rule(rate=RateBlock(envelopes_per_minute=5), limits=limits)
    bob = Rule(inbox=InboxBlock(max_pending=6), limits=LimitsBlock(max_concurrent_tasks=1))

    async def play(net: Network) -> None:
        session_id = await pair(net, alice=alice, bob=bob)
        await net.enter("carol")
        await net.agents["bob"].close()
        for number in range(4):
            await posted(net, session_id, "alice", f"line {number}")
        await net.hub.post_envelope(Envelope(session_id, net.agents["alice"].agent_id, depth=3))
        await net.hub.observe_task(session_id, net.agents["bob"].agent_id, TaskSpec(title="count"))
        await net.agents["alice"].open(type="conversation", target="carol")

    findings = await found(tmp_path, play, "near-cap", near=0.8)
    assert [finding.sentence.partition(" at @")[0] for finding in findings] == [
        "alice had 5 envelopes within a minute",
        "bob had 5 envelopes unacknowledged",
        "alice had 3 delegations deep",
        "bob had 1 tasks open",
        "alice had 2 sessions of its own open",
    ]
    assert all(finding.severity is Severity.INFO for finding in findings)
    with History.open(tmp_path / "log") as history:
        assert "unacknowledged" not in str(list(lint(history, Thresholds(near=1.0), codes=["near-cap"])))


async def test_a_session_that_only_time_ended(tmp_path: Path) -> None:
    async def play(net: Network) -> None:
        session_id = await pair(net, "discussion", ttl=600)
        await posted(net, session_id, "alice", "Who knows?")
        net.clock.advance(600)
        await net.hub.expire_due()

    (finding,) = await found(tmp_path, play, "ttl-ended")
    assert "of alice, bob ended by its TTL, 10m00s after the last word; it was bob's turn" in finding.sentence


@pytest.mark.parametrize(("gap_s", "bursts"), [(100, ["3 times within 3m20s"]), (301, [])])
async def test_refusals_in_a_burst(tmp_path: Path, gap_s: float, bursts: list[str]) -> None:
    async def play(net: Network) -> None:
        session_id = await pair(net)
        await net.hub.set_rule(net.agents["alice"].agent_id, Rule(access=AccessBlock(outbound_to=["carol"])))
        for _ in range(3):
            with pytest.raises(NetworkError):
                await posted(net, session_id, "alice", "Refund me", to="bob")
            net.clock.advance(gap_s - 1)

    findings = await found(tmp_path, play, "refusals")
    assert [finding.sentence.partition("refused ")[2].partition(",")[0] for finding in findings] == bursts
    assert all(finding.sentence.endswith("access_denied 3") for finding in findings)


async def test_refusals_that_the_log_left_out_count(tmp_path: Path) -> None:
    """GOV-6: at most one like it a minute is recorded, and the next says how many were not."""

    async def play(net: Network) -> None:
        session_id = await pair(net)
        await net.hub.set_rule(net.agents["alice"].agent_id, Rule(access=AccessBlock(outbound_to=["carol"])))
        for gap_s in (0, 0, 60, 0):
            net.clock.advance(gap_s)
            with pytest.raises(NetworkError):
                await posted(net, session_id, "alice", "Refund me", to="bob")

    (finding,) = await found(tmp_path, play, "refusals")
    assert "alice was refused 3 times" in finding.sentence


async def test_a_cause_that_is_not_in_the_log(everything_path: Path, tmp_path: Path) -> None:
    """As somebody makes a log who may write it: an envelope that answers one that never was."""
    path = Path(shutil.copytree(everything_path, tmp_path / "log"))
    shutil.rmtree(path / "checkpoints", ignore_errors=True)
    with History.open(path) as history:
        posted = next(e for e in history.events() if isinstance(e.body, EnvelopePosted))
        last = history.event("head")
    store = DiskKnowledgeStore(path)
    refusal = next_denial(path)
    store.append([encode(refusal._replace(id=f"{int(last.id, 16) + 1:032x}", at_us=last.at_us, cause="ab" * 16))])
    store.close()
    with History.open(path) as history:
        (finding,) = lint(history, codes=["orphan"])
    assert finding.positions == (last.position + 1,)
    assert f"names the cause {'ab' * 16}, which is not in the log before it" in finding.sentence
    assert posted.position < finding.positions[0]


def next_denial(path: Path) -> Event:
    with History.open(path) as history:
        return next(event for event in history.events() if event.type == "access.denied")


@pytest.mark.parametrize("remembered", [1, 65_536])
def test_causes_far_back_are_looked_up(troubles_path: Path, remembered: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("replay.lint.book"), "REMEMBERED", remembered)
    with History.open(troubles_path) as history:
        assert list(lint(history, codes=["orphan"])) == []


def test_the_log_that_went_wrong(told: Ask, trouble: History) -> None:
    findings = list(lint(trouble))
    assert {finding.code for finding in findings} >= {"refusals", "near-cap", "ttl-ended", "unsigned"}
    for finding in findings:
        assert finding.sentence.isprintable()
        assert list(finding.positions) == sorted(finding.positions)
        command = shlex.split(finding.next)[1:]
        if "--sign" not in command:
            assert told(*command).code in (0, 1), finding.next


def test_a_part_of_a_log_is_folded_from_before_it(trouble: History) -> None:
    every = list(lint(trouble, codes=["refusals", "ttl-ended"]))
    (expired,) = [finding for finding in every if finding.code == "ttl-ended"]
    at = f"@{expired.positions[0]}"
    assert [finding.code for finding in lint(trouble, codes=["refusals", "ttl-ended"], since=at)] == ["ttl-ended"]
    before = f"@{expired.positions[0] - 1}"
    assert [finding.code for finding in lint(trouble, codes=["ttl-ended"], until=before)] == []


@pytest.mark.parametrize("width", [80, 120])
def test_screens(told: Ask, width: int) -> None:
    answer = told("lint", COLUMNS=str(width))
    assert (answer.code, answer.err) == (1, "")
    assert max(map(len, answer.lines)) <= width
    assert_screen(f"lint-{width}", answer.out)


def test_json_and_only_and_ignore(told: Ask, trouble: History) -> None:
    objects = told("lint", "--json").objects
    assert [each["code"] for each in objects] == [finding.code for finding in lint(trouble)]
    assert all(set(each) == {"v", "severity", "code", "sentence", "positions", "next"} for each in objects)
    assert {each["code"] for each in told("lint", "--json", "--only", "refusals").objects} == {"refusals"}
    assert "unsigned" not in {each["code"] for each in told("lint", "--json", "--ignore", "unsigned").objects}
    assert told("lint", "--only", "orphan").code == 0


def test_a_person_is_shown_some_of_each_kind(told: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replay.cli.lint.SHOWN_MAX", 1)
    some, every = told("lint"), told("lint", "--all")
    assert some.out.count("\nnear-cap: ") + some.out.startswith("near-cap: ") == 1
    assert "more: give --all" in some.out
    assert len(every.lines) > len(some.lines)
    assert some.lines[-2] == every.lines[-2]


BAD = ("--only typos", "--since never", "--near 2", "--repeats 1", "--only loop --ignore loop")


@pytest.mark.parametrize("words", BAD)
def test_bad_questions(told: Ask, words: str) -> None:
    answer = told("lint", *words.split())
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)


def test_a_log_that_does_not_fold_is_told_as_such(everything_path: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(everything_path, tmp_path / "log"))
    with History.open(path) as history:
        last = history.event("head")
    store = DiskKnowledgeStore(path)
    ghost = Event(SessionExpired("ab" * 16, 1), f"{int(last.id, 16) + 1:032x}", last.at_us)
    store.append([encode(ghost)])
    store.close()
    with History.open(path) as history, pytest.raises(CorruptLogError, match="cannot be folded"):
        list(lint(history))
    answer = ask("lint", "--log", os.fspath(path))
    assert answer.code == 3
    assert answer.err.count("\n") == 1


def test_a_log_that_is_being_written_is_looked_at_as_it_was(tmp_path: Path) -> None:
    with start(os.fspath(tmp_path / "log"), module="tests.replay.scenario") as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        head = int(writer.stdout.readline())
        with History.open(tmp_path / "log") as history:
            writer.stdin.write("more\n")
            writer.stdin.flush()
            assert int(writer.stdout.readline()) > head
            (finding,) = lint(history, codes=["unsigned"])
            assert finding.positions == (1, head)
        writer.stdin.close()
        assert writer.wait() == 0


def test_every_kind_has_a_check_and_words() -> None:
    assert list(CHECKS) == list(CODES)
    help_text = ask("lint", "--help").out
    assert all(code in help_text for code in CODES)
