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
        QuestionError: there is such a file, and not ``force``.
        OSError: it cannot be written.
    """
    if Path(output).exists() and not force:
        raise QuestionError(f"{output} is there already: give another name, or --force")
    part = Path(f"{output}.part")
    try:
        try:
            file = part.open("wb")
        except OSError as error:
            raise OSError(error.errno, error.strerror, output) from None
        with file:
            yield file
        os.replace(part, output)
    finally:
        part.unlink(missing_ok=True)
