"""LOG-8: projection checkpoints are a cache; whatever is wrong with one is passed over and changes nothing but time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest

from events.codec import canonical, encode
from events.event import Event
from events.log import EventLog
from events.sessions import EnvelopePosted
from events.stores import DiskKnowledgeStore
from hub.loading import load_state, save_checkpoint
from projections.snapshots import KEPT, MAGIC, newest, positions, save
from projections.state import HubState
from tests.hub.decisions.story import Story, nth
from tests.hub.decisions.world import BOB, TALK, world

CODE = "this code"


class Kept:
    """A story whose log is on disk, and its checkpoints."""

    def __init__(self, path: Path) -> None:
        self.story = Story()
        self.log = EventLog(DiskKnowledgeStore(path, durability="os"))
        self.log.recorder.open()
        self.folder = path / "checkpoints"

    def tell(self, *events: Event) -> None:
        self.log.recorder.append([encode(event) for event in events])
        for event in events:
            self.story.state.apply(event)

    def say(self, until: int) -> None:
        """Bob talks to himself up to a position."""
        state = self.story.state
        while state.position < until:
            body = EnvelopePosted(TALK, BOB, "ag2.msg.text", state.sessions.live[TALK].sequence + 1)
            self.tell(Event(body, nth(state.position + 1), state.at_us, position=state.position + 1))

    def save(self, code: str = CODE) -> Path:
        return save(self.folder, self.story.state, self.log.recorder, code)

    def found(self, until: int | None = None, code: str = CODE) -> int | None:
        """The position of the checkpoint that is used."""
        checkpoint = newest(self.folder, self.log.recorder, code, self.log.head if until is None else until)
        return None if checkpoint is None else int(checkpoint["position"])


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    """The world, with a checkpoint at 40 and a later one at 50, and two events that came since."""
    kept = Kept(tmp_path / "log")
    kept.tell(*world().events)
    for position in (40, 50):
        kept.say(position)
        kept.save()
    kept.say(52)
    yield kept
    kept.log.recorder.close()


def test_log_8_the_newest_is_used_that_is_not_too_new(kept: Kept) -> None:
    assert [kept.found(until) for until in (52, 50, 49, 40, 39)] == [50, 50, 40, 40, None]


def rewritten(path: Path, **changes: Any) -> None:
    """Write a checkpoint anew with other contents, and a checksum that fits."""
    contents = msgpack.unpackb(path.read_bytes()[40:]) | changes
    payload = canonical({key: value for key, value in contents.items() if value is not None})
    path.write_bytes(MAGIC + hashlib.sha256(payload).digest() + payload)


def flipped(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))


def turned_into_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


SPOIL: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "cut to its head": lambda path: path.write_bytes(path.read_bytes()[:40]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "another magic": lambda path: flipped(path, 0),
    "another checksum": lambda path: flipped(path, 8),
    "another byte": lambda path: flipped(path, -1),
    "no msgpack": lambda path: path.write_bytes(MAGIC + hashlib.sha256(b"\xc1").digest() + b"\xc1"),
    "of other code": lambda path: rewritten(path, fingerprint="other code"),
    "of another log": lambda path: rewritten(path, origin="f" * 32),
    "ahead of the log": lambda path: rewritten(path, position=1000),
    "before the log": lambda path: rewritten(path, position=0),
    "of a log that was cut back": lambda path: rewritten(path, leaf=b"x" * 32),
    "a folder": turned_into_a_folder,
}


@pytest.mark.parametrize("spoil", SPOIL.values(), ids=SPOIL)
def test_log_8_one_that_is_wrong_is_passed_over_for_the_next_older(kept: Kept, spoil: Callable[[Path], object]) -> None:
    spoil(kept.folder / f"{50:020d}.checkpoint")
    assert kept.found() == 40


def test_log_8_only_checkpoints_are_looked_at(kept: Kept) -> None:
    for name in ("notes.txt", "99.draft", "latest.checkpoint", "-1.checkpoint"):
        (kept.folder / name).write_bytes(b"x")
    assert kept.found() == 50
    assert kept.found(code="other code") is None


WRONG_STATES: list[Any] = [
    {},
    [],
    "x",
    {"registry": 5},
    {"registry": [[1, 2]]},
    {"registry": [[{}] * 9]},
    {"registry": [], "sessions": [{"session_id": "x"}]},
]


@pytest.mark.parametrize("state", [*WRONG_STATES, "swapped"], ids=str)
def test_log_8_one_whose_state_does_not_load_costs_a_replay(kept: Kept, state: Any) -> None:
    """The checksum fits, the code says it is the same, and yet it is not: never a traceback, never half a state."""
    catalogue = kept.story.catalogue
    save_checkpoint(kept.log, kept.story.state, catalogue)
    dumped = kept.story.state.dump()
    wrong = dict(zip(dumped, reversed(list(dumped.values())), strict=True)) if state == "swapped" else state
    if isinstance(wrong, dict) and state != "swapped" and wrong:
        wrong = dumped | wrong
    rewritten(kept.folder / f"{52:020d}.checkpoint", state=wrong)
    loaded = load_state(kept.log, catalogue)
    assert (loaded.digest(), loaded.position) == (kept.story.state.digest(), 52)


@pytest.mark.parametrize("until", [52, 50, 45, 40, 20, 0])
def test_log_8_the_state_at_a_position_is_the_same_with_checkpoints_and_without(kept: Kept, until: int) -> None:
    catalogue = kept.story.catalogue
    for path in kept.folder.iterdir():
        rewritten(path, fingerprint=catalogue.fingerprint())
    replayed = HubState(catalogue).replay(kept.log.read(until=until, content=False))
    loaded = load_state(kept.log, catalogue, until)
    assert (loaded.position, loaded.at_us, loaded.last_id) == (replayed.position, replayed.at_us, replayed.last_id)
    assert loaded.digest() == replayed.digest()


def test_log_8_a_log_that_was_replaced_by_another_does_not_get_its_state(kept: Kept, tmp_path: Path) -> None:
    """As many events, and the very same folder of checkpoints."""
    other = Kept(tmp_path / "other")
    other.tell(*world().events)
    other.say(52)
    kept.folder.rename(other.folder)
    assert other.found() is None
    other.log.recorder.close()


def test_log_8_few_are_kept_the_newest_among_them_and_older_ones_spread_evenly(kept: Kept) -> None:
    for position in range(53, 53 + 100):
        kept.say(position)
        kept.save()
    places = positions(kept.folder)
    assert len(places) <= KEPT
    assert places[-KEPT // 2 :] == list(range(153 - KEPT // 2, 153))
    older = places[: -KEPT // 2]
    assert older[0] < 60
    gaps = [later - earlier for earlier, later in zip(older, [*older[1:], 153 - KEPT // 2], strict=True)]
    assert max(gaps) <= 2 * (100 / (KEPT / 2))


def test_log_8_saving_leaves_no_draft_behind_and_writes_the_same_bytes(kept: Kept) -> None:
    path = kept.save()
    before = path.read_bytes()
    assert kept.save() == path
    assert path.read_bytes() == before
    assert not list(kept.folder.glob("*.draft"))
