"""What is exported: a log and a query, read once, from the first event to the last."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

from events.codec import decode, record_of
from events.event import Event
from replay.history import History
from replay.query import PROGRESS_EVENTS, Query, Selection

_encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class Taken(NamedTuple):
    """An event, its stored bytes, and its leaf hash as the tree has it."""

    event: Event
    record: bytes
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Export:
    """A log, what of it is wanted, and whom to tell how far the export is."""

    history: History
    query: Query
    progress: Callable[[int], None]

    @property
    def whole(self) -> bool:
        """Whether all events are wanted, in order: only then is it a log again."""
        return self.query == Query()

    @property
    def asked(self) -> dict[str, Any]:
        """The filters that are set, by name."""
        return {name: value for name, value in asdict(self.query).items() if value != getattr(Query(), name)}

    def taken(self) -> Iterator[Taken]:
        """Give what is exported, lazily; O(log n) each, O(1) of a whole log.

        Raises:
            QuestionError: the query names what is not there; at once.
            StoreError, CorruptLogError: an event cannot be read; when it is its turn.
        """
        return self._taken(self.history.select(self.query))

    def _taken(self, selection: Selection) -> Iterator[Taken]:
        recorder, query = self.history.log.recorder, self.query
        stored = recorder.scan(selection.index, after=selection.after, until=selection.until, backwards=query.reverse)
        leaves = recorder.leaf_hashes(until=self.history.head) if self.whole else None
        events = ((decode(each.event, each.position), each.event) for each in stored)
        kept = ((event, raw) for event, raw in events if all(keep(event) for keep in selection.keeps))
        for count, (event, raw) in enumerate(islice(kept, query.limit), 1):
            leaf = next(leaves) if leaves is not None else recorder.leaf_hash(event.position)
            yield Taken(event, record_of(raw), leaf)
            if count % PROGRESS_EVENTS == 0:
                self.progress(count)


def write_lines(file: BinaryIO, objects: Iterable[Mapping[str, Any]]) -> int:
    """Write objects as they come, each on a line in UTF-8; return how many there were."""
    count = 0
    for value in objects:
        file.write(_encoded(value).encode() + b"\n")
        count += 1
    return count
