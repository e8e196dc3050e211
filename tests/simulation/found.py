"""How a run says that something does not hold."""

from __future__ import annotations


class Found(AssertionError):
    """A run shows that something does not hold: which rule, and what was seen."""

    def __init__(self, rule: str, seen: object) -> None:
        super().__init__(f"{rule}: {seen}")
        self.rule = rule


def must(holds: object, rule: str, seen: object = "") -> None:
    """Raise ``Found`` unless it holds."""
    if not holds:
        raise Found(rule, seen)


class OnPurpose(Exception):
    """A handler or an evaluator failed because the simulation has it so."""
