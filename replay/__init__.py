"""Ask a log what happened, and why: ``History`` is the library, ``replay`` the command."""

import hub as _hub  # noqa: F401  (first: it checks that the packages below are ledgerhub's own)
from replay.damage import Finding, Kind, Part
from replay.diverge import Divergence, diverge
from replay.errors import QuestionError
from replay.history import Evidence, History, Rebuilt
from replay.query import Query
from replay.state import look
from replay.story import Step, Story, story
from replay.verify import Report, verify
from replay.whatif import Change, Variants, whatif
from replay.why import Chain, Link, causes, why

__all__ = [
    "Chain",
    "Change",
    "Divergence",
    "Evidence",
    "Finding",
    "History",
    "Kind",
    "Link",
    "Part",
    "Query",
    "QuestionError",
    "Rebuilt",
    "Report",
    "Step",
    "Story",
    "Variants",
    "causes",
    "diverge",
    "look",
    "story",
    "verify",
    "whatif",
    "why",
]
