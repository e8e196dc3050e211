"""Canonical bytes, versions and upcasters (LOG-2, LOG-6, LOG-7)."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping
from typing import Any

import msgpack
import pytest
from eventsourcing.dcb.api import DCBEvent
from hypothesis import given, settings
from hypothesis import strategies as st

from events import codec
from events.agents import AgentRegistered, AgentUnregistered
from events.codec import UPCASTERS, canonical, decode, decode_record, encode, id_of, leaf_bytes, split, tags_of
from events.errors import CorruptLogError, StoreError
from events.event import BODIES, SCHEMAS, Event
from events.governance import AccessDenied
from events.sessions import EnvelopePosted
from tests.support.strategies import JSON_MAPS, events_of

PREFIX = struct.Struct(">BBI")
A, B, C = "a" * 32, "b" * 32, "c" * 32
GONE = Event(AgentUnregistered(A, "alice"), B, 1_767_225_600_000_000, "operator", None, 7)
SAID = Event(
    EnvelopePosted(A, B, "ag2.msg.text", 3, (C,), data={"k": 1}, rest={"text": "hello", "more": [1, {"x": None}]}),
    C,
    1_767_225_600_000_001,
    B,
    A,
    9,
)


FEW = settings(max_examples=15)
EVERY_CLASS = pytest.mark.parametrize("cls", [schema.body for _, schema in sorted(BODIES.items())])


def head_of(stored: DCBEvent) -> list[Any]:
    """The head as plain data: version, id, at_us, actor, cause, facts."""
    head: list[Any] = msgpack.unpackb(split(stored.data)[0])
    return head


def with_head(stored: DCBEvent, head: list[Any], content: bytes | None = None) -> DCBEvent:
    """The same record with another head, as another library would have written it."""
    packed, tail = msgpack.packb(head), split(stored.data)[1] if content is None else content
    record_format, number, _ = PREFIX.unpack_from(stored.data)
    return type(stored)(stored.type, PREFIX.pack(record_format, number, len(packed)) + packed + tail)


def stored_as(stored: DCBEvent, data: bytes) -> DCBEvent:
    return type(stored)(stored.type, data)


def backwards(value: Any) -> Any:
    """The same value with the keys of every mapping in the opposite order."""
    if isinstance(value, Mapping):
        return {key: backwards(value[key]) for key in reversed(list(value))}
    return [backwards(item) for item in value] if isinstance(value, list) else value


def sorted_everywhere(packed: bytes) -> bool:
    fine = True

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal fine
        fine &= [key for key, _ in found] == sorted(key for key, _ in found)
        return dict(found)

    msgpack.unpackb(packed, object_pairs_hook=pairs)
    return fine


@EVERY_CLASS
@FEW
@given(data=st.data())
def test_log_7_an_event_comes_back_as_it_was_and_its_bytes_are_the_same_again(cls: type, data: st.DataObject) -> None:
    event = data.draw(events_of(cls))
    stored = encode(event)
    found = decode(stored, event.position)
    assert found == event
    assert type(found.body) is cls
    assert (stored.type, list(stored.tags)) == (event.type, list(event.tags))
    assert encode(found).data == stored.data


@EVERY_CLASS
@FEW
@given(data=st.data())
def test_keys_are_sorted_and_their_order_in_memory_changes_no_byte(cls: type, data: st.DataObject) -> None:
    event = data.draw(events_of(cls))
    stored = encode(event)
    assert all(sorted_everywhere(part) for part in split(stored.data) if part)
    turned = [backwards(value) if isinstance(value, Mapping) else value for value in event.body]
    assert encode(event._replace(body=cls(*turned))).data == stored.data


@EVERY_CLASS
@FEW
@given(data=st.data())
def test_a_record_tells_its_event_its_id_and_its_tags_without_a_stored_event(cls: type, data: st.DataObject) -> None:
    event = data.draw(events_of(cls))
    record = encode(event).data
    assert decode_record(record, event.position) == event
    assert (id_of(record), tags_of(record)) == (event.id, event.tags)


@pytest.mark.parametrize("look", [id_of, tags_of, decode_record])
def test_what_is_no_record_of_the_hub_is_refused_by_name(look: Callable[[bytes, int], object]) -> None:
    for record in (b"", b"\1", b"\1\1\0\0", b"\2" + encode(GONE).data[1:]):
        with pytest.raises(StoreError, match=r"^event 4 is"):
            look(record, 4)
    stranger = codec.record_of(DCBEvent("order.placed", b"{}", ["order:1"]))
    with pytest.raises(StoreError, match="event 4 "):
        look(stranger, 4)


@given(JSON_MAPS)
def test_canonical_bytes_do_not_depend_on_the_order_of_keys(value: dict[str, Any]) -> None:
    assert canonical(value) == canonical(backwards(value))
    assert msgpack.unpackb(canonical(value)) == value


def test_the_bytes_are_those_of_the_table() -> None:
    """The prefix, the head's order, ids of 16 bytes, and nothing that a default says already."""
    data = encode(GONE).data
    record_format, number, size = PREFIX.unpack_from(data)
    assert (record_format, number) == (1, codec.TYPE_NUMBERS["agent.unregistered"])
    assert len(data) == PREFIX.size + size
    assert head_of(encode(GONE)) == [
        1,
        bytes.fromhex(B),
        1_767_225_600_000_000,
        "operator",
        None,
        {"agent_id": bytes.fromhex(A), "name": "alice"},
    ]
    assert head_of(encode(SAID))[3:5] == [bytes.fromhex(B), bytes.fromhex(A)]
    assert msgpack.unpackb(split(encode(SAID).data)[1]) == {"rest": {"text": "hello", "more": [1, {"x": None}]}}


def test_every_event_type_has_a_number_of_its_own() -> None:
    assert set(codec.TYPE_NUMBERS) == set(BODIES)
    assert len(set(codec.TYPE_NUMBERS.values())) == len(BODIES)


@EVERY_CLASS
@FEW
@given(data=st.data())
def test_what_is_at_its_default_is_not_written(cls: type, data: st.DataObject) -> None:
    event = data.draw(events_of(cls))
    facts, tail = head_of(encode(event))[5], split(encode(event).data)[1]
    content = msgpack.unpackb(tail) if tail else {}
    schema = SCHEMAS[cls]
    told = {n for n in event.body._fields if n not in schema.defaults or getattr(event.body, n) != schema.defaults[n]}
    assert facts.keys() | content.keys() == told
    assert content.keys() <= {spec.name for spec in schema.content}
    assert tail != b"\x80"


@EVERY_CLASS
@FEW
@given(data=st.data())
def test_log_2_content_is_not_read_when_it_is_not_asked_for(cls: type, data: st.DataObject) -> None:
    event = data.draw(events_of(cls))
    stored = encode(event)
    head_end = len(stored.data) - len(split(stored.data)[1])
    garbled = stored_as(stored, stored.data[:head_end] + b"\xc1 what was here is gone")
    found = decode(garbled, event.position, content=False)
    assert found.facts == event.facts
    assert found.content == {spec.name: spec.default for spec in SCHEMAS[cls].content}
    with pytest.raises(CorruptLogError, match=f"event {event.position} "):
        decode(garbled, event.position)


def test_log_2_log_6_a_leaf_covers_content_through_its_digest_alone() -> None:
    """Whoever keeps the head and the digest can prove the leaf after the content is gone."""
    data = encode(SAID).data
    content = split(data)[1]
    assert content
    assert leaf_bytes(data) == data[: -len(content)] + hashlib.sha256(content).digest()
    other = encode(SAID._replace(body=SAID.body._replace(rest={"text": "Hello"}))).data
    assert leaf_bytes(other) != leaf_bytes(data)
    assert leaf_bytes(other)[:-32] == leaf_bytes(data)[:-32]
    assert leaf_bytes(encode(GONE).data)[-32:] == hashlib.sha256(b"").digest()


def test_log_6_a_leaf_covers_every_byte_before_the_content() -> None:
    data = encode(GONE).data
    leaves = {leaf_bytes(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]) for at in range(PREFIX.size, len(data))}
    assert len(leaves | {leaf_bytes(data)}) == len(data) - PREFIX.size + 1


@pytest.mark.parametrize("event", [GONE, SAID], ids=["facts only", "with content"])
def test_cut_data_are_corrupt_wherever_they_are_cut(event: Event) -> None:
    stored = encode(event)
    whole_without_content = len(stored.data) - len(split(stored.data)[1])
    for end in set(range(len(stored.data))) - {whole_without_content}:
        with pytest.raises(CorruptLogError, match=f"^event {event.position} .*"):
            decode(stored_as(stored, stored.data[:end]), event.position)


@EVERY_CLASS
@FEW
@given(data=st.data())
def test_garbled_data_never_end_in_a_traceback(cls: type, data: st.DataObject) -> None:
    event = data.draw(events_of(cls))
    stored = encode(event)
    garbled = bytearray(stored.data)
    for _ in range(data.draw(st.integers(1, 3))):
        garbled[data.draw(st.integers(0, len(garbled) - 1))] = data.draw(st.integers(0, 255))
    try:
        outcome = type(decode(stored_as(stored, bytes(garbled)), 5).body).__name__
    except StoreError as error:
        outcome = str(error)
    assert outcome == cls.__name__ or outcome.startswith("event 5 ")


def test_log_7_an_unknown_event_type_is_named() -> None:
    with pytest.raises(
        StoreError, match=r"event 4 has the type 'agent\.cloned', which this .* newer ledgerhub"
    ) as caught:
        decode(type(encode(GONE))("agent.cloned", encode(GONE).data), 4)
    assert (caught.value.position, caught.value.type) == (4, "agent.cloned")
    data = bytearray(encode(GONE).data)
    data[1] = 255
    with pytest.raises(StoreError, match=r"event 4 has the type number 255, which this ledgerhub does not know"):
        codec.event_of(bytes(data), 4, "a.hub")


def test_log_7_an_unknown_record_format_is_named() -> None:
    data = b"\x02" + encode(GONE).data[1:]
    with pytest.raises(StoreError, match=r"event 4 is in record format 2; this ledgerhub reads format 1") as caught:
        decode(stored_as(encode(GONE), data), 4)
    assert caught.value.facts == {"position": 4, "format": 2}
    assert not isinstance(caught.value, CorruptLogError)


def test_trap_11_log_7_an_extra_field_of_a_newer_version_is_refused_by_that_version() -> None:
    head = head_of(encode(GONE))
    head[0], head[5]["mourned_by"] = 2, 17
    with pytest.raises(StoreError, match=r"event 7 is agent\.unregistered version 2; .* up to 1: open") as caught:
        decode(with_head(encode(GONE), head), 7)
    assert caught.value.facts == {"position": 7, "type": "agent.unregistered", "version": 2}
    assert not isinstance(caught.value, CorruptLogError)


class TestUpcasters:
    """LOG-7, on an event type that has come to version 3: ``who`` became ``name``, and ``note`` is content since."""

    @pytest.fixture
    def first(self, monkeypatch: pytest.MonkeyPatch) -> DCBEvent:
        """A record of version 1."""

        def to_2(facts: dict[str, Any], content: dict[str, Any]) -> None:
            facts["subject"] = facts.pop("who")

        def to_3(facts: dict[str, Any], content: dict[str, Any]) -> None:
            content["message"] = f"{facts.pop('why')} ({facts['subject']})"

        name = "access.denied"
        monkeypatch.setitem(BODIES, name, BODIES[name]._replace(version=3))
        monkeypatch.setitem(UPCASTERS, (name, 1), to_2)
        monkeypatch.setitem(UPCASTERS, (name, 2), to_3)
        head = head_of(encode(Event(AccessDenied(A, "post", B, "access_denied"), C, 1)))
        head[5]["who"], head[5]["why"] = head[5].pop("subject"), "no"
        return with_head(encode(Event(AccessDenied(A, "post", B, "access_denied"), C, 1)), head)

    def test_each_step_is_taken_in_turn(self, first: DCBEvent) -> None:
        assert decode(first, 1).body == AccessDenied(A, "post", B, "access_denied", message=f"no ({A})")
        assert decode(first, 1, content=False).facts == decode(first, 1).facts

    def test_from_the_middle(self, first: DCBEvent) -> None:
        head = head_of(first)
        head[0], head[5]["subject"] = 2, head[5].pop("who")
        assert decode(with_head(first, head), 1).body.subject == A

    def test_a_missing_step_is_named_and_not_guessed(self, first: DCBEvent, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(UPCASTERS, ("access.denied", 2))
        with pytest.raises(StoreError, match=r"event 1 is access\.denied version 2; .* up to 3"):
            decode(first, 1)

    def test_what_it_cannot_change_is_corrupt(self, first: DCBEvent) -> None:
        head = head_of(first)
        del head[5]["who"]
        with pytest.raises(CorruptLogError, match=r"event 1 \(access\.denied\) cannot be decoded"):
            decode(with_head(first, head), 1)


def test_a_required_fact_that_is_not_there_is_corrupt() -> None:
    head = head_of(encode(GONE))
    del head[5]["name"]
    with pytest.raises(CorruptLogError, match=r"event 7 \(agent\.unregistered\) cannot be decoded: 'name'"):
        decode(with_head(encode(GONE), head), 7)


def test_decoded_maps_and_lists_cannot_be_changed() -> None:
    """Trap 43, from the log's side."""
    registered = AgentRegistered(A, "n", "o", {"auth": {"scheme": ""}, "x": [1, [2]]}, {}, examples=({"title": "t"},))
    body = decode(encode(Event(registered, B, 0)), 1).body
    for target, key in ((body.passport, "x"), (body.passport["auth"], "scheme"), (body.examples[0], "title")):
        with pytest.raises(TypeError, match="cannot be changed"):
            target[key] = 1
    with pytest.raises(TypeError, match="cannot be changed"):
        body.passport["x"][1].append(3)
