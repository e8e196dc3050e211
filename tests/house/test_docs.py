"""The documents are not stale: links lead somewhere, named targets exist, versions and pins agree."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from itertools import chain
from pathlib import Path, PurePath

import pytest
from packaging.requirements import Requirement

from tests.house.sources import ROOT, files, text

LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
TARGET = re.compile(r"`make ([a-z-]+)[^`]*`|^\s*(?:\$ )?make ([a-z-]+)", re.MULTILINE)
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)
PLACE = re.compile(r"`((?:events|projections|hub|replay|tests|benchmarks|examples|docs|\.ci)/[\w./-]*)`")
DECISION_HEADINGS = ["## Context", "## Choice", "## Alternatives", "## Consequence"]

MANUALS = [path for path in files() if path.endswith(".md")]
DECISIONS = [path for path in MANUALS if re.match(r"docs/decisions/\d", path)]
PROJECT = tomllib.loads(text("pyproject.toml"))


def dead_links(path: str, content: str) -> list[str]:
    """Relative links of a document that lead to no file."""
    links = (link for link in LINK.findall(content) if "://" not in link and not link.startswith("mailto:"))
    return [f"{path}: {link}" for link in links if not (ROOT / path).parent.joinpath(link).exists()]


def missing_places(content: str) -> list[str]:
    """Files and folders of the project that a document names and that are not there."""
    return [place for place in PLACE.findall(content) if not (ROOT / place).exists()]


def missing_targets(content: str, makefile: str) -> list[str]:
    """What a document tells to `make` that the Makefile does not know."""
    known = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    return sorted({first or second for first, second in TARGET.findall(content)} - known)


def unpinned(requirements: Iterable[str], constraints: str) -> list[str]:
    """Requirements that no pin satisfies."""
    pins = dict(PIN.findall(constraints))
    wanted = [Requirement(requirement) for requirement in requirements]
    return [str(one) for one in wanted if one.name not in pins or not one.specifier.contains(pins[one.name])]


@pytest.mark.parametrize("path", MANUALS)
def test_every_link_leads_somewhere(path: str) -> None:
    assert dead_links(path, text(path)) == []


@pytest.mark.parametrize("path", MANUALS)
def test_every_file_named_exists(path: str) -> None:
    assert missing_places(text(path)) == []


@pytest.mark.parametrize("path", MANUALS)
def test_every_make_target_named_exists(path: str) -> None:
    assert missing_targets(text(path), text("Makefile")) == []


def test_the_checks_find_a_dead_link_a_missing_file_and_a_missing_target() -> None:
    assert dead_links("docs/x.md", "[a](../pyproject.toml) [b](https://example.org) [c](gone.md#part)") == [
        "docs/x.md: gone.md"
    ]
    assert missing_places("`events/gone.py` `events/`, `self/made.py`, events/x.py") == ["events/gone.py"]
    assert missing_targets("`make demo`, `make coffee NOW=1`\n    make tea", "demo: x\n\techo\n") == ["coffee", "tea"]


def test_every_requirement_is_pinned() -> None:
    groups = [PROJECT["build-system"]["requires"], PROJECT["project"]["dependencies"]]
    groups += PROJECT["project"]["optional-dependencies"].values()
    assert unpinned(chain(*groups), text("constraints.txt")) == []


def test_the_check_finds_what_no_pin_satisfies() -> None:
    assert unpinned(["a>=1", "b>=2", "c"], "a==1.0 \\\n    --hash=sha256:00\nb==1.9 \\\n") == ["b>=2", "c"]


def test_every_pin_has_a_hash_and_nothing_else_is_in_the_file() -> None:
    entry = re.compile(
        r"[a-z0-9-]+==[\w.+!]+( ; [\w. '=!<>()]+)? \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+|#.*\n|\n"
    )
    assert entry.sub("", text("constraints.txt")) == ""


def test_the_changelog_begins_with_this_version() -> None:
    newest = re.search(r"^## \[(?P<version>[^\]]+)\]", text("CHANGELOG.md"), re.MULTILINE)
    assert newest is not None
    assert newest["version"] == PROJECT["project"]["version"]


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(PurePath(path).name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("path", DECISIONS)
def test_a_decision_says_context_choice_alternatives_consequence(path: str) -> None:
    content = text(path)
    assert content.startswith(f"# {PurePath(path).name[:4]}: ")
    assert re.findall(r"^## .*$", content, re.MULTILINE) == DECISION_HEADINGS


def test_the_reference_of_replay_is_what_its_help_says(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "reference.py", "--check"],
        env=os.environ | {"PYTHONPATH": os.fspath(ROOT), "LEDGERHUB_LOG": os.fspath(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
