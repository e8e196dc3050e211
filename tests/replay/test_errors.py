"""Questions that cannot be asked, and logs that cannot be read: one line, what and where and what to try."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import lmdb
import pytest

from events.codec import encode
from events.event import Event
from events.governance import HubOpened
from events.stores import DiskKnowledgeStore
from replay.finding import FOLDERS_MAX, find_log
from tests.replay.asking import Answer, ask
from tests.support.damage import flip, raw


def assert_told(answer: Answer, code: int, *parts: str) -> None:
    assert answer.code == code, answer
    assert answer.err.startswith("replay: ")
    assert answer.err.count("\n") == 1
    assert "Traceback" not in answer.err
    for part in parts:
        assert part in answer.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["lgo"], "No such command 'lgo'"),
        (["log", "--tpye", "x"], "No such option '--tpye'"),
        (["log", "--limit", "-1"], "see replay log --help"),
        (["log", "--limit", "many"], "'many' is not a valid integer"),
        (["log", "--type", "sesion.closed"], "there is no event type 'sesion.closed': did you mean session.closed"),
        (["log", "--type", "zzz"], "the types are access.denied, agent.observed"),
        (["log", "--agent", "alise"], "did you mean alice?"),
        (["log", "--actor", "alise"], "did you mean alice?"),
        (["log", "--session", "@2"], "which is of no session"),
        (["log", "--since", "@77"], "@77 is not in the log, which ends at @31"),
        (["log", "--grep", "("], "'(' is not a regular expression"),
        (["log", "--follow", "--reverse"], "--follow goes with neither"),
        (["show"], "Missing argument 'POINT'"),
        (["show", "@0"], "before the log's first event"),
        (["show", "-40d"], "'-40d' is before the log's first event"),
        (["show", "soon"], "'soon' is not a point in a log"),
        (["show", "0"], "'0' begins the ids of several events"),
        (["wal", "0"], "'0' begins the ids of several sessions (@6, @18)"),
        (["wal", "@6", "--since", "x"], "'x' is not a valid integer"),
        (["audit", "--kind", "denied"], "there is no audit kind 'denied'; the kinds are access_denied"),
        (["audit", "--agent", "nobody"], "no agent 'nobody' was ever registered"),
        (["state", "agents/nobody"], "no agent 'nobody' was ever registered"),
        (["state", "--at", "later"], "'later' is not a point"),
        (["blame", "agents/alice/zz"], "there is no 'zz' in agents/alice: it has passport"),
        (["golden"], "Missing command: see replay golden --help"),
        (["completion"], "Choose from: bash, zsh, fish: see replay completion --help"),
        (["completion", "cmd"], "'cmd' is not one of"),
    ],
)
def test_bad_questions(asked: Callable[..., Answer], words: list[str], sentence: str) -> None:
    answer = ask(*words) if words[0] in {"lgo", "completion", "golden"} else asked(*words)
    assert_told(answer, 2, sentence)
    assert answer.out == ""


def test_debug_shows_the_traceback(asked: Callable[..., Answer]) -> None:
    with pytest.raises(Exception, match="soon"):
        asked("show", "soon", "--debug")


def test_a_fault_of_the_program_is_one_line_too(asked: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("replay.cli.show.detail", fail)
    assert_told(asked("show", "@1"), 70, "a fault of its own (ZeroDivisionError: oh): see where with --debug")
    with pytest.raises(ZeroDivisionError):
        asked("show", "@1", "--debug")


# Which log.


def test_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_told(ask("log"), 2, "there is no log in this folder or below it: name one with --log PATH or LEDGERHUB_LOG")
    assert_told(ask("log", "--log", "gone"), 2, "there is no log in gone: check the path")
    (tmp_path / "file").write_text("x")
    assert_told(ask("log", "--log", "file"), 2, "file is a file; a log is a folder")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_the_only_log_below_is_found_and_the_environment_names_one(
    everything_path: Path, chat_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(everything_path, tmp_path / "deep" / "down" / "log")
    with lmdb.open(os.fspath(tmp_path / "foreign")) as env, env.begin(write=True) as txn:
        txn.put(b"not", b"ours")
    (tmp_path / ".hidden").mkdir()
    shutil.copytree(chat_path, tmp_path / ".hidden" / "log")
    monkeypatch.chdir(tmp_path)
    assert find_log() == "deep/down/log"
    assert ask("log", "--json", "--count").objects == [{"v": 1, "count": 31}]
    assert ask("log", "--json", "--count", LEDGERHUB_LOG=os.fspath(chat_path)).objects == [{"v": 1, "count": 607}]
    monkeypatch.chdir(tmp_path / "deep" / "down" / "log")
    assert find_log() == "."


def test_several_logs_are_named(everything_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        shutil.copytree(everything_path, tmp_path / name)
    with open(tmp_path / "b" / "data.mdb", "r+b") as data:
        data.truncate(4096 * 3)
    monkeypatch.chdir(tmp_path)
    assert_told(ask("log"), 2, "there are 2 logs below this folder (a, b): name one with --log PATH")


def test_a_search_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders: Iterator[tuple[str, list[str], list[str]]] = ((f"{number}", [], []) for number in range(FOLDERS_MAX + 1))
    monkeypatch.setattr("os.walk", lambda start: folders)
    assert_told(ask("log"), 2, "there are over 20000 folders below this one: name the log with --log PATH")


def test_a_foreign_lmdb_file_is_no_log(tmp_path: Path) -> None:
    with lmdb.open(os.fspath(tmp_path / "foreign")):
        pass
    assert_told(ask("log", "--log", os.fspath(tmp_path / "foreign")), 2, "is not a ledgerhub log: give another folder")


# Logs that cannot be read.


def data(path: Path) -> Path:
    return path / "data.mdb"


def test_a_file_that_is_garbage(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    data(tmp_path / "log").write_bytes(b"garbage" * 4096)
    assert_told(ask("log", "--log", os.fspath(tmp_path / "log")), 3, "is damaged", "restore it from a copy")


@pytest.mark.parametrize("size", [0, 4096 * 4, 4096 * 20])
def test_a_file_that_is_cut_short(chat_copy: Path, size: int) -> None:
    with open(data(chat_copy), "r+b") as file:
        file.truncate(size)
    for command in ("log", "verify", "state", "audit"):
        assert_told(ask(command, "--log", os.fspath(chat_copy)), 3, "restore it from a copy")


def test_a_newer_format(chat_copy: Path) -> None:
    """LOG-7."""
    with raw(chat_copy) as log:
        header = log.txn.get(b"header", db=log.meta)
        assert header is not None
        log.txn.put(b"header", header[:11] + b"\x03" + header[12:], db=log.meta)
    answer = ask("verify", "--log", os.fspath(chat_copy))
    assert_told(answer, 3, "has format 3, which this version does not know: open it with ledgerhub")


def test_a_newer_event_version(chat_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LOG-7."""
    store = DiskKnowledgeStore(chat_copy, "os")
    stored = encode(Event(HubOpened("9", 1), "f" * 32, 2_000_000_000_000_000))
    stored.data = stored.data.replace(b"\x96\x01\xc4", b"\x96\x09\xc4", 1)
    store.append([stored])
    store.close()
    for words in (("log", "--json"), ("state",), ("verify",), ("show", "head")):
        answer = ask(*words, "--log", os.fspath(chat_copy))
        assert_told(answer, 3, "event 608 is hub.opened version 9; this ledgerhub knows versions up to 1")


def test_a_record_that_cannot_be_read_ends_the_listing_where_it_is(chat_copy: Path) -> None:
    with raw(chat_copy) as log:
        log.values[300] = log.values[300][:60]
    answer = ask("log", "--json", "--log", os.fspath(chat_copy))
    assert [each["position"] for each in answer.objects][-1] == 299
    assert_told(answer, 3, "event 300")


def test_a_tree_that_cannot_be_read_leaves_the_rest_readable(chat_copy: Path) -> None:
    with raw(chat_copy) as log:
        log.txn.drop(log.nodes, delete=False)
    answer = ask("log", "--limit", "1", "--log", os.fspath(chat_copy))
    assert answer.code == 0
    assert answer.lines[-1] == "log 5eed5eed5eed head @607 root unreadable checkpoint none unsigned"
    assert_told(ask("show", "@3", "--log", os.fspath(chat_copy)), 3, "lacks nodes of tile level 1")


def test_a_changed_record_is_shown_with_a_warning(chat_copy: Path) -> None:
    with raw(chat_copy) as log:
        log.values[300] = flip(log.values[300], len(log.values[300]) - 1)
    answer = ask("show", "@300", "--log", os.fspath(chat_copy))
    assert (answer.code, "its record DOES NOT GIVE IT: run replay verify" in answer.out) == (0, True)
