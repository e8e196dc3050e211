"""One session as a Mermaid diagram."""

from __future__ import annotations

from dataclasses import replace
from typing import BinaryIO

from replay.errors import QuestionError
from replay.exports.selected import Export
from replay.query import Query
from replay.render.mermaid import diagram_lines
from replay.render.screen import footer
from replay.story import Tally, story


def write(export: Export, file: BinaryIO) -> int:
    """Write the diagram of the one session that is asked for; return how many steps it has.

    Raises:
        QuestionError: not exactly one session, or another filter beside it.
    """
    sessions = export.query.sessions
    if len(sessions) != 1 or replace(export.query, sessions=()) != Query():
        raise QuestionError("a Mermaid diagram is of one session: give --session once, and no other filter")
    told, tally = story(export.history, sessions[0]), Tally()
    for line in diagram_lines(told, tally):
        file.write(f"{line}\n".encode())
    file.write(f"%% {footer(export.history.evidence())}\n".encode())
    return sum(tally.kinds.values())
