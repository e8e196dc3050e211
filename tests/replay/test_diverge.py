"""Two runs side by side: where they part, and what parts them."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from events.event import Event
from hub import (
    AccessBlock,
    AdapterResult,
    ConversationAdapter,
    Expectation,
    Hub,
    InboxBlock,
    MemoryKnowledgeStore,
    NetworkError,
    ParticipantSchema,
    RateBlock,
    Resume,
    Rule,
    SessionManifest,
    TaskSpec,
)
from hub.testing import MockClock, SequentialIds
from replay import History
from replay.diverge import Class, Divergence, Side, diverge
from replay.golden import capture
from tests.replay.asking import ask, assert_screen
from tests.replay.conftest import play as play_log
from tests.replay.flood import flood
from tests.spec.stage import Stage

Play = Callable[[Stage], Awaitable[Any]]
Compare = Callable[..., Awaitable[Divergence]]


@pytest.fixture
async def compare() -> AsyncIterator[Compare]:
    """Plays two plays, on hubs with other ids and another time of day, and compares the logs."""
    hubs: list[Hub] = []

    async def history(play: Play, start: str, first_id: int) -> History:
        clock = MockClock(start)

        async def open_hub(store: Any, **options: Any) -> Hub:
            quiet: dict[str, Any] = {"ttl_sweep_interval": 0, "expectation_sweep_interval": 0}
            hub = await Hub.open(store, clock=clock, ids=SequentialIds(first_id), **quiet, **options)
            hubs.append(hub)
            return hub

        stage = await Stage(open_hub, clock, MemoryKnowledgeStore()).raise_curtain()
        await play(stage)
        return History(stage.store)

    async def both(one: Play, other: Play, *ignore: str) -> Divergence:
        a = await history(one, "2026-01-01T00:00:00Z", 1)
        b = await history(other, "2027-03-04T05:06:07Z", 1 << 40)
        return diverge(a, b, ignore)

    yield both
    for hub in hubs:
        await hub.close()


def talk(
    *texts: str,
    kind: str = "conversation",
    cause: bool = False,
    wait: float = 0,
    rule: Rule | None = None,
    ttl: int | None = None,
    then: Callable[[Stage, str, list[str]], Awaitable[Any]] | None = None,
) -> Play:
    """alice and bob, and carol in a discussion, speak in turn."""

    async def play(stage: Stage) -> None:
        people = await stage.agents("alice")
        people += await stage.agents("bob", rule=rule)
        people += await stage.agents("carol")
        count = 3 if kind == "discussion" else 2
        session_id, last = await stage.open(kind, *people[:count], ttl=ttl), None
        for number, text in enumerate(texts):
            stage.clock.advance(wait)
            last = await stage.say(session_id, people[number % count], text, causation_id=last if cause else None)
        if then is not None:
            await then(stage, session_id, people)

    return play


def side(found: Side | None) -> Side:
    assert found is not None
    return found


def words(events: tuple[Event, ...]) -> list[str]:
    return [event.body.rest["text"] for event in events]


async def test_ids_and_times_are_no_difference(compare: Compare) -> None:
    found = await compare(talk("one", "two", wait=1), talk("one", "two", wait=7))
    assert found == Divergence(found.alike)
    assert found.alike == 8


async def test_what_was_said_of_ones_own_accord_is_input(compare: Compare) -> None:
    found = await compare(talk("one", "two"), talk("one", "too"))
    assert (found.kind, found.alike) == (Class.INPUT, 7)
    assert (words(side(found.a).events), words(side(found.b).events)) == (["two"], ["too"])
    assert side(found.a).position == side(found.b).position == 10


async def test_who_registers_with_what_is_input(compare: Compare) -> None:
    async def resume(stage: Stage, session_id: str, people: list[str]) -> None:
        await stage.hub.set_resume(people[0], Resume(["cooking"]))

    found = await compare(talk("one", then=resume), talk("one"))
    assert (found.kind, side(found.b).events) == (Class.INPUT, ())
    assert found.why == "B ends here, and the other log goes on with what came from outside"


# Rules.


async def test_another_rule_at_registration(compare: Compare) -> None:
    found = await compare(talk("one"), talk("one", rule=Rule(rate=RateBlock(5), inbox=InboxBlock(3))))
    assert found.kind is Class.RULE
    assert found.why == (
        "bob has another rule: inbox.max_pending=1000, rate.envelopes_per_minute=0 in A, "
        "inbox.max_pending=3, rate.envelopes_per_minute=5 in B"
    )


async def test_another_rule_later(compare: Compare) -> None:
    def ruled(cap: int) -> Play:
        async def then(stage: Stage, session_id: str, people: list[str]) -> None:
            await stage.hub.set_rule(people[1], Rule(rate=RateBlock(cap)))

        return talk("one", then=then)

    found = await compare(ruled(5), ruled(6))
    assert found.why == "bob has another rule: rate.envelopes_per_minute=5 in A, rate.envelopes_per_minute=6 in B"


def patient(seconds: int) -> Play:
    class Patient(ConversationAdapter):
        manifest = SessionManifest(
            "conversation", 1, ParticipantSchema(2, 2), [Expectation("max_silence", "warn", {"seconds": seconds})]
        )

    async def play(stage: Stage) -> None:
        stage.hub.register_adapter(Patient())
        await talk("one")(stage)

    return play


async def test_another_session_type(compare: Compare) -> None:
    found = await compare(patient(60), patient(90))
    assert found.kind is Class.RULE
    assert "the session type conversation is another one" in found.why
    assert '"seconds": 60' in found.why
    assert side(found.a).events[0].type == "session.created"


async def test_where_rules_are_ignored_they_tell_at_what_they_decide(compare: Compare) -> None:
    found = await compare(
        talk("one", rule=Rule(access=AccessBlock(inbound_from=["*"]))),
        talk("one", rule=Rule(AccessBlock(session_types_allowed=["c*"]))),
        "agent.*",
    )
    assert found.kind is None

    async def bound(stage: Stage, session_id: str, people: list[str]) -> None:
        await stage.hub.set_rule(people[1], Rule(AccessBlock(inbound_from=["carol"])))
        await stage.say(session_id, people[0], "two")

    async def free(stage: Stage, session_id: str, people: list[str]) -> None:
        await stage.hub.set_rule(people[1], Rule())
        await stage.say(session_id, people[0], "two")

    found = await compare(talk("one", then=bound), talk("one", then=free), "agent.*")
    assert found.kind is Class.RULE
    assert (
        found.why
        == 'the rule of bob is another one: access.inbound_from=["carol"] in A, access.inbound_from=["*"] in B'
    )
    assert [event.type for event in side(found.a).evidence] == ["agent.rule_set"]


# Replies.


async def test_another_answer_is_a_reply(compare: Compare) -> None:
    found = await compare(talk("one", "yes", cause=True), talk("one", "no", cause=True))
    assert found.kind is Class.REPLY
    assert found.why == "in A bob acted on @9; in B bob acted on @9"
    assert words(side(found.a).evidence) == words(side(found.b).evidence) == ["one"]


async def test_another_answer_by_turn_is_a_reply(compare: Compare) -> None:
    found = await compare(talk("one", "yes", kind="discussion"), talk("one", "no", kind="discussion"))
    assert (found.kind, found.why) == (Class.REPLY, "in A bob had the turn by @11; in B bob had the turn by @11")


async def test_first_words_are_input_though_it_is_their_turn(compare: Compare) -> None:
    found = await compare(talk("one", kind="discussion"), talk("two", kind="discussion"))
    assert found.kind is Class.INPUT


async def test_an_answer_that_does_not_come_is_a_reply(compare: Compare) -> None:
    found = await compare(talk("one", "yes", cause=True), talk("one"))
    assert (found.kind, side(found.b).events, side(found.b).position) == (Class.REPLY, (), 9)


async def test_an_invite_that_is_declined_is_a_reply(compare: Compare) -> None:
    def invited(event_type: str) -> Play:
        async def play(stage: Stage) -> None:
            alice, bob = await stage.agents("alice", "bob")
            session_id, opening = await stage.invite("consulting", alice, bob)
            await stage.answer(session_id, bob, event_type)
            await asyncio.wait([opening])
            opening.exception()

        return play

    found = await compare(invited("ag2.session.invite.ack"), invited("ag2.session.invite.reject"))
    assert found.kind is Class.REPLY
    assert "bob answered the invite to consulting @4" in found.why


async def test_a_task_that_ends_otherwise_is_a_reply(compare: Compare) -> None:
    def worked(state: str) -> Play:
        async def then(stage: Stage, session_id: str, people: list[str]) -> None:
            await stage.hub.observe_task(session_id, people[1], TaskSpec("work"), task_id="t")
            await stage.hub.update_task("t", state)

        return talk("one", then=then)

    found = await compare(worked("completed"), worked("failed"))
    assert found.kind is Class.REPLY


# Order and time.


async def test_the_same_in_another_order(compare: Compare) -> None:
    def both(*order: int) -> Play:
        async def then(stage: Stage, session_id: str, people: list[str]) -> None:
            for number in order:
                await stage.say(session_id, people[number], f"I am {number}")

        return talk("one", then=then)

    found = await compare(both(0, 1), both(1, 0))
    assert found.kind is Class.ORDER
    assert found.why == "what comes first in A is at @11 in B, what comes first in B at @11 in A"
    assert [event.position for event in side(found.a).evidence] == [11]


async def test_a_hub_that_looked_in_one_run_only(compare: Compare) -> None:
    async def looks(stage: Stage, session_id: str, people: list[str]) -> None:
        await stage.wait(200)
        await stage.say(session_id, people[1], "late")

    async def does_not(stage: Stage, session_id: str, people: list[str]) -> None:
        await stage.say(session_id, people[1], "late")

    found = await compare(talk("one", kind="discussion", then=looks), talk("one", kind="discussion", then=does_not))
    assert (found.kind, side(found.a).events[0].type) == (Class.TIME, "expectation.violated")
    assert found.why == "in A the hub looked at the clock, and found that time was up"


async def test_a_rate_that_is_used_up_is_time(compare: Compare) -> None:
    def paced(pause: float) -> Play:
        async def then(stage: Stage, session_id: str, people: list[str]) -> None:
            for number in range(3):
                stage.clock.advance(pause)
                try:
                    await stage.say(session_id, people[1], f"{number}")
                except NetworkError:
                    continue

        return talk("one", rule=Rule(rate=RateBlock(2)), then=then)

    found = await compare(paced(1), paced(40))
    assert (found.kind, side(found.a).events[0].type) == (Class.TIME, "access.denied")
    assert found.why == "in A bob had used up its rate, a matter of when it spoke"


# Code.


class Curt(ConversationAdapter):
    """A conversation, as it says, that ends with its second word."""

    def on_accepted(self, metadata: Any, envelope: Any, state: Any) -> AdapterResult:
        return AdapterResult(auto_close_reason="curt" if envelope.text == "two" else "")


async def test_the_same_decided_otherwise_is_code(compare: Compare) -> None:
    async def curt(stage: Stage) -> None:
        stage.hub.register_adapter(Curt())
        await talk("one", "two")(stage)

    found = await compare(curt, talk("one", "two"))
    assert found.kind is Class.CODE
    assert found.why == "the same was asked and decided otherwise; today's code decides it as in B"
    assert [event.type for event in side(found.a).events] == ["envelope.posted", "session.closed"]
    assert [event.type for event in side(found.b).events] == ["envelope.posted"]
    assert [event.type for event in side(found.a).evidence] == ["hub.opened"]


async def test_what_one_let_in_and_the_other_refused_is_code(compare: Compare) -> None:
    async def shut(stage: Stage, session_id: str, people: list[str]) -> None:
        with pytest.raises(NetworkError):
            await stage.say(session_id, people[0], "deep", depth=9)

    async def open_(stage: Stage, session_id: str, people: list[str]) -> None:
        await stage.say(session_id, people[0], "shallow")

    found = await compare(talk("one", then=shut), talk("one", then=open_))
    assert found.kind is Class.CODE


# What does not count.


async def test_event_types_that_are_ignored(compare: Compare) -> None:
    async def acknowledges(stage: Stage, session_id: str, people: list[str]) -> None:
        (envelope,) = [e for e in await stage.hub.read_wal(session_id) if e.text == "one"]
        await stage.hub.acknowledge(people[1], envelope.envelope_id)
        await stage.say(session_id, people[1], "two")

    async def does_not(stage: Stage, session_id: str, people: list[str]) -> None:
        await stage.say(session_id, people[1], "two")

    plays = talk("one", then=acknowledges), talk("one", then=does_not)
    assert (await compare(*plays)).kind is Class.REPLY
    assert (await compare(*plays, "inbox.*")).kind is None


# The command.


def test_a_log_does_not_part_from_itself(everything_path: Path) -> None:
    answer = ask("diverge", str(everything_path), str(everything_path))
    assert (answer.code, answer.err) == (0, "")
    assert answer.lines[0].startswith("✓ alike in all that was asked and decided: ")
    assert len(answer.lines) == 3, "a line of evidence for each log"
    (told,) = ask("diverge", str(everything_path), str(everything_path), "--json").objects
    assert (told["v"], told["kind"], told["class"], told["a"]) == (1, "alike", None, told["b"])


@pytest.fixture
def pair(tmp_path: Path, flood_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same night twice, but for what bob answers; in a folder, so that the names are short."""
    shutil.copytree(flood_path, tmp_path / "monday")
    play_log(flood(tmp_path / "tuesday", "Yes"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("width", [80, 120])
def test_the_screen_is_as_its_snapshot(pair: Path, width: int) -> None:
    answer = ask("diverge", "monday", "tuesday", COLUMNS=str(width))
    assert (answer.code, answer.err) == (1, "")
    assert max(map(len, answer.lines)) <= width
    assert_screen(f"diverge-{width}", answer.out)


def test_programs_get_both_sides(pair: Path) -> None:
    (told,) = ask("diverge", "monday", "tuesday", "--json").objects
    assert (told["kind"], told["class"]) == ("divergence", "reply")
    assert [event["content"]["rest"]["text"] for event in (*told["a"]["events"], *told["b"]["events"])] == [
        "No (0).",
        "Yes (0).",
    ]
    assert told["a"]["evidence"] == told["b"]["evidence"] == [told["a"]["position"] - 1]
    assert told["a"]["root"] != told["b"]["root"]


def test_goldens_are_logs_too(everything_path: Path, tmp_path: Path) -> None:
    with History.open(everything_path) as history:
        capture(history.log, tmp_path / "x.hublog")
    answer = ask("diverge", str(everything_path), str(tmp_path / "x.hublog"))
    assert answer.code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("{log}", "nowhere"), "there is no log in nowhere: check the path"),
        (("{log}",), "Missing argument 'LOG_B'"),
        (("{log}", "{readme}"), "is not a golden history"),
    ],
)
def test_what_is_no_log_is_one_sentence(everything_path: Path, words: tuple[str, ...], message: str) -> None:
    readme = Path(__file__).parents[2] / "README.md"
    answer = ask("diverge", *(word.format(log=everything_path, readme=readme) for word in words))
    assert answer.code in (2, 3)
    assert message in answer.err
    assert (answer.out, len(answer.err.splitlines())) == ("", 1)


def test_no_file_is_written(everything_path: Path, flood_path: Path) -> None:
    before = sorted(os.listdir(everything_path))
    ask("diverge", str(everything_path), str(flood_path))
    assert sorted(os.listdir(everything_path)) == before
