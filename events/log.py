"""The event log: events in, events out, over any store that fits the port (LOG-1).

A thin layer: it encodes, decodes and finds. Ids ascend with positions, so an id, or a prefix of one, is found by
bisection in the log itself (docs/decisions/0004) and costs no index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem, DCBSequencedEvent

from events.codec import decode_record, encode
from events.errors import StoreError
from events.event import SCHEMAS, Event
from events.stores.base import Batch, LogRecorder

K = TypeVar("K", int, str)
LINEAR_EVENTS = 32
"""Below this distance a bisection reads on instead of jumping."""


def tagged(*tags: str, types: Sequence[type] = ()) -> DCBQuery:
    """Return the query for events that have all of these tags and, when given, one of these body classes.

    A lone surrogate, which no recorded tag holds, becomes a question mark: it finds nothing rather than fail.
    """
    texts = [tag if tag.isascii() else tag.encode(errors="replace").decode() for tag in tags]
    return DCBQuery([DCBQueryItem(types=[SCHEMAS[cls].name for cls in types], tags=texts)])


class EventLog:
    """Append, read and find events. Every read is lazy: it costs what is taken from it.

    Args:
        recorder: the store; opened and closed by whoever made it.
    """

    def __init__(self, recorder: LogRecorder) -> None:
        self._recorder = recorder
        self._closed_at: int | None = None

    @property
    def recorder(self) -> LogRecorder:
        """The store; StoreError once this log is closed, because a read would open the store again."""
        if self._closed_at is not None:
            raise StoreError("this hub's log is closed; open another hub on the same store")
        return self._recorder

    @property
    def head(self) -> int:
        """The last durable position, 0 when the log is empty; known after ``close``, too."""
        return self._recorder.head if self._closed_at is None else self._closed_at

    def close(self) -> None:
        """Let go of the store, before its owner closes it."""
        self._closed_at = self.head

    def submit(
        self,
        events: Sequence[Event],
        completed: Callable[[Sequence[Batch]], None],
        *,
        boundary: DCBQuery | None = None,
        follows: int | None = None,
    ) -> Batch:
        """Hand one atomic append to the store's writer and return at once.

        Args:
            events: of one decision, in order.
            completed: called by the writer, once per commit, with the batches it decided; see ``Batch``.
            boundary: fail when an event that matches it was recorded after ``follows``; needed with many writers.
            follows: the position the decision was made at; a sole writer's append fails when it is not the head.
        """
        condition = None if boundary is None else DCBAppendCondition(boundary, follows)
        place = follows if boundary is None else None
        batch = Batch([encode(event) for event in events], condition, completed, place)
        self.recorder.submit(batch)
        return batch

    def read(
        self,
        query: DCBQuery | None = None,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int | None = None,
        backwards: bool = False,
        content: bool = True,
    ) -> Iterator[Event]:
        """Give recorded events in order of position; O(what is read).

        Args:
            query: as in the DCB port; None is all.
            after: positions above this one.
            until: positions up to and including this one.
            limit: at most so many.
            backwards: newest first.
            content: False leaves what people wrote unread.
        """
        path = self.recorder.path
        for position, record in self.recorder.rows(query, after=after, until=until, limit=limit, backwards=backwards):
            yield decode_record(record, position, content=content, path=path)

    def stored(self, position: int) -> DCBSequencedEvent | None:
        """Return the stored record at a position, or None; O(log n)."""
        record = self.recorder.get(position)
        return None if record is None else DCBSequencedEvent(record, position)

    def get(self, position: int, *, content: bool = True) -> Event | None:
        """Return the event at a position, or None; O(log n)."""
        return next(self.read(after=position - 1, until=position, content=content), None)

    def last(self, query: DCBQuery | None = None, *, content: bool = True) -> Event | None:
        """Return the newest event that matches, or None; O(log n)."""
        return next(self.read(query, limit=1, backwards=True, content=content), None)

    def find(self, event_id: str) -> Event | None:
        """Return the event with this id, or None; O(log² n)."""
        found = next(self.find_prefix(event_id), None)
        return found if found is not None and found.id == event_id else None

    def find_prefix(self, prefix: str) -> Iterator[Event]:
        """Give the events whose ids begin with a prefix, in order; O(log² n + what is read)."""
        start = self.bisect(None, lambda event: event.id, prefix)
        if start is None:
            return
        for event in self.read(after=start - 1):
            if not event.id.startswith(prefix):
                return
            yield event

    def bisect(self, query: DCBQuery | None, key: Callable[[Event], K | None], target: K) -> int | None:
        """Return the position of the first matching event whose key is at least the target, or None.

        Args:
            query: among which events.
            key: ascends with positions; None for events that have no key, which are passed over.
            target: what to look for.

        Cost: O(log n) reads of O(log n) each.
        """
        low, high, found = 0, self.head, None
        while high - low > LINEAR_EVENTS:
            middle = (low + high) // 2
            event = self._keyed(query, key, middle, high)
            if event is None or key(event) >= target:  # type: ignore[operator]
                high, found = middle, event.position if event is not None else found
            else:
                low = event.position
        for event in self.read(query, after=low, until=high, content=False):
            value = key(event)
            if value is not None and value >= target:
                return event.position
        return found

    def _keyed(self, query: DCBQuery | None, key: Callable[[Event], K | None], after: int, until: int) -> Event | None:
        events = self.read(query, after=after, until=until, content=False)
        return next((event for event in events if key(event) is not None), None)
