"""A causal chain for people: each event, and under it the reason that leads to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from replay.history import History
from replay.render.sentences import sentence
from replay.render.table import GAP, Paint
from replay.render.text import offset, padded, printable, shortened, wrapped_lines
from replay.why import Chain, Link

ACTOR_WIDTH = 10
ACTOR_NEEDS = 100
ARROW = "← "
TEXT_WIDTH_MIN = 20


def chain_lines(history: History, chain: Chain, *, width: int | None, paint: Paint) -> Iterator[str]:
    """Give the lines of a chain; ``width`` is the screen's in cells, None unlimited."""
    yield from link_lines(history, chain.links[: chain.near], width=width, paint=paint)
    if chain.left_out:
        yield from _wrapped(f"… {chain.left_out:,} events between: see --all", width, paint, "dim")
    yield from link_lines(history, chain.links[chain.near :], width=width, paint=paint)
    yield from total_lines(chain, width=width, paint=paint)


def link_lines(history: History, links: Iterable[Link], *, width: int | None, paint: Paint) -> Iterator[str]:
    """Give the lines of links, lazily: what happened, and under it why the next one is its cause."""
    start_us = history.start_us()
    columns = (len(str(history.head)) + 1, len(offset(history.end_us() - start_us)))
    for link in links:
        yield from _link(history, link, start_us, columns, width, paint)


def _link(
    history: History, link: Link, start_us: int, columns: tuple[int, int], width: int | None, paint: Paint
) -> Iterator[str]:
    event, names = link.event, history.names
    position, when = f"@{event.position}".rjust(columns[0]), offset(event.at_us - start_us).ljust(columns[1])
    cells = [paint(position, "bold"), paint(when, "green")]
    left = sum(columns) + 2 * len(GAP)
    if width is None or width >= ACTOR_NEEDS:
        actor = padded(shortened(printable(names.agent(event.actor)), ACTOR_WIDTH), ACTOR_WIDTH)
        cells.append(paint(actor, "magenta"))
        left += ACTOR_WIDTH + len(GAP)
    room = None if width is None else max(width - left, TEXT_WIDTH_MIN)
    first, *more = wrapped_lines(sentence(event, names), room)
    yield GAP.join([*cells, first])
    yield from (" " * left + line for line in more)
    style = "red" if link.missing else "cyan" if link.recorded else "yellow"
    because = wrapped_lines(link.why, None if room is None else room - len(ARROW))
    for number, line in enumerate(because):
        yield " " * left + paint((" " * len(ARROW) if number else ARROW) + line, style)


def total_lines(chain: Chain, *, width: int | None, paint: Paint) -> Iterator[str]:
    """Say how long a chain is, where it began, and what it rests on."""
    count = chain.length
    said = f"{count:,} event{'s' if count > 1 else ''}, began at @{chain.began.position}; causes: "
    said += f"{chain.recorded:,} named by the events, {chain.derived:,} derived from the facts, "
    yield from _wrapped(f"{said}{chain.missing:,} not in the log", width, paint, "bold")


def _wrapped(text: str, width: int | None, paint: Paint, style: str) -> Iterator[str]:
    return (paint(line, style) for line in wrapped_lines(text, width))
