"""Points in time: ISO-8601 text for people, integer microseconds since 1970 UTC in the log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def parse_iso(text: str) -> int:
    """Return microseconds since 1970 of an ISO-8601 time with offset (DET-0).

    Raises:
        ValueError: text that is not such a time, or has no offset.
    """
    try:
        moment = datetime.fromisoformat(text)
    except (ValueError, TypeError):
        raise ValueError(f"{text!r} is not an ISO-8601 time such as 2026-01-01T00:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset, so it could be any time zone; add Z or +00:00")
    return (moment - EPOCH) // _MICROSECOND


def iso(at_us: int) -> str:
    """Return ISO-8601 text with ``Z``; microseconds only where there are any."""
    seconds, microseconds = divmod(at_us, 1_000_000)
    return f"{_to_the_second(seconds)}.{microseconds:06}Z" if microseconds else f"{_to_the_second(seconds)}Z"


@lru_cache(maxsize=256)
def _to_the_second(seconds: int) -> str:
    return (EPOCH + timedelta(seconds=seconds)).isoformat().removesuffix("+00:00")


def maybe_iso(at_us: int | None) -> str | None:
    """Return ISO-8601 text of a time that may be missing."""
    return None if at_us is None else iso(at_us)
