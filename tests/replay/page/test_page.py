"""``replay story --html`` as text: what is in it, and what can never be."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.values.frozen import thaw
from replay import History, story
from replay.reasons import reason
from replay.render.page import page
from replay.render.page.drawing import TONES, drawn
from replay.render.page.html import data_block
from replay.render.screen import footer
from replay.render.values import value_lines
from replay.story import Kind
from tests.replay.page.hostile import MALLORY, MARKUP, MORE
from tests.support.counting import count_decoded

TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "aside", "noscript"),
    *("h1", "p", "dl", "dt", "dd", "ol", "li", "a", "b", "i", "span", "div", "time", "kbd", "form", "button", "input"),
    *("output", "svg", "defs", "marker", "path", "line", "rect", "circle", "script"),
}


class Parsed(HTMLParser):
    """The elements of a page, its text, and what its scripts hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.data: dict[str, list[str]] = {"script": [], "style": []}
        self._within = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._within = tag
        if tag in self.data:
            self.data[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in self.data:
            self.data[self._within][-1] += data
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def written(history: History, session: str) -> str:
    return "".join(page(story(history, session), history.evidence()))


@pytest.fixture
def hostile(hostile_path: Path) -> Iterator[History]:
    with History.open(hostile_path) as opened:
        yield opened


def blocks(text: str) -> list[dict[str, Any]]:
    return [json.loads(block) for block in re.findall(r'<script type="application/json">(.*?)</script>', text)]


def test_a_row_for_the_creation_and_for_every_step(history: History) -> None:
    told = story(history, "@18")
    parsed = Parsed(written(history, "@18"))
    rows = [attributes["id"] for attributes in parsed.all("li") if "id" in attributes]
    assert rows == [f"e{event.position}" for event in (told.created, *(step.event for step in told.steps()))]
    assert any(footer(history.evidence()) in text for text in parsed.texts)


@pytest.mark.parametrize("session", ["@6", "@18"])
def test_a_row_knows_its_event_whole(history: History, session: str) -> None:
    for block in blocks(written(history, session)):
        event, names = history.event(block["at"]), history.names
        found = reason(history, event)
        assert (block["type"], block["id"], block["tags"]) == (event.type, event.id, list(event.tags))
        assert block["facts"] == list(value_lines(thaw(event.facts), names))
        assert block["content"] == (list(value_lines(thaw(event.content), names)) if event.content else [])
        assert (block["cause"] or [None])[0] == (found.cause.position if found.cause else None)
        assert (block["why"], block["recorded"], block["evidence"]) == (found.why, found.recorded, list(found.evidence))


@pytest.mark.parametrize("session", ["@10", "@18", "@26", "@30", "@46", "@62"])
def test_each_row_says_how_the_session_stood_as_the_hub_knew_it(trouble: History, session: str) -> None:
    session_id = story(trouble, session).session_id
    for step in drawn(story(trouble, session)):
        live = trouble.at(step.event.position).sessions.live.get(session_id)
        assert step.stood.state == (live.state if live is not None else story(trouble, session).state)
        tasks = trouble.at(step.event.position).tasks.in_session(session_id)
        assert list(step.stood.busy) == [task.owner_id for task in tasks]
        if live is not None:
            assert step.stood.gone == live.hidden | live.left


def test_nothing_that_agents_wrote_becomes_markup(hostile: History) -> None:
    text = written(hostile, "@4")
    parsed = Parsed(text)
    assert {tag for tag, _ in parsed.elements} <= TAGS
    assert [name for _, attributes in parsed.elements for name in attributes if name.startswith("on")] == []
    assert [tag for tag, attributes in parsed.elements if {"style", "src", "action"} & set(attributes)] == []
    assert all((each["href"] or "").startswith("#e") for each in parsed.all("a"))
    assert [each for each in parsed.all("script") if each.get("type") != "application/json"] == [{}]
    said = "\n".join(parsed.texts)
    assert f"“{MARKUP}”" in said
    assert MALLORY in said
    assert f"  text: {MARKUP}" in [line for block in blocks(text) for line in block["content"]]
    assert len(parsed.all("li")) == len(blocks(text)) + 2  # ... and a title over each lane


def test_nothing_in_a_page_changes_the_direction_of_text_or_ends_a_line_unseen(hostile: History) -> None:
    text = written(hostile, "@4") + json.dumps(blocks(written(hostile, "@4")), ensure_ascii=False)
    assert MORE.isprintable() is False
    assert {char for char in text if not char.isprintable()} == {"\n"}


def test_the_policy_lets_one_style_and_one_script_run_and_nothing_be_fetched(hostile: History) -> None:
    parsed = Parsed(written(hostile, "@4"))
    (policy,) = (each["content"] for each in parsed.all("meta") if each.get("http-equiv") == "Content-Security-Policy")
    style, script = parsed.data["style"][0], parsed.data["script"][-1]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, style)]
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{hashes[0]}'; style-src 'sha256-{hashes[1]}'; base-uri 'none'; "
        "form-action 'none'"
    )
    assert "http" not in script + style
    assert "url(" not in style


@given(st.dictionaries(st.text(), st.text() | st.lists(st.text())))
def test_a_data_block_holds_any_value_and_ends_where_it_should(value: dict[str, Any]) -> None:
    block = data_block(value)
    assert json.loads(block) == value
    assert not set("<>&\u2028\u2029") & set(block)


def test_a_page_is_the_same_each_time(history: History) -> None:
    assert written(history, "@18") == written(history, "@18")


def test_a_page_is_written_as_the_log_is_read(chat_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with History.open(chat_path) as chat:
        parts = page(story(chat, "@4"), chat.evidence())
        read = count_decoded(monkeypatch)
        for _ in range(6):
            next(parts)
        assert 0 < len(set(read)) < 40


def test_every_kind_has_a_tone() -> None:
    assert set(TONES) == set(Kind)


def test_a_session_that_a_step_led_to_is_told(trouble: History) -> None:
    told = {block["at"]: [at for at, _ in block["elsewhere"]] for block in blocks(written(trouble, "@10"))}
    assert {at: found for at, found in told.items() if found} == {17: [18]}
