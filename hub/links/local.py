"""The link inside one process: no frames, no copies, the same authority as over any other link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.links.connection import Connection

if TYPE_CHECKING:
    from hub.hub import Hub


class LocalLink:
    """Connects clients to a hub of the same process.

    Args:
        hub: an open hub. When it closes, its connections close with it.
    """

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    def connect(self) -> Connection:
        """Return a fresh connection that acts for nobody yet; O(1)."""
        connection = Connection(self.hub)
        self.hub.connections.add(connection)
        return connection
