"""``replay whatif``: the recorded commands decided again, under changed rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TextIO

import click

from events.values.frozen import thaw
from events.values.times import iso
from replay.cli.common import CLEAN, FOUND, Asked, asks
from replay.cli.rows import event_json
from replay.errors import QuestionError
from replay.render.sentences import sentence
from replay.render.whatif import Lines, sweep_lines
from replay.whatif import Change, Difference, Report, Variants, parse_variants

AS_RECORDED = "(as recorded)"


@click.command("whatif", short_help="What would have happened otherwise?")
@click.option(
    "--at",
    "point",
    default="@0",
    metavar="POINT",
    help="Decide again what came behind this point, or its append; default: all.",
)
@click.option("--set", "sets", multiple=True, metavar="PATH=VALUE", help="What is otherwise; may be repeated.")
@click.option(
    "--sweep",
    type=click.File("r", encoding="utf-8", errors="replace"),
    metavar="FILE",
    help="Variants: assignments, a line each.",
)
@click.option("--all", "every", is_flag=True, help="Tell every difference, in the order of the log.")
@asks
def command(asked: Asked, point: str, sets: tuple[str, ...], sweep: TextIO | None, every: bool) -> int:
    """Decide the recorded commands behind POINT again, in recorded time, in memory. Nothing is sent anywhere.

    A value is JSON, or else text. An agent's rule stays as set whatever it is given later.

    \b
      agents/mallory/rule.rate.envelopes_per_minute=10     NAME may be a glob: agents/*/…
      expectations/discussion/turn_within.seconds=60       or turn_within:hide.seconds
      types/discussion/ttl_default=1h                      sessions opened later
      sessions/7be2/expires_at=2026-08-21T10:00:00Z        also …/manifest.expectations.0.on_violation

    What rested on something that does not happen now, by its cause, session or task, or answered it by turn, is not
    asked again but counted, and so is what rests on that. All else is asked as it was recorded: nobody says anything
    new. What a refused envelope said is not in the log: one that would be let in goes no further. A deadline that is
    another one now is looked at when it is due.

    Exit code 1: something comes out otherwise.
    """  # noqa: D301  (click takes the \\b as it is)
    changes = [Change.parse(text) for text in sets]
    variants = Variants(asked.history, point)
    if sweep is not None:
        return _sweep(asked, variants, changes, sweep)
    report = Report(variants.point, asked.history.head, [])
    if asked.screen.as_json:
        _json(asked, variants, report, changes)
    else:
        variants.world(report, changes)  # so that a path that leads nowhere is told before anything is printed
        asked.screen.show(_lines(asked, variants, report, changes, every), asked.history.evidence)
    return FOUND if report.diverges else CLEAN


def _run(asked: Asked, variants: Variants, report: Report, changes: list[Change]) -> Iterator[Difference]:
    with asked.screen.progress("deciding again", asked.history.head) as told:
        yield from variants.run(report, changes, progress=told)


def _lines(asked: Asked, variants: Variants, report: Report, changes: list[Change], every: bool) -> Iterator[str]:
    screen = asked.screen
    lines = Lines(asked.history, width=screen.width, paint=screen.paint)
    for difference in _run(asked, variants, report, changes):
        if every:
            yield from lines.difference(difference)
    if every and report.diverges:
        yield ""
    yield from lines.report(report, listed=not every)


def _sweep(asked: Asked, variants: Variants, common: list[Change], sweep: TextIO) -> int:
    rows = [[], *parse_variants(sweep)]
    if len(rows) == 1:
        raise QuestionError(f"{sweep.name} has no variants: write assignments such as agents/bob/rule.…=5, a line each")
    for changes in rows:
        variants.world(Report(0, 0, []), [*common, *changes])
    found: list[bool] = []

    def reports() -> Iterator[tuple[str, Report]]:
        for changes in rows:
            report = Report(variants.point, asked.history.head, [])
            for _ in _run(asked, variants, report, [*common, *changes] if changes else []):
                pass
            found.append(report.diverges)
            yield " ".join(map(str, changes)) or AS_RECORDED, report

    if asked.screen.as_json:
        for name, report in reports():
            asked.screen.json({"kind": "variant", "variant": name} | _report_json(report))
    else:
        asked.screen.show(
            sweep_lines(reports(), width=asked.screen.width, paint=asked.screen.paint), asked.history.evidence
        )
    return FOUND if any(found) else CLEAN


def _json(asked: Asked, variants: Variants, report: Report, changes: list[Change]) -> None:
    for difference in _run(asked, variants, report, changes):
        asked.screen.json({"kind": "difference"} | _difference_json(asked, difference))
    asked.screen.json({"kind": "report"} | _report_json(report))


def _difference_json(asked: Asked, difference: Difference) -> dict[str, Any]:
    return {
        "outcome": difference.kind,
        "position": difference.position or None,
        "at": iso(difference.at_us),
        "command": difference.command,
        "sentence": sentence(difference.event, asked.history.names),
        "error": difference.error or None,
        "message": difference.message or None,
        "because": difference.because or None,
        "recorded": [event_json(event) for event in difference.recorded],
        "now": [event_json(event) for event in difference.now],
    }


def _report_json(report: Report) -> dict[str, Any]:
    first = report.first
    return {
        "point": report.point,
        "head": report.head,
        "settings": [thaw(setting._asdict()) for setting in report.settings],
        "diverges": report.diverges,
        "asked": report.asked,
        "again": report.again,
        "renumbered": report.renumbered,
        "taken_over": dict(report.taken_over),
        "counts": dict(report.counts),
        "refused": [
            {"agent": who, "command": command, "error": error} | refusals._asdict()
            for (who, command, error), refusals in report.refused.items()
        ],
        "first": None if first is None else {"outcome": first.kind, "position": first.position or None},
        "ended": report.ended,
        "endings": [ending._asdict() for ending in report.endings],
        "caps": [cap._asdict() for cap in report.caps],
        "changed": report.changed,
        "paths": [thaw(path._asdict()) for path in report.paths],
        "digest": report.digest,
    }
