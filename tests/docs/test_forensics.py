"""docs/forensics.md: a case from the question to the evidence; its consoles show what the commands say (trap 64)."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from examples.two_refunds import main
from replay import History
from tests.docs.consoles import PROMPT, ROOT, Said, played

PAGE = (ROOT / "docs" / "forensics.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def consoles(tmp_path_factory: pytest.TempPathFactory) -> list[Said]:
    if shutil.which("sh") is None:
        pytest.skip("there is no shell to run the page's commands in")
    return list(played(PAGE, tmp_path_factory.mktemp("forensics")))


def test_trap_64_the_page_shows_what_its_commands_say(consoles: list[Said]) -> None:
    assert len(consoles) == 7
    for said in consoles:
        assert said.page == said.now, "write it anew: python -m tests.docs.consoles docs/forensics.md"


def test_three_commands_answer_the_question(consoles: list[Said]) -> None:
    """Issue 4: who has never seen the program knows after three of them."""
    payments, second, first = (said.now for said in consoles[:3])
    assert (payments.count("paid, reference P-1"), payments.count("→ refunds")) == (1, 2)
    assert "@24" in second
    assert "here it began" in second
    assert "expired by the TTL set at @12" in first


def test_the_commands_are_those_that_replay_has(consoles: list[Said]) -> None:
    names = {line.split()[2] for said in consoles for line in said.page.splitlines() if line.startswith(PROMPT)}
    assert names >= {"log", "why", "story", "blame", "whatif", "lint", "bundle"}


def test_the_example_is_the_same_on_every_run(tmp_path: Path) -> None:
    """DET-1: what the page shows of roots and positions is everybody's."""
    roots = set()
    for name in ("one", "two"):
        asyncio.run(main(str(tmp_path / name)))
        with History.open(tmp_path / name) as history:
            roots.add(history.evidence().root)
    assert len(roots) == 1
