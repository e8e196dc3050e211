"""Where answers go: a person's screen with colours, pages and a footer, or a program's lines of JSON."""

from __future__ import annotations

import json
import os
import select
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any, TextIO

import click
from rich.color import ColorSystem
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.style import Style

from replay.history import Evidence
from replay.render.text import printable, wrapped_lines

JSON_VERSION = 1
"""``v`` of every JSON object; raised when a field changes its meaning or goes."""
PROGRESS_DELAY_S = 1.0
HEX_SHOWN = 12


class Screen:
    """One command's output.

    Args:
        as_json: lines of JSON for programs; nothing else is printed then.
        no_color: no colours, whatever the terminal can; ``NO_COLOR`` in the environment says the same.
        no_pager: print on the terminal at once instead of through a pager.
    """

    def __init__(self, *, as_json: bool = False, no_color: bool = False, no_pager: bool = False) -> None:
        console = Console(no_color=True if no_color else None)
        self.as_json = as_json
        self._colors = ColorSystem.STANDARD if console.color_system and not console.no_color else None
        self._paged = not no_pager and console.is_terminal and not as_json
        # What goes into a file or a pipe is not cut, unless COLUMNS asks for it.
        self.width = console.width if console.is_terminal or os.environ.get("COLUMNS", "").isdigit() else None

    def paint(self, text: str, style: str) -> str:
        """Return text in a ``rich`` style, or as it is on a screen without colours."""
        return Style.parse(style).render(text, color_system=self._colors) if self._colors and style else text

    def item(self, text: str, mark: str = "", style: str = "") -> Iterator[str]:
        """Give a text in lines that keep to the width, behind a mark in a style; what goes on stands below the text."""
        lead = " " * (len(mark) + 1) if mark else ""
        room = None if self.width is None else max(self.width - len(lead), 1)
        for number, line in enumerate(wrapped_lines(text, room)):
            yield f"{lead if number or not mark else self.paint(mark, style) + ' '}{line}"

    def show(self, lines: Iterable[str], evidence: Callable[[], Evidence]) -> None:
        """Print lines as they come, then the footer; through a pager on a terminal."""
        if self._paged:
            shown = chain(lines, self._footer(evidence))
            os.environ.setdefault("LESS", "FRX")  # as git does: colours, and no paging of what fits on the screen
            # click itself ends the last line.
            text = (f"\n{line}" if number else line for number, line in enumerate(shown))
            click.echo_via_pager(text, color=self._colors is not None)
        else:
            for line in lines:
                self.line(line)
            self.sign(evidence)

    def sign(self, evidence: Callable[[], Evidence]) -> None:
        """Print the footer, on a person's screen."""
        if not self.as_json:
            for line in self._footer(evidence):
                self.line(line)

    def line(self, line: str) -> None:
        """Print one line."""
        sys.stdout.write(f"{line}\n")

    def text(self, parts: Iterable[str]) -> None:
        """Print a text that is given in parts, as it is."""
        sys.stdout.writelines(parts)

    def _footer(self, evidence: Callable[[], Evidence]) -> Iterator[str]:
        yield self.paint(footer(evidence()), "dim")

    def json(self, value: Mapping[str, Any]) -> None:
        """Print one object on one line, ``v`` first."""
        unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        text = json.dumps({"v": JSON_VERSION} | dict(value), ensure_ascii=not unicode, separators=(",", ":"))
        sys.stdout.write(f"{text}\n")

    def idle(self) -> None:
        """Push out what was printed; raises BrokenPipeError when nobody reads it any more."""
        sys.stdout.flush()
        if _is_deserted(sys.stdout):
            raise BrokenPipeError

    @contextmanager
    def progress(self, what: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """Show a bar on stderr while work takes longer than a second; gives the function to tell how far it is.

        ``total`` is None when nobody knows how much there is.
        """
        console = Console(stderr=True)
        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        task = bar.add_task(what, total=total)
        delay = threading.Timer(PROGRESS_DELAY_S, bar.start)
        delay.daemon = True
        if console.is_terminal:
            delay.start()
        try:
            yield lambda done: bar.update(task, completed=done)
        finally:
            delay.cancel()
            if console.is_terminal:
                delay.join()  # or it could start the bar behind our back
            bar.stop()


def footer(evidence: Evidence) -> str:
    """Return the line that ends every human screen, so that a pasted screen is evidence."""
    root = evidence.root[:HEX_SHOWN] if evidence.root else "unreadable"
    checkpoint = "none" if evidence.checkpoint is None else f"@{evidence.checkpoint}"
    head = f"log {printable(evidence.origin[:HEX_SHOWN])} head @{evidence.head} root {root}"
    return f"{head} checkpoint {checkpoint} {evidence.standing}"


def _is_deserted(stream: TextIO) -> bool:
    """Whether the stream is a pipe that nobody reads."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
    except (OSError, ValueError, AttributeError):
        return False  # no file behind it, or no poll on this system
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
