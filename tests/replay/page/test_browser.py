"""The page in a real browser: by hand, by keyboard, on a phone, in the dark, on paper, with thousands of rows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from replay import History, story
from tests.replay.page.browsing import PHONE, opened
from tests.replay.page.conftest import MANY, MakePage
from tests.replay.page.hostile import MALLORY, MARKUP

SESSIONS = {"everything": ("@18",), "troubles": ("@30", "@46", "@62")}


@pytest.fixture(params=[f"{log}{session}" for log, sessions in SESSIONS.items() for session in sessions])
def any_page(request: pytest.FixtureRequest, make_page: MakePage, everything_path: Path, troubles_path: Path) -> Path:
    """The page of each session of the test logs."""
    name, _, position = request.param.partition("@")
    return make_page({"everything": everything_path, "troubles": troubles_path}[name], f"@{position}")


def test_a_page_needs_nothing_else_and_nothing_complains(browser: Browser, any_page: Path) -> None:
    with opened(browser, any_page) as tab:
        tab.press("n", "Escape")
        assert tab.requests == [any_page.as_uri()]
        assert tab.complaints == []


def test_hostile_words_stay_words(browser: Browser, make_page: MakePage, hostile_path: Path) -> None:
    with opened(browser, make_page(hostile_path, "@4")) as tab:
        title = tab.page.title()
        for position in tab.seen:
            tab.choose(position)
        assert tab.page.title() == title == "conversation @4, closed"
        assert (tab.complaints, len(tab.requests)) == ([], 1)
        assert tab.run("document.querySelectorAll('script:not([type])').length") == 1
        assert tab.run("document.images.length") == 0
        said = next(position for position in tab.seen if MARKUP in tab.page.locator(f"#e{position} .text").inner_text())
        tab.choose(said)
        assert MARKUP in tab.panel
        assert MALLORY in tab.page.locator(".lanes").inner_text()


def test_the_policy_stops_a_script_that_got_in_nevertheless(browser: Browser, any_page: Path, tmp_path: Path) -> None:
    pierced = tmp_path / "pierced.html"
    text = any_page.read_text(encoding="utf-8")
    pierced.write_text(text.replace("<header>", f"{MARKUP}<header>", 1), encoding="utf-8")
    with opened(browser, pierced) as tab:
        assert tab.page.title() != "taken"
        assert any("Content Security Policy" in complaint for complaint in tab.complaints)


def test_a_click_shows_an_event_its_causes_and_effects(
    browser: Browser, make_page: MakePage, troubles_path: Path
) -> None:
    with opened(browser, make_page(troubles_path, "@10")) as tab:
        assert "Choose a step" in tab.panel
        tab.choose(16)
        with History.open(troubles_path) as history:
            event = history.event(16)
        for text in ("@16 envelope.posted", event.id, f"{event.actor} (bob)", *event.tags, "text: Let me look."):
            assert text in tab.panel
        assert re.search(r"causes\n@14 .*\n← answers @14\n@10 .*began|causes\n@14 ", tab.panel)
        assert "effect\n@17 " in tab.panel
        tab.page.click("#event a:text-is('@17')")
        assert (tab.chosen, tab.panel.splitlines()[1]) == (17, "@17 envelope.posted")
        assert tab.page.url.endswith("#e17")
        tab.page.click("#event .close")
        assert (tab.chosen, "Choose a step" in tab.panel) == (None, True)


def test_an_address_leads_to_an_event(browser: Browser, make_page: MakePage, troubles_path: Path) -> None:
    with opened(browser, make_page(troubles_path, "@10")) as tab:
        tab.page.goto(f"{tab.page.url}#e16")
        tab.page.reload()
        assert tab.chosen == 16


def test_refusals_violations_and_tasks_are_marked(
    browser: Browser, make_page: MakePage, everything_path: Path, troubles_path: Path
) -> None:
    def of(path: Path, session: str, selector: str) -> list[Any]:
        with opened(browser, make_page(path, session)) as tab:
            return [len(tab.page.query_selector_all(each)) for each in selector.split("; ")]

    assert of(troubles_path, "@30", ".step.bad; .bad .arrow[marker-end='url(#bad)']; .scale line.bad") == [2, 1, 2]
    assert of(everything_path, "@18", ".step.odd; .scale line.odd") == [3, 3]
    assert of(troubles_path, "@62", ".step.task; .busy") == [4, 4]
    assert of(troubles_path, "@10", ".step.bad:has(.arrow); .step.bad; .whole") == [0, 1, 2]


def test_the_way_it_ended_is_said(browser: Browser, any_page: Path) -> None:
    with opened(browser, any_page) as tab:
        lead = tab.page.locator(".lead").inner_text()
        assert re.match(r"Ended at @\d+ after .+, \w+: .+\.$|Still (active|pending): it waits for .+\.$", lead)
        assert tab.page.locator(".outcome").first.inner_text().endswith(lead)


def test_by_keyboard_alone(browser: Browser, make_page: MakePage, troubles_path: Path) -> None:
    with opened(browser, make_page(troubles_path, "@10")) as tab:
        tab.press("Tab")
        assert tab.focused == "e10"
        outline = tab.run("getComputedStyle(document.activeElement).outlineStyle")
        tab.press("ArrowDown", "ArrowDown", "ArrowUp")
        assert (tab.focused, outline, tab.chosen) == ("e11", "solid", None)
        tab.press("End")
        assert tab.focused == "e25"
        tab.press("Home", "PageDown", "ArrowUp")
        assert tab.focused == "e23"
        tab.press("Enter")
        assert (tab.chosen, tab.focused) == (23, "event")
        tab.press("ArrowLeft")
        assert (tab.chosen, tab.focused) == (22, "e22")
        tab.press("ArrowRight", "ArrowUp")
        assert (tab.chosen, tab.focused) == (22, "e22")
        tab.press("n")
        assert (tab.chosen, tab.focused) == (15, "e15")
        tab.press("Escape")
        assert (tab.chosen, tab.focused) == (None, "e15")
        tab.press("Tab")
        assert tab.focused == "back"
        tab.press("Shift+Tab", "Enter", "Shift+Tab", "Tab")
        assert tab.run("document.activeElement.className") == "close"
        tab.press("Escape", "Tab", "Tab")
        assert tab.focused == "slider"
        tab.press("Home")
        assert tab.seen == [10]
        tab.press("ArrowRight")
        assert tab.seen == [10, 11]


def test_a_step_that_is_not_yet_is_reached_by_its_link(
    browser: Browser, make_page: MakePage, troubles_path: Path
) -> None:
    with opened(browser, make_page(troubles_path, "@10")) as tab:
        tab.slide(6)
        tab.choose(16)
        tab.press("ArrowRight")
        assert tab.chosen == 17
        assert tab.seen[-1] == 17


def test_the_slider_shows_the_session_as_it_stood(browser: Browser, make_page: MakePage, troubles_path: Path) -> None:
    with opened(browser, make_page(troubles_path, "@62")) as tab, History.open(troubles_path) as history:
        told = story(history, "@62")
        every = [told.created.position, *(step.event.position for step in told.steps())]
        assert tab.seen == every
        for place in (3, 4, 1, 0, 7):
            tab.slide(place)
            assert tab.page.locator(f"#e{every[place]} .text").is_visible()
            assert not tab.page.locator(f"#e{every[place + 1]} .text").is_visible()
            assert tab.seen == every[: place + 1]
            live = history.at(every[place]).sessions.live[told.session_id]
            said = tab.page.locator("#stood").inner_text()
            assert said.startswith(f"@{every[place]} · +")
            assert f" · {live.state} · " in said
            assert (" · at work: grace" in said) == (place in (4, 5, 6))
            assert said.endswith(f" · step {place} of 8")
        tab.page.click("#on")
        assert "expired · ttl_expired" in tab.page.locator("#stood").inner_text()
        tab.choose(70)
        tab.page.click("#back")
        assert (tab.chosen, tab.seen) == (None, every[:-1])


SMALLEST_TEXT = """() => Math.min(...[...document.querySelectorAll('body *')].filter(e => e.innerText).map(
    e => parseFloat(getComputedStyle(e).fontSize)))"""


def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Browser, any_page: Path) -> None:
    with opened(browser, any_page, PHONE, has_touch=True, is_mobile=True) as tab:
        assert tab.run("document.documentElement.scrollWidth") == PHONE[0]
        assert tab.run(SMALLEST_TEXT) >= 11.5
        last = tab.seen[-1]
        tab.choose(last)
        box = tab.page.locator("#event").bounding_box()
        assert box is not None
        assert (box["x"], box["width"]) == (0, PHONE[0])
        assert box["y"] + box["height"] == pytest.approx(PHONE[1], abs=1)
        tab.page.click("#event .close")
        assert not tab.page.locator("#event").is_visible()


def luminance(color: tuple[float, ...]) -> float:
    """WCAG 2.2, relative luminance."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (each / 255 for each in color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """WCAG 2.2, contrast ratio of two opaque colours as the browser says them."""
    colors = (tuple(map(float, re.findall(r"[\d.]+", each)[:3])) for each in (first, second))
    dark, bright = sorted(map(luminance, colors))
    return (bright + 0.05) / (dark + 0.05)


COLORS = """() => [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && [...e.childNodes].some(
    n => n.nodeType === 3 && n.data.trim())).map(e => {
        let back = e;
        const paint = () => getComputedStyle(back).backgroundColor;
        while (back.parentElement && /^(rgba\\(.*, 0\\)|transparent)$/.test(paint())) back = back.parentElement;
        return [e.className || e.tagName, getComputedStyle(e).color, paint()];
    })"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast_enough(
    browser: Browser, make_page: MakePage, everything_path: Path, troubles_path: Path, scheme: str
) -> None:
    """WCAG 2.2 AA: 4.5 to 1."""
    for path, session, position in ((everything_path, "@18", 24), (troubles_path, "@30", 40)):
        with opened(browser, make_page(path, session), color_scheme=scheme) as tab:
            tab.choose(position)
            colors = tab.run(COLORS)
            assert len({text for text, _, _ in colors}) > 10
            assert [each for each in colors if contrast(each[1], each[2]) < 4.5] == []
            page_color = tab.run("getComputedStyle(document.body).backgroundColor")
            assert (luminance(tuple(map(float, re.findall(r"[\d.]+", page_color)))) < 0.1) == (scheme == "dark")


@pytest.mark.parametrize(("motion", "smooth"), [("reduce", "auto"), ("no-preference", "smooth")])
def test_who_wants_no_motion_gets_none(browser: Browser, any_page: Path, motion: str, smooth: str) -> None:
    with opened(browser, any_page, reduced_motion=motion) as tab:
        assert tab.run("getComputedStyle(document.documentElement).scrollBehavior") == smooth


def test_on_paper_every_step_is_there_and_the_tools_are_not(browser: Browser, any_page: Path) -> None:
    with opened(browser, any_page) as tab:
        every = tab.seen
        tab.slide(0)
        tab.page.emulate_media(media="print")
        assert tab.seen == every
        assert [tab.page.locator(each).is_visible() for each in ("#event", ".time", ".keys")] == [False] * 3
        assert tab.page.locator(".evidence").inner_text().startswith("log ")


def test_what_is_read_aloud(browser: Browser, make_page: MakePage, troubles_path: Path) -> None:
    with opened(browser, make_page(troubles_path, "@10")) as tab:
        shape = tab.page.locator("body").aria_snapshot()
        for line in (
            r'- heading "conversation @10 closed" \[level=1\]',
            r'- region "What happened, in order"',
            r'- link "@14 \+00:00:01.000 1 alice → bob “Who refunded it twice\?”"',
            r'- complementary "The chosen event"',
            r'- slider "The session as it stood at"',
            r'- button "One step back"',
        ):
            assert re.search(line, shape), shape
        assert tab.run("slider.ariaValueText || slider.getAttribute('aria-valuetext')").startswith("@25, +00:00:02.500")


LAID_OUT = """() => [...document.querySelectorAll('.step > a')].filter(
    a => a.checkVisibility({contentVisibilityAuto: true})).length"""


def test_thousands_of_rows_are_there_and_only_those_in_sight_are_laid_out(
    browser: Browser, make_page: MakePage, many_path: Path
) -> None:
    with opened(browser, make_page(many_path, "@4")) as tab:
        every = tab.seen
        assert len(every) == MANY + 4
        assert tab.run(LAID_OUT) < 450
        tab.press("Tab", "End")
        assert tab.focused == f"e{every[-1]}"
        assert tab.run(LAID_OUT) < 450
        tab.press("Enter")
        assert f"text: line {MANY - 1}" in tab.panel
        tab.slide(10)
        assert tab.seen == every[:11]
        tab.slide(MANY)
        assert tab.seen == every[: MANY + 1]
        assert tab.complaints == []
