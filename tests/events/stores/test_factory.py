"""Any DCB application of the eventsourcing library, kept here by its PERSISTENCE_MODULE."""

from __future__ import annotations

from pathlib import Path

import msgpack
import pytest
from eventsourcing.dcb.api import DCBAppendCondition, DCBEvent, DCBQuery, DCBQueryItem
from eventsourcing.dcb.application import DCBApplication
from eventsourcing.dcb.persistence import DCBInfrastructureFactory
from eventsourcing.persistence import InfrastructureFactoryError, IntegrityError

from events.errors import StoreError
from events.stores.lmdb import LmdbRecorder


class Enrolment(DCBApplication):
    """The library's own example domain, on the recorder it was given."""

    def enrol(self, student: str, course: str, places: int) -> int:
        query = DCBQuery([DCBQueryItem(types=["StudentJoinedCourse"], tags=[course])])
        taken = self.recorder.read(query)
        joined = [msgpack.unpackb(found.event.data) for found in taken]
        if len(joined) >= places:
            raise ValueError("full")
        event = DCBEvent("StudentJoinedCourse", msgpack.packb(student), [student, course])
        return self.recorder.append([event], DCBAppendCondition(query, taken.head))


def environment(path: Path, **more: str) -> dict[str, str]:
    return {"PERSISTENCE_MODULE": "events.stores.factory", "LMDB_PATH": str(path), **more}


def test_an_application_runs_on_it_and_finds_its_events_again(tmp_path: Path) -> None:
    with Enrolment(environment(tmp_path)) as application:
        assert isinstance(application.recorder, LmdbRecorder)
        assert [application.enrol(name, "course:1", 2) for name in ("ann", "ben")] == [1, 2]
        with pytest.raises(ValueError, match="full"):
            application.enrol("cem", "course:1", 2)
    with Enrolment(environment(tmp_path, LMDB_DURABILITY="os")) as application:
        assert application.enrol("cem", "course:1", 3) == 3
        with pytest.raises(IntegrityError):
            application.recorder.append([DCBEvent("t", b"")], DCBAppendCondition(after=2))


def test_the_application_s_own_name_goes_first(tmp_path: Path) -> None:
    own = environment(tmp_path / "shared", ENROLMENT_LMDB_PATH=str(tmp_path / "own"))
    with Enrolment(own) as application:
        application.enrol("ann", "course:1", 1)
    assert (tmp_path / "own" / "data.mdb").exists()
    assert not (tmp_path / "shared").exists()


def test_a_path_is_needed() -> None:
    with pytest.raises(InfrastructureFactoryError, match="LMDB_PATH is not set"):
        Enrolment({"PERSISTENCE_MODULE": "events.stores.factory"})


def test_a_durability_needs_its_name(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="'fsync' or 'os', not 'never'"):
        Enrolment(environment(tmp_path, LMDB_DURABILITY="never"))


def test_a_factory_has_one_recorder(tmp_path: Path) -> None:
    factory = DCBInfrastructureFactory.construct(environment(tmp_path))
    assert factory.dcb_recorder() is factory.dcb_recorder()
    factory.close()
    factory.close()
