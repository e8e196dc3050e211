"""The bytes of a record, pinned; and what is not one."""

from __future__ import annotations

import pytest
from eventsourcing.dcb.api import DCBEvent
from eventsourcing.persistence import ProgrammingError

from events.errors import CorruptLogError
from events.merkle import leaf_hash
from events.stores.memory import MemoryRecorder
from events.stores.record import RECORD_RULES, decode, encode, labels_of, prepare

EVENT = DCBEvent("posted", b"\x00\xff", ["session:1", "agent:2"])
RECORD = b"\x93\xa6posted\x92\xa9session:1\xa7agent:2\xc4\x02\x00\xff"


def test_a_record_is_these_bytes_for_ever() -> None:
    """LOG-7: a change here is a new format."""
    assert encode(EVENT) == RECORD
    assert decode(RECORD, 1, "log") == EVENT


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"\xc1",
        RECORD[:-1],
        RECORD + b"\x00",
        b"\x92\xa1t\x90",
        b"\x93\x01\x90\xc4\x00",
        b"\x93\xa1t\xa1g\xc4\x00",
        b"\x05",
    ],
)
def test_anything_else_is_named_with_its_position(record: bytes) -> None:
    with pytest.raises(CorruptLogError, match="the event at position 7 of log is not a record") as caught:
        decode(record, 7, "log")
    assert (caught.value.position, caught.value.path) == (7, "log")


def test_a_leaf_is_what_the_rule_says() -> None:
    """LOG-6: by default the whole record; else what the log's rule gives."""
    recorder = MemoryRecorder()
    recorder.append([EVENT])
    assert recorder.leaf_hash(1) == leaf_hash(RECORD)
    recorder._rule = recorder._rule._replace(leaf=lambda record: record[:3])
    recorder.append([EVENT])
    assert recorder.leaf_hash(2) == leaf_hash(RECORD[:3])


def test_an_entry_is_the_record_and_what_it_is_looked_up_by() -> None:
    (entry,) = prepare([EVENT], RECORD_RULES["record"])
    assert labels_of(entry) == [b"\x00\x06posted", b"\x01\x09session:1", b"\x01\x07agent:2"]
    assert tuple(entry) == (RECORD, "posted", ("session:1", "agent:2"))


def test_a_tag_given_twice_is_kept_twice_and_indexed_once() -> None:
    (entry,) = prepare([DCBEvent("t", b"", ["a", "b", "a"])], RECORD_RULES["record"])
    assert labels_of(entry) == [b"\x00\x01t", b"\x01\x01a", b"\x01\x01b"]
    assert decode(entry.record, 1, "log").tags == ["a", "b", "a"]


def test_a_wrong_event_is_shown() -> None:
    with pytest.raises(ProgrammingError, match=r"bytes data and a list of text tags: DCBEvent\(type='t', data='x'"):
        prepare([DCBEvent("t", "x")], RECORD_RULES["record"])  # type: ignore[arg-type]
