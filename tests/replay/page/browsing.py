"""A real browser, headless, that looks at pages which are files; nothing it does may touch a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Dialog, Page

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SEEN = """() => [...document.querySelectorAll('.step')].filter(
    step => getComputedStyle(step).display !== 'none').map(step => step.id)"""
DESK, PHONE = (1400, 900), (390, 844)


class Tab:
    """A page that is open, and what it complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._refuse)
        page.on("request", lambda request: self.requests.append(request.url))

    def _refuse(self, dialog: Dialog) -> None:
        self.complaints.append(dialog.message)
        dialog.dismiss()

    def run(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(script, argument)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def choose(self, position: int) -> None:
        self.page.click(f"#e{position} > a")

    def slide(self, place: int) -> None:
        """Move the slider as a hand does."""
        self.run("place => { slider.value = place; slider.dispatchEvent(new Event('input')) }", place)

    @property
    def panel(self) -> str:
        return self.page.locator("#event").inner_text()

    @property
    def chosen(self) -> int | None:
        """The position of the chosen step."""
        found = self.run("document.querySelector('.chosen')?.id ?? null")
        return None if found is None else int(found[1:])

    @property
    def focused(self) -> str:
        """What has the focus: the id of a step, or of an element."""
        return str(self.run("document.activeElement.closest('.step')?.id ?? document.activeElement.id"))

    @property
    def seen(self) -> list[int]:
        """The positions of the steps that can be seen, by scrolling at most."""
        return [int(each[1:]) for each in self.run(SEEN)]


@contextmanager
def opened(browser: Browser, path: Path, size: tuple[int, int] = DESK, **options: Any) -> Iterator[Tab]:
    """Open a file in a tab of its own; ``options`` are the context's, such as ``color_scheme``."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
    try:
        tab = Tab(context.new_page())
        tab.page.goto(path.as_uri())
        yield tab
    finally:
        context.close()
