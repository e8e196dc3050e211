"""What checkpoints, proofs and bundles cost on a long log: events decoded, counted (SPEC LOG-6)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from replay import History
from replay.bundle import check, make
from replay.checkpoint import Standing, sign
from replay.prove import consistency, inclusion
from tests.replay.signing import SIGNER
from tests.support.counting import count_decoded
from tests.support.longlog import long_log

pytestmark = pytest.mark.timeout(900)  # whoever comes first makes the log, and the others wait for it
SESSION_EVENTS_MAX = 40
"""Of one session in it, with its causes and who is named."""


@pytest.fixture(scope="module")
def long_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the long log, to be signed."""
    return Path(shutil.copytree(long_log(), tmp_path_factory.mktemp("long") / "log"))


@pytest.fixture
def long(long_path: Path) -> Iterator[History]:
    with History.open(long_path, key=SIGNER.verifier) as history:
        yield history


def test_log_6_signing_and_proving_decode_the_event_and_nothing_else(
    long: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign(long.log, long.head, SIGNER)
    decoded = count_decoded(monkeypatch)
    assert long.evidence().standing is Standing.VERIFIED
    assert decoded == []
    for position in (1, long.head // 3, long.head):
        assert inclusion(long, position).note.signatures
    assert set(decoded) == {1, long.head // 3, long.head}
    before = len(decoded)
    assert len(consistency(long, long.head // 3).path) < 64
    assert len(decoded) == before


def test_log_6_a_bundle_costs_what_its_session_costs(
    long: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign(long.log, long.head, SIGNER)
    events = long.log.read(after=long.head // 2)
    created = next(event for event in events if event.type == "session.created")
    decoded = count_decoded(monkeypatch)
    made = make(long, created.body.session_id, tmp_path / "case.zip")
    assert len(made.roles) < SESSION_EVENTS_MAX
    assert len(set(decoded)) < 10 * SESSION_EVENTS_MAX
    verdict = check(tmp_path / "case.zip", SIGNER.verifier)
    assert (verdict.problem, verdict.ended != "") == ("", True)
