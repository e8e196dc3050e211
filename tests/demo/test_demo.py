"""``ledgerhub demo``: it runs, is the same each time up to the crash, loses nothing, and leaves a log that verifies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from events.log import EventLog
from events.stores import DiskKnowledgeStore
from hub.catalogue import Catalogue
from hub.demo.run import ACKS_BEFORE_KILL
from hub.loading import load_state
from hub.protocols import default_adapters
from projections.audit import KINDS, scan_audit
from projections.audit import query_for as audit_query

PROJECT = Path(__file__).parents[2]


def ledgerhub(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a stranger would, in an empty folder."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "COLUMNS": "100", "NO_COLOR": "1"}
    code = "from hub.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A folder in which the demo was played, and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, ledgerhub("demo", folder=folder)


def test_the_demo_tells_its_story(played: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, done = played
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "closed: consulting_complete",
        "turn_within → warn: erin",
        "erin is hidden",
        "AccessDeniedError",
        "RateLimitedError",
        "InboxFull",
        "'dave' rejected the invite",
        "task failed",
        "turn failed",
        "expired: ttl_expired",
        "operator changed the rule of mallory",
        f"{ACKS_BEFORE_KILL} envelopes were acknowledged before the kill; {ACKS_BEFORE_KILL} of them are in the log",
    ):
        assert words in done.stdout, words
    assert done.stdout.count("$ replay ") == 3


def test_the_demo_leaves_every_kind_of_record(played: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    store = DiskKnowledgeStore(played[0] / "demo.hub")
    store.open(readonly=True)
    try:
        log = EventLog(store)
        kinds = {record["kind"] for record in scan_audit(log, audit_query())}
        assert set(KINDS) - kinds == {"agent_unregistered", "skill_set", "participant_left"}
        catalogue = Catalogue()
        for adapter in default_adapters():
            catalogue.register_adapter(adapter)
        state = load_state(log, catalogue)
        assert state.position == log.head
        assert list(store.check_indexes()) == []
    finally:
        store.close()


def test_a_second_demo_replaces_the_first_and_nothing_else(played: tuple[Path, object], tmp_path: Path) -> None:
    folder, _ = played
    assert ledgerhub("demo", folder=folder).returncode == 0
    (tmp_path / "demo.hub").mkdir()
    (tmp_path / "demo.hub" / "precious").write_text("mine")
    done = ledgerhub("demo", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("ledgerhub: ")
    assert "is not the log of an earlier demo" in done.stderr
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "demo.hub" / "precious").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--version"], 0, "ledgerhub"),
        (["--help"], 0, "append-only log"),
        (["demo", "--help"], 0, "--live"),
        (["dance"], 2, "No such command"),
        (["demo", "--log", "/proc/nowhere/x.hub"], 2, "/proc/nowhere"),
    ],
)
def test_the_command_answers_in_sentences(arguments: list[str], code: int, says: str, tmp_path: Path) -> None:
    done = ledgerhub(*arguments, folder=tmp_path)
    assert done.returncode == code
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_readme_s_answer_is_the_demo_s(played: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """Trap 64: what the README shows of `replay why` is what it says."""
    readme = (PROJECT / "README.md").read_text()
    shown = readme[readme.index("@31\n @31") + len("@31\n") :]
    shown = shown[: shown.index("```")]
    command = [sys.executable, "-m", "replay", "why", "--log", "demo.hub", "@31"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "COLUMNS": "120", "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=played[0], env=environment, capture_output=True, text=True, check=False)
    for line in shown.splitlines():
        assert line == " …" or line in done.stdout, line
