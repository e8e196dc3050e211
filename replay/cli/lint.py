"""``replay lint``: what is odd, without a question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import click

from replay.cli.common import CLEAN, FOUND, Asked, asks
from replay.cli.filters import SINCE, UNTIL, filtered
from replay.lint import CODES, Oddity, Severity, Thresholds, lint
from replay.render.text import wrapped_lines

SHOWN_MAX = 10
"""So many findings of each kind are shown to a person."""
_COLORS = {Severity.WARNING: "bold yellow", Severity.INFO: "cyan"}
_DEFAULT = Thresholds()


@click.command("lint", short_help="What is odd, without a question.")
@click.option("--only", multiple=True, type=click.Choice(list(CODES)), help="Look for this kind only.")
@click.option("--ignore", multiple=True, type=click.Choice(list(CODES)), help="Do not look for this kind.")
@click.option("--all", "everything", is_flag=True, help=f"Show every finding, not {SHOWN_MAX} of each kind.")
@click.option(
    "--unanswered",
    "unanswered_s",
    type=click.FloatRange(0),
    default=_DEFAULT.unanswered_s,
    metavar="SECONDS",
    show_default=True,
    help="unanswered: an answer that a live session waits for is late after this.",
)
@click.option(
    "--repeats",
    type=click.IntRange(2),
    default=_DEFAULT.repeats,
    metavar="N",
    show_default=True,
    help="loop: so many envelopes of nearly the same words.",
)
@click.option(
    "--chain",
    type=click.IntRange(2),
    default=_DEFAULT.chain,
    metavar="N",
    show_default=True,
    help="loop: so many answers of two, each the cause of the next.",
)
@click.option(
    "--near",
    type=click.FloatRange(0, 1, min_open=True),
    default=_DEFAULT.near,
    metavar="SHARE",
    show_default=True,
    help="near-cap: from this share of a cap on.",
)
@click.option(
    "--burst",
    type=click.IntRange(1),
    default=_DEFAULT.burst,
    metavar="N",
    show_default=True,
    help="refusals: so many of one agent.",
)
@click.option(
    "--burst-within",
    "burst_s",
    type=click.FloatRange(0),
    default=_DEFAULT.burst_s,
    metavar="SECONDS",
    show_default=True,
    help="refusals: each so close behind the one before.",
)
@click.option(
    "--unsigned",
    type=click.IntRange(0),
    default=_DEFAULT.unsigned,
    metavar="N",
    show_default=True,
    help="unsigned: so many events may come behind the newest signed checkpoint.",
)
@filtered((SINCE, UNTIL))
@asks
def command(
    asked: Asked,
    only: tuple[str, ...],
    ignore: tuple[str, ...],
    everything: bool,
    since: str | None,
    until: str | None,
    **limits: float,
) -> int:
    """Look for what is odd, each finding with the command to type next.

    Kinds: unanswered (an envelope that somebody owes an answer to), loop (two who answer each other on and on, or with
    the same words), orphan (a cause that is not in the log), near-cap (an agent near one of its caps), ttl-ended (a
    session that nobody ended but time), refusals (of one agent in a burst), unsigned (a tail without a signed
    checkpoint). Exit 1 when there is any.
    """
    history, screen = asked.history, asked.screen
    codes = [code for code in only or CODES if code not in ignore]
    if not codes:
        raise click.UsageError("--only and --ignore leave nothing to look for")
    counts: Counter[str] = Counter()
    with screen.progress("looking", history.head) as told:
        found = lint(history, Thresholds(**limits), codes=codes, since=since, until=until, progress=told)  # type: ignore[arg-type]
        if screen.as_json:
            for finding in found:
                counts[finding.code] += 1
                screen.json({"severity": finding.severity} | finding._asdict())
        else:
            shown = None if everything else SHOWN_MAX
            screen.show(_lines(asked, found, counts, codes, shown), history.evidence)
    return FOUND if counts else CLEAN


def _lines(
    asked: Asked, found: Iterator[Oddity], counts: Counter[str], codes: list[str], most: int | None
) -> Iterator[str]:
    paint, width = asked.screen.paint, asked.screen.width
    for finding in found:
        counts[finding.code] += 1
        if most is not None and counts[finding.code] > most:
            continue
        label = f"{finding.code}: "
        room = None if width is None else max(width - 2, 20)
        first, *more = wrapped_lines(label + finding.sentence, room)
        yield paint(label, _COLORS[finding.severity]) + first.removeprefix(label)
        yield from (f"  {line}" for line in more)
        yield f"  {paint(finding.next, 'dim')}"
    hidden = {code: count - most for code, count in counts.items() if most is not None and count > most}
    if hidden:
        yield f"and {', '.join(f'{count:,} {code}' for code, count in hidden.items())} more: give --all"
    yield paint(_summary(counts, codes), "bold")


def _summary(counts: Counter[str], codes: list[str]) -> str:
    if not counts:
        return f"nothing odd: looked for {', '.join(codes)}"
    return f"{counts.total():,} findings: {', '.join(f'{code} {counts[code]:,}' for code in codes if counts[code])}"
