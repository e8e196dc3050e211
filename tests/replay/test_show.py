"""``replay show``: what stands around one event, versions and proof among it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from events.codec import UPCASTERS, encode
from events.event import Event
from events.governance import HubOpened
from events.stores import DiskKnowledgeStore
from replay import History
from replay.show import detail
from tests.replay.asking import Answer, ask


def test_an_old_version_says_what_it_was_brought_to(chat_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LOG-7."""
    monkeypatch.setitem(UPCASTERS, ("hub.opened", -1), lambda facts, content: None)
    monkeypatch.setitem(UPCASTERS, ("hub.opened", 0), lambda facts, content: None)
    store = DiskKnowledgeStore(chat_copy, "os")
    stored = encode(Event(HubOpened("9", 1), "f" * 32, 2_000_000_000_000_000))
    stored.data = stored.data.replace(b"\x96\x01\xc4", b"\x96\xff\xc4", 1)
    store.append([stored])
    store.close()
    answer = ask("show", "head", "--log", os.fspath(chat_copy))
    assert "version: -1, upcast to 0, upcast to 1" in answer.lines
    (found,) = ask("show", "head", "--json", "--log", os.fspath(chat_copy)).objects
    assert (found["stored_version"], found["upcasts"], found["version"]) == (-1, [0, 1], 1)


def test_raw_is_the_record(asked: Callable[..., Answer], history: History) -> None:
    stored = history.log.recorder.get(13)
    assert stored is not None
    answer = asked("show", "@13", "--raw")
    at = answer.lines.index(f"raw, {len(stored.data)} bytes")
    assert bytes.fromhex("".join(answer.lines[at + 1 : -1])) == stored.data
    assert bytes.fromhex(asked("show", "@13", "--raw", "--json").objects[0]["raw"]) == stored.data


def test_effects_in_other_sessions_are_found(trouble: History) -> None:
    created = next(event for event in trouble.events() if event.type == "session.created" and event.cause)
    assert created.cause is not None
    assert created in detail(trouble, created.cause).effects


def test_a_checkpoint_that_covers_it_is_named(chat_copy: Path, tmp_path: Path) -> None:
    log = ("--log", os.fspath(chat_copy))
    plain: Any = ask("show", "@13", "--json", *log).objects[0]
    assert (plain["checkpoint"], plain["checkpoint_standing"]) == (None, None)
    assert "  no signed checkpoint is of a tree with it" in ask("show", "@13", *log).lines
    pytest.importorskip("cryptography", reason="checkpoints are signed with it")
    public = ask("keygen", os.fspath(tmp_path / "key"), "--name", "acme.example/hub").lines[0]
    assert ask("checkpoint", "--sign", os.fspath(tmp_path / "key"), *log).code == 0
    answer = ask("show", "@13", "--key", public, *log)
    assert "  the checkpoint of @607, verified, is of a tree with it" in answer.lines
    assert "  the checkpoint of @607, unchecked, is of a tree with it" in ask("show", "@13", *log).lines


@pytest.mark.parametrize("width", [70, 80])
def test_sentences_keep_to_the_width(asked: Callable[..., Answer], width: int) -> None:
    lines = asked("show", "@24", COLUMNS=str(width)).lines
    facts = lines.index("facts")
    assert all(len(line) <= width for line in lines[:facts] if not line.startswith(("id:", "actor:", "  - ")))
