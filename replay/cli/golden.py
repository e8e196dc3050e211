"""``replay golden``: recorded runs as tests."""

from __future__ import annotations

from pathlib import Path

import click

from replay.cli.common import CLEAN, FOUND
from replay.errors import QuestionError
from replay.golden import Verdict, capture, check
from replay.golden_file import find
from replay.history import Evidence
from replay.render.screen import Screen, footer
from replay.sources import opened


@click.group("golden", no_args_is_help=False, short_help="Recorded runs as tests.")
def command() -> None:
    """Keep a log as a golden history, and check that today's code folds and decides it as it was recorded."""


@command.command("capture", short_help="Keep a log as a golden history.")
@click.argument("log", type=click.Path(exists=True))
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False), help="The golden's file: X.hublog.")
@click.option("--about", default="", help="A line for people.")
@click.option("--must-fail", is_flag=True, help="The history is known to be bad, and has to be found so for ever.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
def capture_command(log: str, output: str, about: str, must_fail: bool, force: bool) -> int:
    """Write LOG, a log's folder or another golden, to a file: records, root, digest of the state."""
    if Path(output).exists() and not force:
        raise QuestionError(f"{output} is there already: give another name, or --force")
    with opened(log) as source:
        outcome = capture(source, output, about=about, must_fail=must_fail)
        evidence = Evidence(source.recorder.origin, source.head, source.recorder.root().hex())
    screen = Screen(no_pager=True)
    screen.line(f"{output}: {source.head:,} events, {outcome.decided:,} commands, {outcome.expectation}")
    screen.sign(lambda: evidence)
    return CLEAN


@command.command("check", short_help="Does today's code hold to golden histories?")
@click.argument("path", type=click.Path(), nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object a golden.")
@click.option("--no-color", is_flag=True, help="No colours.")
def check_command(path: tuple[str, ...], as_json: bool, no_color: bool) -> int:
    """Fold each golden history that PATH is, or has in it, and decide its commands again."""
    screen, code = Screen(as_json=as_json, no_color=no_color, no_pager=True), CLEAN
    for file in (file for one in path for file in find(one)):
        verdict = check(file)
        code = FOUND if verdict.problem else code
        if as_json:
            screen.json(_json(verdict))
            continue
        mark = screen.paint("✗", "bold red") if verdict.problem else screen.paint("✓", "green")
        screen.line(f"{mark} {file}: {verdict.problem or _held(verdict)}")
        screen.line(screen.paint(f"  {footer(_evidence(verdict))}", "dim"))
    return code


def _held(verdict: Verdict) -> str:
    outcome, golden = verdict.outcome, verdict.golden
    if outcome.message:
        return f"fails as it must, {outcome.expectation}: {outcome.message}"
    return f"{len(golden.records):,} events fold and {outcome.decided:,} commands decide as recorded"


def _evidence(verdict: Verdict) -> Evidence:
    golden = verdict.golden
    return Evidence(golden.origin, len(golden.records), golden.root)


def _json(verdict: Verdict) -> dict[str, object]:
    golden, outcome = verdict.golden, verdict.outcome
    return {
        "golden": golden.path,
        "ok": not verdict.problem,
        "problem": verdict.problem,
        "expect": golden.expect,
        "found": outcome.expectation,
        "events": len(golden.records),
        "decided": outcome.decided,
        "digest": outcome.digest,
        "root": golden.root,
    }
