"""Skill documents: markdown under a few lines of metadata (REG-6).

The metadata, between two lines of ``---``, are the part of YAML that such documents use::

    ---
    name: alice
    description: "Senior policy analyst: finance."
    tags: [finance, 'policy']
    languages:
      - en
      - de
    ---

Text may be quoted as in JSON, or in single quotes, doubled inside; lines that start with ``#`` are comments. Anything
else makes the whole document one without metadata: nothing is guessed, and reading never raises. O(length).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from events.values.identity import Passport, Resume

Entry = str | list[str]
_FENCE = "---"
_KEY = re.compile(r"(\w[\w.-]*):(?:\s(.*))?")
_ITEM = re.compile(r"\s*-(?:\s(.*))?")
_INLINE = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,\s"'][^,]*)\s*(?:,|$)""")
_UNREAD = ("[", "{", "|", ">", "&", "*", "!")
"""How values of YAML begin that are no plain text."""


class ParsedSkill(NamedTuple):
    """A skill document in its two parts."""

    frontmatter: dict[str, Entry]
    body: str


def parse_skill_frontmatter(markdown: str) -> ParsedSkill:
    """Return the metadata and the body; ``({}, markdown)`` when there are none, or none that can be read."""
    first, *lines = markdown.removeprefix("\ufeff").split("\n")
    end = next((number for number, line in enumerate(lines) if line.rstrip() == _FENCE), None)
    if first.rstrip() != _FENCE or end is None:
        return ParsedSkill({}, markdown)
    try:
        frontmatter = _entries(lines[:end])
    except ValueError:
        return ParsedSkill({}, markdown)
    return ParsedSkill(frontmatter, "\n".join(lines[end + 1 :]).lstrip("\r\n"))


def _entries(lines: Iterable[str]) -> dict[str, Entry]:
    """Read the lines of the metadata; ValueError at the first that cannot be read."""
    entries: dict[str, Entry] = {}
    key = ""
    items: list[str] | None = None
    for line in map(str.rstrip, lines):
        if not line or line.lstrip().startswith("#"):
            continue
        if (item := _ITEM.fullmatch(line)) and items is not None:
            items.append(_scalar(item[1] or ""))
            entries[key] = items
        elif (pair := _KEY.fullmatch(line)) and pair[1] not in entries:
            key, text = pair[1], (pair[2] or "").strip()
            items = None if text else []
            entries[key] = list(_inline(text)) if text.startswith("[") else _scalar(text)
        else:
            raise ValueError(line)
    return entries


def _inline(text: str) -> Iterator[str]:
    if not text.endswith("]"):
        raise ValueError(text)
    inner, place = text[1:-1].strip(), 0
    while place < len(inner):
        match = _INLINE.match(inner, place)
        if match is None:
            raise ValueError(text)
        yield _scalar(match[1])
        place = match.end()


def _scalar(text: str) -> str:
    text = text.strip()
    if text.startswith(_UNREAD):
        raise ValueError(text)
    if text.startswith('"'):
        return str(json.loads(text))
    if text.startswith("'"):
        inner = text[1:-1]
        if len(text) < 2 or text[-1] != "'" or "'" in inner.replace("''", ""):
            raise ValueError(text)
        return inner.replace("''", "'")
    return text


def render_fallback_skill(passport: Passport, resume: Resume) -> str:
    """Return a skill document for an agent that has none: what its passport and resume say, and the hub has seen."""
    head = {"name": passport.name, "owner": passport.owner, "description": " ".join(resume.summary.split())}
    lines = [
        _FENCE,
        *(f"{key}: {_quoted(text)}" for key, text in head.items() if text),
        _FENCE,
        "",
        f"# {passport.name}",
    ]
    sections = {
        "": [resume.summary.strip()] if resume.summary.strip() else [],
        "Capabilities": [f"- {capability}" for capability in resume.claimed_capabilities],
        "Domains": [f"- {domain}" for domain in resume.domains],
        "Track record": list(_track_record(resume)),
        "Examples": [f"- {example.title}: {example.note}".removesuffix(": ") for example in resume.examples],
    }
    for title, content in sections.items():
        if content:
            lines += ["", *([f"## {title}", ""] if title else []), *content]
    return "\n".join(lines) + "\n"


def _track_record(resume: Resume) -> Iterator[str]:
    for capability, seen in sorted(resume.observed.items()):
        median = "" if seen.p50_latency_ms is None else f", median {seen.p50_latency_ms:g} ms"
        yield f"- {capability}: {seen.completed} of {seen.n} tasks completed{median}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
