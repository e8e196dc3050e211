"""A session's story to look at: a page that stands alone, and a picture."""

from replay.render.page.html import page
from replay.render.page.svg import picture

__all__ = ["page", "picture"]
