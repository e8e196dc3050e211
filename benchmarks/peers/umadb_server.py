"""UmaDB: the server of its wheel, a process on loopback, and its Python client."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import umadb
from eventsourcing.dcb.api import DCBEvent

START_TIMEOUT_S = 10.0
POLL_INTERVAL_S = 0.02
_SERVE = "from umadb.umadb_server_cli import main; main()"


class UmaServer:
    """A server with a database of its own, until ``close``.

    Args:
        folder: where the database is.

    Raises:
        RuntimeError: it does not answer in time.
    """

    def __init__(self, folder: Path) -> None:
        address = f"127.0.0.1:{_free_port()}"
        command = [sys.executable, "-c", _SERVE, "--listen", address, "--db-path", str(folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.client = self._connect(f"http://{address}")

    def _connect(self, url: str) -> umadb.Client:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                client = umadb.Client(url)
                client.head()
                return client
            except (umadb.TransportError, ConnectionError, OSError) as error:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    self.close()
                    raise RuntimeError(f"UmaDB's server did not come up at {url}") from error
                time.sleep(POLL_INTERVAL_S)

    def append(self, event: DCBEvent, tag: str, after: int | None) -> int:
        """Append an event unless one with the tag was recorded after a position; returns its own position."""
        condition = umadb.AppendCondition(umadb.Query([umadb.QueryItem(tags=[tag])]), after)
        position: int = self.client.append([umadb.Event(event.type, event.data, event.tags)], condition)
        return position

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
