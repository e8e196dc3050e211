"""``hub_snapshot``: what a test compares a hub with; syrupy keeps the texts, those of a test module in one file."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.amber import AmberSnapshotExtension

from hub.client.session import Session
from replay.snapshot.masks import NOTHING, Masks
from replay.snapshot.story import story
from replay.snapshot.text import session_text, text_of
from replay.sources import Source

UPDATE = "--snapshot-update"


class StoryExtension(AmberSnapshotExtension):
    """Keeps texts as they are, in ``__snapshots__/<test module>.story``; syrupy's own are in a file beside it."""

    file_extension = "story"

    def serialize(self, data: Any, **_: Any) -> str:
        """Return the text: there is nothing to serialize."""
        return str(data)


class HubSnapshot:
    """The recorded text that a log is compared with: ``assert hub == hub_snapshot``.

    A comparison that is the first of its kind fails until ``--snapshot-update`` has recorded it. Each one in a test
    has a recording of its own, in the order in which they are made.

    Args:
        pinned: keeps the recordings.
        masks: what the test does not care about.
    """

    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __init__(self, pinned: SnapshotAssertion, masks: Masks = NOTHING) -> None:
        self._pinned, self._masks = pinned, masks

    def __repr__(self) -> str:
        return "hub_snapshot"

    def without(self, *types: str) -> HubSnapshot:
        """Leave out events by type, with globs: ``without("inbox.*", "hub.opened")``."""
        return HubSnapshot(self._pinned, self._masks._replace(types=(*self._masks.types, *types)))

    def hiding(self, *keys: str) -> HubSnapshot:
        """Show … for what stands under a field or a key of what agents wrote, at any depth: ``hiding("text")``."""
        return HubSnapshot(self._pinned, self._masks._replace(keys=self._masks.keys | set(keys)))

    def __eq__(self, source: object) -> bool:
        """Compare a whole log: a hub (``await settle(hub)`` first), a history, a log's folder, a golden's file."""
        return self._matches(text_of(source, self._masks))  # type: ignore[arg-type]  # QuestionError for anything else

    def of(self, session: Session | Any, hub: Source | None = None) -> bool:
        """Compare one session: ``assert hub_snapshot.of(session)``.

        Args:
            session: a client's session; or, with ``hub``, its metadata or its id.
            hub: where it is; None: where the session was opened.

        Returns:
            True.

        Raises:
            AssertionError: it is not as recorded; the message tells which event came, went or changed.
            QuestionError: there is no such session.
        """
        __tracebackhide__ = True
        source: Source = session.client.connection.hub if hub is None else hub
        session_id = session if isinstance(session, str) else session.session_id
        if self._matches(session_text(source, session_id, self._masks)):
            return True
        raise AssertionError("\n".join(self.explain(f"the session {session_id}")))

    def _matches(self, text: str) -> bool:
        return bool(self._pinned == text)

    def explain(self, what: str = "the log") -> list[str]:
        """Return lines that tell how the last comparison came out; pytest shows them."""
        result = self._pinned.executions[self._pinned.num_executions - 1]
        if result.exception is not None:
            return [f"{what} could not be compared: {result.exception}"]
        if result.recalled_data is None:
            head = f"{what} has no snapshot yet: look at it, then record it with {UPDATE}"
            return [head, *(f"  {line}" for line in str(result.asserted_data).split("\n"))]
        where = os.path.relpath(result.snapshot_location)
        head = f"{what} is not as in {where}; if that is meant, record it with {UPDATE}"
        return [head, *story(str(result.recalled_data), str(result.asserted_data))]
