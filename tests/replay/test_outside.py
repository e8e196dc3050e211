"""A project outside of this repository, with ledgerhub installed from a wheel, pins what its agents do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from replay.golden_file import SUFFIX
from tests.house.sources import FLOORS, ROOT

SETTINGS = """\
[pytest]
asyncio_mode = strict
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""
NETWORK = """\
import os

import pytest
from hub import Agent, DiskKnowledgeStore, HubClient, LocalLink, Passport
from hub.testing import settle


async def consult(hub, clock, question="What matters most?", bob=None):
    link = HubClient(LocalLink(hub), hub=hub)
    alice = await link.register(None, Passport(name="alice"))
    answer = os.environ.get("ANSWER", "Margin.")
    await link.register(bob or Agent("bob", lambda message: answer), Passport(name="bob"))
    session = await alice.open(type="consulting", target="bob")
    clock.advance(2)
    await session.send(question)
    await settle(hub)
    return session
"""
SNAPSHOTS = """\
import pytest
from network import consult


@pytest.mark.asyncio
@pytest.mark.parametrize("question", ["What matters most?", "And next?"])
async def test_consulting(hub, hub_clock, hub_snapshot, question):
    session = await consult(hub, hub_clock, question)
    assert hub_snapshot.without("session.invite*").of(session)
    assert hub == hub_snapshot.hiding("summary")


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_on_anyio(hub, hub_clock, hub_snapshot):
    await consult(hub, hub_clock)
    assert hub == hub_snapshot


@pytest.mark.asyncio
async def test_beside_syrupys_own(hub, snapshot, hub_snapshot):
    assert hub == hub_snapshot
    assert [hub.position] == snapshot


@pytest.mark.asyncio
async def test_more_hubs(hub_factory, hub_clock):
    first, second = await hub_factory(), await hub_factory(invite_ack_timeout=1)
    assert (first.position, second.position) == (1, 1)


def test_nothing_of_a_hub(tmp_path):
    assert tmp_path.is_dir()
"""
RECORDED = """\
import os

import pytest
from hub import DiskKnowledgeStore
from network import consult
from replay.recorded import RecordedAgent


@pytest.mark.asyncio
async def test_bob_is_played(hub, hub_factory, hub_clock, tmp_path):
    recorded = await hub_factory(DiskKnowledgeStore(tmp_path / "log", "os"))
    await consult(recorded, hub_clock)
    await recorded.close()
    bob = RecordedAgent.from_log(tmp_path / "log", "bob")
    session = await consult(hub, hub_clock, os.environ.get("QUESTION", "What matters most?"), bob)
    if "LOOK" in os.environ:
        assert (await session.metadata()).state == "closed"
"""
GOLDEN = """\
def test_yesterday(golden):
    assert [verdict.problem for verdict in golden("goldens")] == ["", ""]


def test_elsewhere(golden, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    golden("goldens/everything.hublog")
"""
BARE = """\
import sys

sys.modules["syrupy"] = sys.modules["pytest_asyncio"] = None
"""
NEEDS = """\
import replay.plugin


def test_hub(hub):
    pass


def test_snapshot(hub_snapshot):
    pass


def test_the_installed_one():
    print(replay.plugin.__file__)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that ledgerhub was installed in, from a wheel that was built from a copy of the sources."""
    folder = tmp_path_factory.mktemp("installed")
    source, target = folder / "source", folder / "target"
    for name in FLOORS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    offline = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    pip("wheel", *offline, "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    (wheel,) = folder.glob("*.whl")
    pip("install", *offline, "--target", str(target), str(wheel))
    return target


def pip(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Project:
    """A folder with tests, and pytest run in it, in a process of its own."""

    def __init__(self, folder: Path, installed: Path) -> None:
        self.folder, self._installed = folder, installed

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / f"{name}.py").write_text(text)

    def pytest(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        theirs = ("PYTEST_", "COV_", "PYTHONDONTWRITEBYTECODE")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(theirs)}
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words],
            cwd=self.folder,
            env=inherited | {"PYTHONPATH": f"{self._installed}{os.pathsep}{self.folder}"} | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def passes(self, *words: str, **environment: str) -> str:
        done = self.pytest(*words, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fails(self, *words: str, **environment: str) -> str:
        done = self.pytest(*words, **environment)
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def project(tmp_path: Path, installed: Path) -> Project:
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    made = Project(tmp_path, installed)
    made.write(network=NETWORK)
    return made


def test_a_network_is_pinned_and_a_change_is_told_and_recorded(project: Project) -> None:
    project.write(test_network=SNAPSHOTS)
    said = project.fails()
    assert "has no snapshot yet: look at it, then record it with --snapshot-update" in said
    assert "4 failed, 2 passed" in said
    project.passes("--snapshot-update")
    kept = (project.folder / "__snapshots__" / "test_network.story").read_text()
    assert kept.count("# name: ") == 6
    assert (
        "# name: test_consulting[And next?]\n"
        "  +0s alice: session.created session-1 type=consulting/1 with=alice,bob expires=+7200s\n"
        "  +0s hub: session.opened session-1\n"
        '  +2s alice: envelope.posted session-1 env-1 to=bob text="And next?"\n'
        '  +2s bob: envelope.posted session-1 env-2 because=env-1 to=alice text="Margin."\n'
        '  +2s hub: session.closed session-1 because=env-2 reason="consulting_complete"\n'
        "# ---\n"
    ) in kept
    said = project.fails(ANSWER="Growth.")
    for line in (
        "1 event changed:",
        '… +2s alice: envelope.posted session-1 env-1 to=bob text="What matters most?"',
        'changed  +2s bob: envelope.posted session-1 env-2 because=env-1 to=alice text="Margin."',
        'to       +2s bob: envelope.posted session-1 env-2 because=env-1 to=alice text="Growth."',
        "if that is meant, record it with --snapshot-update",
    ):
        assert line in said
    project.passes("--snapshot-update", ANSWER="Growth.")
    project.passes(ANSWER="Growth.")


def test_the_page_of_a_story_comes_with_its_template_style_and_script(installed: Path) -> None:
    pieces = sorted(path.name for path in (installed / "replay" / "render" / "page").iterdir() if path.suffix != ".py")
    assert [name for name in pieces if name != "__pycache__"] == ["page.css", "page.html", "page.js"]


def test_all_of_it_works_under_xdist(project: Project) -> None:
    project.write(test_network=SNAPSHOTS)
    project.passes("-n", "2", "--snapshot-update")
    assert "6 passed" in project.passes("-n", "2")


def test_a_recorded_agent_that_is_asked_something_else_fails_the_test(project: Project) -> None:
    project.write(test_recorded=RECORDED)
    project.passes()
    said = project.fails(QUESTION="What matters least?")
    assert "'bob' was asked something else than was recorded (- recorded, + asked):" in said
    assert "- asked: What matters most?" in said
    assert "+ asked: What matters least?" in said
    said = project.fails(QUESTION="What matters least?", LOOK="1")
    assert "+ asked: What matters least?" in said
    assert "== 'closed'" in said


def test_golden_histories_are_found_from_the_root_folder(project: Project) -> None:
    goldens = project.folder / "goldens"
    goldens.mkdir()
    for name in ("everything", "closed-twice"):
        shutil.copy(ROOT / "tests" / "golden" / "decisions" / f"{name}{SUFFIX}", goldens)
    project.write(test_golden=GOLDEN)
    project.passes()
    path = goldens / f"closed-twice{SUFFIX}"
    path.write_text(path.read_text().replace("expect: decision @16", "expect: holds"))
    said = project.fails()
    assert f"goldens/closed-twice{SUFFIX}: position 16: Post gave session.closed of hub" in said


def test_what_is_not_installed_is_named_when_it_is_needed(project: Project, installed: Path) -> None:
    project.write(bare=BARE, test_needs=NEEDS)
    (project.folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    said = project.fails("-p", "bare", "-p", "no:asyncio", "-p", "no:syrupy", "-rP")
    assert "the fixture hub needs pytest-asyncio, or anyio's anyio_backend, in the test" in said
    assert "the fixture hub_snapshot needs syrupy: pip install 'ledgerhub[pytest]'" in said
    assert str(installed / "replay" / "plugin.py") in said
