"""The network fixture of these tests."""

from tests.hub.client.network import net

__all__ = ["net"]
