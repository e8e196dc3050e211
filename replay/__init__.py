"""Ask a log what happened, and why: ``History`` is the library, ``replay`` the command."""

import hub as _hub  # noqa: F401  (first: it checks that the packages below are ledgerhub's own)
from replay.bisect import Search, Way, bisect
from replay.blame import Setting, blame
from replay.checkpoint import Standing, Vouched
from replay.damage import Finding, Kind, Part
from replay.diff import PathChange, diff
from replay.differences import ABSENT, Difference
from replay.diverge import Divergence, diverge
from replay.effects import Effect
from replay.errors import AbsentError, QuestionError
from replay.exports import export
from replay.expressions import Expression
from replay.history import Evidence, History, Rebuilt
from replay.impact import Impact, impact
from replay.imports.ag2 import import_folder
from replay.imports.jsonl import import_lines
from replay.lint import Oddity, Thresholds, lint
from replay.prove import consistency, inclusion
from replay.query import Query
from replay.state import look
from replay.stats import Stats, stats
from replay.story import Step, Story, story
from replay.verify import Report, verify
from replay.whatif import Change, Variants, whatif
from replay.why import Chain, Link, causes, why

__all__ = [
    "ABSENT",
    "AbsentError",
    "Chain",
    "Change",
    "Difference",
    "Divergence",
    "Effect",
    "Evidence",
    "Expression",
    "Finding",
    "History",
    "Impact",
    "Kind",
    "Link",
    "Oddity",
    "Part",
    "PathChange",
    "Query",
    "QuestionError",
    "Rebuilt",
    "Report",
    "Search",
    "Setting",
    "Standing",
    "Stats",
    "Step",
    "Story",
    "Thresholds",
    "Variants",
    "Vouched",
    "Way",
    "bisect",
    "blame",
    "causes",
    "consistency",
    "diff",
    "diverge",
    "export",
    "impact",
    "import_folder",
    "import_lines",
    "inclusion",
    "lint",
    "look",
    "stats",
    "story",
    "verify",
    "whatif",
    "why",
]
