"""An evidence package: a session, what led to it, and proof of each event, checked without the log (REPLAY bundle)."""

from replay.bundle.check import Verdict, check
from replay.bundle.make import Made, make

__all__ = ["Made", "Verdict", "check", "make"]
