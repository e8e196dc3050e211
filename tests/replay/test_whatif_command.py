"""``replay whatif`` on the command line: its screens, its JSON, sweeps, and paths that lead nowhere."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from replay import History, QuestionError
from replay.whatif import Change
from tests.replay.asking import Answer, ask, assert_screen
from tests.replay.scenario import Network

RATE_10 = "agents/mallory/rule.rate.envelopes_per_minute=10"


@pytest.fixture
def asked(flood_path: Path) -> Callable[..., Answer]:
    """Asks the log of the flood on the command line."""

    def ask_it(*words: str, **options: str) -> Answer:
        return ask("whatif", "--log", os.fspath(flood_path), *words, **options)

    return ask_it


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("whatif-rate", ("--set", RATE_10)),
        ("whatif-rate-all", ("--set", RATE_10, "--all", "--at", "@30")),
        ("whatif-expectation", ("--set", "expectations/discussion/turn_within.seconds=60")),
        ("whatif-ttl", ("--set", "agents/*/rule.limits.session_ttl_default=1m")),
    ],
)
def test_each_screen_is_as_its_snapshot(
    asked: Callable[..., Answer], name: str, words: tuple[str, ...], width: int
) -> None:
    answer = asked(*words, COLUMNS=str(width))
    assert (answer.code, answer.err) == (1, "")
    assert max(map(len, answer.lines)) <= width
    assert_screen(f"{name}-{width}", answer.out)


def test_nothing_changed_is_no_finding(asked: Callable[..., Answer]) -> None:
    answer = asked()
    assert answer.code == 0
    assert "everything comes out the same, to the byte" in answer.out
    assert asked("--json").objects[-1]["diverges"] is False


def test_programs_get_each_difference_and_a_report(asked: Callable[..., Answer]) -> None:
    answer = asked("--json", "--set", RATE_10)
    *found, report = answer.objects
    assert answer.code == 1
    assert {each["v"] for each in answer.objects} == {1}
    assert {each["kind"] for each in found} == {"difference"}
    assert (report["kind"], report["diverges"], report["first"]["position"]) == ("report", True, found[0]["position"])
    assert report["settings"] == [{"path": RATE_10.partition("=")[0], "was": 0, "now": 10}]
    assert report["counts"] == {"refused": 13, "moot": 4, "changed": 1, "let_in": 1}
    assert sum(report["counts"].values()) == len(found)
    assert found[0]["recorded"][0]["type"] == "envelope.posted"
    assert found[0]["error"] == "rate_limited"


def test_nothing_is_written(flood_path: Path, asked: Callable[..., Answer]) -> None:
    def files() -> dict[str, bytes]:
        data = (path for path in flood_path.rglob("*") if path.is_file() and path.name != "lock.mdb")
        return {path.name: path.read_bytes() for path in data}

    before = files()
    assert asked("--set", RATE_10).code == 1
    assert files() == before


async def test_a_log_that_is_being_written(tmp_path: Path) -> None:
    net = await Network.open(tmp_path / "log")
    for name in ("alice", "bob"):
        await net.enter(name)
    session = await net.agents["alice"].open(type="conversation", target="bob")
    for number in range(3):
        await net.said(session.session_id, "alice", f"{number}")
        words = ("--set", "agents/alice/rule.rate.envelopes_per_minute=1", "--json", "--log", str(tmp_path / "log"))
        report = ask("whatif", *words).objects[-1]
        assert (report["head"], report["counts"].get("refused", 0)) == (net.hub.position, number)
    await net.close()


# Sweeps.

SWEEP = f"""
# how many a minute are enough?
{RATE_10.replace("10", "5")}
{RATE_10}

{RATE_10.replace("10", "1000")}   # enough for everybody
agents/dave/rule.inbox.max_pending=5 expectations/discussion/turn_within.seconds=60
"""


@pytest.fixture
def sweep(tmp_path: Path) -> str:
    (tmp_path / "variants").write_text(SWEEP)
    return str(tmp_path / "variants")


@pytest.mark.parametrize("width", [80, 120])
def test_a_sweep_is_a_table(asked: Callable[..., Answer], sweep: str, width: int) -> None:
    answer = asked("--sweep", sweep, COLUMNS=str(width))
    assert (answer.code, answer.err) == (1, "")
    assert_screen(f"whatif-sweep-{width}", answer.out)


def test_a_sweep_for_programs(asked: Callable[..., Answer], sweep: str) -> None:
    rows = asked("--sweep", sweep, "--json").objects
    assert [row["kind"] for row in rows] == ["variant"] * 5
    assert [row["diverges"] for row in rows] == [False, True, True, False, True]
    assert rows[0]["variant"] == "(as recorded)"
    one = asked("--set", RATE_10, "--json").objects[-1]
    assert {key: rows[2][key] for key in one if key != "kind"} == {key: one[key] for key in one if key != "kind"}


def test_what_is_set_holds_in_every_variant(asked: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "variants").write_text("agents/dave/rule.inbox.max_pending=5\n")
    rows = asked("--sweep", str(tmp_path / "variants"), "--set", RATE_10, "--json").objects
    assert [len(row["settings"]) for row in rows] == [0, 2]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "has no variants: write assignments such as"),
        ("agents/bob", "line 1 of the sweep: 'agents/bob' sets nothing"),
        ('\nx="', "line 2 of the sweep: No closing quotation"),
        ("agents/bob/rule.x=1", "there is no 'x' in agents/bob/rule: it has access"),
    ],
)
def test_a_sweep_that_cannot_be_asked(asked: Callable[..., Answer], tmp_path: Path, lines: str, message: str) -> None:
    (tmp_path / "variants").write_text(lines)
    answer = asked("--sweep", str(tmp_path / "variants"))
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
    assert len(answer.err.splitlines()) == 1


def test_a_sweep_that_is_no_text(asked: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "variants").write_bytes(b"\xff\xfe\x00=1")
    answer = asked("--sweep", str(tmp_path / "variants"))
    assert (answer.code, answer.out, len(answer.err.splitlines())) == (2, "", 1)


# Paths that lead nowhere.


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("agents", "sets nothing: write PATH=VALUE"),
        ("=5", "sets nothing: write PATH=VALUE"),
        ("inboxes/bob=5", "'inboxes/bob' cannot be set: paths begin with agents, expectations, types or sessions"),
        ("agents/bob=5", "is too short to set anything: write agents/NAME/rule.FIELD"),
        ("agents/bob/passport.name=x", "of an agent only its rule can be set, not 'passport'"),
        ("agents/bobb/rule.version=2", "no agent 'bobb' was ever registered in this log: did you mean bob?"),
        ("agents/z*/rule.version=2", "no agent of this log has a name that fits 'z*': write agents/* for all of them"),
        ("agents/bob/rule.speed=5", "there is no 'speed' in agents/bob/rule: it has access, limits, rate, inbox"),
        ("agents/bob/rule.rate.per_hour=5", "there is no 'per_hour' in agents/bob/rule/rate: it has envelopes_per"),
        ("agents/bob/rule.rate.envelopes_per_minute=many", "agents/bob/rule cannot be like that: Rule.rate"),
        ("agents/bob/rule.rate.envelopes_per_minute=-1", "agents/bob/rule cannot be like that: Rule.rate"),
        ("agents/bob/rule=5", "agents/bob/rule is 5: it has fields, set one of them"),
        ("expectations/chess/turn_within.seconds=5", "no session type 'chess': there are consulting, conversation, d"),
        ("expectations/discussion/max_silence.seconds=5", "they have turn_within:warn, turn_within:hide"),
        ("expectations/discussion/turn_within:close.seconds=5", "have no expectation 'turn_within:close': they have"),
        ("expectations/discussion/turn_within=5", "say what of 'turn_within' to set: seconds, on_violation, params"),
        ("expectations/discussion/turn_within.minutes=5", "there is no 'minutes' in"),
        ("expectations/discussion/turn_within.seconds=soon", "expects 'turn_within' within params"),
        ("expectations/discussion/turn_within.seconds=Infinity", "seconds is inf: JSON has no such number"),
        ("expectations/discussion/turn_within.seconds=-1", 'give it {"seconds": a number, 0 or more}'),
        ("expectations/discussion/turn_within.on_violation=shout", "names the violation handler 'shout'"),
        ("types/discussion/version=2", "is what a session type is found by, and cannot be set"),
        ("types/discussion/colour=red", "there is no 'colour' in types/discussion: it has type, version, participants"),
        ("types/discussion/ttl_default=soon", "types/discussion cannot be like that: SessionManifest.ttl_default"),
        ("sessions/abc/expires_at=null", "no session's id begins with 'abc'"),
        ("sessions/@7/closed_at=null", "there is no 'closed_at' in sessions/@7: it has expires_at, manifest"),
        ("sessions/@7/expires_at=soon", "sessions/@7/expires_at is 'soon': give a time such as"),
        ("sessions/@7/expires_at=5", "sessions/@7/expires_at is 5: give a time such as"),
        ("sessions/@7/manifest.expectations.3.name=x", "there is no '3' in sessions/@7/manifest/expectations"),
        ("sessions/@7/manifest.expectations.0.on_violation=x", "names the violation handler 'x'"),
    ],
)
def test_a_path_that_leads_nowhere_says_what_there_is(asked: Callable[..., Answer], path: str, message: str) -> None:
    answer = asked("--set", path)
    assert (answer.code, answer.out) == (2, ""), answer
    assert message in answer.err
    assert len(answer.err.splitlines()) == 1


def test_a_session_that_was_over_by_the_point(asked: Callable[..., Answer], flood_path: Path) -> None:
    with History.open(flood_path) as history:
        over = history.head
    answer = asked("--at", f"@{over}", "--set", "sessions/@7/expires_at=null")
    assert (answer.code, f"was over by @{over}: give an earlier point" in answer.err) == (2, True)


def test_a_point_that_is_none(asked: Callable[..., Answer]) -> None:
    assert asked("--at", "@99999").code == 2
    assert asked("--at", "nonsense").code == 2


def test_a_file_that_is_not_there(asked: Callable[..., Answer]) -> None:
    answer = asked("--sweep", "/nowhere/variants")
    assert (answer.code, len(answer.err.splitlines())) == (2, 1)


def test_values_are_json_or_text() -> None:
    assert Change.parse("a/b=5") == Change("a/b", 5)
    assert Change.parse("a/b=1h") == Change("a/b", "1h")
    assert Change.parse('a/b=["x", "y"]') == Change("a/b", ["x", "y"])
    assert Change.parse("/a/b/ = null") == Change("a/b", None)
    assert str(Change("a/b", "1h")) == 'a/b="1h"'
    with pytest.raises(QuestionError):
        Change.parse("a/b")


def test_help_states_the_rule_of_causality() -> None:
    said = " ".join(ask("whatif", "--help").out.split())
    assert "is not asked again but counted" in said
    assert "\b" not in said


def test_reports_are_plain_data(asked: Callable[..., Answer]) -> None:
    for line in asked("--json", "--set", "agents/*/rule.limits.session_ttl_default=1m").lines:
        assert json.loads(line)["v"] == 1
