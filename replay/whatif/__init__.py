"""What if: the recorded commands after a point, decided again under other rules, limits, expectations or types."""

from replay.whatif.changes import Change, parse_variants
from replay.whatif.report import Cap, Difference, Ending, Kind, PathChange, Report
from replay.whatif.run import Variants, whatif

__all__ = [
    "Cap",
    "Change",
    "Difference",
    "Ending",
    "Kind",
    "PathChange",
    "Report",
    "Variants",
    "parse_variants",
    "whatif",
]
