"""Files that a command writes: whole or not at all, and over nothing unless it was asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from replay.errors import QuestionError


@contextmanager
def written(output: str, *, force: bool) -> Iterator[BinaryIO]:
    """Give a file that takes the place of ``output`` when the block ends well, and is gone when it does not.

    Raises:
        QuestionError: there is such a file, and not ``force``; or there can be none.
        OSError: the disk is full, say.
    """
    if Path(output).exists() and not force:
        raise QuestionError(f"{output} is there already: give another name, or --force")
    part = Path(f"{output}.part")
    try:
        with _told(output):
            file = part.open("wb")
        with file:
            yield file
        with _told(output):
            os.replace(part, output)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _told(output: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise
        why = error.strerror or error
        raise QuestionError(f"{output} cannot be written ({why}): give a file in a folder that you may write") from None
