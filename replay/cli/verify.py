"""``replay verify``: is the log what was written?"""

from __future__ import annotations

from collections.abc import Iterator

import click

from replay.checkpoint import read_note
from replay.cli.common import CLEAN, FOUND, Asked, asks
from replay.render.screen import HEX_SHOWN
from replay.render.text import printable
from replay.verify import Report, report_json, verify


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
    elif not report.vouched.agreed:
        yield "no signed checkpoint: who may write the log could have made it anew"
    else:
        yield from _signed(asked, report)


def _signed(asked: Asked, report: Report) -> Iterator[str]:
    key, newest = asked.history.key, report.vouched.agreed[-1]
    number, others = len(report.vouched.agreed), report.vouched.others
    many = "the signed checkpoint" if number == 1 else f"{number:,} signed checkpoints, the newest"
    if key is None:
        yield f"the log agrees with {many} of @{newest}; whose they are was not checked: give --key"
        return
    yield f"{asked.screen.paint('✓', 'green')} the log agrees with {many} of @{newest}, signed by {printable(key.name)}"
    if newest < report.evidence.head:
        behind = report.evidence.head - newest
        yield f"nobody vouches for the {behind:,} events behind it: replay checkpoint --sign"
    if others:
        yield f"passed over {others:,} {'checkpoint' if others == 1 else 'checkpoints'} that other keys signed"


def _agreeing(report: Report) -> Iterator[str]:
    yield f"positions are gapless from 1 to {report.evidence.head:,}"
    yield "every leaf hash, every node of the tree and every index entry is what the records give"
    yield f"every event decodes and folds; digest {report.digest[:HEX_SHOWN]}"
    if report.reproduced:
        yield f"projection checkpoints reproduce: {', '.join(f'@{position}' for position in report.reproduced)}"
