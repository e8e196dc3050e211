"""``replay story --svg``: a picture that stands alone."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser

from replay import History, story
from replay.render.page import picture
from replay.render.screen import footer
from tests.replay.asking import Answer
from tests.replay.page.browsing import opened
from tests.replay.page.hostile import MARKUP

TAGS = {"svg", "title", "desc", "style", "defs", "marker", "path", "rect", "text", "tspan", "line", "circle"}
SVG = "{http://www.w3.org/2000/svg}"


def drawn(path: Path, session: str) -> tuple[str, ElementTree.Element]:
    with History.open(path) as history:
        text = "".join(picture(story(history, session), history.evidence()))
        assert footer(history.evidence()) in text
    return text, ElementTree.fromstring(text)


def words(root: ElementTree.Element) -> list[str]:
    return ["".join(each.itertext()) for each in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("session", ["@10", "@18", "@26", "@30", "@46", "@62"])
def test_every_step_is_in_it(troubles_path: Path, session: str) -> None:
    said = words(drawn(troubles_path, session)[1])
    with History.open(troubles_path) as history:
        told = story(history, session)
        positions = [told.created.position, *(step.event.position for step in told.steps())]
    assert [text for text in said if re.fullmatch(r"@\d+", text)] == [f"@{position}" for position in positions]


def test_arrows_refusals_and_tasks(troubles_path: Path) -> None:
    def count(session: str, tag: str, **attributes: str) -> int:
        found = drawn(troubles_path, session)[1].iter(f"{SVG}{tag}")
        return sum(
            all(each.get(key.rstrip("_").replace("_", "-")) == value for key, value in attributes.items())
            for each in found
        )

    assert count("@30", "line", marker_end="url(#ok)") == 4
    assert count("@30", "line", marker_end="url(#no)") == 1
    assert count("@46", "line", marker_end="url(#ok)") == 5
    assert count("@46", "line", class_=" inner") == 4
    assert count("@62", "rect", class_="busy") == 4


def test_nothing_that_agents_wrote_becomes_markup(hostile_path: Path) -> None:
    text, root = drawn(hostile_path, "@4")
    tags = {each.tag.removeprefix(SVG) for each in root.iter()}
    assert tags <= TAGS
    assert not any(name.startswith("on") or "href" in name for each in root.iter() for name in each.attrib)
    assert MARKUP[:40] in "\n".join(words(root))
    assert {char for char in text if not char.isprintable()} == {"\n"}
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


OUTSIDE = """() => {
    const width = document.documentElement.width.baseVal.value;
    const boxes = [...document.querySelectorAll('text')].map(text => [text.textContent, text.getBBox()]);
    return boxes.filter(([, box]) => box.x < 0 || box.x + box.width > width).map(([text]) => text);
}"""


def test_words_stay_within_the_picture(troubles_path: Path, browser: Browser, tmp_path: Path) -> None:
    for session in ("@10", "@30", "@46", "@62"):
        path = tmp_path / "story.svg"
        path.write_text(drawn(troubles_path, session)[0], encoding="utf-8")
        with opened(browser, path) as tab:
            assert tab.run(OUTSIDE) == []
            assert (tab.complaints, len(tab.requests)) == ([], 1)


def first_pixel(png: bytes) -> tuple[int, ...]:
    """The first pixel of a PNG's first row is stored as it is, whatever the row's filter (PNG 3, filters)."""
    data, at = b"", 8
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        data += png[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    return tuple(zlib.decompress(data)[1:4])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_embeds_as_an_image_and_is_light_or_dark_as_its_reader_is(
    troubles_path: Path, browser: Browser, tmp_path: Path, scheme: str
) -> None:
    (tmp_path / "story.svg").write_text(drawn(troubles_path, "@30")[0], encoding="utf-8")
    report = tmp_path / "report.html"
    scheme_aware = '<!doctype html><meta name="color-scheme" content="light dark">'
    report.write_text(f'{scheme_aware}<img id="story" src="story.svg">', encoding="utf-8")
    with opened(browser, report, color_scheme=scheme) as tab:
        assert tab.run("story.complete && story.naturalWidth > 400")
        corner = first_pixel(tab.page.locator("#story").screenshot(type="png"))
    assert (sum(corner) < 100) == (scheme == "dark")


def test_on_the_command_line(told: Callable[..., Answer]) -> None:
    answer = told("story", "@10", "--svg")
    assert (answer.code, answer.err) == (0, "")
    assert ElementTree.fromstring(answer.out).tag == f"{SVG}svg"
