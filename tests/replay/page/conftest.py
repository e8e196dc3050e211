"""Pages of the test logs, and a browser to look at them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from replay import History, story
from replay.render.page import page
from tests.replay.conftest import play
from tests.replay.page.browsing import FLAGS
from tests.replay.page.hostile import hostile
from tests.replay.scenario import chat

MANY = 2000
MakePage = Callable[[Path, str], Path]


@pytest.fixture(scope="session")
def hostile_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log that is full of markup; only to be read."""
    path = tmp_path_factory.mktemp("hostile") / "log"
    play(hostile(path))
    return path


@pytest.fixture(scope="session")
def many_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of a conversation of two thousand envelopes; only to be read."""
    path = tmp_path_factory.mktemp("many") / "log"
    play(chat(path, MANY))
    return path


@pytest.fixture(scope="module")
def browser(everything_path: Path, troubles_path: Path, hostile_path: Path, many_path: Path) -> Iterator[Browser]:
    """One browser for a module's tests.

    While playwright is on, its event loop is this thread's, and no hub can run: so the logs are made before it starts,
    and it is not the whole session's.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium on this machine; apt-get install chromium brings it")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def make_page(tmp_path_factory: pytest.TempPathFactory) -> MakePage:
    """Writes the page of a log's session, once, and returns where it is."""
    folder = tmp_path_factory.mktemp("pages")

    def make(log: Path, session: str) -> Path:
        path = folder / f"{log.parent.name}{session}.html"
        if not path.exists():
            with History.open(log) as history, path.open("w", encoding="utf-8") as out:
                out.writelines(page(story(history, session), history.evidence()))
        return path

    return make
