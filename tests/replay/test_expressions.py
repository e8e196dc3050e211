"""Expressions: the words of ``replay state`` in a safe subset of Python's form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.state import HubState
from replay import History, QuestionError, look
from replay.expressions import compile
from replay.expressions.working import FUNCTIONS, STEPS_MAX
from replay.state import COLLECTIONS
from tests.support.counting import count_decoded

BOB = "0" * 31 + "3"


def worth(history: History, text: str, point: str = "head") -> Any:
    return compile(text)(history, history.at(point))


@pytest.mark.parametrize(
    ("text", "point", "value"),
    [
        ('sessions["@6"].state == "closed"', "@14", False),
        ('sessions["@6"].state == "closed"', "@15", True),
        ('sessions["@6"].state', "@5", None),
        ('inbox("carol") >= 1', "@24", True),
        ('inbox("carol") >= 1', "@3", False),
        ('agents["mallory"].rule.rate.envelopes_per_minute', "head", 2),
        ("agents.mallory.rule.rate.envelopes_per_minute + 1", "head", 3),
        (f'agents["{BOB}"].passport.name', "head", "bob"),
        ('agents["carol"] == None', "head", True),
        ('agents["carol"].rule.rate.envelopes_per_minute > 0', "head", False),
        ('"carol" in agents', "head", False),
        ('"carol" in agents', "@30", True),
        ('"bob" in agents and "alice" not in agents', "head", False),
        ("len(agents)", "head", 3),
        ("len(agents) if position > 30 else position", "@30", 30),
        ("any(s.state == 'pending' for s in sessions)", "@7", True),
        ("all(a.pending == 0 for a in agents)", "@24", False),
        ("[a.passport.name for a in agents if 'policy' in a.resume.claimed_capabilities]", "head", ["alice"]),
        ("sum(inbox(a.passport.name) for a in agents)", "@24", 2),
        ("max(s.envelopes for s in sessions)", "@24", 6),
        ("min(s.envelopes for s in sessions)", "head", None),
        ('observed["bob"]["analysis"].n', "@11", None),
        ("observed.bob.analysis.p50_latency_ms / 1000", "head", 2.0),
        ('sessions["@6"].participants[0].role', "head", "initiator"),
        ('sessions["@6"].participants[7].role', "head", None),
        ('"the" in sessions["@6"].labels.intent', "head", True),
        ('sessions["@6"].labels["case"]', "head", None),
        ('sessions["@18"].state in ("expired", "closed")', "head", True),
        ("denials['0'].error", "@17", "access_denied"),
        ("denials['7'].error", "@17", None),
        ("len(None) == None and len('abc') == 3", "head", True),
        ("not sessions and -1 < 0 <= +1 != 2", "head", True),
        ("7 // 2 * 2 + 7 % 2", "head", 7),
        ("any(a for a in agents) or 1 / 0", "head", True),
        ("None + 1 == None", "head", True),
        ("any(n > 1 for s in sessions for n in [s.envelopes, 0])", "@24", True),
    ],
)
def test_what_an_expression_is_worth(history: History, text: str, point: str, value: Any) -> None:
    assert worth(history, text, point) == value


@pytest.mark.parametrize("path", ["agents/bob", "agents/bob/rule", "sessions/@6", "inboxes/alice", "observed/bob"])
def test_the_words_are_those_of_paths(history: History, path: str) -> None:
    collection, key, *fields = path.split("/")
    text = f'{collection}["{key}"]' + "".join(f".{field}" for field in fields)
    assert worth(history, text) == look(history, history.at(), path)


@pytest.mark.parametrize(
    ("text", "things"),
    [
        ('inbox("bob") > agents.alice.pending', {("inboxes", "bob"), ("agents", "alice")}),
        ('sessions["@6"].state', {("sessions", "@6")}),
        ('sessions["@6"].state == "closed" and position > 3', None),
        ("len(sessions)", None),
        ("inbox(agents.bob.passport.name)", None),
        ("[s for s in [1]]", None),
        ("[sessions['@6'] for s in sessions]", None),
        ("'bob' in agents", None),
    ],
)
def test_an_expression_knows_what_it_looks_at(text: str, things: Any) -> None:
    assert compile(text).things == things


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "'' is not an expression"),
        ("a b", "is not an expression (invalid syntax"),
        ("sesions", "there is no name 'sesions' in an expression: did you mean sessions?"),
        ("x", "there are agents, denials, inboxes, observed, position, rates, sessions, tasks"),
        ("size(agents)", "there is no function 'size' in an expression: there are all, any, inbox, len, max, min, sum"),
        ("agents.bob.rul", "there is no field 'rul' in agents.bob: did you mean rule?"),
        ("agents.bob.x", "it has passport, rule, resume, observed, skill, pending, sessions"),
        ("agents.bob.pending.x", "agents.bob.pending is the number 0, which has no field 'x'"),
        ("agents.bobby", "no agent 'bobby' was ever registered in this log: did you mean bob?"),
        ('sessions["ff"]', "no session's id begins with 'ff'"),
        ("agents[1]", "agents[1] names nothing: give a name or an id as text"),
        ("agents", "agents is a whole collection: write len(agents), or agents[…]"),
        ("inbox", "inbox is a function: write inbox(…)"),
        ("inbox()", "inbox takes one argument"),
        ("'a' < 3", "the text 'a' and the number 3 have no order: compare two numbers, or two texts"),
        ("'a' + 'b'", "'a' + 'b' cannot be calculated: calculate with + - * / // % on numbers"),
        ("2 ** 9999", "cannot be calculated"),
        ("1 / 0", "1 / 0 cannot be calculated here: division by zero"),
        ("~1", "~1 is no number"),
        ("1e999", "the value is inf"),
        ("len(3)", "the number 3 has no length"),
        ("3 in 3", "the number 3 cannot be in the number 3"),
        ("any(1)", "the number 1 has nothing to go through"),
        ("sum(['a'])", "sum, min and max take numbers"),
        ("[1][None:]", "an expression cannot have a slice"),
        ("{1: 2}", "an expression cannot have a dict: it may compare"),
        ("f'{position}'", "an expression cannot have an f-string"),
        ("lambda: 1", "an expression cannot have a lambda"),
        ("1j", "an expression has texts, numbers, True, False and None, not 1j"),
        ("agents.bob.keys()", "an expression can call len, any, all, sum, min, max, inbox, and nothing else"),
        ("agents.bob.__class__", "there is no field '__class__' in agents.bob"),
        ("any(1 for len in agents)", "'len' has a meaning already"),
        ("any(1 for a, b in agents)", "an expression goes through things one by one"),
        ("any(x for y in agents)", "there is no name 'x'"),
        ("[x for x in x]", "there is no name 'x'"),
        ("[x for x in [1]] == x", "there is no name 'x'"),
        ("any(x for y in x for x in agents)", "there is no name 'x'"),
        ("(" * 300, "is not an expression"),
        ("-" * 900 + "1", "the expression"),
        ("1" + " + 1" * 150, "the expression has more than 200 parts"),
        ("[" * 50 + "]" * 50, "the expression is nested deeper than 40"),
        ("1" * 1001, "the expression has 1001 characters: at most 1000 are read"),
    ],
)
def test_what_is_no_expression_is_told(history: History, text: str, sentence: str) -> None:
    with pytest.raises(QuestionError) as caught:
        worth(history, text)
    assert sentence in caught.value.message
    assert "\n" not in caught.value.message


def test_an_evaluation_has_an_end(history: History) -> None:
    ten = str(list(range(10)))
    text = "any(" + "".join(f" for v{n} in {ten}" for n in range(8)).replace(" for", "0 for", 1) + ")"
    with pytest.raises(QuestionError, match=f"takes more than {STEPS_MAX:,} steps in one state"):
        worth(history, text)


WORDS = st.sampled_from(
    [*COLLECTIONS, *FUNCTIONS, "position", "x", '"bob"', '"@6"', "'0'", "0", "2", "-1", "1e308", "None", "True", "and",
     "or", "not", "in", "is", "if", "else", "for", "lambda", "await", "*", "**", "+", "-", "/", "//", "%", "==", "<",
     ">=", "!=", "(", ")", "[", "]", "{", "}", ".", ",", ":", ":=", ".state", ".rule", ".pending", ".__class__",
     "for x in", "agents.bob", 'sessions["@18"]', "(x for x in", '"\\d"', "f'{", "b''", "\x00", "\n", "…"]
)  # fmt: skip


TEXTS = st.text(max_size=40) | st.tuples(st.lists(WORDS, max_size=14), st.sampled_from(["", " "])).map(
    lambda parts: parts[1].join(parts[0])
)


@pytest.fixture(scope="module")
def moment(everything_path: Path) -> Iterator[tuple[History, HubState]]:
    """A log and a state of it, for many examples."""
    with History.open(everything_path) as opened:
        yield opened, opened.at("@24")


@given(text=TEXTS)
def test_no_text_does_anything_but_give_a_value_or_an_error(moment: tuple[History, HubState], text: str) -> None:
    digest = moment[1].digest()
    with suppress(QuestionError):
        json.dumps(compile(text)(*moment), allow_nan=False)
    assert moment[1].digest() == digest


def chains(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions made of smaller ones, so that most of them are ones."""
    two = st.tuples(inner, inner)
    signs = st.sampled_from(["+", "-", "*", "/", "//", "%", "==", "!=", "<", ">=", "in", "not in", "and", "or", "is"])
    return (
        st.tuples(inner, signs, inner).map(lambda parts: f"({' '.join(parts)})")
        | two.map(lambda parts: f"{parts[0]}[{parts[1]}]")
        | st.tuples(inner, st.sampled_from(["state", "rule", "pending", "n", "depth"])).map(".".join)
        | st.tuples(st.sampled_from(sorted(FUNCTIONS)), inner).map(lambda parts: f"{parts[0]}({parts[1]})")
        | two.map(lambda parts: f"[x for x in {parts[0]} if {parts[1]}]")
        | two.map(lambda parts: f"(not {parts[0]} if {parts[1]} else -{parts[0]})")
    )


LEAVES = st.sampled_from(
    [*COLLECTIONS, "position", '"bob"', '"@18"', '"state"', "0", "7", "1e308", "None", "[]", "[1]"]
)


@given(text=st.recursive(LEAVES, chains, max_leaves=6))
def test_every_expression_of_the_grammar_gives_a_value_or_an_error(moment: tuple[History, HubState], text: str) -> None:
    with suppress(QuestionError):
        json.dumps(compile(text)(*moment), allow_nan=False)


def test_what_is_not_asked_for_is_not_worked_out(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan asks at every event: a rule comes from memory, and only a summary from the log."""
    rule, summary = compile("agents.bob.rule.rate.envelopes_per_minute"), compile("agents.bob.resume.summary")
    state, decoded = history.at(), count_decoded(monkeypatch)
    assert (rule(history, state), decoded) == (0, [])
    assert (summary(history, state), decoded) == ("", [3])
