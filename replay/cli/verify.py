"""``replay verify``: is the log what was written?"""

from __future__ import annotations

from collections.abc import Iterator

import click

from replay.checkpoint import read_note
from replay.cli.common import CLEAN, FOUND, Asked, asks
from replay.render.screen import HEX_SHOWN
from replay.render.text import printable
from replay.verify import Report, report_json, verify

GOOD, BAD = ("✓", "green"), ("✗", "bold red")


@click.command("verify", short_help="Is the log what was written?")
@click.option(
    "--checkpoint",
    "elsewhere",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    help="A signed checkpoint that was kept elsewhere; again for more.",
)
@asks
def command(asked: Asked, elsewhere: tuple[str, ...]) -> int:
    """Read and fold every event; compare hashes, tree, indexes and projection checkpoints with what they derive from.

    Then hold the signed checkpoints against the log: those kept beside it, and those named by --checkpoint. With --key
    only those count that it signed, and one has to be there. Without a signed checkpoint nobody can tell a log that was
    made anew, hashes and all, by someone who may write it.
    """
    history, screen = asked.history, asked.screen
    with screen.progress("", 2 * history.head) as told:
        notes = [read_note(path) for path in elsewhere]
        report = verify(history, lambda stage, done: told(done + (history.head if stage == "folding" else 0)), notes)
    if screen.as_json:
        screen.json(report_json(report))
    else:
        screen.show(_lines(asked, report), history.evidence)
    return CLEAN if report.clean else FOUND


def _lines(asked: Asked, report: Report) -> Iterator[str]:
    screen, head = asked.screen, report.evidence.head
    for finding in report.findings:
        yield from screen.item(f"{finding.kind} at @{finding.position} ({finding.part}): {finding.message}", *BAD)
    if report.clean:
        for line in _agreeing(report):
            yield from screen.item(line, *GOOD)
    size = "all bytes" if report.covered == head else "up to what is wrong"
    yield from screen.item(
        f"covered {report.covered:,} of {head:,} events, {size}; {report.size_bytes:,} bytes of data"
    )
    if report.passed_over:
        number = len(report.passed_over)
        yield from screen.item(f"passed over {number} projection checkpoints of other code, of another log, or garbled")
    if not report.clean:
        yield screen.paint(f"first bad position @{report.first_bad}, last provably good @{report.last_good}", "bold")
    else:
        yield from _signed(asked, report)


def _signed(asked: Asked, report: Report) -> Iterator[str]:
    screen, key, agreed = asked.screen, asked.history.key, report.vouched.agreed
    if not agreed:
        yield from screen.item("no signed checkpoint: who may write the log could have made it anew")
        return
    many = "the signed checkpoint" if len(agreed) == 1 else f"{len(agreed):,} signed checkpoints, the newest"
    if key is None:
        whose = "whose they are was not checked: give --key"
        yield from screen.item(f"the log agrees with {many} of @{agreed[-1]}; {whose}")
        return
    yield from screen.item(f"the log agrees with {many} of @{agreed[-1]}, signed by {printable(key.name)}", *GOOD)
    if behind := report.evidence.head - agreed[-1]:
        yield from screen.item(f"nobody vouches for the {behind:,} events behind it: replay checkpoint --sign")
    if others := report.vouched.others:
        named = "checkpoint" if others == 1 else "checkpoints"
        yield from screen.item(f"passed over {others:,} {named} that other keys signed")


def _agreeing(report: Report) -> Iterator[str]:
    yield f"positions are gapless from 1 to {report.evidence.head:,}"
    yield "every leaf hash, every node of the tree and every index entry is what the records give"
    yield f"every event decodes and folds; digest {report.digest[:HEX_SHOWN]}"
    if report.reproduced:
        yield f"projection checkpoints reproduce: {', '.join(f'@{position}' for position in report.reproduced)}"
