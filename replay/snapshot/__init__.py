"""Readable texts of a log for tests to compare with, stable across machines: names for ids, offsets for times."""

from replay.snapshot.masks import Masks
from replay.snapshot.story import story
from replay.snapshot.text import session_text, text_of

__all__ = ["Masks", "session_text", "story", "text_of"]
