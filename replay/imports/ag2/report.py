"""What an import could not map, or had to decide: counted, with examples, so that nothing is lost silently."""

from __future__ import annotations

from typing import NamedTuple

EXAMPLES_MAX = 3

SENTENCES: dict[str, str] = {
    "torn_line": "last lines of files were cut off, and left out",
    "bad_line": "lines or files are not JSON objects as ag2 writes them, and were left out",
    "unusable_record": "records have fields that are not as ag2 writes them, and were left out",
    "missing_file": "files that ag2 writes are not there",
    "strange_file": "files are of no kind that is imported",
    "telemetry": "spans of telemetry were left out: a log keeps none",
    "bad_time": "times cannot be read: what they were of stands at the time of what came before it in its file",
    "clamped": "times went back within a file: they stand at the time of what came before",
    "changed_id": "ids were not 32 hex characters, or out of order, and were replaced by ids in order",
    "strange_reference": "references are to ids that are not ag2's: they stand as a hash",
    "unknown_agent": "agents have neither a passport nor a registration: they are registered where they first appear",
    "gone_agent": "agents unregistered, and ag2 deleted all of them but their names",
    "bad_passport": "passports or resumes cannot be read: the agents are registered without them",
    "bad_name": "names are not ones that an agent can have, and were replaced",
    "secret": "claims of passports were left out: a log keeps none",
    "passport_field": "fields of passports have no place in a log",
    "rule_field": "fields of rules have no place in a log, or mean something else",
    "bad_rule": "rules cannot be read: the default stands for them",
    "earlier_rule": "earlier rules are not in the folder, which keeps the last: the default stands for the first",
    "earlier_resume": "earlier resumes are not in the folder, which keeps the last: an empty one stands for the first",
    "earlier_skill": "earlier skills are not in the folder, which keeps the last",
    "example_field": "fields of resume examples have no place in a log",
    "channel_without_metadata": "channels have no metadata: what the audit says of them stands for it",
    "dormant_type": "channels are of types that do not fold here: they can be read, and nobody's turn is known",
    "manifest_field": "fields of channels and their manifests have no place in a log",
    "end_without_wal": "channels ended, and their logs do not say so: their metadata or the audit do",
    "after_end": "records came after the end of their channel, and were left out",
    "strange_channel_event": "protocol envelopes are of unknown kinds: they stand as ordinary envelopes",
    "strange_data": "event_data are not what a log can hold, and were left out",
    "recipient_gone": "recipients were not registered when an envelope was posted",
    "task_without_session": "tasks belong to no channel that is known, and have no place in a log",
    "task_without_metadata": "tasks are known from the audit only, and were left out",
    "task_field": "fields of tasks have no place in a log",
    "observed_elsewhere": "observations have no record in the audit, and were left out",
    "repeated_violation": "violations were recorded once for each violator: one stands for them",
    "strange_audit": "audit records are of unknown kinds",
    "unusable_audit": "audit records name an agent or a channel that is not there, and were left out",
    "acknowledged_late": "envelopes were acknowledged, and the folder does not say when: they are at the log's end",
}
"""Code to what it says of a number of things."""


class Note(NamedTuple):
    """One kind of thing that an import could not map: how many, and the first of them."""

    code: str
    number: int
    examples: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What it is, to be read after the count."""
        return SENTENCES[self.code]


class Report:
    """Collects notes; memory O(kinds)."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._examples: dict[str, list[str]] = {}

    def note(self, code: str, example: str, count: int = 1) -> None:
        """Count something; the first examples of a kind are kept."""
        assert code in SENTENCES, code
        self._counts[code] = self._counts.get(code, 0) + count
        examples = self._examples.setdefault(code, [])
        if len(examples) < EXAMPLES_MAX:
            examples.append(example)

    def notes(self) -> tuple[Note, ...]:
        """Return the notes in the order of ``SENTENCES``."""
        return tuple(
            Note(code, self._counts[code], tuple(self._examples[code])) for code in SENTENCES if code in self._counts
        )
