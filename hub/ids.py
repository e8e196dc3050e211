"""Where ids come from: 32 lower-case hex characters that sort in the order they were drawn (DET-0, ENV-1).

``SystemIds`` is the source of a hub that is given none. Its layout is that of a UUIDv7 (RFC 9562 §5.7), without
version and variant bits:

====== ======= ==============================================================
bit    length  meaning
====== ======= ==============================================================
0      48      milliseconds since 1970, big-endian
48     80      chance; within one millisecond, the last value and a random step
====== ======= ==============================================================

``AscendingIds`` stands between the hub and any source, the default one too: it refuses what is not an id, or does not
ascend, and goes on above the last id of the log that the hub was opened on (trap 17). Cost of an id: O(1).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from events.values.identity import AGENT_ID

Ids = Callable[[], str]
"""Gives an id: 32 lower-case hex, each above the one before."""

SKIPS_MAX = 1_000_000
"""How many values a source may lag behind the log's last id before it is taken for one that never gets there."""
_CHANCE_BITS = 80
_PAGE_BYTES = 2560


class UnusableIdsError(ValueError):
    """The ids that a hub was given break their promise (DET-0). No command is at fault, so no ``NetworkError``."""


class SystemIds:
    """Ids from the machine's time and chance; ascending even within one tick of the clock, or when it steps back."""

    def __init__(self) -> None:
        self._last = 0
        self._entropy: Iterator[int] = iter(())

    def __call__(self) -> str:
        """Return the next id."""
        now_ms = time.time_ns() // 1_000_000
        chance = next(self._entropy, None) or self._more()
        if now_ms > self._last >> _CHANCE_BITS:
            self._last = now_ms << _CHANCE_BITS | chance
        else:
            self._last += 1 + (chance & 0xFFFF_FFFF)
        return f"{self._last:032x}"

    def _more(self) -> int:
        """Return 80 bits from the system, asked for a page at a time: a system call costs more than an id."""
        page = os.urandom(_PAGE_BYTES)
        self._entropy = iter([int.from_bytes(page[at : at + 10]) for at in range(0, _PAGE_BYTES, 10)])
        return next(self._entropy)

    def continue_above(self, last_id: str) -> None:
        """Give only ids above ``last_id`` from now on, whatever the clock says (trap 17)."""
        self._last = max(self._last, int(last_id, 16))


class AscendingIds:
    """A source of ids, held to its promise.

    Args:
        source: the ids that the hub was given.
        last: the last id that is in the log already, ``""`` for none; see ``floor``.
    """

    def __init__(self, source: Ids, last: str = "") -> None:
        self._source = source
        self._next: Callable[[], str] = source if source.__class__ is SystemIds else self._draw
        self._last = ""
        self._floored = False
        self.floor(last)

    def __call__(self) -> str:
        """Return the next id.

        Raises:
            ValueError: the source gave something that is not 32 lower-case hex, or not above the one before.
        """
        value = self._next()
        if value <= self._last:
            value = self._skip(value)
        self._last, self._floored = value, False
        return value

    def floor(self, last_id: str) -> None:
        """Go on above ``last_id``, the log's last; an id at or below what was drawn already changes nothing.

        A source with a ``continue_above(last_id)`` method is told; of any other, values up to ``last_id`` are skipped
        when the next id is drawn: at most a million of them.
        """
        if last_id <= self._last:
            return
        self._last, self._floored = last_id, True
        continue_above = getattr(self._source, "continue_above", None)
        if continue_above is not None:
            continue_above(last_id)

    def _draw(self) -> str:
        value: object = self._source()
        if not isinstance(value, str) or not AGENT_ID.fullmatch(value):
            raise UnusableIdsError(
                f"the hub's ids gave {value!r}, which is not an id: an id is 32 lower-case hex characters"
            )
        return value

    def _skip(self, value: str) -> str:
        if not self._floored:
            raise UnusableIdsError(
                f"the hub's ids gave {value!r} after {self._last!r}: each id must be above the one before"
            )
        for _ in range(SKIPS_MAX):
            value = self._draw()
            if value > self._last:
                return value
        raise UnusableIdsError(
            f"the hub's ids reached only {value!r} in {SKIPS_MAX} draws and the log ends with {self._last!r}; "
            "give the source a continue_above(last_id) method"
        )
