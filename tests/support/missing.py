"""A Python without one of the packages that extras bring."""

from __future__ import annotations

import builtins
from typing import Any

import pytest


def forget(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Let every later import of a package fail as if it were not installed."""
    load = builtins.__import__

    def refuse(name: str, *args: Any, **more: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ImportError(f"No module named {name!r}", name=name)
        return load(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
