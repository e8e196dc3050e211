"""``replay story``: a session as a conversation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from events.values.frozen import thaw
from events.values.times import iso, maybe_iso
from replay.cli import offers
from replay.cli.common import Asked, asks
from replay.files import written
from replay.render.lanes import story_lines
from replay.render.mermaid import diagram_lines
from replay.render.page import page, picture
from replay.render.screen import footer
from replay.render.text import printable
from replay.story import Story, Tally, story


@click.command("story", short_help="A session as a conversation, and why it ended.")
@click.argument("session", shell_complete=offers.sessions)
@click.option("--html", "file", metavar="FILE", help="Write a page that stands alone, to look through; - prints it.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@click.option("--svg", is_flag=True, help="A picture of it, as SVG.")
@click.option("--mermaid", is_flag=True, help="The text of a Mermaid sequence diagram.")
@asks
def command(asked: Asked, session: str, file: str | None, force: bool, svg: bool, mermaid: bool) -> None:
    """Tell SESSION as a conversation: who said what, what was refused or violated, the tasks, and why it ended.

    On a wide enough screen each agent has a lane. Offsets count from the session's beginning; # counts the turns.
    """
    history, screen = asked.history, asked.screen
    forms = {"--html": file is not None, "--svg": svg, "--mermaid": mermaid, "--json": screen.as_json}
    chosen = [form for form, is_chosen in forms.items() if is_chosen]
    if len(chosen) > 1:
        raise click.UsageError(f"{chosen[0]} does not go with {chosen[1]}")
    told = story(history, session)
    if screen.as_json:
        _json(asked, told)
    elif mermaid:
        for line in diagram_lines(told):
            screen.line(line)
        screen.line(f"%% {footer(history.evidence())}")
    elif svg or file == "-":
        screen.text((picture if svg else page)(told, history.evidence()))
    elif file is not None:
        size = _write(file, page(told, history.evidence()), force)
        screen.show(iter([f"{printable(file)}: {size:,} bytes, one page that needs nothing else"]), history.evidence)
    else:
        screen.show(story_lines(told, width=screen.width, paint=screen.paint), history.evidence)


def _write(file: str, parts: Iterator[str], force: bool) -> int:
    """Write a file whole or not at all, and return its size in bytes."""
    with written(file, force=force) as out:
        return sum(out.write(part.encode()) for part in parts)


def _json(asked: Asked, told: Story) -> None:
    asked.screen.json({"kind": "session"} | _session_json(told))
    tally = Tally()
    for step in told.steps(tally):
        asked.screen.json(
            {
                "kind": step.kind,
                "position": step.event.position,
                "type": step.event.type,
                "id": step.event.id,
                "at": iso(step.event.at_us),
                "offset_us": step.event.at_us - told.created.at_us,
                "agent": step.agent_id,
                "name": asked.history.names.agent(step.agent_id),
                "to": list(step.to),
                "turn": step.turn or None,
                "text": step.text,
            }
        )
    counts = {kind.value: count for kind, count in tally.kinds.items()}
    asked.screen.json({"kind": "tally", "turns": tally.turns, "counts": counts, "tasks": tally.outcomes})


def _session_json(told: Story) -> dict[str, Any]:
    body, names = told.created.body, told.history.names
    opened, ended = told.opened, told.ended
    return {
        "session_id": told.session_id,
        "position": told.created.position,
        "type": told.manifest.type,
        "state": told.state,
        "participants": [
            {"agent_id": agent_id, "name": names.agent(agent_id), "role": role} for agent_id, role in told.roles.items()
        ],
        "labels": thaw(body.labels),
        "knobs": thaw(body.knobs),
        "created_at": iso(told.created.at_us),
        "expires_at": maybe_iso(body.expires_us),
        "opened": opened.position if opened is not None else None,
        "ended": ended.position if ended is not None else None,
        "ended_at": iso(ended.at_us) if ended is not None else None,
        "reason": ended.body.reason if ended is not None else None,
        "why": told.why,
    }
