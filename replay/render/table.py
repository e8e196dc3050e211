"""A table whose rows may never end: widths are fixed by the columns, so that a row is printed as it comes.

``rich.table`` must see every row before it prints the first; this one streams, on logs larger than memory too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from replay.render.text import padded, shortened, wrapped_lines

Paint = Callable[[str, str], str]
"""``(text, style)`` to the text in that colour, or as it is where there are no colours."""
GAP = "  "
LAST_WIDTH_MIN = 20


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        title: what stands over it.
        width: in cells; of the last column what is left of the screen, whatever this says.
        style: its colour, as ``rich`` names it.
        right: True puts its text on the right.
        needs: it is left out on screens of fewer cells than this.
    """

    title: str
    width: int = 0
    style: str = ""
    right: bool = False
    needs: int = 0


def table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[str]],
    *,
    width: int | None,
    paint: Paint,
    wrapped: bool = False,
) -> Iterator[str]:
    """Give the lines of a table, lazily; O(1) memory.

    Args:
        columns: the last one is as wide as the screen has room for.
        rows: a cell for each column, those that are left out too.
        width: of the screen in cells; None is unlimited, and shows every column and all text.
        paint: colours.
        wrapped: the last column goes on in further lines instead of being cut with ….
    """
    shown = [index for index, column in enumerate(columns) if width is None or width >= column.needs]
    fixed, last = shown[:-1], columns[shown[-1]]
    left = sum(columns[index].width + len(GAP) for index in fixed)
    room = None if width is None else max(width - left, LAST_WIDTH_MIN)

    def line(cells: Sequence[str], styles: Sequence[str], more: str) -> str:
        parts = [paint(_cell(columns[index], cells[index]), styles[index]) for index in fixed]
        return GAP.join([*parts, paint(more, styles[shown[-1]])]).rstrip()

    yield line([column.title for column in columns], ["bold"] * len(columns), last.title)
    styles = [column.style for column in columns]
    for cells in rows:
        texts = wrapped_lines(cells[shown[-1]], room) if wrapped and room else [shortened(cells[shown[-1]], room)]
        yield line(cells, styles, texts[0])
        for text in texts[1:]:
            yield " " * left + paint(text, last.style)


def _cell(column: Column, text: str) -> str:
    text = shortened(text, column.width)
    return " " * (column.width - len(text)) + text if column.right else padded(text, column.width)
