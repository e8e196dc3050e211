"""Counts calls into LMDB's write transactions: each gives the interpreter's lock away, which is what a commit costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from events.stores.lmdb_env import Environment, Transaction

T = TypeVar("T")


class _CountingCursor:
    def __init__(self, cursor: Any, calls: Counter[str]) -> None:
        self._cursor, self._calls = cursor, calls

    def getmulti(self, keys: list[bytes]) -> Any:
        self._calls["cursor.getmulti"] += len(keys)
        return self._cursor.getmulti(keys)

    def putmulti(self, rows: list[tuple[bytes, bytes]]) -> Any:
        self._calls["cursor.putmulti"] += len(rows)
        return self._cursor.putmulti(rows)

    def __getattr__(self, name: str) -> Any:
        self._calls[f"cursor.{name}"] += 1
        return getattr(self._cursor, name)


class _CountingTransaction:
    def __init__(self, txn: Transaction, calls: Counter[str]) -> None:
        self._txn, self._calls = txn, calls

    def cursor(self, db: Any) -> Any:
        return _CountingCursor(self._txn.cursor(db), self._calls)

    def __getattr__(self, name: str) -> Any:
        self._calls[name] += 1
        return getattr(self._txn, name)


def count_calls(monkeypatch: pytest.MonkeyPatch) -> list[Counter[str]]:
    """Return a list to which each commit from now on adds its calls, by name; begin and commit are not counted."""
    commits: list[Counter[str]] = []
    write = Environment.write

    def counting(self: Environment, work: Callable[[Any], T], map_size_bytes_max: int | None) -> T:
        calls: Counter[str] = Counter()
        done = write(self, lambda txn: work(_CountingTransaction(txn, calls)), map_size_bytes_max)
        commits.append(calls)
        return done

    monkeypatch.setattr(Environment, "write", counting)
    return commits
