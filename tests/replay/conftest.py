"""Logs to ask, and how to ask them."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from replay import History
from replay.bundle import check, make
from tests.replay.asking import Answer, ask
from tests.replay.flood import flood
from tests.replay.scenario import chat, everything
from tests.replay.signing import SIGNER, signed_at
from tests.replay.troubles import troubles

CHAT_ENVELOPES = 300
"""Enough for two whole tiles of the Merkle tree."""


def play(making: Coroutine[Any, Any, Any]) -> None:
    """Make a log as release 0.0.0: the library's version stands in ``hub.opened``, and must not change the logs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hub.hub.library_version", lambda: "0.0.0")
        asyncio.run(making)


@pytest.fixture(scope="session")
def everything_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with a little of everything; only to be read."""
    path = tmp_path_factory.mktemp("everything") / "log"
    play(everything(path))
    return path


@pytest.fixture(scope="session")
def chat_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of one long conversation; only to be read."""
    path = tmp_path_factory.mktemp("chat") / "log"
    play(chat(path, CHAT_ENVELOPES))
    return path


@pytest.fixture(scope="session")
def troubles_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of things that went wrong; only to be read."""
    path = tmp_path_factory.mktemp("troubles") / "log"
    play(troubles(path))
    return path


@pytest.fixture(scope="session")
def flood_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of a night in which an agent flooded another; only to be read."""
    path = tmp_path_factory.mktemp("flood") / "log"
    play(flood(path))
    return path


@pytest.fixture
def chat_copy(chat_path: Path, tmp_path: Path) -> Path:
    """A copy of that, to be damaged."""
    return Path(shutil.copytree(chat_path, tmp_path / "log"))


@pytest.fixture
def history(everything_path: Path) -> Iterator[History]:
    """The log with a little of everything, open."""
    with History.open(everything_path) as opened:
        yield opened


@pytest.fixture
def trouble(troubles_path: Path) -> Iterator[History]:
    """The log of things that went wrong, open."""
    with History.open(troubles_path) as opened:
        yield opened


@pytest.fixture
def told(troubles_path: Path) -> Callable[..., Answer]:
    """Asks the log of things that went wrong on the command line."""

    def ask_it(*words: str, **options: str) -> Answer:
        return ask(*words, "--log", os.fspath(troubles_path), **options)

    return ask_it


@pytest.fixture
def asked(everything_path: Path) -> Callable[..., Answer]:
    """Asks that log on the command line."""

    def ask_it(*words: str, **options: str) -> Answer:
        return ask(*words, "--log", os.fspath(everything_path), **options)

    return ask_it


@pytest.fixture(scope="session")
def signed_path(troubles_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed log; only to be read."""
    path = Path(shutil.copytree(troubles_path, tmp_path_factory.mktemp("signed") / "log"))
    with History.open(path) as history:
        signed_at(path, history.head)
    return path


@pytest.fixture(scope="session")
def delegated(signed_path: Path) -> str:
    """The session that bob opened while he answered."""
    with History.open(signed_path) as history:
        opened = (event for event in history.events() if event.type == "session.created" and event.cause is not None)
        return str(next(opened).body.session_id)


@pytest.fixture(scope="session")
def case(signed_path: Path, delegated: str, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Its bundle."""
    path = tmp_path_factory.mktemp("case") / "case.zip"
    with History.open(signed_path) as history:
        make(history, delegated, path)
    return path.read_bytes()


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """Checks a bundle's bytes with the signer's key, and gives the sentence that refuses it."""

    def problem(data: bytes, key: bool = True) -> str:
        (tmp_path / "bad.zip").write_bytes(data)
        verdict = check(tmp_path / "bad.zip", SIGNER.verifier if key else None)
        assert verdict.problem
        return verdict.problem

    return problem
