"""What is different between two texts of a log, told as a story: which event came, went or changed.

Lines are aligned by what they say, whatever the numbers in their names and their offsets, so that one event more does
not make all after it look different. Those that only got another number or time are counted, and shown when nothing
else differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

_NUMBERED = re.compile(r"\b(session|env|task)-\d+\b")
_OFFSET = re.compile(r"^\+[\d.]+s ")
_HEAD = re.compile(r"^\+[\d.]+s (.+?): (\S+)")
CONTEXT_LINES = 1
"""Lines as before that are shown ahead of a difference."""


class _Change(NamedTuple):
    """A line of before, one of after, or both when it changed; and where it is in after, or was in before."""

    was: str | None
    now: str | None
    place: int


def story(before: str, after: str) -> list[str]:
    """Return lines that tell how a text differs from what it was; none when it does not. O(lines²) at worst."""
    if before == after:
        return []
    was, now = _lines(before), _lines(after)
    changes, renamed = _compare(was, now)
    if not changes:
        return ["the same events, with other numbers or times:", *_tell(renamed, now)]
    told = [_summary(changes), *_tell(changes, now)]
    if renamed:
        told.append(f"and {_count(len(renamed), 'event')} as before, with other numbers or times")
    return told


def _lines(text: str) -> list[str]:
    return text.split("\n") if text else []


def _compare(was: list[str], now: list[str]) -> tuple[list[_Change], list[_Change]]:
    changes: list[_Change] = []
    renamed: list[_Change] = []
    matcher = SequenceMatcher(None, list(map(unnumbered, was)), list(map(unnumbered, now)), autojunk=False)
    for kind, i, i_end, j, j_end in matcher.get_opcodes():
        if kind != "equal":
            changes += _pair(was[i:i_end], now[j:j_end], j)
            continue
        pairs = zip(was[i:i_end], now[j:j_end], strict=True)
        renamed += (_Change(old, new, j + n) for n, (old, new) in enumerate(pairs) if old != new)
    return changes, renamed


def unnumbered(line: str) -> str:
    """Return a line without the numbers in its names and without its offset."""
    return _OFFSET.sub("", _NUMBERED.sub(r"\1", line))


def _pair(was: Sequence[str], now: Sequence[str], place: int) -> Iterator[_Change]:
    """Take lines of one actor and event type, in order, for changed; the others went or came."""
    changed = SequenceMatcher(None, list(map(_head, was)), list(map(_head, now)), autojunk=False).get_opcodes()
    for kind, i, i_end, j, j_end in changed:
        if kind == "equal":
            for n, (old, new) in enumerate(zip(was[i:i_end], now[j:j_end], strict=True)):
                yield _Change(old, new, place + j + n)
            continue
        yield from (_Change(old, None, place + j) for old in was[i:i_end])
        yield from (_Change(None, new, place + j + n) for n, new in enumerate(now[j:j_end]))


def _head(line: str) -> str:
    match = _HEAD.match(line)
    return " ".join(match.groups()) if match else line


def _summary(changes: list[_Change]) -> str:
    changed = sum(1 for change in changes if change.was is not None and change.now is not None)
    went = sum(1 for change in changes if change.now is None)
    came = len(changes) - changed - went
    told = ((changed, "changed"), (went, "went"), (came, "came"))
    return ", ".join(f"{_count(count, 'event')} {what}" for count, what in told if count) + ":"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _tell(changes: list[_Change], now: list[str]) -> Iterator[str]:
    shown = 0
    for change in changes:
        first = max(shown, change.place - CONTEXT_LINES)
        yield from (f"  … {line}" for line in now[first : change.place])
        shown = change.place + (change.now is not None)
        if change.was is None:
            yield f"  came     {change.now}"
        elif change.now is None:
            yield f"  went     {change.was}"
        else:
            yield f"  changed  {change.was}"
            yield f"  to       {change.now}"
