"""The files of an ag2 hub's DiskKnowledgeStore, read as they are: what cannot be read is noted and left out.

========================================  ==========================================================================
file                                      read as
========================================  ==========================================================================
``agents/ID/passport.json``               the agent's identity; deleted when it unregisters, with the others
``agents/ID/{rule,resume}.json``          the last rule and resume
``agents/ID/SKILL.md``                    the last skill
``agents/ID/inbox.cursors.json``          what it acknowledged last in each channel
``channels/ID/metadata.json``             the channel as it stood last
``channels/ID/wal.jsonl``                 its envelopes, in the order of acceptance
``tasks/ID/metadata.json``                the task as it stood last
``audit/audit.jsonl``                     registrations, changes, violations, failed turns, ends
``telemetry/spans.jsonl``                 counted only
``registry/``, ``agents/ID/runtime.json`` passed over: derived from the others
========================================  ==========================================================================
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from replay.errors import QuestionError
from replay.imports.ag2.report import Report

Json = dict[str, Any]
_AGENT = {"passport.json", "rule.json", "resume.json", "SKILL.md", "inbox.cursors.json", "runtime.json"}
_KNOWN = {
    "agents": _AGENT,
    "channels": {"metadata.json", "wal.jsonl"},
    "tasks": {"metadata.json"},
    "audit": {"audit.jsonl"},
    "telemetry": {"spans.jsonl"},
}


class Line(NamedTuple):
    """A record of a file, and where it stands."""

    data: Json
    where: str


class Source:
    """The folder of a hub; files are read when they are asked for."""

    def __init__(self, root: Path, report: Report) -> None:
        if not any((root / name).is_dir() for name in ("agents", "channels", "audit")):
            raise QuestionError(f"{root} is not the folder of an ag2 hub: it has neither agents, channels nor audit")
        self._root, self._report = root, report
        for path in self._strange():
            report.note("strange_file", path.relative_to(root).as_posix())

    def ids(self, kind: str) -> list[str]:
        """Return the names of the folders of a kind, sorted: ``agents``, ``channels``, ``tasks``."""
        folder = self._root / kind
        return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []

    def object(self, path: str, *, needed: bool = False) -> Json | None:
        """Return the JSON object in a file, or None; a needed one that is missing is noted."""
        text = self.text(path)
        if text is None:
            if needed:
                self._report.note("missing_file", path)
            return None
        value = _parsed(text)
        if value is None:
            self._report.note("bad_line", path)
        return value

    def text(self, path: str) -> str | None:
        """Return a file's text, or None when there is none."""
        try:
            return (self._root / path).read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return None

    def lines(self, path: str, *, needed: bool = False) -> Iterator[Line]:
        """Give the JSON objects of a file of lines; O(one line) memory."""
        try:
            with (self._root / path).open(encoding="utf-8", errors="replace") as file:
                yield from self._lines(file, path)
        except FileNotFoundError:
            if needed:
                self._report.note("missing_file", path)

    def spans(self) -> None:
        """Note how much telemetry there is."""
        count = sum(1 for _ in self.lines("telemetry/spans.jsonl"))
        if count:
            self._report.note("telemetry", "telemetry/spans.jsonl", count)

    def _lines(self, file: Any, path: str) -> Iterator[Line]:
        for number, text in enumerate(file, 1):
            where, value = f"{path}:{number}", _parsed(text)
            if value is not None:
                yield Line(value, where)
            elif text.strip():
                self._report.note("bad_line" if text.endswith("\n") else "torn_line", where)

    def _strange(self) -> Iterator[Path]:
        for path in sorted(self._root.rglob("*")):
            kind = path.relative_to(self._root).parts[0]
            if path.is_file() and kind != "registry" and path.name not in _KNOWN.get(kind, ()):
                yield path


def _parsed(text: str) -> Json | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
