"""A subscription: what is in the log, and then what comes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from eventsourcing.dcb.api import DCBQuery
from eventsourcing.dcb.persistence import DCBListenNotifySubscription

if TYPE_CHECKING:
    from events.stores.base import LogRecorder

POLL_INTERVAL_S = 0.1
"""How often a reader of another process's log looks for new events, in seconds."""


class LogSubscription(DCBListenNotifySubscription["LogRecorder"]):
    """The library's subscription, woken by the recorder's commits, or by polling where another process writes."""

    def __init__(self, recorder: LogRecorder, query: DCBQuery | None = None, after: int | None = None) -> None:
        """Start reading at once; use it as a context manager, or call ``stop``."""
        self._ended = threading.Event()
        self._poller: threading.Thread | None = None
        super().__init__(recorder=recorder, query=query, after=after)
        recorder._attach(self)
        self.notify()  # for what was recorded between the thread's first look and now
        if recorder.readonly:
            self._poller = threading.Thread(target=self._poll, name="log-subscription-poll", daemon=True)
            self._poller.start()

    def notify(self) -> None:
        """Look for new events."""
        self._has_been_notified.set()

    def stop(self) -> None:
        """End the subscription, and return when it reads no more: the next ``next`` raises StopIteration."""
        self._recorder._detach(self)
        self._ended.set()
        super().stop()
        for thread in (self._pull_thread, self._poller):
            if thread is not None and thread is not threading.current_thread():
                thread.join()

    def _poll(self) -> None:
        seen = -1
        while not self._ended.wait(POLL_INTERVAL_S):
            if (head := self._recorder.head) != seen:
                seen = head
                self.notify()
