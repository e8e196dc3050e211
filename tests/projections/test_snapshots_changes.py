"""LOG-8: checkpoints that hold only what changed since the one before, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.event import Event
from events.governance import HubOpened
from events.sessions import SessionClosed
from hub.loading import load_state
from projections import snapshots
from projections.session_packing import people
from projections.snapshots import CHANGES, STEPS_MAX, WHOLE, Link, LostBaseError, collect, write
from projections.state import HubState
from tests.hub.decisions.story import nth
from tests.hub.decisions.world import BOB, TALK, world
from tests.projections.test_snapshots import Kept, rewritten
from tests.projections.test_state import STEPS, derived, play


class Chain:
    """A log on disk whose state is kept step by step, as a running hub does it."""

    def __init__(self, path: Path) -> None:
        self.kept = Kept(path)
        self.kept.tell(*world().events)
        self.code = self.kept.story.catalogue.fingerprint()
        self.link: Link | None = None

    def keep(self) -> Path:
        """Keep what changed since the last time; the file that was written."""
        before = set(self.files())
        changes = collect(self.kept.story.state, self.link)
        self.link = write(self.kept.folder, changes, self.kept.log.recorder, self.code)
        (new,) = set(self.files()) - before
        return new

    def files(self) -> list[Path]:
        return sorted(self.kept.folder.glob("*")) if self.kept.folder.exists() else []

    def tell(self, body: Any) -> None:
        state = self.kept.story.state
        position = state.position + 1
        self.kept.tell(Event(body, nth(position), state.at_us, position=position))

    def say(self) -> None:
        self.kept.say(self.kept.story.state.position + 1)

    def loaded(self, until: int | None = None) -> HubState:
        return load_state(self.kept.log, self.kept.story.catalogue, until)

    def check(self) -> None:
        """What is loaded is what lives."""
        loaded, live = self.loaded(), self.kept.story.state
        assert (loaded.position, loaded.digest()) == (live.position, live.digest())
        assert derived(loaded) == derived(live)


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chain]:
    """One that merges by number only, so that small changes of a small whole are not merged at once."""
    monkeypatch.setattr(snapshots, "MERGED_AT", 0)
    chain = Chain(tmp_path / "log")
    yield chain
    chain.kept.log.recorder.close()


def parts_of(path: Path) -> dict[str, Any]:
    parts: dict[str, Any] = msgpack.unpackb(path.read_bytes()[40:])["state"]
    return parts


def test_log_8_changes_are_what_changed_and_nothing_else(chain: Chain) -> None:
    whole = chain.keep()
    assert whole.suffix == WHOLE
    chain.say()
    changes = chain.keep()
    assert changes.suffix == CHANGES
    parts = parts_of(changes)
    assert {name: list(found) for name, found in parts.items() if name != "manifests" and found} == {
        "sessions": [TALK],
        "deadlines": [TALK],
        "rates": [BOB],
        "inboxes": [BOB],
    }, "and who speaks has read what was said before"
    assert parts["sessions"][TALK] != parts_of(whole)["sessions"][TALK]
    chain.check()


def test_log_8_a_session_that_is_over_is_told_of_once(chain: Chain) -> None:
    chain.keep()
    chain.tell(SessionClosed(TALK, "done", chain.kept.story.state.sessions.live[TALK].sequence + 1))
    assert parts_of(chain.keep())["sessions"] == {TALK: None}
    chain.check()
    chain.tell(HubOpened("1", 1))
    assert parts_of(chain.keep())["sessions"] == {}
    chain.check()


def test_log_8_so_many_changes_are_merged_into_a_whole(chain: Chain) -> None:
    chain.keep()
    for _ in range(STEPS_MAX):
        chain.say()
        assert chain.keep().suffix == CHANGES
    chain.say()
    merged = chain.keep()
    assert merged.suffix == WHOLE
    assert parts_of(merged) == parts_of_a_whole(chain)
    chain.check()


def parts_of_a_whole(chain: Chain) -> dict[str, Any]:
    """What a whole checkpoint of the state would hold."""
    copy = chain.loaded()
    parts: dict[str, Any] = msgpack.unpackb(msgpack.packb(collect(copy, None).parts))
    return parts


def test_log_8_changes_that_are_large_beside_the_whole_are_merged_at_once(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "MERGED_AT", 1000)
    chain.keep()
    for _ in range(3):
        chain.say()
        chain.keep()
    assert {path.suffix for path in chain.files()} == {WHOLE}
    chain.check()


@pytest.mark.parametrize("lost", ["whole", "middle", "last"])
def test_log_8_changes_without_what_they_build_on_are_passed_over(chain: Chain, lost: str) -> None:
    files = [chain.keep()]
    for _ in range(2):
        chain.say()
        files.append(chain.keep())
    position = chain.kept.story.state.position
    {"whole": files[0], "middle": files[1], "last": files[2]}[lost].unlink()
    found = snapshots.newest(chain.kept.folder, chain.kept.log.recorder, chain.code, position)
    assert (None if found is None else found["position"]) == {"whole": None, "middle": position - 2}.get(
        lost, position - 1
    )
    chain.check()


def test_log_8_changes_do_not_build_on_another_checkpoint_of_the_same_position(chain: Chain) -> None:
    whole = chain.keep()
    chain.say()
    changes = chain.keep()
    rewritten(whole, last_id="f" * 32)
    rewritten(changes)
    assert chain.kept.found(code=chain.code) == int(whole.stem)


def test_log_8_what_would_build_on_a_lost_checkpoint_is_not_written(chain: Chain) -> None:
    chain.keep().unlink()
    chain.say()
    with pytest.raises(LostBaseError):
        chain.keep()
    assert chain.files() == []
    chain.link = None
    assert chain.keep().suffix == WHOLE
    chain.check()


def test_log_8_a_session_that_cannot_be_unpacked_is_folded_from_the_log(chain: Chain) -> None:
    """The checksum fits, the code calls itself the same, and yet its session type's state is another."""
    path = chain.keep()
    content = msgpack.unpackb(path.read_bytes()[40:])
    sessions = content["state"]["sessions"]
    for session_id, packed in sessions.items():
        end = people(packed).end
        sessions[session_id] = packed[:end] + msgpack.packb([*msgpack.unpackb(packed[end:])[:-1], 7])
    rewritten(path, state=content["state"])
    chain.say()
    chain.check()
    assert chain.loaded().loaded_at == int(path.stem)


def test_log_8_opening_unpacks_no_session_and_a_post_only_its_own(chain: Chain) -> None:
    chain.keep()
    state = chain.loaded()
    assert len(state.sessions.live) > 1
    assert state.sessions.live.unpacked() == []
    chain.say()
    assert chain.loaded().sessions.live.unpacked() == [TALK]


@settings(max_examples=25, deadline=None)
@given(parts=st.lists(st.tuples(STEPS, st.booleans()), min_size=1, max_size=6))
def test_log_8_whatever_happens_between_them_what_is_loaded_is_what_lives(
    parts: list[tuple[list[tuple[int, int]], bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A hub that is closed and opened again goes on with the chain where it was."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshots, "MERGED_AT", 1)
        chain = Chain(tmp_path_factory.mktemp("chain") / "log")
        for steps, reopened in parts:
            story = chain.kept.story
            play(story, steps, tell=chain.kept.tell)
            if chain.link is None or story.state.position > chain.link.position:
                chain.keep()
            chain.check()
            if reopened:
                story.state = chain.loaded()
        chain.kept.log.recorder.close()
