"""``replay verify``: is the log what was written?"""

from __future__ import annotations

from collections.abc import Iterator

import click

from replay.cli.common import CLEAN, FOUND, Asked, asks
from replay.render.screen import HEX_SHOWN
from replay.verify import Report, report_json, verify


@click.command("verify", short_help="Is the log what was written?")
@asks
def command(asked: Asked) -> int:
    """Read and fold every event; compare hashes, tree, indexes and projection checkpoints with what they derive from.

    Without a signed checkpoint nobody can tell a log that was made anew, hashes and all, by someone who may write it.
    """
    history, screen = asked.history, asked.screen
    with screen.progress("", 2 * history.head) as told:
        report = verify(history, lambda stage, done: told(done + (history.head if stage == "folding" else 0)))
    if screen.as_json:
        screen.json(report_json(report))
    else:
        screen.show(_lines(asked, report), history.evidence)
    return CLEAN if report.clean else FOUND


def _lines(asked: Asked, report: Report) -> Iterator[str]:
    paint, head = asked.screen.paint, report.evidence.head
    for finding in report.findings:
        what = paint(f"✗ {finding.kind} at @{finding.position}", "bold red")
        yield f"{what} ({finding.part}): {finding.message}"
    if report.clean:
        for line in _agreeing(report):
            yield f"{paint('✓', 'green')} {line}"
    size = "all bytes" if report.covered == head else "up to what is wrong"
    yield f"covered {report.covered:,} of {head:,} events, {size}; {report.size_bytes:,} bytes of data"
    if report.passed_over:
        yield f"passed over {len(report.passed_over)} projection checkpoints of other code, of another log, or garbled"
    if not report.clean:
        yield paint(f"first bad position @{report.first_bad}, last provably good @{report.last_good}", "bold")
    elif report.evidence.checkpoint is None:
        yield "no signed checkpoint: who may write the log could have made it anew"


def _agreeing(report: Report) -> Iterator[str]:
    yield f"positions are gapless from 1 to {report.evidence.head:,}"
    yield "every leaf hash, every node of the tree and every index entry is what the records give"
    yield f"every event decodes and folds; digest {report.digest[:HEX_SHOWN]}"
    if report.reproduced:
        yield f"projection checkpoints reproduce: {', '.join(f'@{position}' for position in report.reproduced)}"
