"""``replay bundle``: a session as an evidence package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from events.checkpoint import Checkpoint
from events.values.times import iso
from replay.bundle import Made, Verdict, check, make
from replay.bundle.contents import AGENT, CAUSE, SESSION
from replay.checkpoint import Standing, read_key
from replay.cli import offers
from replay.cli.common import CLEAN, FOUND, KEY_OPTION, Asked, asks, tells
from replay.cli.default import WithDefault
from replay.cli.prove import signers
from replay.prove import evidence_of, signature_standing
from replay.query import Query
from replay.render.screen import Screen
from replay.render.text import printable

GOOD = ("✓", "green")


@click.group("bundle", cls=WithDefault, short_help="A session as an evidence package, checked without the log.")
def command() -> None:
    """Write an evidence package of SESSION, a zip file that is checked without the log.

    In it are the session's events, their causes outside it, the registrations of all who are named, a proof of each,
    the signed checkpoint, and a README.txt that says how to check all this by hand.

    Sign a checkpoint first (replay checkpoint --sign), or the package shows no more than that its parts agree.
    """


@command.command("make", short_help="Make a bundle: the usual command, whose name may be left out.")
@click.argument("session", shell_complete=offers.sessions)
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False), help="The file to write.")
@click.option("--without-content", is_flag=True, help="Leave out what people and agents wrote; proofs do not need it.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@asks
def make_command(asked: Asked, session: str, output: str, without_content: bool, force: bool) -> None:
    """Write the evidence package of SESSION."""
    history, screen = asked.history, asked.screen
    with screen.progress("proving", history.select(Query(sessions=(session,))).count(history.log)) as told:
        made = make(history, session, output, content=not without_content, force=force, told=told)
    standing = signature_standing(made.note, history.key)
    if screen.as_json:
        screen.json(_made_json(made, standing))
    else:
        name = history.names.session(made.session_id)
        screen.show(_made(screen, made, name, standing), lambda: evidence_of(made.note, standing))


@command.command("check", short_help="Check a bundle without the log.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@KEY_OPTION
@tells
def check_command(screen: Screen, file: str, key: str | None) -> int:
    """Check the bundle FILE: every proof, every content, every byte; with --key the signature, too."""
    verdict = check(file, None if key is None else read_key(key))
    if screen.as_json:
        screen.json(_verdict_json(verdict))
    else:
        for line in _verdict(screen, verdict):
            screen.line(line)
        if verdict.note is not None:
            note = verdict.note
            screen.sign(lambda: evidence_of(note, verdict.standing))
    return FOUND if verdict.problem else CLEAN


def _made(screen: Screen, made: Made, name: str, standing: Standing) -> Iterator[str]:
    yield screen.paint(f"{made.path}: {printable(name)}, {len(made.roles):,} events, {made.size_bytes:,} bytes", "bold")
    counts = {role: made.count(role) for role in (SESSION, CAUSE, AGENT)}
    yield from screen.item(f"{_counted(counts)}, each with its proof")
    yield "what was written is in it" if made.content else "what was written is left out; its digests are proven"
    yield from screen.item(signers(made.note, standing))
    if not made.note.signatures:
        yield "sign one and make the bundle again: replay checkpoint --sign KEY_FILE"
    yield from screen.item(f"check it with: replay bundle check {made.path} --key VERIFIER_KEY")


def _verdict(screen: Screen, verdict: Verdict) -> Iterator[str]:
    if verdict.problem or verdict.note is None:
        problem = f"{verdict.path} is not to be relied on: {printable(verdict.problem)}"
        yield from screen.item(problem, "✗", "bold red")
        return
    for line in _proven(verdict, Checkpoint.parse(verdict.note.text).size):
        yield from screen.item(line, *GOOD)
    if not verdict.content:
        yield "what was written was left out"
    if verdict.missing:
        yield f"{len(verdict.missing):,} of the causes that are named in it are not here"
    verified = verdict.standing is Standing.VERIFIED
    yield from screen.item(signers(verdict.note, verdict.standing), *(GOOD if verified else ()))


def _proven(verdict: Verdict, size: int) -> Iterator[str]:
    first, last = map(iso, verdict.times_us)
    yield f"{_counted(verdict.roles)}: each stands in the log of {size:,} events"
    yield f"session {printable(verdict.session_id)}, {first} to {last}"
    how = f"it ended, {printable(verdict.ended)}" if verdict.ended else "it had not ended"
    yield f"its envelopes 1 to {verdict.envelopes:,} are all here; {how}"
    if verdict.content:
        yield "what was written is as it was logged"
    yield "every byte of the file is as it was made"


def _counted(counts: dict[str, int]) -> str:
    causes, agents = counts.get(CAUSE, 0), counts.get(AGENT, 0)
    own = f"{counts.get(SESSION, 0):,} events of the session"
    return f"{own}, {causes:,} {'cause' if causes == 1 else 'causes'} outside it, {agents:,} registrations"


def _made_json(made: Made, standing: Standing) -> dict[str, Any]:
    checkpoint = Checkpoint.parse(made.note.text)
    return {
        "file": made.path,
        "size_bytes": made.size_bytes,
        "session_id": made.session_id,
        "events": {role: made.count(role) for role in (SESSION, CAUSE, AGENT)},
        "content": made.content,
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "standing": standing,
    }


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    shown: dict[str, Any] = {"file": verdict.path, "ok": not verdict.problem, "problem": verdict.problem}
    if verdict.note is None:
        return shown
    checkpoint = Checkpoint.parse(verdict.note.text)
    return shown | {
        "session_id": verdict.session_id,
        "events": verdict.roles,
        "content": verdict.content,
        "envelopes": verdict.envelopes,
        "ended": verdict.ended or None,
        "missing_causes": list(verdict.missing),
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "standing": verdict.standing,
    }
