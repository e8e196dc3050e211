"""What is committed tells nothing of the machine it was written on, and of no registry's address.

A bracket in a pattern below keeps this file from being found by itself.
"""

from __future__ import annotations

import re

import pytest

from tests.house.sources import files, text

FORBIDDEN = {
    "the path of a machine": re.compile(r"(?<![\w.~])/(?:w[o]rk|f[a]rm|r[o]ot|h[o]me|Us[e]rs|tmp/\w+)/"),
    "a registry's host": re.compile(r"\b(?:py[p]i\.org|python[h]osted\.org|npm[j]s\.(?:org|com)|deb\.deb[i]an\.org)\b"),
    "where to find packages": re.compile(r"--(?:extra-)?index-[u]rl|--find-[l]inks|https?://\S*/sim[p]le\b"),
    "who wrote it, and how": re.compile(r"\b(?:C[E]O|Cl[a]ude|iss[u]es (?:show|new)|sh[a]red/[A-Z]+\.md)\b"),
    "work that is left": re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X])\b"),
}


def findings(content: str) -> list[str]:
    """`line: what` for each thing that must not be committed."""
    lines = enumerate(content.splitlines(), 1)
    kinds = FORBIDDEN.items()
    return [f"{number}: {what}" for number, line in lines for what, pattern in kinds if pattern.search(line)]


def readable(path: str) -> str:
    """The text of a file; a binary one has none."""
    try:
        return text(path)
    except UnicodeDecodeError:
        return ""


def test_no_committed_file_tells_of_a_machine_or_a_registry() -> None:
    assert [f"{path}:{finding}" for path in files() for finding in findings(readable(path))] == []


def test_the_environment_and_caches_are_not_committed() -> None:
    leavings = (".venv/", "__pycache__/", ".egg-info/", "_cache/", ".hypothesis/", ".coverage")
    assert [path for path in files() if any(part in path for part in leavings)] == []


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("see /ho" + "me/me/project/x.py", "the path of a machine"),
        ('open("/wo' + 'rk/main/x")', "the path of a machine"),
        ("from https://files.python" + "hosted.org/packages/ab/x.whl", "a registry's host"),
        ("--index-" + "url=https://example.org/sim" + "ple", "where to find packages"),
        ("# TO" + "DO: later", "work that is left"),
        ("as the C" + "EO said", "who wrote it, and how"),
    ],
)
def test_the_check_finds_what_must_not_be_committed(line: str, what: str) -> None:
    assert findings(f"first\n{line}\n") == [f"2: {what}"]


def test_the_check_lets_ordinary_paths_and_addresses_pass() -> None:
    assert findings("tests/work/x.py ~/work/ https://www.apache.org/licenses/ /tmp/x.hub ./root/") == []
