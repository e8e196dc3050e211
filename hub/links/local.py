"""The link inside one process: no frames, no copies, the same authority as over any other link."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

from hub.links.connection import Connection
from hub.listeners import HubListener

if TYPE_CHECKING:
    from hub.hub import Hub


class _Closing(HubListener):
    """Closes a hub's connections with it, so that whoever waits there is told; one per hub, whatever its links."""

    def __init__(self) -> None:
        self.connections: WeakSet[Connection] = WeakSet()

    def on_close(self) -> None:
        """Close what is still connected."""
        for connection in tuple(self.connections):
            connection.close()


_CLOSING: WeakKeyDictionary[Hub, _Closing] = WeakKeyDictionary()


class LocalLink:
    """Connects clients to a hub of the same process.

    Args:
        hub: an open hub. When it closes, its connections close with it.
    """

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    def connect(self) -> Connection:
        """Return a fresh connection that acts for nobody yet; O(1)."""
        closing = _CLOSING.get(self.hub)
        if closing is None:
            closing = _CLOSING[self.hub] = _Closing()
            self.hub.register_listener(closing)
        connection = Connection(self.hub)
        closing.connections.add(connection)
        return connection
